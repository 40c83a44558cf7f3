# hop_floor(NAME [STATIC] [FLOORS lower...] [LIBRARIES targets...] [HEADERS targets...])
#
# One floor of the house: the library hop_NAME of all *.cpp in NAME/ (but main.cpp), linked to the floors below it, so
# that a call upwards does not link. The library is an archive, or a shared library with BUILD_SHARED_LIBS=ON; STATIC
# makes it an archive in any case. A floor without sources is skipped. Sources under NAME/cpu/isa/ are compiled once per
# instruction set (v3 and v4, chosen at run time) with HOP_ISA set to its name; NAME/cuda/ and NAME/simt/ are libraries
# of their own (HopCuda.cmake); *.fbs files are compiled by flatc into <build>/generated/NAME/.
function(hop_floor name)
  cmake_parse_arguments(ARG "STATIC" "" "FLOORS;LIBRARIES;HEADERS" ${ARGN})
  set(kind "")
  if(ARG_STATIC)
    set(kind STATIC)
  endif()
  hop_floor_sources(${name} sources isa_sources)
  if(NOT sources)
    return()
  endif()

  add_library(hop_${name} ${kind} ${sources})
  add_library(Hopscotch::${name} ALIAS hop_${name})
  set_target_properties(hop_${name} PROPERTIES EXPORT_NAME ${name} DEFINE_SYMBOL "")
  if(NOT SKBUILD)  # a wheel keeps no links: a library with a version would be in it twice
    set_target_properties(hop_${name} PROPERTIES
      VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  endif()
  target_compile_features(hop_${name} PUBLIC cxx_std_20)
  target_include_directories(hop_${name}
    PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
           $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include>
           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    PRIVATE ${PROJECT_BINARY_DIR}/generated)
  target_link_libraries(hop_${name} PRIVATE ${ARG_LIBRARIES})
  foreach(library hop_settings hop_warnings ${ARG_HEADERS})
    target_link_libraries(hop_${name} PRIVATE $<BUILD_INTERFACE:${library}>)
  endforeach()
  foreach(floor ${ARG_FLOORS})
    if(TARGET hop_${floor})
      target_link_libraries(hop_${name} PUBLIC hop_${floor})
    endif()
  endforeach()
  hop_floor_isas(${name} ${isa_sources})
  hop_floor_schemas(${name})
endfunction()

function(hop_floor_sources name sources_out isa_sources_out)
  set(folder ${PROJECT_SOURCE_DIR}/${name})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${folder}/*.cpp)
  file(GLOB_RECURSE isa_sources CONFIGURE_DEPENDS ${folder}/cpu/isa/*.cpp)
  list(REMOVE_ITEM sources ${folder}/main.cpp ${isa_sources})
  list(FILTER sources EXCLUDE REGEX "/(cuda|simt)/")
  set(${sources_out} ${sources} PARENT_SCOPE)
  set(${isa_sources_out} ${isa_sources} PARENT_SCOPE)
endfunction()

# The renamed Eigen namespace keeps what one instruction set inlines from being merged with what another does.
function(hop_floor_isas name)
  if(NOT ARGN)
    return()
  endif()
  set(level -O3)
  if(HOP_SANITIZER)
    set(level -O1)  # as everything else: -O3 takes three times as long with a sanitizer's code in each loop
    # But for what tells a sanitizer whole rows (kernels/cpu/isa/told_rows.h): -O2 keeps its registers out of memory. And
    # a function that is not sanitized would mark what is inlined into it as out of scope, and never take the marks away.
    set(told ${ARGN})
    list(FILTER told INCLUDE REGEX "/(gemm|optimizer)\\.cpp$")
    set_source_files_properties(${told} PROPERTIES COMPILE_OPTIONS "-O2;-fno-sanitize-address-use-after-scope")
  endif()
  foreach(isa v3 v4)
    add_library(hop_${name}_${isa} OBJECT ${ARGN})
    target_include_directories(hop_${name}_${isa} PRIVATE ${PROJECT_SOURCE_DIR})
    target_compile_definitions(hop_${name}_${isa} PRIVATE HOP_ISA=${isa} Eigen=Eigen_${isa})
    target_compile_options(hop_${name}_${isa} PRIVATE -march=x86-64-${isa} ${level} -mprefer-vector-width=512)
    target_link_libraries(hop_${name}_${isa} PRIVATE hop_settings hop_warnings Eigen3::Eigen)
    target_sources(hop_${name} PRIVATE $<TARGET_OBJECTS:hop_${name}_${isa}>)
  endforeach()
endfunction()

function(hop_floor_schemas name)
  file(GLOB schemas CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${name}/*.fbs)
  set(folder ${PROJECT_BINARY_DIR}/generated/${name})
  foreach(schema ${schemas})
    get_filename_component(stem ${schema} NAME_WE)
    add_custom_command(OUTPUT ${folder}/${stem}_generated.h DEPENDS ${schema}
      COMMAND ${HOP_FLATC} --cpp --scoped-enums --cpp-std c++17 -o ${folder} ${schema})
    target_sources(hop_${name} PRIVATE ${folder}/${stem}_generated.h)
  endforeach()
endfunction()
