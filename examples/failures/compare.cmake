# Runs PROGRAM and compares what it prints with the file EXPECTED.
execute_process(COMMAND "${PROGRAM}" OUTPUT_VARIABLE printed RESULT_VARIABLE result)
file(READ "${EXPECTED}" expected)
if(result OR NOT printed STREQUAL expected)
  message(FATAL_ERROR "${PROGRAM} (${result}) printed something else than is in ${EXPECTED}:\n${printed}")
endif()
