# What an installation holds: the floors' libraries, the public headers under include/hopscotch/, the program `hop`, the
# library for C with <hopscotch/hop_c.h>, the package Hopscotch for CMake and the same for pkg-config.
#
#   component     target                     pkg-config         what it is
#   core          Hopscotch::core            hopscotch-core     tensors, autograd, data, nn
#   hopper        Hopscotch::hopper          hopscotch          everything: core, the network and the hopper
#   kernels_cuda  Hopscotch::kernels_cuda    -                  <hopscotch/kernels/cuda.h>; with HOP_CUDA=ON
#
# Each component's targets have their own file. An application that asks only for core then needs no library of the
# hopper.
include(CMakePackageConfigHelpers)
set(HOP_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/Hopscotch)
set(component_core base tensor kernels autograd data nn)
set(component_hopper net hopper)
set(component_kernels_cuda kernels_cuda)

add_library(hop_core INTERFACE)
add_library(Hopscotch::core ALIAS hop_core)
set_target_properties(hop_core PROPERTIES EXPORT_NAME core)
foreach(floor ${component_core})
  if(TARGET hop_${floor})
    target_link_libraries(hop_core INTERFACE hop_${floor})
  endif()
endforeach()
install(TARGETS hop_core EXPORT HopscotchTargets-core)

set(HOP_COMPONENTS "")
foreach(component core hopper kernels_cuda)
  foreach(floor ${component_${component}})
    if(TARGET hop_${floor})
      install(TARGETS hop_${floor} EXPORT HopscotchTargets-${component})
      list(APPEND HOP_COMPONENTS ${component})
    endif()
  endforeach()
endforeach()
list(REMOVE_DUPLICATES HOP_COMPONENTS)
foreach(component ${HOP_COMPONENTS})
  install(EXPORT HopscotchTargets-${component} NAMESPACE Hopscotch:: DESTINATION ${HOP_PACKAGE_DIR})
endforeach()
# A debug build installs libraries beside the release's, and leaves the release's program and its C library in place.
foreach(target hop hop_c)
  if(TARGET ${target})
    install(TARGETS ${target} CONFIGURATIONS Release RelWithDebInfo MinSizeRel)
  endif()
endforeach()
if(TARGET hop_c)
  install(FILES capi/hop_c.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/hopscotch)
endif()
if(SKBUILD)  # a wheel (python/pyproject.toml): all lies inside the package
  install(TARGETS hop RUNTIME DESTINATION bin COMPONENT python)
  install(TARGETS hop_c LIBRARY DESTINATION lib COMPONENT python)
  foreach(floor ${component_core} ${component_hopper})
    install(TARGETS hop_${floor} LIBRARY DESTINATION lib COMPONENT python)
  endforeach()
endif()

configure_package_config_file(cmake/HopscotchConfig.cmake.in HopscotchConfig.cmake INSTALL_DESTINATION ${HOP_PACKAGE_DIR})
write_basic_package_version_file(HopscotchConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/HopscotchConfig.cmake ${PROJECT_BINARY_DIR}/HopscotchConfigVersion.cmake
              cmake/HopOneDnn.cmake DESTINATION ${HOP_PACKAGE_DIR})

# pkg-config. Archives need their libraries named at every link, shared libraries know theirs. A floor is linked before
# the floors below it.
function(hop_pkg_config name description floors requires needs)
  set(libraries "")
  foreach(floor ${floors})
    if(TARGET hop_${floor})
      list(PREPEND libraries -lhop_${floor}$<$<CONFIG:Debug>:${CMAKE_DEBUG_POSTFIX}>)
    endif()
  endforeach()
  if(NOT BUILD_SHARED_LIBS)
    list(APPEND libraries ${needs})
  endif()
  list(JOIN libraries " " libraries)
  set(folder ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
  file(RELATIVE_PATH prefix /${folder} /)  # an installation may be moved
  set(suffix $<$<CONFIG:Debug>:-debug>)
  file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/pkgconfig/${name}${suffix}.pc CONTENT
"prefix=\${pcfiledir}/${prefix}
libdir=\${prefix}/${CMAKE_INSTALL_LIBDIR}
includedir=\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}

Name: ${name}
Description: ${description}
Version: ${PROJECT_VERSION}
Requires: ${requires}$<$<BOOL:${requires}>:${suffix}>
Cflags: -I\${includedir}
Libs: -L\${libdir} ${libraries}
")
  install(FILES ${PROJECT_BINARY_DIR}/pkgconfig/${name}${suffix}.pc DESTINATION ${folder})
endfunction()
list(TRANSFORM OpenMP_CXX_LIB_NAMES PREPEND -l OUTPUT_VARIABLE openmp)
hop_pkg_config(hopscotch-core "Tensors, autograd, data and nn of Hopscotch" "${component_core}" ""
               "-ldnnl;-lcrypto;${openmp}")
hop_pkg_config(hopscotch "Deep learning in which the data stays and the models travel" "${component_hopper}"
               hopscotch-core "-lssl;-ltomlplusplus")

# The public headers. In the build tree <build>/include/hopscotch/ links to their folders; tests/architecture_test reads
# the list; an installation gets copies.
set(public_folders base tensor kernels autograd data nn hopper)
foreach(folder ${public_folders})
  list(APPEND patterns ${folder}/*.h ${folder}/*.def)
endforeach()
file(GLOB_RECURSE public_headers RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS ${patterns})
list(FILTER public_headers EXCLUDE REGEX "_(internal|operations)\\.h$|/(cpu|cuda|simt|detail)/")
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
