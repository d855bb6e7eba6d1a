# What idem stands on. A target that the parent project already has is taken; then find_package is asked; then, where
# IDEM_FETCH_DEPENDENCIES allows it, the pinned release is downloaded.

function(idem_missing_dependency what debian vcpkg)
  message(FATAL_ERROR
    "idem needs ${what}, and it was not found. Install it (Debian, Ubuntu: ${debian}; vcpkg: ${vcpkg}), "
    "or set IDEM_FETCH_DEPENDENCIES=ON to have it downloaded.")
endfunction()

function(idem_require_xxhash)
  if(TARGET xxHash::xxhash)
    return()
  endif()

  list(PREPEND CMAKE_MODULE_PATH "${PROJECT_SOURCE_DIR}/cmake")
  find_package(xxHash 0.8.0 QUIET MODULE GLOBAL)
  if(TARGET xxHash::xxhash)
    return()
  endif()

  if(NOT IDEM_FETCH_DEPENDENCIES)
    idem_missing_dependency("the headers of xxHash 0.8 or newer" "libxxhash-dev" "xxhash")
  endif()
  include(FetchContent)
  # xxHash has no CMakeLists.txt at its root, and the headers are all that is wanted.
  FetchContent_Declare(xxHash
    GIT_REPOSITORY https://github.com/Cyan4973/xxHash.git
    GIT_TAG bbb27a5efb85b92a0486cf361a8635715a53f6ba # v0.8.2
    SOURCE_SUBDIR headers-only)
  FetchContent_MakeAvailable(xxHash)
  add_library(xxHash::xxhash INTERFACE IMPORTED GLOBAL)
  target_include_directories(xxHash::xxhash INTERFACE "${xxhash_SOURCE_DIR}")
  if(IDEM_INSTALL)
    message(STATUS "idem: the fetched xxHash is not installed with idem. The installed package looks for xxHash "
      "(Debian, Ubuntu: libxxhash-dev; vcpkg: xxhash) where it is used.")
  endif()
endfunction()

function(idem_require_abseil)
  if(TARGET absl::flat_hash_set)
    return()
  endif()

  find_package(absl QUIET CONFIG GLOBAL)
  if(TARGET absl::flat_hash_set)
    return()
  endif()

  if(NOT IDEM_FETCH_DEPENDENCIES)
    idem_missing_dependency("abseil for idem::abseil" "libabsl-dev" "abseil")
  endif()
  include(FetchContent)
  # Without its install rules an exported idem::abseil would name targets that nobody exports.
  set(ABSL_ENABLE_INSTALL ${IDEM_INSTALL})
  set(ABSL_PROPAGATE_CXX_STD ON)
  FetchContent_Declare(absl
    GIT_REPOSITORY https://github.com/abseil/abseil-cpp.git
    GIT_TAG dd4c89bd657f1e247ce5111a5c89ffe6ccfd0c92 # 20240722.1
    SYSTEM)
  FetchContent_MakeAvailable(absl)
endfunction()

function(idem_require_doctest)
  if(TARGET doctest::doctest)
    return()
  endif()
  find_package(doctest QUIET CONFIG GLOBAL)
  if(TARGET doctest::doctest)
    return()
  endif()
  find_path(IDEM_DOCTEST_INCLUDE_DIR NAMES doctest/doctest.h)
  mark_as_advanced(IDEM_DOCTEST_INCLUDE_DIR)
  if(IDEM_DOCTEST_INCLUDE_DIR)
    set(idem_doctest_include_dir "${IDEM_DOCTEST_INCLUDE_DIR}")
  elseif(IDEM_FETCH_DEPENDENCIES)
    include(FetchContent)
    FetchContent_Declare(doctest
      GIT_REPOSITORY https://github.com/doctest/doctest.git
      GIT_TAG ae7a13539fb71f270b87eb2e874fbac80bc8dda2 # v2.4.11
      SOURCE_SUBDIR header-only)
    FetchContent_MakeAvailable(doctest)
    set(idem_doctest_include_dir "${doctest_SOURCE_DIR}")
  else()
    idem_missing_dependency("doctest for its tests" "doctest-dev" "doctest")
  endif()
  add_library(doctest::doctest INTERFACE IMPORTED GLOBAL)
  target_include_directories(doctest::doctest INTERFACE "${idem_doctest_include_dir}")
endfunction()
