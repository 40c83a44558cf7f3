# cmake -DBUILD_DIR= -DROOT= -DCXX= -DLIBDIR= -DBINDIR= -P run.cmake: installs BUILD_DIR into a fresh prefix, then configures, builds and
# runs the projects beside this file, and the C++ example of README.md, against it. Fails at the first step that fails.
set(folder ${BUILD_DIR}/consumer)
file(REMOVE_RECURSE ${folder})

file(READ ${ROOT}/README.md readme)
if(NOT readme MATCHES "```cpp\n([^`]*)```")
  message(FATAL_ERROR "README.md has no C++ example")
endif()
file(WRITE ${folder}/readme.cpp "${CMAKE_MATCH_1}")

function(run)
  execute_process(COMMAND ${ARGV} WORKING_DIRECTORY ${folder} COMMAND_ERROR_IS_FATAL ANY)
endfunction()
run(${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${folder}/prefix)
function(configure source build)
  run(${CMAKE_COMMAND} -G Ninja -S ${source} -B ${folder}/${build} -DCMAKE_PREFIX_PATH=${folder}/prefix
      -DCMAKE_CXX_COMPILER=${CXX} ${ARGN})
endfunction()
configure(${CMAKE_CURRENT_LIST_DIR} build -DREADME_EXAMPLE=${folder}/readme.cpp)
run(${CMAKE_COMMAND} --build ${folder}/build)
foreach(program train_one search readme designated other_boost)
  run(${folder}/build/${program})
endforeach()
run(${folder}/build/processes ${folder}/prefix/${BINDIR}/hop)

# Core alone asks for no library of the hopper.
configure(${CMAKE_CURRENT_LIST_DIR}/core core -DCMAKE_DISABLE_FIND_PACKAGE_tomlplusplus=ON)
run(${CMAKE_COMMAND} --build ${folder}/core)
run(${folder}/core/train_one)
# A component that is not there is named, and so is a language.
foreach(case "no_component;no component \"python\" in this installation. it has core, hopper"
             "no_language;write project.NAME LANGUAGES CXX.")
  list(POP_FRONT case project)
  execute_process(COMMAND ${CMAKE_COMMAND} -G Ninja -S ${CMAKE_CURRENT_LIST_DIR}/${project} -B ${folder}/${project}
                          -DCMAKE_PREFIX_PATH=${folder}/prefix
                  RESULT_VARIABLE failed OUTPUT_QUIET ERROR_VARIABLE said)
  string(REGEX REPLACE "[ \n]+" " " said "${said}")
  if(NOT failed OR NOT said MATCHES "${case}")
    message(FATAL_ERROR "expected ${project} to fail with \"${case}\", got:\n${said}")
  endif()
endforeach()

# Without CMake.
find_program(pkg_config pkg-config REQUIRED)
set(ENV{PKG_CONFIG_PATH} ${folder}/prefix/${LIBDIR}/pkgconfig)
foreach(case hopscotch-core:train_one hopscotch:search)
  string(REPLACE ":" ";" case ${case})
  list(POP_FRONT case package program)
  execute_process(COMMAND ${pkg_config} --cflags --libs ${package} OUTPUT_VARIABLE flags COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(flags UNIX_COMMAND "${flags}")
  run(${CXX} -std=c++20 -O1 ${CMAKE_CURRENT_LIST_DIR}/${program}.cpp ${flags} -Wl,-rpath,${folder}/prefix/${LIBDIR}
      -o ${folder}/${program})
  run(${folder}/${program})
endforeach()

# A C program. (A debug build leaves the library for C in its place.)
if(EXISTS ${folder}/prefix/${LIBDIR}/libhop_c.so)
  find_program(cc NAMES cc gcc REQUIRED)
  file(READ ${ROOT}/tests/capi/program.c text)
  string(REPLACE "\"capi/hop_c.h\"" "<hopscotch/hop_c.h>" text "${text}")
  file(WRITE ${folder}/c_program.c "${text}")
  run(${cc} -std=c99 ${folder}/c_program.c -I${folder}/prefix/include -L${folder}/prefix/${LIBDIR} -lhop_c
      -Wl,-rpath,${folder}/prefix/${LIBDIR} -o ${folder}/c_program)
  run(${folder}/c_program ${folder}/c_data)
endif()
