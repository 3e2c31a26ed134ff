#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "ledger/base/clock.hpp"
#include "ledger/keyring.hpp"
#include "ledger/log.hpp"
#include "server/engine/job.hpp"
#include "server/engine/metrics.hpp"

namespace server::engine {

/// What leaves together: perhaps a group to be synced, and the jobs whose answers wait for it (or
/// for an earlier one).
struct CommitBatch {
    std::shared_ptr<const ledger::Group>
        group;  ///< null: nothing to write, the jobs wait for `required`
    std::vector<ledger::KeyRow> keys;
    ledger::GroupId required;
    std::vector<std::unique_ptr<Job>> jobs;
    std::function<void()>
        after;  ///< run when durable, before the jobs are delivered (publishing programs and keys)
    ledger::Timestamp submitted_at = 0;  ///< set by submit
};

/// The only place that syncs the log and the only place that lets answers go: both in order of
/// groups. A failed commit ends the process: what was decided on top of it cannot be undone.
class Committer {
public:
    Committer(
        ledger::Log& log,
        CompletionSink& sink,
        Metrics& metrics,
        const ledger::Clock& clock,
        ledger::GroupId durable
    );
    ~Committer();

    /// Called on the committing thread whenever more is durable. Set before start.
    void on_durable(std::function<void()> call) { on_durable_ = std::move(call); }
    void start();
    /// Finishes what was handed over, then ends the thread.
    void stop();

    /// Writer only. With nothing more queued and no sync running it commits on the calling thread,
    /// which saves two thread switches; otherwise the commit thread does, and this returns when
    /// that one is free to take the batch.
    void submit(CommitBatch batch, bool idle);

    [[nodiscard]] ledger::GroupId durable() const {
        return ledger::GroupId{durable_.load(std::memory_order_acquire)};
    }
    /// Blocks until `group` is durable.
    void wait_durable(ledger::GroupId group);
    /// Microseconds the running sync has taken (0: none runs), by the monotonic clock.
    [[nodiscard]] ledger::Timestamp sync_running_for() const;

private:
    void run();
    void commit(CommitBatch batch);
    void release(CommitBatch& batch);

    ledger::Log& log_;
    CompletionSink& sink_;
    Metrics& metrics_;
    const ledger::Clock& clock_;
    std::atomic<std::uint64_t> durable_;
    std::atomic<ledger::Timestamp> sync_started_{0};
    std::function<void()> on_durable_;
    std::vector<ledger::LogStore::Row> rows_;  ///< used by whoever commits; commits never overlap

    std::mutex mutex_;
    std::condition_variable changed_;
    // guarded by mutex_
    std::deque<CommitBatch> next_;
    bool busy_ = false;     ///< a batch is committed or released
    bool syncing_ = false;  ///< a group of it is on its way to the disk
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace server::engine
