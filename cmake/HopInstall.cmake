# What an installation holds: the floors' libraries, the public headers under include/hopscotch/, the program `hop`, and
# the package Hopscotch. Hopscotch::hopper is everything that a user links; Hopscotch::core leaves out net and hopper.
# With HOP_CUDA=ON there is Hopscotch::kernels_cuda, too: <hopscotch/kernels/cuda.h>.
include(CMakePackageConfigHelpers)
set(HOP_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/Hopscotch)

add_library(hop_core INTERFACE)
add_library(Hopscotch::core ALIAS hop_core)
set_target_properties(hop_core PROPERTIES EXPORT_NAME core)
foreach(floor base tensor kernels autograd data nn)
  if(TARGET hop_${floor})
    target_link_libraries(hop_core INTERFACE hop_${floor})
  endif()
endforeach()

install(TARGETS hop_core EXPORT HopscotchTargets)
foreach(floor base tensor net kernels kernels_cuda autograd data nn hopper)
  if(TARGET hop_${floor})
    install(TARGETS hop_${floor} EXPORT HopscotchTargets)
  endif()
endforeach()
if(TARGET hop)
  install(TARGETS hop)
endif()
install(EXPORT HopscotchTargets NAMESPACE Hopscotch:: DESTINATION ${HOP_PACKAGE_DIR})

configure_package_config_file(cmake/HopscotchConfig.cmake.in HopscotchConfig.cmake INSTALL_DESTINATION ${HOP_PACKAGE_DIR})
write_basic_package_version_file(HopscotchConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/HopscotchConfig.cmake ${PROJECT_BINARY_DIR}/HopscotchConfigVersion.cmake
              cmake/HopOneDnn.cmake DESTINATION ${HOP_PACKAGE_DIR})

# The public headers. In the build tree <build>/include/hopscotch/ links to their folders; tests/architecture_test reads
# the list; an installation gets copies.
set(public_folders base tensor kernels autograd data nn hopper)
foreach(folder ${public_folders})
  list(APPEND patterns ${folder}/*.h ${folder}/*.def)
endforeach()
file(GLOB_RECURSE public_headers RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS ${patterns})
list(FILTER public_headers EXCLUDE REGEX "_internal\\.h$|/(cpu|cuda|simt|detail)/")
list(PREPEND public_headers hopscotch.h)
list(JOIN public_headers "\n" lines)
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/public_headers.txt CONTENT "${lines}\n" @ONLY)

file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/include/hopscotch)
foreach(entry hopscotch.h ${public_folders})
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${entry} ${PROJECT_BINARY_DIR}/include/hopscotch/${entry} SYMBOLIC)
endforeach()

install(CODE "set(source_dir \"${PROJECT_SOURCE_DIR}\")
  set(include_dir \"${CMAKE_INSTALL_INCLUDEDIR}/hopscotch\")
  set(headers \"${public_headers}\")")
install(SCRIPT cmake/HopInstallHeaders.cmake)
