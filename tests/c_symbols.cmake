# cmake -DNM= -DLIBRARY=libhop_c.so -P c_symbols.cmake
#
# Fails if the library shows a symbol that is not one of its header: a process may have another library with the same
# names.
execute_process(COMMAND ${NM} -D --defined-only ${LIBRARY} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]+" lines "${symbols}")
set(ours 0)
foreach(line ${lines})
  string(REGEX REPLACE ".* " "" name "${line}")
  if(name MATCHES "^hop_[a-z_]+$")
    math(EXPR ours "${ours} + 1")
  elseif(NOT name MATCHES "^(_init|_fini|_edata|_end|__bss_start)$")
    list(APPEND foreign ${name})
  endif()
endforeach()
list(LENGTH foreign count)
if(count)
  list(SUBLIST foreign 0 5 some)
  list(JOIN some "\n  " some)
  message(FATAL_ERROR "${LIBRARY} shows ${count} symbols that are not in capi/hop_c.h, such as\n  ${some}")
endif()
if(ours LESS 10)
  message(FATAL_ERROR "${LIBRARY} shows ${ours} functions of capi/hop_c.h, expected all of them")
endif()
