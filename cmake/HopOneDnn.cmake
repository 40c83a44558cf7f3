# DNNL::dnnl, found by its header and library: Debian's own dnnl-config.cmake insists on the OpenCL headers, which
# nothing here needs. Serves our build and, installed beside HopscotchConfig.cmake, a consumer's.
if(NOT TARGET DNNL::dnnl)
  find_path(HOP_DNNL_INCLUDE oneapi/dnnl/dnnl.hpp)
  find_library(HOP_DNNL_LIBRARY dnnl)
  if(NOT HOP_DNNL_INCLUDE OR NOT HOP_DNNL_LIBRARY)
    message(FATAL_ERROR "Hopscotch needs oneDNN's headers and its library dnnl: install libdnnl-dev")
  endif()
  add_library(DNNL::dnnl UNKNOWN IMPORTED)
  set_target_properties(DNNL::dnnl PROPERTIES
    IMPORTED_LOCATION ${HOP_DNNL_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${HOP_DNNL_INCLUDE})
endif()
