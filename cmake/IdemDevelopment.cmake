# For idem's own tests, benchmarks and examples. Nothing here reaches a target that is installed.

set(IDEM_SANITIZE "" CACHE STRING "Sanitizers of idem's own executables: address,undefined or thread. Default: none.")

if(PROJECT_IS_TOP_LEVEL AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(IDEM_CCACHE ccache)
  mark_as_advanced(IDEM_CCACHE)
  if(IDEM_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER "${IDEM_CCACHE}")
  endif()
endif()

set(idem_warnings -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wold-style-cast -Wcast-align
  -Wnon-virtual-dtor -Woverloaded-virtual -Wformat=2 -Wundef -Wimplicit-fallthrough -Werror)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  list(APPEND idem_warnings -Wshorten-64-to-32 -Wreorder-init-list)
else()
  # At -O3 g++ 12 takes the value of a std::optional for read where its flag says that there is none.
  list(APPEND idem_warnings $<$<CONFIG:Release>:-Wno-maybe-uninitialized>)
endif()

set(idem_sanitizers "")
if(IDEM_SANITIZE)
  list(APPEND idem_sanitizers -fsanitize=${IDEM_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  if(IDEM_SANITIZE MATCHES "undefined" AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    list(APPEND idem_sanitizers -fsanitize=float-cast-overflow,float-divide-by-zero)
  endif()
endif()

# The operator new of clang's thread sanitizer is no weak symbol; the tests bring their own, and it comes first.
set(idem_link_options ${idem_sanitizers})
if(IDEM_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  list(APPEND idem_link_options -Wl,-z,muldefs)
endif()

find_package(Threads REQUIRED)

add_library(idem_development INTERFACE)
target_compile_options(idem_development INTERFACE ${idem_warnings} ${idem_sanitizers})
target_link_options(idem_development INTERFACE ${idem_link_options})
target_link_libraries(idem_development INTERFACE idem Threads::Threads)

# idem_add_executable(<name> SOURCES <file>... [LIBRARIES <target>...])
# The target is called idem_<name>, its file <name>.
function(idem_add_executable name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBRARIES")
  add_executable(idem_${name} ${arg_SOURCES})
  target_link_libraries(idem_${name} PRIVATE idem_development ${arg_LIBRARIES})
  set_target_properties(idem_${name} PROPERTIES OUTPUT_NAME ${name} CXX_EXTENSIONS OFF)
endfunction()

if(IDEM_BUILD_TESTS)
  enable_testing()
  add_subdirectory(tests)
endif()
if(IDEM_BUILD_EXAMPLES AND EXISTS "${PROJECT_SOURCE_DIR}/examples")
  if(EXISTS "${PROJECT_SOURCE_DIR}/examples/CMakeLists.txt")
    add_subdirectory(examples)
  endif()
endif()
if(IDEM_BUILD_BENCHMARKS)
  add_subdirectory(bench)
endif()
if(IDEM_BUILD_TESTS OR IDEM_BUILD_FUZZ)
  add_subdirectory(fuzz)
endif()
