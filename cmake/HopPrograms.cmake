# hop_program(NAME SOURCE FLOOR floor [LIBRARIES targets...]): the executable NAME, built from SOURCE on top of one floor
# into <build>/<folder of SOURCE>/.
function(hop_program name source)
  cmake_parse_arguments(ARG "" "FLOOR" "LIBRARIES" ${ARGN})
  if(NOT TARGET hop_${ARG_FLOOR} OR NOT EXISTS ${PROJECT_SOURCE_DIR}/${source})
    return()
  endif()
  get_filename_component(folder ${source} DIRECTORY)
  add_executable(${name} ${source})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/${folder})
  target_link_libraries(${name} PRIVATE hop_${ARG_FLOOR} ${ARG_LIBRARIES} hop_settings hop_warnings)
endfunction()

# Each examples/NAME.cpp is a program that sees only the public headers and the public target, as a user's would, and
# the test example_NAME.
function(hop_examples)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/examples/*.cpp)
  foreach(source ${sources})
    get_filename_component(name ${source} NAME_WE)
    hop_program(example_${name} examples/${name}.cpp FLOOR hopper)
    if(TARGET example_${name})
      add_test(NAME example_${name} COMMAND example_${name} WORKING_DIRECTORY ${PROJECT_BINARY_DIR}/examples)
      set_tests_properties(example_${name} PROPERTIES TIMEOUT 300 LABELS example)
    endif()
  endforeach()
endfunction()

# Each examples/ports/NAME.cpp is a program and three tests: as a user runs it, and beside its PyTorch twin's losses in
# f64 and in f32 (golden/NAME.safetensors). Each test has a folder of its own, for the files that a port writes. The test
# port_lines compares the table of their README with the files.
function(hop_ports)
  set(golden ${PROJECT_SOURCE_DIR}/examples/ports/golden)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/examples/ports/*.cpp)
  foreach(source ${sources})
    get_filename_component(name ${source} NAME_WE)
    hop_program(port_${name} examples/ports/${name}.cpp FLOOR hopper)
    if(TARGET port_${name})
      hop_port_test(port_${name})
      hop_port_test(port_${name}_f64 --golden ${golden}/${name}.safetensors)
      hop_port_test(port_${name}_f32 --golden ${golden}/${name}.safetensors --f32)
    endif()
  endforeach()
  if(HOP_SCRIPT_PYTHON)  # tests/CMakeLists.txt looks for it
    add_test(NAME port_lines COMMAND ${HOP_SCRIPT_PYTHON} ${PROJECT_SOURCE_DIR}/examples/ports/generate.py --check)
    set_tests_properties(port_lines PROPERTIES LABELS example)
  endif()
endfunction()

function(hop_port_test test)
  set(folder ${PROJECT_BINARY_DIR}/examples/ports/${test}_files)
  file(MAKE_DIRECTORY ${folder})
  string(REGEX REPLACE "_f(64|32)$" "" program ${test})
  add_test(NAME ${test} COMMAND ${program} ${ARGN} WORKING_DIRECTORY ${folder})
  set_tests_properties(${test} PROPERTIES TIMEOUT 300 LABELS example)
endfunction()

# All of bench/*.cpp is one program, hop_bench: each line of its output is a ratio against a named peer. Peers are
# programs of their own beside it: LibTorch's, where LibTorch is installed, and scripts for PyTorch.
function(hop_bench)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/*.cpp)
  list(REMOVE_ITEM sources ${PROJECT_SOURCE_DIR}/bench/main.cpp)
  hop_program(hop_bench bench/main.cpp FLOOR hopper LIBRARIES nlohmann_json::nlohmann_json hop_boost)
  target_sources(hop_bench PRIVATE ${sources})
  add_dependencies(hop_bench hop)  # it times runs of the program, too

  foreach(script pytorch.py gloo.py)
    configure_file(${PROJECT_SOURCE_DIR}/bench/peers/${script} ${PROJECT_BINARY_DIR}/bench/${script} COPYONLY)
  endforeach()
  file(GLOB rivals CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/peers/rivals/*.py)
  foreach(rival ${rivals})
    get_filename_component(name ${rival} NAME)
    configure_file(${rival} ${PROJECT_BINARY_DIR}/bench/rivals/${name} COPYONLY)
  endforeach()
  find_package(Torch QUIET)
  if(Torch_FOUND)
    add_executable(bench_libtorch bench/peers/libtorch.cpp)
    set_target_properties(bench_libtorch PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bench)
    target_include_directories(bench_libtorch PRIVATE ${PROJECT_SOURCE_DIR})
    target_link_libraries(bench_libtorch PRIVATE hop_settings ${TORCH_LIBRARIES})
    add_dependencies(hop_bench bench_libtorch)
  endif()
endfunction()
