#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "ledger/log.hpp"
#include "ledger/store.hpp"
#include "server/engine/committer.hpp"
#include "server/engine/metrics.hpp"

namespace server::engine {

/// The niced helper thread that turns a finished copy into sorted files and ingests them. One
/// checkpoint at a time.
class Checkpointer {
public:
    /// `done` is called on the helper thread after each ingestion (to wake the writer).
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
    void submit(ledger::CheckpointBatch batch);
    /// Writer: blocks until the running checkpoint is ingested.
    void wait();
    /// Writer: true once after each ingested checkpoint.
    bool take_done();

private:
    void run();

    ledger::ViewStore& views_;
    ledger::Log& log_;
    Committer& committer_;
    Metrics& metrics_;
    const std::function<void()> done_;
    std::mutex mutex_;
    std::condition_variable changed_;
    // guarded by mutex_
    std::optional<ledger::CheckpointBatch> next_;
    bool finished_ = false;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace server::engine
