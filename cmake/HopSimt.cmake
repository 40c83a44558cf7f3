# The executor that runs CUDA kernels on the CPU, and the kernels over it. For tests, race checks and students; nothing
# of it is part of the library that users link.
#
# hop_simt       kernels/simt: the executor and the runtime API
# hop_cuda_simt  kernels/cuda/**/*.{cu,cpp} compiled as C++ over hop_simt

# hop_simt_language(TARGET): TARGET's .cu files are C++ over hop_simt. What language a source is in is a property of the
# folder that builds it, so call this where TARGET is made; g++ must be told again, as it goes by the file's name.
function(hop_simt_language target)
  get_target_property(sources ${target} SOURCES)
  list(FILTER sources INCLUDE REGEX "\\.cu$")
  set_source_files_properties(${sources} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "-xc++")
  # `#pragma unroll` speaks to nvcc alone.
  target_compile_options(${target} PRIVATE -Wno-unknown-pragmas)
  target_link_libraries(${target} PRIVATE hop_simt hop_settings hop_warnings)
endfunction()

function(hop_simt_libraries)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/simt/*.cpp)
  set(error ${PROJECT_SOURCE_DIR}/kernels/cuda/error.cpp)  # language.h wants it, so whoever tests the executor does
  add_library(hop_simt STATIC ${sources} ${error})
  target_compile_definitions(hop_simt PUBLIC HOP_SIMT)
  target_include_directories(hop_simt PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(hop_simt PUBLIC hop_base Threads::Threads PRIVATE hop_settings hop_warnings)

  file(GLOB_RECURSE kernels CONFIGURE_DEPENDS
    ${PROJECT_SOURCE_DIR}/kernels/cuda/*.cu ${PROJECT_SOURCE_DIR}/kernels/cuda/*.cpp)
  list(REMOVE_ITEM kernels ${error})
  if(NOT kernels)
    return()
  endif()
  add_library(hop_cuda_simt STATIC ${kernels})
  hop_simt_language(hop_cuda_simt)
  target_link_libraries(hop_cuda_simt PUBLIC hop_kernels ${CMAKE_DL_LIBS})
endfunction()
