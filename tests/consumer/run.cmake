# cmake -DBUILD_DIR= -DROOT= -DCXX= -P run.cmake: installs BUILD_DIR into a fresh prefix, then configures, builds and runs
# the project beside this file, and the C++ example of README.md, against it. Fails at the first step that fails.
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
run(${CMAKE_COMMAND} -G Ninja -S ${CMAKE_CURRENT_LIST_DIR} -B ${folder}/build -DCMAKE_PREFIX_PATH=${folder}/prefix
    -DCMAKE_CXX_COMPILER=${CXX} -DREADME_EXAMPLE=${folder}/readme.cpp)
run(${CMAKE_COMMAND} --build ${folder}/build)
foreach(program train_one search readme)
  run(${folder}/build/${program})
endforeach()
