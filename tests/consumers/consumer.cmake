# Configures, builds, runs and perhaps installs one project that uses idem, from nothing.
#
#   cmake -DSOURCE=DIR -DBINARY=DIR [-DCONFIGURE_ONLY=ON] [-DFAILS_WITH=REGEX] [-DINSTALL_PREFIX=DIR]
#         [-DINSTALLS_NOTHING=ON] -P consumer.cmake -- ARGUMENT...
#
# The arguments go to the project's configuration. FAILS_WITH: that must fail, with a message that matches.

set(arguments "")
set(ours TRUE)
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(i RANGE ${last})
  if(NOT ours)
    # A list within one argument stays one argument.
    string(REPLACE ";" "\\;" argument "${CMAKE_ARGV${i}}")
    list(APPEND arguments "${argument}")
  elseif("${CMAKE_ARGV${i}}" STREQUAL "--")
    set(ours FALSE)
  endif()
endforeach()

function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(result)
    list(JOIN ARGV " " command)
    message(FATAL_ERROR "${command}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE "${BINARY}")
file(MAKE_DIRECTORY "${BINARY}")

execute_process(COMMAND "${CMAKE_COMMAND}" -S "${SOURCE}" -B "${BINARY}/build" -DCMAKE_BUILD_TYPE=Debug ${arguments}
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(DEFINED FAILS_WITH)
  # CMake wraps its messages.
  string(REGEX REPLACE "[ \t\r\n]+" " " output "${output}")
  if(NOT result)
    message(FATAL_ERROR "configured, and must not")
  elseif(NOT output MATCHES "${FAILS_WITH}")
    message(FATAL_ERROR "failed, but says nothing that matches '${FAILS_WITH}':\n${output}")
  endif()
  message(STATUS "refused, as it must be: ${CMAKE_MATCH_0}")
  return()
elseif(result)
  message(FATAL_ERROR "${output}")
endif()
if(CONFIGURE_ONLY)
  return()
endif()

run("${CMAKE_COMMAND}" --build "${BINARY}/build")
run("${BINARY}/build/consumer")
message(STATUS "${output}")

if(INSTALLS_NOTHING)
  run("${CMAKE_COMMAND}" --install "${BINARY}/build" --prefix "${BINARY}/nothing")
  file(GLOB installed "${BINARY}/nothing/*")
  if(installed)
    message(FATAL_ERROR "idem installed itself with its parent: ${installed}")
  endif()
endif()
if(DEFINED INSTALL_PREFIX)
  file(REMOVE_RECURSE "${INSTALL_PREFIX}")
  run("${CMAKE_COMMAND}" --install "${BINARY}/build" --prefix "${INSTALL_PREFIX}")
endif()
