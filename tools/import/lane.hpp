#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tools/import/source.hpp"

namespace importer {

/// Events that are sent together.
struct Batch {
    std::vector<Event> events;
    std::string body;
    std::string digest;
};

/// The batches that wait for one connection, at most two: the reader waits for the sender.
class Lane {
public:
    /// Waits for room. False if the lane is closed: the batch will not be sent.
    [[nodiscard]] bool push(Batch batch);
    /// Waits for a batch; nothing once the lane is closed and empty, or abandoned.
    [[nodiscard]] std::optional<Batch> pop();
    /// No batch comes any more.
    void close();
    /// Those that wait are not sent either.
    void abandon();

private:
    static constexpr std::size_t kWaitingMax = 2;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Batch> waiting_;
    bool closed_ = false;
};

/// Collects events until one of two bounds is reached.
class Batcher {
public:
    Batcher(std::size_t events_max, std::size_t bytes_max)
        : events_max_(events_max), bytes_max_(bytes_max) {}

    /// The batch that was complete before `event`, which begins the next one.
    [[nodiscard]] std::optional<Batch> add(Event event);
    /// What is left; nothing if there is none.
    [[nodiscard]] std::optional<Batch> rest();

private:
    const std::size_t events_max_;
    const std::size_t bytes_max_;
    std::vector<Event> events_;
    std::size_t bytes_ = 2;
};

}  // namespace importer
