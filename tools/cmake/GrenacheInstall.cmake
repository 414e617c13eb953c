# `cmake --install` puts libraries and headers where find_package(grenache) finds them.

include(CMakePackageConfigHelpers)
get_property(libraries GLOBAL PROPERTY GRENACHE_LIBRARIES)
install(TARGETS ${libraries} grenache_asio EXPORT grenache-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT grenache-targets NAMESPACE grenache:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/grenache)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/grenache-config.cmake.in
  ${PROJECT_BINARY_DIR}/grenache-config.cmake INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/grenache)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/grenache-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/grenache-config.cmake ${PROJECT_BINARY_DIR}/grenache-config-version.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/grenache)
