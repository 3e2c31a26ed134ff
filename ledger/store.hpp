#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/base/ids.hpp"
#include "ledger/base/result.hpp"
#include "ledger/view_record.hpp"

// The two stores of a data folder. No RocksDB type shows; rocksdb_*.cpp implement these.
namespace ledger {

/// Files of the data folder outside RocksDB (witness, keyring, admin.key, lock) and RocksDB's own
/// go through one object, so that a test can put a file system under all of them. Thread-safe.
/// Errors: io_error, not_found.
class Disk {
public:
    virtual ~Disk() = default;
    /// The machine's files.
    static std::shared_ptr<Disk> real();
    virtual Result<void> create_directory(const std::string& path) = 0;
    virtual bool exists(const std::string& path) = 0;
    virtual Result<std::string> read_file(const std::string& path) = 0;
    /// Temporary file, write, fsync, rename, fsync of the folder. `mode` as in chmod.
    virtual Result<void> write_file(
        const std::string& path, std::string_view bytes, unsigned mode
    ) = 0;
    /// Overwrites `bytes` at `offset` of an existing or new file and syncs it before it returns.
    virtual Result<void> write_at(
        const std::string& path, std::uint64_t offset, std::string_view bytes, unsigned mode
    ) = 0;
    /// Locks `path` until the returned object dies. folder_in_use if another process has it.
    virtual Result<std::shared_ptr<void>> lock(const std::string& path) = 0;
    virtual Result<std::uint64_t> free_bytes(const std::string& path) = 0;
    /// The rocksdb::FileSystem behind it (null: RocksDB's default), known to rocksdb_*.cpp only.
    virtual void* rocksdb_file_system() = 0;
};

struct StoreStats {
    std::uint64_t live_bytes = 0;
    std::uint64_t pending_compaction_bytes = 0;
    std::uint64_t wal_bytes = 0;
};

/// Format of the rows in views/ and of what apply makes of an entry. A change of either rebuilds
/// the views.
inline constexpr std::uint32_t kViewFormat = 3;
inline constexpr std::uint32_t kApplyVersion = 2;

/// Exit code after an error in the background of a store (flush, compaction, sync).
inline constexpr int kStoreFailedExitCode = 74;
/// Hears of an error in a store's background, on one of its threads. Empty: one line on stderr,
/// then _exit(kStoreFailedExitCode): nothing may be acknowledged any more and recovery decides.
using StoreFailure = std::function<void(std::string_view message)>;

/// log/: group records and wrapped keys. The truth. Writes come from one thread at a time; reads
/// from any.
class LogStore {
public:
    virtual ~LogStore() = default;
    struct Options {
        std::string path;
        std::shared_ptr<Disk> disk;
        bool sync = true;        ///< false only in the binary that must lose data (tests)
        bool read_only = false;  ///< `verify`: nothing in the folder changes
        StoreFailure on_failure = {};
    };
    /// Creates the folder if it may. Errors: folder_in_use, not_found (read_only and nothing
    /// there), newer_format, corrupt, io_error.
    static Result<std::unique_ptr<LogStore>> open(Options options);

    struct Row {
        std::string_view key;
        std::string_view value;
    };
    /// One synced WriteBatch: the group's values (key made of shard, group, part) and rows of
    /// `keys`. After an error the store is unusable and the process must exit.
    virtual Result<void> commit(
        ShardId shard,
        GroupId group,
        std::span<const std::string_view> values,
        std::span<const Row> keys
    ) = 0;
    /// 0 if the log is empty.
    virtual Result<GroupId> last_group(ShardId shard) = 0;
    /// Value `part` of a group; not_found.
    virtual Result<std::string> value(ShardId shard, GroupId group, std::uint16_t part) = 0;
    /// All values from `from` on, in order, through a large read-ahead; stops at the first error it
    /// is given back.
    virtual Result<void> scan(
        ShardId shard,
        GroupId from,
        const std::function<Result<void>(GroupId, std::uint16_t part, std::string_view value)>&
            visit
    ) = 0;
    /// A row of `keys`; nullopt if there is none.
    virtual Result<std::optional<std::string>> key_row(std::string_view key) = 0;
    virtual Result<void> scan_keys(
        const std::function<Result<void>(std::string_view key, std::string_view value)>& visit
    ) = 0;
    virtual StoreStats stats() = 0;
    /// Flush and compact everything (bench, before measuring disk).
    virtual Result<void> compact() = 0;
};

/// A consistent read of the views, true for `applied_group()`. Any thread.
class ViewSnapshot {
public:
    virtual ~ViewSnapshot() = default;
    [[nodiscard]] virtual GroupId applied_group() const = 0;
    virtual Result<std::optional<std::string>> get(ViewFamily family, std::string_view key)
        const = 0;
    /// Rows with `prefix`, from `from` (inclusive) on, ascending; the visitor answers false to
    /// stop.
    virtual Result<void> scan(
        ViewFamily family,
        std::string_view prefix,
        std::string_view from,
        const std::function<bool(std::string_view key, std::string_view value)>& visit
    ) const = 0;
    /// The greatest row with key <= `key` and the given prefix.
    virtual Result<std::optional<std::pair<std::string, std::string>>> seek_for_prev(
        ViewFamily family, std::string_view prefix, std::string_view key
    ) const = 0;
};

/// views/: everything rebuildable. No WAL; rows enter only as sorted files.
class ViewStore {
public:
    virtual ~ViewStore() = default;
    struct Options {
        std::string path;
        std::shared_ptr<Disk> disk;
        std::uint64_t cache_bytes = std::uint64_t{256} << 20;
        bool read_only = false;
        StoreFailure on_failure = {};
        /// Another number only in tests, which play an older and a newer release.
        std::uint32_t apply_version = kApplyVersion;
    };
    /// A folder whose apply_version or format is older is emptied and says so through `rebuilt()`.
    static Result<std::unique_ptr<ViewStore>> open(Options options);
    /// Empties a closed store (it can be rebuilt from the log). io_error.
    static Result<void> destroy(const std::string& path, const std::shared_ptr<Disk>& disk);
    [[nodiscard]] virtual bool rebuilt() const = 0;
    [[nodiscard]] virtual GroupId applied_group() const = 0;
    virtual Result<std::vector<std::optional<std::string>>> multi_get(std::span<const RowRef> rows
    ) const = 0;
    virtual std::unique_ptr<ViewSnapshot> snapshot() const = 0;
    /// Sorts, writes one SST a family and ingests all of them with the new applied_group in one
    /// atomic step. Called by the checkpoint helper thread. After an error the process must exit.
    virtual Result<void> ingest(CheckpointBatch batch) = 0;
    virtual StoreStats stats() = 0;
    virtual Result<void> compact() = 0;
};

}  // namespace ledger
