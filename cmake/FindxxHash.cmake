# Finds xxHash: through its own CMake package where there is one (upstream, vcpkg, Conan), else by its header (Debian's
# libxxhash-dev has a header, a library and a .pc file, but no CMake package).
#
#   xxHash_FOUND, xxHash_VERSION
#   xxHash::xxhash   the include directory, and the library where there is one. idem takes the include directory only.

find_package(xxHash ${xxHash_FIND_VERSION} CONFIG QUIET)

if(NOT TARGET xxHash::xxhash)
  find_path(xxHash_INCLUDE_DIR NAMES xxhash.h)
  find_library(xxHash_LIBRARY NAMES xxhash libxxhash)
  mark_as_advanced(xxHash_INCLUDE_DIR xxHash_LIBRARY)

  unset(xxHash_VERSION)
  if(xxHash_INCLUDE_DIR)
    file(STRINGS "${xxHash_INCLUDE_DIR}/xxhash.h" _xxHash_lines
      REGEX "^#[ \t]*define[ \t]+XXH_VERSION_(MAJOR|MINOR|RELEASE)[ \t]+[0-9]+")
    list(TRANSFORM _xxHash_lines REPLACE "^[^0-9]*([0-9]+).*" "\\1")
    list(JOIN _xxHash_lines "." xxHash_VERSION)
    unset(_xxHash_lines)
  endif()
endif()

include(FindPackageHandleStandardArgs)
if(TARGET xxHash::xxhash)
  set(xxHash_FOUND TRUE)
  find_package_handle_standard_args(xxHash CONFIG_MODE)
else()
  find_package_handle_standard_args(xxHash
    REQUIRED_VARS xxHash_INCLUDE_DIR
    VERSION_VAR xxHash_VERSION
    REASON_FAILURE_MESSAGE "Its headers are in libxxhash-dev (Debian, Ubuntu) and xxhash (vcpkg).")

  if(xxHash_FOUND AND xxHash_LIBRARY)
    add_library(xxHash::xxhash UNKNOWN IMPORTED)
    set_target_properties(xxHash::xxhash PROPERTIES IMPORTED_LOCATION "${xxHash_LIBRARY}")
  elseif(xxHash_FOUND)
    add_library(xxHash::xxhash INTERFACE IMPORTED)
  endif()
  if(xxHash_FOUND)
    set_target_properties(xxHash::xxhash PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${xxHash_INCLUDE_DIR}")
  endif()
endif()
