# cmake --install: the command, the library, its headers, and a package for find_package(kinglet).

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS kinglet EXPORT kingletTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/kinglet DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/kinglet)
install(EXPORT kingletTargets NAMESPACE kinglet:: DESTINATION ${package})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/kingletConfig.cmake.in
  ${CMAKE_CURRENT_BINARY_DIR}/kingletConfig.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/kingletConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/kingletConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/kingletConfigVersion.cmake DESTINATION ${package})
