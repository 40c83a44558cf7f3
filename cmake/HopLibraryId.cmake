# hop_library_id(FLOORS...)
#
# Defines library_id() of hopper/detail/library_id.h: a digest of the sources of these floors, of the compiler and of the
# flags. It is made when a source has changed. Run as a script (cmake -P), this file writes the definition.
if(NOT CMAKE_SCRIPT_MODE_FILE)
  function(hop_library_id)
    set(files "")
    foreach(floor ${ARGN})
      file(GLOB_RECURSE sources CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}
           ${floor}/*.cpp ${floor}/*.h ${floor}/*.def ${floor}/*.fbs ${floor}/*.cu)
      list(APPEND files ${sources})
    endforeach()
    set(folder ${PROJECT_BINARY_DIR}/generated/hopper)
    file(GENERATE OUTPUT ${folder}/library_id.txt CONTENT
"${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}
$<CONFIG> ${CMAKE_CXX_FLAGS} $<$<CONFIG:Release>:${CMAKE_CXX_FLAGS_RELEASE}>$<$<CONFIG:Debug>:${CMAKE_CXX_FLAGS_DEBUG}>
sanitizer ${HOP_SANITIZER} cuda ${HOP_CUDA} ${CMAKE_CUDA_FLAGS}
${files}
")
    list(TRANSFORM files PREPEND ${PROJECT_SOURCE_DIR}/ OUTPUT_VARIABLE paths)
    add_custom_command(OUTPUT ${folder}/library_id.cpp
      COMMAND ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR} -DFOLDER=${folder} -P ${CMAKE_CURRENT_FUNCTION_LIST_FILE}
      DEPENDS ${paths} ${folder}/library_id.txt ${CMAKE_CURRENT_FUNCTION_LIST_FILE})
    target_sources(hop_hopper PRIVATE ${folder}/library_id.cpp)
  endfunction()
  return()
endif()

file(READ ${FOLDER}/library_id.txt text)
string(REGEX REPLACE "\n$" "" files "${text}")
string(REGEX REPLACE ".*\n" "" files "${files}")  # the last line
foreach(source ${files})
  file(SHA256 ${ROOT}/${source} digest)
  string(APPEND text "${digest}\n")
endforeach()
string(SHA256 id "${text}")
string(SUBSTRING ${id} 0 16 id)
file(WRITE ${FOLDER}/library_id.cpp
"#include \"hopper/detail/library_id.h\"

namespace hop::hopper {

std::string_view library_id() { return \"${id}\"; }

}  // namespace hop::hopper
")
