# Fails where a kernel object (OBJECTS/<level>.o) shows more than its table, or asks for functions
# that may have been compiled for another instruction set. NM: the tool.

file(GLOB objects ${OBJECTS}/*.o)
if(NOT objects)
  message(FATAL_ERROR "no kernel objects in ${OBJECTS}")
endif()
foreach(object IN LISTS objects)
  get_filename_component(level ${object} NAME_WE)

  execute_process(COMMAND ${NM} --demangle --defined-only --extern-only --format=posix ${object}
    OUTPUT_VARIABLE defined COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^\n]+" defined "${defined}")
  list(LENGTH defined count)
  if(NOT count EQUAL 1 OR NOT defined MATCHES "^kinglet::kernels::k_${level} ")
    message(SEND_ERROR "${level}.o defines ${count} global symbols, want its table alone: ${defined}")
  endif()

  execute_process(COMMAND ${NM} --undefined-only --format=posix ${object}
    OUTPUT_VARIABLE wanted COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^\n]+" wanted "${wanted}")
  foreach(line IN LISTS wanted)
    string(REGEX REPLACE " .*" "" symbol "${line}")
    if(NOT symbol MATCHES "^(mem(cpy|move|set)|fmaf|__stack_chk_(fail|guard)|__memcpy_chk|_GLOBAL_OFFSET_TABLE_|__(a|ub|t)san_.*)$")
      message(SEND_ERROR "${level}.o asks for ${symbol}")
    endif()
  endforeach()
  message(STATUS "${level}.o: ${defined}")
endforeach()
