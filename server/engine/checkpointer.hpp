#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "ledger/log.hpp"
#include "ledger/store.hpp"
#include "server/engine/committer.hpp"
#include "server/engine/metrics.hpp"

namespace server::engine {

/// The helper threads that turn a finished copy into sorted files and ingest them. One checkpoint
/// at a time.
class Checkpointer {
public:
    /// `calm` takes the cores that answers leave. `urgent` takes its full share, for views that
    /// fall behind: on a full machine the calm thread gets a tenth of a core. Two threads, because
    /// a thread without privileges can lower its priority but not raise it again.
    enum class Pace : std::uint8_t { calm, urgent };

    /// `done` is called on a helper thread after each ingestion (to wake the writer).
    Checkpointer(
        ledger::ViewStore& views,
        ledger::Log& log,
        Committer& committer,
        Metrics& metrics,
        std::function<void()> done
    );
    ~Checkpointer();

    void start();
    void stop();
    /// Writer. Requires that none is running.
    void submit(ledger::CheckpointBatch batch, Pace pace);
    /// Writer: blocks until the running checkpoint is ingested.
    void wait();
    /// Writer: true once after each ingested checkpoint.
    bool take_done();

private:
    struct Helper {
        std::optional<ledger::CheckpointBatch> next;  ///< guarded by mutex_
        std::thread thread;
    };
    void run(Helper& helper);
    void ingest(ledger::CheckpointBatch batch);

    ledger::ViewStore& views_;
    ledger::Log& log_;
    Committer& committer_;
    Metrics& metrics_;
    const std::function<void()> done_;
    std::mutex mutex_;
    std::condition_variable changed_;
    // guarded by mutex_
    bool finished_ = false;
    bool stopping_ = false;

    Helper calm_;
    Helper urgent_;
};

}  // namespace server::engine
