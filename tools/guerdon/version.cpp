#include "tools/guerdon/version.hpp"

#include <boost/version.hpp>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <rocksdb/version.h>
#include <simdjson.h>
#include <sodium/version.h>

#include "ledger/entry_codec.hpp"
#include "ledger/group_codec.hpp"
#include "ledger/store.hpp"
#include "rules/rule_set.hpp"
#include "tools/guerdon/build_info.hpp"

namespace tools {

server::BuildInfo build_info() {
    return {kVersion, kCommit};
}

int run_version() {
    fmt::print("guerdon {} ({})\n", kVersion, kCommit);
    fmt::print("compiler  g++ {}\n", __VERSION__);
    fmt::print(
        "libraries Boost {}.{}.{}, RocksDB {}.{}.{}, simdjson {}.{}.{}, {}, libsodium {}, fmt {}\n",
        BOOST_VERSION / 100000,
        BOOST_VERSION / 100 % 1000,
        BOOST_VERSION % 100,
        ROCKSDB_MAJOR,
        ROCKSDB_MINOR,
        ROCKSDB_PATCH,
        static_cast<int>(simdjson::SIMDJSON_VERSION_MAJOR),
        static_cast<int>(simdjson::SIMDJSON_VERSION_MINOR),
        static_cast<int>(simdjson::SIMDJSON_VERSION_REVISION),
        OpenSSL_version(OPENSSL_VERSION),
        SODIUM_VERSION_STRING,
        FMT_VERSION
    );
    fmt::print(
        "formats   entry {}, log value {}, view {}, apply {}, engine {}\n",
        ledger::kEntryFormat,
        ledger::kValueFormat,
        ledger::kViewFormat,
        ledger::kApplyVersion,
        rules::kEngineAbi
    );
    return server::kExitOk;
}

}  // namespace tools
