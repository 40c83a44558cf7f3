# cmake -DBUILD_DIR= -DSOURCE_DIR= -DCXX= -P run.cmake: installs BUILD_DIR into a fresh prefix, then configures, builds and runs
# the project in SOURCE_DIR against it. Fails at the first step that fails.
set(prefix ${BUILD_DIR}/consumer/prefix)
set(binary ${BUILD_DIR}/consumer/build)
file(REMOVE_RECURSE ${BUILD_DIR}/consumer)

foreach(step
    "${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${prefix}"
    "${CMAKE_COMMAND} -G Ninja -S ${SOURCE_DIR} -B ${binary} -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_CXX_COMPILER=${CXX}"
    "${CMAKE_COMMAND} --build ${binary}"
    "${binary}/app")
  separate_arguments(command UNIX_COMMAND "${step}")
  execute_process(COMMAND ${command} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
