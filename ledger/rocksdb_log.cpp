#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>

#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/file_checksum.h>
#include <rocksdb/table.h>
#include <rocksdb/transaction_log.h>
#include <rocksdb/write_batch.h>

#include "ledger/base/invariant.hpp"
#include "ledger/big_endian.hpp"
#include "ledger/rocksdb_common.hpp"
#include "ledger/store.hpp"

// log/: the truth. Column families: `default` holds "format" alone, `log0` the group values of
// shard 0, `keys` the wrapped keys. One WriteBatch a group: the single WAL makes it atomic over the
// families.
namespace ledger {
namespace {

constexpr std::uint32_t kLogFormat = 1;
constexpr std::string_view kFormatRow = "format";
constexpr std::size_t kKeyBytes = 12;
/// One value; kept for the next group. A group is at most about 1 MiB, so this is grown rarely and
/// early.
constexpr std::size_t kBatchBytesReserved = std::size_t{2} << 20;

enum Family : std::size_t { family_default, family_log0, family_keys, family_count };
constexpr const char* kFamilyNames[family_count] = {"default", "log0", "keys"};

std::array<char, kKeyBytes> value_key(ShardId shard, GroupId group, std::uint16_t part) {
    std::array<char, kKeyBytes> key{};
    store_big_endian(key.data(), shard.value);
    store_big_endian(key.data() + 2, group.value);
    store_big_endian(key.data() + 10, part);
    return key;
}

rocksdb::Slice slice_of(const std::array<char, kKeyBytes>& key) {
    return {key.data(), key.size()};
}

rocksdb::BlockBasedTableOptions table_options(const std::shared_ptr<rocksdb::Cache>& cache) {
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = cache;
    table.checksum = rocksdb::kXXH3;
    table.format_version = 5;
    return table;
}

rocksdb::ColumnFamilyOptions base_family(const std::shared_ptr<rocksdb::Cache>& cache) {
    rocksdb::ColumnFamilyOptions family;
    family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table_options(cache)));
    family.memtable_protection_bytes_per_key = 8;
    // New files are read back before the WAL that held their rows is given up.
    family.paranoid_file_checks = true;
    family.force_consistency_checks = true;
    return family;
}

rocksdb::ColumnFamilyOptions log_family(const std::shared_ptr<rocksdb::Cache>& cache) {
    rocksdb::ColumnFamilyOptions family = base_family(cache);
    // Reads are of one value: two values a block compress nearly as well as many and cost 10 us to
    // unpack.
    rocksdb::BlockBasedTableOptions table = table_options(cache);
    table.block_size = std::size_t{8} << 10;
    family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    // 351 → 110 bytes an event at 0.6–0.8 us, paid by the flush thread. Higher levels of zstd buy
    // little.
    family.compression = rocksdb::kZSTD;
    family.compression_opts.level = 1;
    // Six memtables: a burst of 380 MiB before a commit would have to wait for a flush.
    family.write_buffer_size = std::size_t{64} << 20;
    family.max_write_buffer_number = 6;
    // Keys only grow, so files never overlap and compaction only renames them; many files in level
    // 0 cost nothing but a stall if the default triggers (20, 36) applied.
    family.level0_slowdown_writes_trigger = 256;
    family.level0_stop_writes_trigger = 512;
    family.soft_pending_compaction_bytes_limit = 0;
    family.hard_pending_compaction_bytes_limit = 0;
    family.target_file_size_base = std::uint64_t{64} << 20;
    return family;
}

class RocksdbLog final : public LogStore {
public:
    RocksdbLog(Options options, RocksdbEnv env)
        : options_(std::move(options)),
          env_(std::move(env)),
          batch_(kBatchBytesReserved, 0, kProtectionBytes, 0) {}

    ~RocksdbLog() override {
        for (rocksdb::ColumnFamilyHandle* family : families_) {
            db_->DestroyColumnFamilyHandle(family).PermitUncheckedError();
        }
    }

    Result<void> open();

    Result<void> commit(
        ShardId shard,
        GroupId group,
        std::span<const std::string_view> values,
        std::span<const Row> keys
    ) override;
    Result<GroupId> last_group(ShardId shard) override;
    Result<std::string> value(ShardId shard, GroupId group, std::uint16_t part) override;
    Result<void> scan(
        ShardId shard,
        GroupId from,
        const std::function<Result<void>(GroupId, std::uint16_t part, std::string_view value)>&
            visit
    ) override;
    Result<std::optional<std::string>> key_row(std::string_view key) override;
    Result<void> scan_keys(
        const std::function<Result<void>(std::string_view key, std::string_view value)>& visit
    ) override;
    StoreStats stats() override;
    Result<void> compact() override;

private:
    /// RocksDB checks each row's checksum from the batch to the memtable; 0 and 8 are the values it
    /// knows.
    static constexpr std::size_t kProtectionBytes = 8;

    Result<void> check_families(const rocksdb::DBOptions& database) const;
    Result<void> check_format();

    const Options options_;
    const RocksdbEnv env_;
    std::unique_ptr<rocksdb::DB> db_;
    std::vector<rocksdb::ColumnFamilyHandle*> families_;
    rocksdb::WriteBatch batch_;  ///< of the committing thread; kept for its memory
    std::atomic<bool> failed_{false};
};

Result<void> RocksdbLog::open() {
    if (!options_.read_only) {
        if (auto made = options_.disk->create_directory(options_.path); !made) {
            return made;
        }
    } else if (!options_.disk->exists(options_.path + "/CURRENT")) {
        return make_error(ErrorCode::not_found, options_.path + " holds no log");
    }
    rocksdb::DBOptions database =
        common_options(env_, "log", options_.read_only, options_.on_failure);
    if (options_.read_only) {
        if (auto made = check_families(database); !made) {
            return made;
        }
    }
    // Bounds what a restart replays. Not lower: a WAL lives until the slower family (`keys`) was
    // flushed too.
    database.max_total_wal_size = std::uint64_t{256} << 20;
    // The header of RocksDB calls atomic flush unnecessary while the WAL is always on.
    database.atomic_flush = false;
    // Whole-file checksums, for backups and the scrubber.
    database.file_checksum_gen_factory = rocksdb::GetFileChecksumGenCrc32cFactory();

    const auto cache = rocksdb::NewLRUCache(std::size_t{32} << 20);
    rocksdb::ColumnFamilyOptions keys = base_family(cache);
    // Rows are random bytes under a key of their own.
    keys.compression = rocksdb::kNoCompression;
    keys.write_buffer_size = std::size_t{16} << 20;
    keys.max_write_buffer_number = 4;
    keys.level0_slowdown_writes_trigger = 64;
    keys.level0_stop_writes_trigger = 128;
    const std::vector<rocksdb::ColumnFamilyDescriptor> descriptors = {
        {kFamilyNames[family_default], base_family(cache)},
        {kFamilyNames[family_log0], log_family(cache)},
        {kFamilyNames[family_keys], keys},
    };
    rocksdb::DB* raw = nullptr;
    const rocksdb::Status status =
        options_.read_only
            ? rocksdb::DB::OpenForReadOnly(database, options_.path, descriptors, &families_, &raw)
            : rocksdb::DB::Open(database, options_.path, descriptors, &families_, &raw);
    if (!status.ok()) {
        return error_from(status, "cannot open " + options_.path);
    }
    db_.reset(raw);
    return check_format();
}

/// The families are made one after the other, before the first row: a log that lacks one was never
/// finished. Opening it read-only would call it invalid.
Result<void> RocksdbLog::check_families(const rocksdb::DBOptions& database) const {
    std::vector<std::string> found;
    const auto status = rocksdb::DB::ListColumnFamilies(database, options_.path, &found);
    if (!status.ok()) {
        return error_from(status, "cannot open " + options_.path);
    }
    for (const char* name : kFamilyNames) {
        if (std::find(found.begin(), found.end(), name) == found.end()) {
            return make_error(
                ErrorCode::not_found,
                options_.path + " was not finished by the start that made it and holds no entry"
            );
        }
    }
    return {};
}

Result<void> RocksdbLog::check_format() {
    std::string stored;
    const auto status =
        db_->Get(rocksdb::ReadOptions(), families_[family_default], slice(kFormatRow), &stored);
    if (status.IsNotFound()) {
        const auto last = last_group(ShardId{0});
        if (!last) {
            return last.error();
        }
        if (!last->none()) {
            return make_error(ErrorCode::corrupt, options_.path + ": the format row is missing");
        }
        if (options_.read_only) {
            return {};
        }
        std::string value;
        append_big_endian(value, kLogFormat);
        rocksdb::WriteOptions write;
        write.sync = options_.sync;
        const auto put = db_->Put(write, families_[family_default], slice(kFormatRow), value);
        return put.ok() ? Result<void>()
                        : error_from(put, "cannot write the format of " + options_.path);
    }
    if (!status.ok()) {
        return error_from(status, "cannot read the format of " + options_.path);
    }
    const std::uint32_t format =
        stored.size() == 4 ? load_big_endian<std::uint32_t>(stored.data()) : 0;
    if (format == kLogFormat) {
        return {};
    }
    return make_error(
        format > kLogFormat ? ErrorCode::newer_format : ErrorCode::corrupt,
        fmt::format("{}: format {}, this release reads {}", options_.path, format, kLogFormat)
    );
}

Result<void> RocksdbLog::commit(
    ShardId shard,
    GroupId group,
    std::span<const std::string_view> values,
    std::span<const Row> keys
) {
    INVARIANT(shard.value == 0 && !options_.read_only);
    if (failed_.load(std::memory_order_relaxed)) {
        return make_error(ErrorCode::io_error, "the log failed before and takes no more writes");
    }
    batch_.Clear();
    rocksdb::Status status;
    std::uint16_t part = 0;
    for (const std::string_view bytes : values) {
        const auto key = value_key(shard, group, part++);
        status = batch_.Put(families_[family_log0], slice_of(key), slice(bytes));
        if (!status.ok()) {
            break;
        }
    }
    for (const Row& row : keys) {
        if (!status.ok()) {
            break;
        }
        status = batch_.Put(families_[family_keys], slice(row.key), slice(row.value));
    }
    if (status.ok()) {
        rocksdb::WriteOptions write;
        write.sync = options_.sync;
        write.disableWAL = false;
        status = db_->Write(write, &batch_);
    }
    if (!status.ok()) {
        // The group may be in the WAL all the same: only recovery can tell.
        failed_.store(true, std::memory_order_relaxed);
        return error_from(status, fmt::format("cannot commit group {}", group.value));
    }
    return {};
}

Result<GroupId> RocksdbLog::last_group(ShardId shard) {
    INVARIANT(shard.value == 0);
    const std::unique_ptr<rocksdb::Iterator> rows(
        db_->NewIterator(rocksdb::ReadOptions(), families_[family_log0])
    );
    rows->SeekToLast();
    if (!rows->status().ok()) {
        return error_from(rows->status(), "cannot find the last group");
    }
    if (!rows->Valid()) {
        return GroupId{0};
    }
    if (rows->key().size() != kKeyBytes) {
        return make_error(ErrorCode::corrupt, "log0: a key has not 12 bytes");
    }
    return GroupId{load_big_endian<std::uint64_t>(rows->key().data() + 2)};
}

Result<std::string> RocksdbLog::value(ShardId shard, GroupId group, std::uint16_t part) {
    INVARIANT(shard.value == 0);
    const auto key = value_key(shard, group, part);
    std::string found;
    const auto status =
        db_->Get(rocksdb::ReadOptions(), families_[family_log0], slice_of(key), &found);
    if (!status.ok()) {
        return error_from(
            status,
            fmt::format("log value shard {} group {} part {}", shard.value, group.value, part)
        );
    }
    return found;
}

Result<void> RocksdbLog::scan(
    ShardId shard,
    GroupId from,
    const std::function<Result<void>(GroupId, std::uint16_t part, std::string_view value)>& visit
) {
    INVARIANT(shard.value == 0);
    rocksdb::ReadOptions read;
    read.readahead_size = std::size_t{2} << 20;
    // A replay would push everything useful out.
    read.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> rows(db_->NewIterator(read, families_[family_log0]));
    const auto first = value_key(shard, from, 0);
    for (rows->Seek(slice_of(first)); rows->Valid(); rows->Next()) {
        const rocksdb::Slice key = rows->key();
        if (key.size() != kKeyBytes) {
            return make_error(ErrorCode::corrupt, "log0: a key has not 12 bytes");
        }
        const GroupId group{load_big_endian<std::uint64_t>(key.data() + 2)};
        const auto part = load_big_endian<std::uint16_t>(key.data() + 10);
        if (auto visited = visit(group, part, view(rows->value())); !visited) {
            return visited;
        }
    }
    if (!rows->status().ok()) {
        return error_from(rows->status(), "cannot read the log");
    }
    return {};
}

Result<std::optional<std::string>> RocksdbLog::key_row(std::string_view key) {
    std::string found;
    const auto status =
        db_->Get(rocksdb::ReadOptions(), families_[family_keys], slice(key), &found);
    if (status.IsNotFound()) {
        return std::optional<std::string>();
    }
    if (!status.ok()) {
        return error_from(status, "cannot read a row of keys");
    }
    return std::optional(std::move(found));
}

Result<void> RocksdbLog::scan_keys(
    const std::function<Result<void>(std::string_view key, std::string_view value)>& visit
) {
    rocksdb::ReadOptions read;
    read.readahead_size = std::size_t{2} << 20;
    read.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> rows(db_->NewIterator(read, families_[family_keys]));
    for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
        if (auto visited = visit(view(rows->key()), view(rows->value())); !visited) {
            return visited;
        }
    }
    if (!rows->status().ok()) {
        return error_from(rows->status(), "cannot read keys");
    }
    return {};
}

StoreStats RocksdbLog::stats() {
    StoreStats stats;
    stats.live_bytes = sum_of_property(*db_, families_, rocksdb::DB::Properties::kLiveSstFilesSize);
    stats.pending_compaction_bytes =
        sum_of_property(*db_, families_, rocksdb::DB::Properties::kEstimatePendingCompactionBytes);
    rocksdb::VectorLogPtr files;
    if (db_->GetSortedWalFiles(files).ok()) {
        for (const auto& file : files) {
            stats.wal_bytes += file->SizeFileBytes();
        }
    }
    return stats;
}

Result<void> RocksdbLog::compact() {
    for (rocksdb::ColumnFamilyHandle* family : families_) {
        auto status = db_->Flush(rocksdb::FlushOptions(), family);
        if (status.ok()) {
            status = db_->CompactRange(rocksdb::CompactRangeOptions(), family, nullptr, nullptr);
        }
        if (!status.ok()) {
            return error_from(status, "cannot compact the log");
        }
    }
    return {};
}

}  // namespace

Result<std::unique_ptr<LogStore>> LogStore::open(Options options) {
    INVARIANT(options.disk != nullptr);
    RocksdbEnv env(options.disk);
    auto log = std::make_unique<RocksdbLog>(std::move(options), std::move(env));
    if (auto opened = log->open(); !opened) {
        return opened.error();
    }
    return std::unique_ptr<LogStore>(std::move(log));
}

}  // namespace ledger
