# cmake -DNM= -DISA=v3|v4 -DOBJECTS=a.o;b.o -P isa_symbols.cmake
#
# A function that is compiled for one instruction set must not replace one that is compiled for all machines. If two
# inline functions have one name, the linker keeps one of them. If it kept std::vector's growth compiled for v4, a
# machine with v3 would meet an illegal instruction far from any kernel. Therefore every mergeable function of these
# objects carries the instruction set in its name.
if(NOT OBJECTS)
  message(FATAL_ERROR "no objects of ${ISA} to look into")
endif()
foreach(object ${OBJECTS})
  execute_process(COMMAND ${NM} --defined-only --demangle ${object} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[0-9a-f]+ W [^\n]+" mergeable "${symbols}")
  list(FILTER mergeable EXCLUDE REGEX "(::|_)${ISA}::")
  foreach(symbol ${mergeable})
    message(SEND_ERROR "${object} defines ${symbol}, which is not in a namespace of ${ISA}")
  endforeach()
endforeach()
