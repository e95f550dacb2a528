# The libraries that kinglet uses, all of them the distribution's packages.

find_package(Threads REQUIRED)
if(NOT KINGLET_FUZZ)  # clang comes without it
  find_package(OpenMP REQUIRED COMPONENTS CXX)
endif()
find_package(fmt REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(CLI11 2.1 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(NETTLE REQUIRED IMPORTED_TARGET nettle)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)

# xsimd is headers only. Its own target asks for a library (xtl) that is not installed with it, so
# this one takes the include directory alone. No version is asked for: the package's config accepts
# its own major version only.
find_package(xsimd REQUIRED CONFIG)
get_target_property(KINGLET_XSIMD_INCLUDE xsimd INTERFACE_INCLUDE_DIRECTORIES)
add_library(kinglet_xsimd INTERFACE)
target_include_directories(kinglet_xsimd SYSTEM INTERFACE ${KINGLET_XSIMD_INCLUDE})
