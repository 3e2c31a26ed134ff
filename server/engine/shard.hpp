#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "ledger/base/clock.hpp"
#include "ledger/base/result.hpp"
#include "ledger/keyring.hpp"
#include "ledger/log.hpp"
#include "ledger/store.hpp"
#include "server/engine/decide.hpp"
#include "server/engine/job.hpp"
#include "server/engine/metrics.hpp"
#include "server/engine/registry.hpp"

namespace server::engine {

/// Numbers for /metrics and /readyz, read without locks by any thread.
struct ShardStats {
    std::uint64_t queued_interactive = 0, queued_bulk = 0;
    std::uint64_t durable_group = 0, applied_group = 0, views_group = 0;
    double view_lag_seconds = 0;  ///< age of the oldest group not yet in views/
    /// Members with something due and refunds that waited long enough, at the last scan.
    std::uint64_t due_backlog = 0;
    std::uint64_t waiting_refunds = 0;  ///< refunds that wait for their order
    std::uint64_t orphans = 0;          ///< refunds without an order, not attached yet
    bool clock_held = false;            ///< the clock guard holds
    double clock_skew_seconds = 0;
    bool disk_full = false;
    std::uint64_t free_bytes = 0;
    bool sync_stalled = false;
    bool key_filter_ready = false;
    std::uint64_t state_bytes = 0, log_bytes = 0, views_bytes = 0, wal_bytes = 0,
                  compaction_backlog_bytes = 0;
};

/// One shard: queue, writer thread, commit thread, checkpoint helper, scheduler. Everything in the
/// data folder goes through it. Start-up order: open → (recovery, with progress) → start; stop
/// drains, syncs, checkpoints.
class Shard {
public:
    struct Options {
        std::string data_path;
        std::shared_ptr<ledger::Disk> disk;
        std::shared_ptr<const ledger::Clock> clock;
        std::uint64_t memory_bytes_max = std::uint64_t{4} << 30;
        std::uint64_t disk_watermark_bytes =
            std::uint64_t{512} << 20;  ///< writes are refused below this much free space
        std::uint32_t queue_commands_max = 65'536;  ///< per program and lane
        std::uint32_t queue_reads_max = 8'192;
        std::uint64_t queue_bytes_max = std::uint64_t{128} << 20;
        ledger::Timestamp checkpoint_period = ledger::kMicrosPerSecond;
        bool accept_clock = false;
        bool accept_loss = false;
        bool sync = true;
        bool checkpoints = true;  ///< false: only `bench` (to see what they cost)
        /// Rows that a replay may leave dirty before it writes a checkpoint of its own.
        std::size_t replay_dirty_rows_max = 200'000;
        /// How far behind the log whoever follows it is, in microseconds; writes wait outside while
        /// that is more than 5 s. Called several times a second on one thread, from start to stop;
        /// must not block. Empty: nobody follows.
        std::function<ledger::Timestamp()> followers_lag;
        DecideProbe* probe = nullptr;  ///< only tests; outlives the shard
        std::function<void(const std::string& line)>
            progress;  ///< start-up messages for the operator
    };

    /// Errors in precedence order: folder_in_use, no_keyring, newer_format, corrupt,
    /// behind_witness, io_error.
    static ledger::Result<std::unique_ptr<Shard>> open(Options options, CompletionSink& sink);
    virtual ~Shard() = default;

    /// What follows the log reads it from here; both live as long as the shard. Any thread.
    [[nodiscard]] virtual const ledger::Log& log() const = 0;
    [[nodiscard]] virtual ledger::KeyVault& vault() = 0;
    /// `call` runs on the committing thread whenever more of the log is durable; it must be short.
    /// Before start.
    virtual void on_durable(std::function<void()> call) = 0;

    virtual void start() = 0;
    /// Takes the job, or answers why not: overloaded, not_ready (clock guard, sync stalled,
    /// draining), disk_full. Reads are refused only with overloaded. On error `job` is left
    /// untouched.
    virtual ledger::Result<void> submit(std::unique_ptr<Job>& job) = 0;
    /// Refuses new work, finishes what is queued, syncs, writes a last checkpoint and the exact
    /// witness.
    virtual void stop() = 0;

    [[nodiscard]] virtual std::shared_ptr<const Registry> registry() const = 0;
    [[nodiscard]] virtual ShardStats stats() const = 0;
    [[nodiscard]] virtual const Metrics& metrics() const = 0;
    /// Operator's override of the clock guard.
    virtual void accept_clock() = 0;
    /// Flush and compact both stores (bench).
    virtual ledger::Result<void> compact() = 0;
};

}  // namespace server::engine
