# The folder <build>/gpu: everything that the first check of a card needs, for a machine that has nothing but NVIDIA's
# driver and libraries and Python 3. `./dev gpu` builds it; bench/gpu/check, in it, runs it.
#
#   check, torch_steps.py, pytorch.py    the script, and PyTorch's side of the comparison
#   programs.tar.xz                      gpu_test, gpu_bench and, in lib/ where they look for them, their libraries but the
#                                        C library's: `check` unpacks it. Both programs hold the same kernels, which are
#                                        packed once: the window of xz -9, 64 MB, is wider than a program.
#   strict_hashes.txt                    what strict kernels must give, as computed on a CPU
#
# Runs in two roles: included by the build, and as a script (cmake -P) that puts the folder together.
if(NOT CMAKE_SCRIPT_MODE_FILE)
  function(hop_gpu_folder)
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/gpu/*.cpp)
    add_executable(gpu_bench ${sources} ${PROJECT_SOURCE_DIR}/bench/nets.cpp)
    target_link_libraries(gpu_bench PRIVATE hop_nn hop_kernels_cuda nlohmann_json::nlohmann_json hop_settings hop_warnings)
    foreach(program gpu_test gpu_bench)
      # The old kind of run path, which also holds for what the libraries themselves need.
      set_target_properties(${program} PROPERTIES BUILD_RPATH "$ORIGIN/lib")
      target_link_options(${program} PRIVATE -Wl,--disable-new-dtags)
    endforeach()
    add_custom_target(gpu_folder
      COMMAND ${CMAKE_COMMAND} -DFOLDER=${PROJECT_BINARY_DIR}/gpu -DROOT=${PROJECT_SOURCE_DIR} -DSTRIP=${CMAKE_STRIP}
              "-DPROGRAMS=$<TARGET_FILE:gpu_test>,$<TARGET_FILE:gpu_bench>"
              -P ${PROJECT_SOURCE_DIR}/cmake/HopGpuFolder.cmake
      DEPENDS gpu_test gpu_bench VERBATIM)
  endfunction()
  return()
endif()

set(limit_megabytes 40)
string(REPLACE "," ";" PROGRAMS "${PROGRAMS}")
file(REMOVE_RECURSE ${FOLDER})
file(MAKE_DIRECTORY ${FOLDER}/lib)
file(COPY ${PROGRAMS} DESTINATION ${FOLDER})
file(COPY ${ROOT}/bench/gpu/check ${ROOT}/bench/gpu/torch_steps.py ${ROOT}/bench/peers/pytorch.py
          ${ROOT}/tests/cuda/strict_hashes.txt DESTINATION ${FOLDER})
set(packed lib)
foreach(program ${PROGRAMS})
  get_filename_component(name ${program} NAME)
  execute_process(COMMAND ${STRIP} ${FOLDER}/${name} COMMAND_ERROR_IS_FATAL ANY)
  list(APPEND packed ${name})
endforeach()

file(GET_RUNTIME_DEPENDENCIES EXECUTABLES ${PROGRAMS} RESOLVED_DEPENDENCIES_VAR libraries
     UNRESOLVED_DEPENDENCIES_VAR missing
     POST_EXCLUDE_REGEXES "/ld-linux[^/]*$" "/lib(c|m|dl|rt|pthread)\\.so[^/]*$")
if(missing)
  message(FATAL_ERROR "gpu folder: not found: ${missing}")
endif()
file(COPY ${libraries} DESTINATION ${FOLDER}/lib FOLLOW_SYMLINK_CHAIN)
execute_process(COMMAND tar --create --file - ${packed} COMMAND xz -9 --stdout
                WORKING_DIRECTORY ${FOLDER} OUTPUT_FILE ${FOLDER}/programs.tar.xz COMMAND_ERROR_IS_FATAL ANY)
foreach(name ${packed})
  file(REMOVE_RECURSE ${FOLDER}/${name})
endforeach()

file(GLOB files ${FOLDER}/*)
set(total 0)
foreach(file ${files})
  file(SIZE ${file} size)
  math(EXPR total "${total} + ${size}")
endforeach()
math(EXPR megabytes "(${total} + 999999) / 1000000")
if(megabytes GREATER_EQUAL limit_megabytes)
  message(FATAL_ERROR "gpu folder: ${megabytes} MB, the limit is ${limit_megabytes} MB")
endif()
message(STATUS "${FOLDER}: ${megabytes} MB")
