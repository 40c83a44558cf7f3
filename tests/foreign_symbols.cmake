# cmake -DNM= -DARCHIVE=libhop_x.a -P foreign_symbols.cmake
#
# Fails if ARCHIVE defines a symbol of Boost, FlatBuffers or protozero under the library's own name: an application that
# has another version of it would get one function for both (cmake/HopRenamed.cmake). Reads mangled names, where a
# namespace stands behind its length: `5boost` is the library's, `9hop_boost` is ours.
execute_process(COMMAND ${NM} --defined-only ${ARCHIVE} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]*[^0-9](5boost|11flatbuffers|9protozero)[^\n]*|[^\n]* boost_[^\n]*" foreign "${symbols}")
list(LENGTH foreign count)
if(count)
  list(SUBLIST foreign 0 5 some)
  list(JOIN some "\n  " some)
  message(FATAL_ERROR "${ARCHIVE} defines ${count} symbols of Boost, FlatBuffers or protozero, such as\n  ${some}\n"
                      "Link hop_boost, hop_flatbuffers and hop_protozero instead of the libraries' own targets.")
endif()
