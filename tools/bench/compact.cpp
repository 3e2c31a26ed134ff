#include "tools/bench/compact.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/utilities/options_util.h>

namespace bench {

namespace {

void check(rocksdb::Status const& status, std::filesystem::path const& folder) {
    if (!status.ok()) {
        throw std::runtime_error("compacting " + folder.string() + ": " + status.ToString());
    }
}

void compact_store(std::filesystem::path const& folder) {
    rocksdb::DBOptions options;
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    check(
        rocksdb::LoadLatestOptions(rocksdb::ConfigOptions(), folder.string(), &options, &families),
        folder
    );
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* opened = nullptr;
    check(rocksdb::DB::Open(options, folder.string(), families, &handles, &opened), folder);
    std::unique_ptr<rocksdb::DB> const store(opened);
    for (auto* const handle : handles) {
        check(store->Flush(rocksdb::FlushOptions(), handle), folder);
        rocksdb::CompactRangeOptions range;
        range.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
        check(store->CompactRange(range, handle, nullptr, nullptr), folder);
        check(store->DestroyColumnFamilyHandle(handle), folder);
    }
    check(store->Close(), folder);
}

}  // namespace

void compact_data_folder(std::filesystem::path const& data) {
    for (auto const* name : {"log", "views"}) {
        if (std::filesystem::exists(data / name / "CURRENT")) {
            compact_store(data / name);
        }
    }
}

}  // namespace bench
