include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(idem_package_dir "${CMAKE_INSTALL_DATADIR}/cmake/idem")

install(TARGETS idem idem_testing EXPORT idemTargets FILE_SET HEADERS)
install(EXPORT idemTargets NAMESPACE idem:: DESTINATION "${idem_package_dir}")
if(IDEM_WITH_ABSEIL)
  install(TARGETS idem_abseil EXPORT idemAbseilTargets FILE_SET HEADERS)
  install(EXPORT idemAbseilTargets NAMESPACE idem:: DESTINATION "${idem_package_dir}")
endif()

# Below 1.0 a new minor version may break what stood before.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/idemConfigVersion.cmake"
  VERSION ${idem_version} COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
configure_package_config_file(cmake/idemConfig.cmake.in "${PROJECT_BINARY_DIR}/idemConfig.cmake"
  INSTALL_DESTINATION "${idem_package_dir}" NO_SET_AND_CHECK_MACRO)
install(FILES cmake/FindxxHash.cmake "${PROJECT_BINARY_DIR}/idemConfig.cmake" "${PROJECT_BINARY_DIR}/idemConfigVersion.cmake"
  DESTINATION "${idem_package_dir}")

install(FILES share/gdb/idem.py DESTINATION "${CMAKE_INSTALL_DATADIR}/idem/gdb")

# Relative to the file itself, so that an installed tree may be moved.
set(idem_pkgconfig_dir "${CMAKE_INSTALL_DATADIR}/pkgconfig")
if(IS_ABSOLUTE "${CMAKE_INSTALL_DATADIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(idem_pkgconfig_includedir "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
else()
  file(RELATIVE_PATH idem_pkgconfig_includedir "/prefix/${idem_pkgconfig_dir}" "/prefix/${CMAKE_INSTALL_INCLUDEDIR}")
  string(PREPEND idem_pkgconfig_includedir "\${pcfiledir}/")
endif()
configure_file(cmake/idem.pc.in "${PROJECT_BINARY_DIR}/idem.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/idem.pc" DESTINATION "${idem_pkgconfig_dir}")
