# Compiles the consumer with what pkg-config says about an installed idem, and nothing else.
#
#   cmake -DCOMPILER=CXX -DPKG_CONFIG=PROGRAM -DPREFIX=DIR -DBINARY=DIR -P pkgconfig.cmake

set(ENV{PKG_CONFIG_PATH} "${PREFIX}/share/pkgconfig")
function(ask result)
  execute_process(COMMAND "${PKG_CONFIG}" ${ARGN} idem OUTPUT_VARIABLE answer OUTPUT_STRIP_TRAILING_WHITESPACE
    COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(answer)
  set(${result} "${answer}" PARENT_SCOPE)
endfunction()

ask(cflags --cflags)
ask(libs --libs)
ask(version --modversion)
if(libs)
  message(FATAL_ERROR "idem has nothing to link, and pkg-config says ${libs}")
endif()

file(REMOVE_RECURSE "${BINARY}")
file(MAKE_DIRECTORY "${BINARY}")
execute_process(COMMAND "${COMPILER}" -std=c++20 ${cflags} "${CMAKE_CURRENT_LIST_DIR}/consumer.cpp" -o "${BINARY}/consumer"
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND "${BINARY}/consumer" OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
if(NOT output MATCHES "idem ${version} ")
  message(FATAL_ERROR "pkg-config says version ${version}, the program says ${output}")
endif()
