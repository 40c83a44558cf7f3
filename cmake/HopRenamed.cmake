# hop_boost, hop_flatbuffers and hop_protozero: header libraries under names of our own. They compile inline functions
# into our archives, the first two thousands of them. Of two inline functions of one name the linker keeps one: an
# application with another Boost would run half of its own and half of ours, and crash. So `boost`, `flatbuffers` and
# `protozero` are macros wherever our sources see these libraries, and `boost::asio::io_context` becomes
# `hop_boost::asio::io_context`. No public header names one of them, so an application never meets the macros.
# tests/foreign_symbols.cmake looks into the archives.
add_library(hop_boost INTERFACE)
target_link_libraries(hop_boost INTERFACE Boost::headers)
target_compile_definitions(hop_boost INTERFACE boost=hop_boost
  boost_asio_detail_posix_thread_function=hop_boost_asio_detail_posix_thread_function  # extern "C": in no namespace
  boost_asio_signal_handler=hop_boost_asio_signal_handler)
# Boost includes some of its own files through macros, where <boost/...> becomes <hop_boost/...>.
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/renamed)
file(CREATE_LINK ${Boost_INCLUDE_DIRS}/boost ${PROJECT_BINARY_DIR}/renamed/hop_boost SYMBOLIC)
target_include_directories(hop_boost SYSTEM INTERFACE ${PROJECT_BINARY_DIR}/renamed)

add_library(hop_flatbuffers INTERFACE)
target_include_directories(hop_flatbuffers SYSTEM INTERFACE ${HOP_FLATBUFFERS_INCLUDE})
target_compile_definitions(hop_flatbuffers INTERFACE flatbuffers=hop_flatbuffers)

add_library(hop_protozero INTERFACE)
target_include_directories(hop_protozero SYSTEM INTERFACE ${HOP_PROTOZERO_INCLUDE})
target_compile_definitions(hop_protozero INTERFACE protozero=hop_protozero)
