# Third-party libraries, each as one imported target whose headers are SYSTEM. Also read by the installed package.

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(PkgConfig REQUIRED)

set(Boost_NO_WARN_NEW_VERSIONS ON)
find_package(Boost 1.81 QUIET CONFIG)
if(NOT Boost_FOUND)
  message(FATAL_ERROR
    "Boost 1.81 or newer is needed (headers only). Run tools/install-deps, or on Debian 12: apt-get install libboost1.81-dev. "
    "That package conflicts with Debian's Boost 1.74 headers (libboost1.74-dev): remove those first.")
endif()

find_path(RAPIDJSON_INCLUDE_DIR rapidjson/reader.h)
if(NOT RAPIDJSON_INCLUDE_DIR)
  message(FATAL_ERROR "RapidJSON is missing. Run tools/install-deps, or: apt-get install rapidjson-dev")
endif()

pkg_check_modules(hiredis REQUIRED QUIET IMPORTED_TARGET hiredis)
# -D_FILE_OFFSET_BITS=64, which its headers do not need; a file compiled with it cannot use the precompiled header.
set_property(TARGET PkgConfig::hiredis PROPERTY INTERFACE_COMPILE_OPTIONS)
pkg_check_modules(libedit REQUIRED QUIET IMPORTED_TARGET libedit)
pkg_check_modules(libsecp256k1 REQUIRED QUIET IMPORTED_TARGET libsecp256k1)
# Not find_package(prometheus-cpp): Debian's asks for the libraries of its HTTP servers and clients too.
pkg_check_modules(prometheus_core REQUIRED QUIET IMPORTED_TARGET prometheus-cpp-core)
find_package(CLI11 REQUIRED)
find_package(spdlog REQUIRED)
