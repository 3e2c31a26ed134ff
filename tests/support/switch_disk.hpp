#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "ledger/store.hpp"

namespace test_support {

/// The real disk with switches: free space as told, and syncs of the log that wait until they are
/// let go. Thread-safe.
class SwitchDisk : public ledger::Disk {
public:
    static std::shared_ptr<SwitchDisk> create();

    /// Bytes that free_bytes() answers; nullopt: the real ones.
    virtual void set_free_bytes(std::optional<std::uint64_t> bytes) = 0;
    /// How often free_bytes() was asked: a shard does so five times a second.
    virtual std::uint64_t free_bytes_asked() = 0;
    /// From now on a sync of a write-ahead log of log/ waits.
    virtual void hold_syncs() = 0;
    /// Blocks until some sync waits.
    virtual void await_held_sync() = 0;
    /// Lets one sync pass, the one that waits or the next.
    virtual void release_one_sync() = 0;
    virtual void release_syncs() = 0;
};

/// Rows and blocks that RocksDB looked up on the calling thread since `begin`, from its caches and
/// memtables too.
class ThreadReads {
public:
    static void begin();
    [[nodiscard]] static std::uint64_t count();
};

}  // namespace test_support
