# A release by its tag. SHA512 is that of the archive, and known once the tag is there (CONTRIBUTING.md, "A release"); until then,
# and for a working copy, the sources are those that this port lies in.
set(IDEM_ARCHIVE_SHA512 "")

if(IDEM_ARCHIVE_SHA512)
  vcpkg_from_github(OUT_SOURCE_PATH SOURCE_PATH REPO idem-cpp/idem REF "v${VERSION}" SHA512 "${IDEM_ARCHIVE_SHA512}" HEAD_REF main)
else()
  get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)
  if(NOT EXISTS "${SOURCE_PATH}/include/idem/version.hpp")
    message(FATAL_ERROR "The port of idem has no archive to take sources from, and does not lie in a checkout of idem.")
  endif()
endif()

vcpkg_check_features(OUT_FEATURE_OPTIONS FEATURE_OPTIONS FEATURES abseil IDEM_WITH_ABSEIL)
vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS
    ${FEATURE_OPTIONS}
    -DIDEM_INSTALL=ON
    -DIDEM_BUILD_TESTS=OFF
    -DIDEM_BUILD_EXAMPLES=OFF
    -DIDEM_FETCH_DEPENDENCIES=OFF)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(PACKAGE_NAME idem CONFIG_PATH share/cmake/idem)
vcpkg_fixup_pkgconfig()

# Headers alone: there is nothing that a debug build has of its own.
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug" "${CURRENT_PACKAGES_DIR}/lib")
file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
