# The size of a program without its symbols, as users get it: cmake -DPROGRAM=.. -DSTRIP=.. -DCOPY=.. -DLIMIT=megabytes
# -P program_size.cmake. Fails at the limit.
execute_process(COMMAND ${STRIP} -o ${COPY} ${PROGRAM} COMMAND_ERROR_IS_FATAL ANY)
file(SIZE ${COPY} bytes)
file(REMOVE ${COPY})
math(EXPR megabytes "(${bytes} + 999999) / 1000000")
if(megabytes GREATER_EQUAL LIMIT)
  message(FATAL_ERROR "${PROGRAM}, stripped: ${megabytes} MB, the limit is ${LIMIT} MB")
endif()
message(STATUS "${PROGRAM}, stripped: ${megabytes} MB")
