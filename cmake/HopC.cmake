# hop_c_library(): the shared library libhop_c.so, the floor capi with all below it, for programs that are not C++
# (capi/hop_c.h). It shows the functions of that header and nothing else: what the archives define stays inside, and so
# do the standard library's templates, whose functions are visible whatever -fvisibility says. So a process may load it
# beside another library that was built with Boost, FlatBuffers or Hopscotch.
function(hop_c_library)
  if(NOT TARGET hop_capi)
    return()
  endif()
  set(exports ${PROJECT_SOURCE_DIR}/capi/exports.map)
  target_compile_options(hop_capi PRIVATE -fvisibility=hidden)
  add_library(hop_c SHARED $<TARGET_OBJECTS:hop_capi>)
  set_target_properties(hop_c PROPERTIES LINKER_LANGUAGE CXX DEBUG_POSTFIX "" LINK_DEPENDS ${exports})
  target_include_directories(hop_c INTERFACE ${PROJECT_SOURCE_DIR})
  target_link_libraries(hop_c PRIVATE hop_hopper)
  target_link_options(hop_c PRIVATE -Wl,--exclude-libs,ALL -Wl,--version-script=${exports})
endfunction()
