#include "ledger/rocksdb_common.hpp"

#include <cstdio>
#include <utility>

#include <fmt/format.h>
#include <rocksdb/file_checksum.h>
#include <rocksdb/file_system.h>
#include <rocksdb/listener.h>
#include <unistd.h>

namespace ledger {
namespace {

/// Ends the process at the first background error. RocksDB 7.8 may flush column families unevenly
/// when it resumes by itself after a retryable WAL error; we never let it: recovery at the next
/// start decides.
class FailureListener final : public rocksdb::EventListener {
public:
    FailureListener(std::string name, StoreFailure on_failure)
        : name_(std::move(name)), on_failure_(std::move(on_failure)) {}

    void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* status)
        override {
        const std::string message = fmt::format(
            "guerdon: store {}/ failed in the background (reason {}): {}; exiting",
            name_,
            static_cast<int>(reason),
            status->ToString()
        );
        if (on_failure_) {
            on_failure_(message);
            return;
        }
        std::fprintf(stderr, "%s\n", message.c_str());
        // Not exit(): destructors would try to flush into the store that just failed.
        ::_exit(kStoreFailedExitCode);
    }

    void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status, bool* auto_recovery)
        override {
        *auto_recovery = false;
    }

private:
    const std::string name_;
    const StoreFailure on_failure_;
};

/// A read-only open must not even touch LOG.
class SilentLogger final : public rocksdb::Logger {
public:
    using rocksdb::Logger::Logv;
    void Logv(const char*, va_list) override {}
    void Logv(rocksdb::InfoLogLevel, const char*, va_list) override {}
};

}  // namespace

Error error_from(const rocksdb::Status& status, std::string_view what) {
    ErrorCode code = ErrorCode::io_error;
    if (status.IsNotFound()) {
        code = ErrorCode::not_found;
    } else if (status.IsCorruption()) {
        code = ErrorCode::corrupt;
    } else if (status.IsIOError() && status.ToString().find("lock") != std::string::npos) {
        code = ErrorCode::folder_in_use;
    }
    return make_error(code, fmt::format("{}: {}", what, status.ToString()));
}

RocksdbEnv::RocksdbEnv(std::shared_ptr<Disk> disk)
    : disk_(std::move(disk)), env_(rocksdb::Env::Default()) {
    if (void* file_system = disk_->rocksdb_file_system(); file_system != nullptr) {
        // The disk owns the file system: the shared_ptr only keeps the disk alive.
        const std::shared_ptr<rocksdb::FileSystem> shared(
            disk_, static_cast<rocksdb::FileSystem*>(file_system)
        );
        owned_ = rocksdb::NewCompositeEnv(shared);
        env_ = owned_.get();
    }
    // The pools are shared by the two databases of the process and take what the answers leave: a
    // flush (HIGH) compresses, and at full priority it held a core for half a second; the log has
    // memtables to spare meanwhile. Two threads for compactions (LOW), so that the log's trivial
    // moves do not wait behind a long compaction of `keys`.
    env_->SetBackgroundThreads(2, rocksdb::Env::HIGH);
    env_->SetBackgroundThreads(2, rocksdb::Env::LOW);
    env_->LowerThreadPoolCPUPriority(rocksdb::Env::HIGH, rocksdb::CpuPriority::kLow)
        .PermitUncheckedError();
    env_->LowerThreadPoolCPUPriority(rocksdb::Env::LOW, rocksdb::CpuPriority::kLow)
        .PermitUncheckedError();
}

rocksdb::DBOptions common_options(
    const RocksdbEnv& env, std::string name, bool read_only, StoreFailure on_failure
) {
    rocksdb::DBOptions options;
    options.env = env.get();
    options.create_if_missing = !read_only;
    options.create_missing_column_families = !read_only;

    // Any error ends the process (FailureListener); RocksDB must not resume by itself. Resuming
    // after a full disk ignores this count, hence the listener refuses it too.
    options.max_bgerror_resume_count = 0;
    options.listeners.push_back(
        std::make_shared<FailureListener>(std::move(name), std::move(on_failure))
    );

    // The default, said because everything rests on it: a torn end is cut off (every crash leaves
    // one), and rot in the middle cuts off the rest too, which the witness notices.
    // kAbsoluteConsistency would refuse torn ends.
    options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
    // Off in 7.8: it reports closed logs as missing after SyncWAL, and the witness covers more.
    options.track_and_verify_wals_in_manifest = false;
    // Recovery rewrites what the WAL holds into synced files, which also heals "fsync failed, page
    // marked clean".
    options.avoid_flush_during_recovery = false;
    // One writer thread: nothing to pipeline, and each of these trades an ordering guarantee for
    // concurrency.
    options.manual_wal_flush = false;
    options.unordered_write = false;
    options.two_write_queues = false;
    options.enable_pipelined_write = false;
    // Forced off with point-in-time recovery anyway.
    options.recycle_log_file_num = 0;
    options.paranoid_checks = true;
    options.verify_sst_unique_id_in_manifest = true;

    // Smooths the writing of flushes, compactions and checkpoints; no durability comes from it. An
    // fdatasync of the log waits for the file system's journal, and that for all data of files that
    // grew: with 10 MiB of a checkpoint in the cache it took 8 to 30 ms.
    options.bytes_per_sync = std::uint64_t{256} << 10;
    options.strict_bytes_per_sync = true;
    options.writable_file_max_buffer_size = std::size_t{256} << 10;
    options.wal_bytes_per_sync = std::uint64_t{1} << 20;
    options.max_open_files = -1;
    options.max_background_jobs = 3;
    options.max_subcompactions = 1;

    // At most 3 × 4 MiB of info log a database. It names files, families and our numeric or
    // keyed-hash keys only.
    options.max_log_file_size = std::size_t{4} << 20;
    options.keep_log_file_num = 3;
    options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
    options.stats_dump_period_sec = 0;
    options.stats_persist_period_sec = 0;
    if (read_only) {
        options.info_log = std::make_shared<SilentLogger>();
    }
    return options;
}

std::uint64_t sum_of_property(
    rocksdb::DB& db,
    const std::vector<rocksdb::ColumnFamilyHandle*>& families,
    const std::string& property
) {
    std::uint64_t sum = 0;
    for (rocksdb::ColumnFamilyHandle* family : families) {
        std::uint64_t value = 0;
        if (db.GetIntProperty(family, property, &value)) {
            sum += value;
        }
    }
    return sum;
}

}  // namespace ledger
