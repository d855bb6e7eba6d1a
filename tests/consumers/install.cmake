# Installs a build of idem and moves the result.
#
#   cmake -DBUILD=DIR -DPREFIX=DIR -P install.cmake

file(REMOVE_RECURSE "${PREFIX}" "${PREFIX}-first")
execute_process(COMMAND "${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${PREFIX}-first"
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
file(RENAME "${PREFIX}-first" "${PREFIX}")

file(GLOB_RECURSE files "${PREFIX}/*")
foreach(file IN LISTS files)
  file(READ "${file}" text)
  string(FIND "${text}" "${BUILD}" place)
  if(place GREATER -1)
    message(FATAL_ERROR "${file} names the build directory ${BUILD}")
  endif()
endforeach()
