# Every library comes from Debian 12; nothing is vendored or downloaded.
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS system json container)
find_package(OpenSSL 3 REQUIRED)
find_package(Protobuf REQUIRED)  # for tools and tests; the server reads the wire with protozero
find_package(simdjson REQUIRED)
find_package(spdlog REQUIRED)
find_package(date REQUIRED)
find_package(prometheus-cpp REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(ROCKSDB REQUIRED IMPORTED_TARGET rocksdb)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
find_path(PROTOZERO_INCLUDE protozero/pbf_reader.hpp REQUIRED)
find_package(Catch2 REQUIRED)  # 2.13 on Debian 12; version 3 works too
find_path(CATCH2_INCLUDE NAMES catch2/catch_all.hpp catch2/catch.hpp REQUIRED)
find_path(CLI11_INCLUDE CLI/CLI.hpp REQUIRED)
find_path(TOMLPLUSPLUS_INCLUDE toml++/toml.h REQUIRED)
