# Runs the small kernel tests of PROGRAM under user-mode emulation of PROCESSOR, with QEMU. ROOT: where
# the libraries of a cross-built program are, or empty.

if(NOT QEMU)
  message("skipped: QEMU is not installed")
  return()
endif()
if(SANITIZE)
  message("skipped: sanitizers do not run under emulation")
  return()
endif()
set(root)
if(ROOT)
  set(root -L ${ROOT})
endif()
set(tests "*Tiny*:*RowsTest*:*AttentionTest*:DispatchTest.*")
set(too_slow "*Sweep*:*EveryHeadWidth*:*UpToThreeChunks*:*OneToEight*")
execute_process(
  COMMAND ${QEMU} -cpu ${PROCESSOR} ${root} ${PROGRAM} --gtest_brief=1 --gtest_filter=${tests}:-${too_slow}
  OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE result)
message("${output}")
if(NOT result EQUAL 0)
  message(FATAL_ERROR "failed on an emulated ${PROCESSOR}: ${result}")
endif()
if(NOT output MATCHES "PASSED.* [1-9][0-9]* test")
  message(FATAL_ERROR "no test ran")
endif()
