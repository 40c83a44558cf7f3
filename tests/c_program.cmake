# cmake -DPROGRAM= -DFOLDER= -P c_program.cmake: runs the C program, which wants a new folder.
file(REMOVE_RECURSE ${FOLDER})
execute_process(COMMAND ${PROGRAM} ${FOLDER} COMMAND_ERROR_IS_FATAL ANY)
