# cmake -DNM= -DLIBRARY=libhop_c.so -DHEADER=hop_c.h -P c_symbols.cmake
#
# Fails unless the library shows all functions of its header and nothing else: a process may have another library with
# the same names.
file(READ ${HEADER} text)
string(REGEX MATCHALL "\nHOP_C_API [^;(]+\\(" declared "${text}")
list(TRANSFORM declared REPLACE "^.*[ *](hop_[a-z_]+)\\($" "\\1")
list(LENGTH declared count)
if(count LESS 10)
  message(FATAL_ERROR "${HEADER} declares ${count} functions, expected all of them")
endif()

execute_process(COMMAND ${NM} -D --defined-only ${LIBRARY} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]+" shown "${symbols}")
list(TRANSFORM shown REPLACE ".* " "")
foreach(name ${declared})
  list(FIND shown ${name} place)
  if(place EQUAL -1)
    message(FATAL_ERROR "${LIBRARY} does not show ${name}, which ${HEADER} declares: see capi/exports.map")
  endif()
endforeach()
set(foreign ${shown})
list(REMOVE_ITEM foreign ${declared} _init _fini _edata _end __bss_start)
list(LENGTH foreign count)
if(count)
  list(SUBLIST foreign 0 5 some)
  list(JOIN some "\n  " some)
  message(FATAL_ERROR "${LIBRARY} shows ${count} symbols that ${HEADER} does not have, such as\n  ${some}")
endif()
