#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "ledger/base/ids.hpp"
#include "ledger/base/result.hpp"
#include "ledger/entry.hpp"
#include "ledger/store.hpp"

// The witness: a small file beside the log that says how far the log had come, so that a log that
// lost its end (rot inside the write-ahead log, an older copy put back) is noticed. Format:
// docs/ledger-format.md, "Witness".
namespace ledger {

/// A durable position of the log. group 0: the log is empty.
struct WitnessPosition {
    ShardId shard{};
    GroupId group;
    ProgramId program;  ///< of the group's last entry
    Seq seq;            ///< of the group's last entry
    Hash32 root{};      ///< of the program's tree after that entry
    friend bool operator==(const WitnessPosition&, const WitnessPosition&) = default;
};

/// What the file says.
struct WitnessReading {
    enum class State : std::uint8_t {
        absent,  ///< no file: a new folder
        torn,    ///< neither slot is whole
        valid,
    };
    State state = State::absent;
    std::uint64_t generation = 0;  ///< of the newest whole slot
    WitnessPosition position;      ///< if valid
};

/// Errors: newer_format, io_error.
Result<WitnessReading> read_witness(Disk& disk, const std::string& path);
/// Writes `position` as the given generation into its slot (generation mod 2) and syncs. Error:
/// io_error.
Result<void> write_witness(
    Disk& disk, const std::string& path, std::uint64_t generation, const WitnessPosition& position
);

/// Is the log at least as far as the witness says, with the witnessed entry at the witnessed place?
/// Errors: behind_witness, naming group, seq and witness (also if the witness is absent or torn
/// beside a log that is not empty); corrupt, newer_format, io_error from reading the group.
Result<void> compare(const WitnessReading& witness, LogStore& log, ShardId shard);
/// The same for a log that is not there, or that its first start did not finish making.
Result<void> compare_with_no_log(const WitnessReading& witness);
/// The same for the tree: `root` is the root of position.program's tree over its first position.seq
/// entries. Error: behind_witness.
Result<void> compare_root(const WitnessPosition& witness, const Hash32& root);

/// Writes the latest durable position at most every `interval`, and exactly at stop(). Thread-safe.
class WitnessKeeper {
public:
    struct Options {
        std::shared_ptr<Disk> disk;
        std::string path;
        std::chrono::milliseconds interval{100};
        /// Called once on the keeper's thread when a write failed; the process must exit.
        std::function<void(const Error&)> on_error;
    };
    /// Writes `position` at once, so that a log that is not empty always has a witness. Error:
    /// io_error.
    static Result<std::unique_ptr<WitnessKeeper>> start(
        Options options, const WitnessReading& found, const WitnessPosition& position
    );
    /// Stops without the last write if stop() was not called: like a crash.
    ~WitnessKeeper();

    /// The log is durable up to here. Cheap; never waits for the disk.
    void durable(const WitnessPosition& position);
    /// Writes what durable() said last and ends the thread. Errors: io_error, also of an earlier
    /// write.
    Result<void> stop();
    /// What is in the file now.
    [[nodiscard]] WitnessPosition written() const;

private:
    WitnessKeeper(Options options, std::uint64_t generation, const WitnessPosition& position);
    void run();
    Result<void> write(const WitnessPosition& position, std::uint64_t generation);

    const Options options_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    // Guarded by mutex_.
    WitnessPosition latest_;
    WitnessPosition written_;
    std::uint64_t generation_;
    bool stopping_ = false;
    bool write_last_ = false;
    std::optional<Error> error_;

    std::thread thread_;
};

}  // namespace ledger
