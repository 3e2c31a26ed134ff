#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ledger/store.hpp"

namespace test_support {

struct UnsyncedOptions {
    /// Every sync says yes and keeps the bytes in memory: the lie that tests must catch
    /// (`--test-no-sync`).
    bool drop_syncs = false;
};

/// A disk on which everything not synced lives in the memory of this process only, so that SIGKILL
/// of the process is a power cut. Fault model:
///
/// - Appended and overwritten bytes become real at Sync or Fsync of their file, all or (if the
///   process is killed while they are being written) a prefix of them: a torn write. RangeSync,
///   Flush and Close make nothing real.
/// - A file's name (create, rename, link, delete) becomes real at Fsync of its folder. A synced
///   file whose name was never synced is lost. Replacing a name is atomic; several new names of one
///   folder become real one by one in the order in which they were given, then deleted ones go:
///   journals of file systems keep that order, and RocksDB syncs a new MANIFEST's name only
///   together with the CURRENT that points to it.
/// - Creating a folder is real at once. Info logs (LOG*) and lock files go straight to the real
///   disk: nothing is recovered from them.
/// - What was real stays as it was: no rot, no reordering inside a file, no lying device
/// (drop_syncs is that).
/// - The process sees its own writes, synced or not.
///
/// Both RocksDB and the files beside it go through one object. Thread-safe. One process at a time
/// may use a folder.
class UnsyncedDisk : public ledger::Disk {
public:
    static std::shared_ptr<UnsyncedDisk> create(UnsyncedOptions options = {});

    /// The power cut without a SIGKILL: from now on everything fails and nothing becomes real. Make
    /// a new disk to see what is left.
    virtual void cut_power() = 0;
    /// Bytes that a power cut now would lose.
    [[nodiscard]] virtual std::uint64_t unsynced_bytes() const = 0;
    [[nodiscard]] virtual std::uint64_t syncs() const = 0;
};

}  // namespace test_support
