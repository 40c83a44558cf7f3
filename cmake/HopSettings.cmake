# Compiler settings of our own code: C++20, no fused multiply-add behind our back (bits are a promise), warnings are errors.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release)
endif()
# -O2 and line tables: stack traces name their lines, and two cores build it in minutes.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g -D_GLIBCXX_ASSERTIONS")
set(CMAKE_DEBUG_POSTFIX d)  # libhop_based.a: debug and release installations live in one prefix
include(GNUInstallDirs)
if(BUILD_SHARED_LIBS)  # an installation may be moved: the program and the libraries find each other
  set(CMAKE_INSTALL_RPATH $ORIGIN $ORIGIN/../${CMAKE_INSTALL_LIBDIR})
endif()

find_program(HOP_CCACHE ccache)
if(HOP_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${HOP_CCACHE})
endif()

add_library(hop_settings INTERFACE)
target_compile_options(hop_settings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off>)
target_compile_definitions(hop_settings INTERFACE EIGEN_DONT_PARALLELIZE)  # threads are ours to count: bits depend on them
add_library(hop_warnings INTERFACE)
target_compile_options(hop_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror>)

# A sanitizer instruments everything, the libraries' headers too. Its extra code makes g++ guess wrongly that values
# are uninitialized, so there a warning stays a warning; the builds without one hold the line.
if(HOP_SANITIZE_ADDRESS AND HOP_SANITIZE_THREAD)
  message(FATAL_ERROR "HOP_SANITIZE_ADDRESS and HOP_SANITIZE_THREAD exclude each other: choose one per build folder")
elseif(HOP_SANITIZE_ADDRESS)
  set(HOP_SANITIZER address,undefined)
elseif(HOP_SANITIZE_THREAD)
  set(HOP_SANITIZER thread)
endif()
# libFuzzer follows which edges an input takes; -O1 keeps them apart.
if(HOP_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang" OR NOT HOP_SANITIZE_ADDRESS)
    message(FATAL_ERROR "HOP_FUZZ needs clang++ and HOP_SANITIZE_ADDRESS: cmake --preset fuzz has both")
  endif()
endif()
if(HOP_SANITIZER)
  # -O1 shows a sanitizer as much as -O2 does, and compiles in two thirds of the time.
  string(REPLACE -O2 -O1 CMAKE_CXX_FLAGS_RELEASE "${CMAKE_CXX_FLAGS_RELEASE}")
  add_compile_options(-fsanitize=${HOP_SANITIZER} -fno-sanitize-recover=all -fno-omit-frame-pointer -D_GLIBCXX_ASSERTIONS)
  if(HOP_FUZZ)  # clang 14 cannot compile coroutines with `function`
    add_compile_options(-O1 -fsanitize=fuzzer-no-link -fno-sanitize=function)
  endif()
  # UBSan opens a pipe to check an object's type. Where a test has used up the file descriptors it cannot, and takes each
  # object for one of another type.
  add_compile_options(-fno-sanitize=vptr)
  add_link_options(-fsanitize=${HOP_SANITIZER})
  target_compile_options(hop_warnings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-error>)
endif()
