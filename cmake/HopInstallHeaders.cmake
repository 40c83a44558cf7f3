# Runs at installation: copies the public headers and turns `#include "nn/module.h"` into
# `#include "hopscotch/nn/module.h"`, so that no folder named nn/ or data/ on a user's include path stands in for ours.
foreach(header ${headers})
  set(target "${CMAKE_INSTALL_PREFIX}/${include_dir}/${header}")
  file(READ "${source_dir}/${header}" text)
  string(REGEX REPLACE "#include \"([a-z]+/)" "#include \"hopscotch/\\1" text "${text}")
  file(WRITE "$ENV{DESTDIR}${target}" "${text}")
  list(APPEND CMAKE_INSTALL_MANIFEST_FILES "${target}")
endforeach()
message(STATUS "Installed the public headers to ${CMAKE_INSTALL_PREFIX}/${include_dir}")
