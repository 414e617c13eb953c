# `cmake --install` puts libraries and headers where find_package(grenache) and pkg-config find them.

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

# grenache.pc: users before what they use, as the linker reads static libraries.
set(GRENACHE_PC_LIBS)
foreach(library rpc net json dht base asio)
  string(APPEND GRENACHE_PC_LIBS "-lgrenache_${library} ")
endforeach()
get_target_property(definitions grenache_asio INTERFACE_COMPILE_DEFINITIONS)
list(TRANSFORM definitions PREPEND "-D")
list(JOIN definitions " " GRENACHE_PC_CFLAGS)
get_target_property(boost_folder Boost::headers INTERFACE_INCLUDE_DIRECTORIES)
if(NOT boost_folder STREQUAL "/usr/include")
  string(APPEND GRENACHE_PC_CFLAGS " -I${boost_folder}")
endif()
# Relocatable, unless the folders were given as absolute paths.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(GRENACHE_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
  set(GRENACHE_PC_LIBDIR "${CMAKE_INSTALL_FULL_LIBDIR}")
  set(GRENACHE_PC_INCLUDEDIR "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
else()
  file(RELATIVE_PATH to_prefix "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
  string(REGEX REPLACE "/$" "" to_prefix "${to_prefix}")
  set(GRENACHE_PC_PREFIX "\${pcfiledir}/${to_prefix}")
  set(GRENACHE_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
  set(GRENACHE_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file(${CMAKE_CURRENT_LIST_DIR}/grenache.pc.in ${PROJECT_BINARY_DIR}/grenache.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/grenache.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
