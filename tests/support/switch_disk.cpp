#include "tests/support/switch_disk.hpp"

#include <condition_variable>
#include <mutex>
#include <string>
#include <utility>

#include <rocksdb/file_system.h>
#include <rocksdb/perf_context.h>
#include <rocksdb/perf_level.h>

namespace test_support {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

class Gate {
public:
    void hold() {
        const std::scoped_lock lock(mutex_);
        held_ = true;
    }
    void release() {
        {
            const std::scoped_lock lock(mutex_);
            held_ = false;
            let_through_ = 0;
        }
        changed_.notify_all();
    }
    void release_one() {
        {
            const std::scoped_lock lock(mutex_);
            ++let_through_;
        }
        changed_.notify_all();
    }
    void pass() {
        std::unique_lock lock(mutex_);
        if (!held_) return;
        ++waiting_;
        changed_.notify_all();
        changed_.wait(lock, [this] { return !held_ || let_through_ > 0; });
        --waiting_;
        if (held_) --let_through_;
    }
    void await_waiting() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return waiting_ > 0 && let_through_ == 0; });
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool held_ = false;
    int waiting_ = 0;
    int let_through_ = 0;
};

class GatedFile final : public rocksdb::FSWritableFileOwnerWrapper {
public:
    GatedFile(std::unique_ptr<rocksdb::FSWritableFile> file, Gate& gate)
        : rocksdb::FSWritableFileOwnerWrapper(std::move(file)), gate_(gate) {}
    IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
        gate_.pass();
        return rocksdb::FSWritableFileOwnerWrapper::Sync(options, debug);
    }
    IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
        gate_.pass();
        return rocksdb::FSWritableFileOwnerWrapper::Fsync(options, debug);
    }

private:
    Gate& gate_;
};

bool is_log_of_log(const std::string& path) {
    return path.ends_with(".log") && path.find("/log/") != std::string::npos;
}

class GatedFileSystem final : public rocksdb::FileSystemWrapper {
public:
    explicit GatedFileSystem(Gate& gate)
        : rocksdb::FileSystemWrapper(rocksdb::FileSystem::Default()), gate_(gate) {}
    const char* Name() const override { return "GatedFileSystem"; }

    IOStatus NewWritableFile(
        const std::string& path,
        const rocksdb::FileOptions& options,
        std::unique_ptr<rocksdb::FSWritableFile>* result,
        IODebugContext* debug
    ) override {
        return gated(path, target()->NewWritableFile(path, options, result, debug), result);
    }
    IOStatus ReuseWritableFile(
        const std::string& path,
        const std::string& old_path,
        const rocksdb::FileOptions& options,
        std::unique_ptr<rocksdb::FSWritableFile>* result,
        IODebugContext* debug
    ) override {
        return gated(
            path, target()->ReuseWritableFile(path, old_path, options, result, debug), result
        );
    }

private:
    IOStatus gated(
        const std::string& path, IOStatus opened, std::unique_ptr<rocksdb::FSWritableFile>* result
    ) {
        if (opened.ok() && is_log_of_log(path))
            *result = std::make_unique<GatedFile>(std::move(*result), gate_);
        return opened;
    }

    Gate& gate_;
};

class SwitchDiskImplementation final : public SwitchDisk {
public:
    void set_free_bytes(std::optional<std::uint64_t> bytes) override {
        const std::scoped_lock lock(mutex_);
        free_bytes_ = bytes;
    }
    std::uint64_t free_bytes_asked() override {
        const std::scoped_lock lock(mutex_);
        return asked_;
    }
    void hold_syncs() override { gate_.hold(); }
    void await_held_sync() override { gate_.await_waiting(); }
    void release_one_sync() override { gate_.release_one(); }
    void release_syncs() override { gate_.release(); }

    ledger::Result<void> create_directory(const std::string& path) override {
        return real_->create_directory(path);
    }
    bool exists(const std::string& path) override { return real_->exists(path); }
    ledger::Result<std::string> read_file(const std::string& path) override {
        return real_->read_file(path);
    }
    ledger::Result<void> write_file(const std::string& path, std::string_view bytes, unsigned mode)
        override {
        return real_->write_file(path, bytes, mode);
    }
    ledger::Result<void> write_at(
        const std::string& path, std::uint64_t offset, std::string_view bytes, unsigned mode
    ) override {
        return real_->write_at(path, offset, bytes, mode);
    }
    ledger::Result<std::shared_ptr<void>> lock(const std::string& path) override {
        return real_->lock(path);
    }
    ledger::Result<std::uint64_t> free_bytes(const std::string& path) override {
        {
            const std::scoped_lock lock(mutex_);
            ++asked_;
            if (free_bytes_) return *free_bytes_;
        }
        return real_->free_bytes(path);
    }
    void* rocksdb_file_system() override {
        return static_cast<rocksdb::FileSystem*>(&file_system_);
    }

private:
    const std::shared_ptr<ledger::Disk> real_ = ledger::Disk::real();
    Gate gate_;
    GatedFileSystem file_system_{gate_};
    std::mutex mutex_;
    std::optional<std::uint64_t> free_bytes_;
    std::uint64_t asked_ = 0;
};

}  // namespace

std::shared_ptr<SwitchDisk> SwitchDisk::create() {
    return std::make_shared<SwitchDiskImplementation>();
}

void ThreadReads::begin() {
    rocksdb::SetPerfLevel(rocksdb::PerfLevel::kEnableCount);
    rocksdb::get_perf_context()->Reset();
}

std::uint64_t ThreadReads::count() {
    const rocksdb::PerfContext& context = *rocksdb::get_perf_context();
    return context.get_from_memtable_count + context.block_cache_hit_count +
           context.block_read_count + context.bloom_sst_hit_count + context.bloom_sst_miss_count +
           context.seek_on_memtable_count + context.seek_child_seek_count +
           context.multiget_read_bytes + context.get_read_bytes;
}

}  // namespace test_support
