#include "server/engine/checkpointer.hpp"

#include <cstdio>

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ledger/base/invariant.hpp"

namespace server::engine {

namespace {

/// Weighs a tenth of a thread at 0.
constexpr int kCalmNice = 10;

}  // namespace

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
    calm_.thread = std::thread([this] {
        setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), kCalmNice);
        run(calm_);
    });
    urgent_.thread = std::thread([this] { run(urgent_); });
}

void Checkpointer::stop() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    for (Helper* helper : {&calm_, &urgent_}) {
        if (helper->thread.joinable()) helper->thread.join();
    }
}

void Checkpointer::submit(ledger::CheckpointBatch batch, Pace pace) {
    {
        std::lock_guard lock(mutex_);
        INVARIANT(!calm_.next && !urgent_.next);
        (pace == Pace::calm ? calm_ : urgent_).next = std::move(batch);
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

void Checkpointer::run(Helper& helper) {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [&] { return helper.next || stopping_; });
        if (!helper.next) return;
        ledger::CheckpointBatch batch = std::move(*helper.next);
        helper.next.reset();
        lock.unlock();
        ingest(std::move(batch));
        lock.lock();
        finished_ = true;
        lock.unlock();
        changed_.notify_all();
        done_();
        lock.lock();
    }
}

void Checkpointer::ingest(ledger::CheckpointBatch batch) {
    const ledger::GroupId group{batch.applied_group};
    std::size_t records = batch.records.size();
    for (const auto& block : batch.seen)
        records += block.size();
    // The views are never ahead of the durable log.
    committer_.wait_durable(group);
    if (auto ingested = views_.ingest(std::move(batch)); ingested.has_error()) {
        std::fprintf(
            stderr, "guerdon: the views could not be written: %s\n", ingested.error().detail.c_str()
        );
        std::fflush(stderr);
        _exit(70);
    }
    log_.ingested(group);
    metrics_.checkpoints.add();
    metrics_.view_records.add(records);
}

}  // namespace server::engine
