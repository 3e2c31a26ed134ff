#include "server/engine/committer.hpp"

#include <cstdio>
#include <cstdlib>

#include <unistd.h>

namespace server::engine {

Committer::Committer(
    ledger::Log& log,
    CompletionSink& sink,
    Metrics& metrics,
    const ledger::Clock& clock,
    ledger::GroupId durable
)
    : log_(log), sink_(sink), metrics_(metrics), clock_(clock), durable_(durable.value) {}

Committer::~Committer() {
    stop();
}

void Committer::start() {
    thread_ = std::thread([this] { run(); });
}

void Committer::stop() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void Committer::submit(CommitBatch batch, bool idle) {
    batch.submitted_at = clock_.monotonic();
    std::unique_lock lock(mutex_);
    if (!busy_ && next_.empty() && (idle || !batch.group)) {
        busy_ = true;
        syncing_ = batch.group != nullptr;
        lock.unlock();
        commit(std::move(batch));
        lock.lock();
        busy_ = false;
        lock.unlock();
        changed_.notify_all();
        return;
    }
    // The writer decides the next group while this one is synced, and hands it over when the sync
    // is done: what came meanwhile makes one larger group, not a third that waits.
    changed_.wait(lock, [this] { return next_.empty() && !syncing_; });
    next_.push_back(std::move(batch));
    lock.unlock();
    changed_.notify_all();
}

void Committer::run() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] {
            return (!next_.empty() && !busy_) || (stopping_ && next_.empty());
        });
        if (next_.empty()) return;
        CommitBatch batch = std::move(next_.front());
        next_.pop_front();
        busy_ = true;
        syncing_ = batch.group != nullptr;
        lock.unlock();
        changed_.notify_all();
        commit(std::move(batch));
        lock.lock();
        busy_ = false;
        changed_.notify_all();
    }
}

void Committer::commit(CommitBatch batch) {
    if (batch.group) {
        const ledger::Timestamp begin = clock_.monotonic();
        sync_started_.store(begin, std::memory_order_relaxed);
        rows_.clear();
        for (const ledger::KeyRow& key : batch.keys)
            rows_.push_back({key.key, key.value});
        const auto done = log_.commit(*batch.group, rows_);
        if (done.has_error()) {
            // The write may or may not be in the log: recovery decides. Nothing more is
            // acknowledged.
            std::fprintf(
                stderr, "guerdon: the log could not be written: %s\n", done.error().detail.c_str()
            );
            std::fflush(stderr);
            _exit(70);
        }
        sync_started_.store(0, std::memory_order_relaxed);
        metrics_.sync_micros.record(static_cast<std::uint64_t>(clock_.monotonic() - begin));
        metrics_.groups.add();
        {
            std::lock_guard lock(mutex_);
            syncing_ = false;
            durable_.store(batch.required.value, std::memory_order_release);
        }
        changed_.notify_all();
        if (on_durable_) on_durable_();
    }
    release(batch);
    if (batch.group) {
        metrics_.commit_micros.record(
            static_cast<std::uint64_t>(clock_.monotonic() - batch.submitted_at)
        );
    }
}

void Committer::release(CommitBatch& batch) {
    if (batch.after) batch.after();
    if (!batch.jobs.empty()) sink_.deliver(std::move(batch.jobs));
}

void Committer::wait_durable(ledger::GroupId group) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return durable_.load(std::memory_order_acquire) >= group.value; });
}

ledger::Timestamp Committer::sync_running_for() const {
    const ledger::Timestamp started = sync_started_.load(std::memory_order_relaxed);
    return started == 0 ? 0 : clock_.monotonic() - started;
}

}  // namespace server::engine
