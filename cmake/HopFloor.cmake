# hop_floor(NAME [FLOORS lower...] [LINK_PRIVATE targets...])
#
# One floor of the house: the static library hop_NAME of all *.cpp in NAME/, linked to the floors below it, so that
# a call upwards does not link. Sources under NAME/cpu/isa/ are compiled once per instruction set (v3 and v4, chosen at
# run time) with HOP_ISA set to its name; *.fbs files are compiled by flatc into <build>/generated/NAME/.
function(hop_floor name)
  cmake_parse_arguments(ARG "" "" "FLOORS;LINK_PRIVATE" ${ARGN})
  set(root ${PROJECT_SOURCE_DIR})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${root}/${name}/*.cpp)
  file(GLOB_RECURSE isa_sources CONFIGURE_DEPENDS ${root}/${name}/cpu/isa/*.cpp)
  if(isa_sources)
    list(REMOVE_ITEM sources ${isa_sources})
  endif()
  if(NOT sources)
    return()
  endif()

  add_library(hop_${name} STATIC ${sources})
  add_library(Hopscotch::${name} ALIAS hop_${name})
  set_target_properties(hop_${name} PROPERTIES EXPORT_NAME ${name})
  target_compile_features(hop_${name} PUBLIC cxx_std_20)
  target_include_directories(hop_${name}
    PUBLIC $<BUILD_INTERFACE:${root}>
           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/hopscotch>
    PRIVATE ${PROJECT_BINARY_DIR}/generated)
  target_link_libraries(hop_${name} PRIVATE $<BUILD_INTERFACE:hop_settings> $<BUILD_INTERFACE:hop_warnings>)
  foreach(library ${ARG_LINK_PRIVATE})
    if(library STREQUAL "flatbuffers" OR library STREQUAL "Eigen3::Eigen")  # headers only: nothing for a consumer to find
      target_link_libraries(hop_${name} PRIVATE $<BUILD_INTERFACE:${library}>)
    else()
      target_link_libraries(hop_${name} PRIVATE ${library})
    endif()
  endforeach()
  foreach(floor ${ARG_FLOORS})
    if(TARGET hop_${floor})
      target_link_libraries(hop_${name} PUBLIC hop_${floor})
    endif()
  endforeach()

  foreach(isa v3 v4)
    if(isa_sources)
      add_library(hop_${name}_${isa} OBJECT ${isa_sources})
      target_include_directories(hop_${name}_${isa} PRIVATE ${root})
      target_compile_definitions(hop_${name}_${isa} PRIVATE HOP_ISA=${isa} Eigen=Eigen_${isa})
      target_compile_options(hop_${name}_${isa} PRIVATE -march=x86-64-${isa} -O3 -mprefer-vector-width=512)
      target_link_libraries(hop_${name}_${isa} PRIVATE hop_settings hop_warnings Eigen3::Eigen)
      target_sources(hop_${name} PRIVATE $<TARGET_OBJECTS:hop_${name}_${isa}>)
    endif()
  endforeach()

  file(GLOB schemas CONFIGURE_DEPENDS ${root}/${name}/*.fbs)
  foreach(schema ${schemas})
    get_filename_component(stem ${schema} NAME_WE)
    set(header ${PROJECT_BINARY_DIR}/generated/${name}/${stem}_generated.h)
    add_custom_command(OUTPUT ${header} DEPENDS ${schema}
      COMMAND ${HOP_FLATC} --cpp --scoped-enums --cpp-std c++17 -o ${PROJECT_BINARY_DIR}/generated/${name} ${schema})
    target_sources(hop_${name} PRIVATE ${header})
  endforeach()
endfunction()
