# HOP_CUDA=ON: the library hop_kernels_cuda, everything in kernels/cuda/: the handwritten kernels (*.cu, by nvcc) and
# their host side (*.cpp). Machine code for sm_80, sm_90 and sm_120, which their minor versions run too (8.6, 8.9, 12.1),
# and PTX, which the driver translates for what has none of it: compute_90's for sm_100, 103 and 110, compute_120's for
# what comes after. The CUDA runtime is linked statically and nothing of the driver is linked at all, so the programs
# start on any machine.
if(NOT CMAKE_CUDA_COMPILER)
  find_program(CMAKE_CUDA_COMPILER nvcc HINTS $ENV{CUDA_PATH}/bin /usr/local/cuda/bin REQUIRED)
endif()
if(NOT CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90 120)
endif()
enable_language(CUDA)
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # nvcc 12 speaks C++20, which Debian 12's CMake does not know
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
endif()
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_FLAGS_RELEASE "-O3 -DNDEBUG")
find_package(CUDAToolkit REQUIRED)

# -fmad=false: as on the host, no fused multiply-add behind our back; a kernel that wants one writes fmaf.
# -lineinfo: compute-sanitizer and profilers name our lines. Pedantic warnings are left out: nvcc's own code has them.
# --compress-mode=size: three architectures of every kernel are a hundred megabytes and compress to a seventh; a driver
# unpacks a kernel's module when the kernel is first launched.
add_library(hop_nvcc_settings INTERFACE)
target_compile_options(hop_nvcc_settings INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:
  $<$<VERSION_GREATER_EQUAL:${CMAKE_CUDA_COMPILER_VERSION},12.8>:--compress-mode=size>
  --expt-relaxed-constexpr --extended-lambda -fmad=false -lineinfo -Xptxas=-v -Werror=all-warnings
  -Xcompiler=-Wall,-Wextra,-Wshadow,-Wconversion,-Werror,-ffp-contract=off>)

# hop_cuda_library(NAME FLOOR floor): NAME/cuda/ of a floor as hop_NAME_cuda. Beside each object lies OBJECT.ptxas, what
# ptxas says of its kernels; the list of these files is <build>/ptxas_reports.txt (tests/cuda/ptxas_test reads it).
function(hop_cuda_library floor)
  file(GLOB_RECURSE host CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${floor}/cuda/*.cpp)
  file(GLOB_RECURSE kernels CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${floor}/cuda/*.cu)
  add_library(hop_${floor}_cuda STATIC ${host})
  add_library(Hopscotch::${floor}_cuda ALIAS hop_${floor}_cuda)
  set_target_properties(hop_${floor}_cuda PROPERTIES EXPORT_NAME ${floor}_cuda)
  target_compile_definitions(hop_${floor}_cuda PUBLIC HOP_CUDA)
  target_link_libraries(hop_${floor}_cuda
    PUBLIC hop_${floor}
    PRIVATE CUDA::cudart_static $<BUILD_INTERFACE:hop_settings> $<BUILD_INTERFACE:hop_warnings>)
  target_include_directories(hop_${floor}_cuda SYSTEM
    PUBLIC $<BUILD_INTERFACE:${CUDAToolkit_INCLUDE_DIRS}>)
  if(NOT kernels)
    return()
  endif()

  add_library(hop_${floor}_nvcc OBJECT ${kernels})
  target_compile_definitions(hop_${floor}_nvcc PRIVATE HOP_CUDA)
  target_include_directories(hop_${floor}_nvcc PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(hop_${floor}_nvcc PRIVATE hop_nvcc_settings)
  set_target_properties(hop_${floor}_nvcc PROPERTIES
    CUDA_COMPILER_LAUNCHER ${PROJECT_SOURCE_DIR}/cmake/nvcc_with_report.sh)
  target_sources(hop_${floor}_cuda PRIVATE $<TARGET_OBJECTS:hop_${floor}_nvcc>)
  file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/ptxas_reports.txt
       CONTENT "$<JOIN:$<TARGET_OBJECTS:hop_${floor}_nvcc>,.ptxas\n>.ptxas\n")
endfunction()
