#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/options.h>
#include <rocksdb/status.h>

#include "ledger/base/result.hpp"
#include "ledger/store.hpp"

// Shared by the two stores. Included by rocksdb_*.cpp only: nobody else sees a RocksDB type.
namespace ledger {

/// ok, not_found, corrupt, folder_in_use or io_error; `what` says what was tried.
[[nodiscard]] Error error_from(const rocksdb::Status& status, std::string_view what);

/// RocksDB's view of the disk. Keeps the disk alive; must outlive the database.
class RocksdbEnv {
public:
    explicit RocksdbEnv(std::shared_ptr<Disk> disk);
    [[nodiscard]] rocksdb::Env* get() const { return env_; }

private:
    std::shared_ptr<Disk> disk_;
    std::unique_ptr<rocksdb::Env> owned_;
    rocksdb::Env* env_;
};

/// Options of both databases. `name` ("log", "views") is how failures call it.
[[nodiscard]] rocksdb::DBOptions common_options(
    const RocksdbEnv& env, std::string name, bool read_only, StoreFailure on_failure
);

[[nodiscard]] inline rocksdb::Slice slice(std::string_view bytes) {
    return {bytes.data(), bytes.size()};
}
[[nodiscard]] inline std::string_view view(const rocksdb::Slice& bytes) {
    return {bytes.data(), bytes.size()};
}

/// Sum of an integer property over `families`.
[[nodiscard]] std::uint64_t sum_of_property(
    rocksdb::DB& db,
    const std::vector<rocksdb::ColumnFamilyHandle*>& families,
    const std::string& property
);

}  // namespace ledger
