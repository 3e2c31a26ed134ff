#include "server/engine/checkpointer.hpp"

#include <cstdio>

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ledger/base/invariant.hpp"

namespace server::engine {

Checkpointer::Checkpointer(
    ledger::ViewStore& views,
    ledger::Log& log,
    Committer& committer,
    Metrics& metrics,
    std::function<void()> done
)
    : views_(views), log_(log), committer_(committer), metrics_(metrics), done_(std::move(done)) {}

Checkpointer::~Checkpointer() {
    stop();
}

void Checkpointer::start() {
    thread_ = std::thread([this] { run(); });
}

void Checkpointer::stop() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void Checkpointer::submit(ledger::CheckpointBatch batch) {
    {
        std::lock_guard lock(mutex_);
        INVARIANT(!next_);
        next_ = std::move(batch);
    }
    changed_.notify_all();
}

void Checkpointer::wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return finished_; });
}

bool Checkpointer::take_done() {
    std::lock_guard lock(mutex_);
    const bool done = finished_;
    finished_ = false;
    return done;
}

void Checkpointer::run() {
    // Answers come first: this thread takes what the writer and the io threads leave.
    setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), 10);
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return next_ || stopping_; });
        if (!next_) return;
        ledger::CheckpointBatch batch = std::move(*next_);
        next_.reset();
        lock.unlock();
        const ledger::GroupId group{batch.applied_group};
        std::size_t records = batch.records.size();
        for (const auto& block : batch.seen)
            records += block.size();
        // The views are never ahead of the durable log.
        committer_.wait_durable(group);
        if (auto ingested = views_.ingest(std::move(batch)); ingested.has_error()) {
            std::fprintf(
                stderr,
                "guerdon: the views could not be written: %s\n",
                ingested.error().detail.c_str()
            );
            std::fflush(stderr);
            _exit(70);
        }
        log_.ingested(group);
        metrics_.checkpoints.add();
        metrics_.view_records.add(records);
        lock.lock();
        finished_ = true;
        lock.unlock();
        changed_.notify_all();
        done_();
        lock.lock();
    }
}

}  // namespace server::engine
