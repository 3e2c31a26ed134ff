#include "tools/import/lane.hpp"

#include <utility>

#include "tools/import/journal.hpp"
#include "tools/import/sender.hpp"

namespace importer {

bool Lane::push(Batch batch) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return closed_ || waiting_.size() < kWaitingMax; });
    if (closed_) return false;
    waiting_.push_back(std::move(batch));
    changed_.notify_all();
    return true;
}

std::optional<Batch> Lane::pop() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return closed_ || !waiting_.empty(); });
    if (waiting_.empty()) return std::nullopt;
    std::optional<Batch> batch(std::move(waiting_.front()));
    waiting_.pop_front();
    changed_.notify_all();
    return batch;
}

void Lane::close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
}

void Lane::abandon() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    waiting_.clear();
    changed_.notify_all();
}

std::optional<Batch> Batcher::add(Event event) {
    std::optional<Batch> complete;
    const std::size_t size = event.body.size() + 1;
    if (!events_.empty() && (events_.size() == events_max_ || bytes_ + size > bytes_max_))
        complete = rest();
    bytes_ += size;
    events_.push_back(std::move(event));
    return complete;
}

std::optional<Batch> Batcher::rest() {
    if (events_.empty()) return std::nullopt;
    Batch batch;
    batch.events = std::exchange(events_, {});
    bytes_ = 2;
    batch.body = batch_body(batch.events);
    batch.digest = digest_of(batch.body);
    return batch;
}

}  // namespace importer
