#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <queue>
#include <thread>
#include <vector>

#include "server/net/unique_function.hpp"

namespace server::http {

/// A few threads for work that an io thread must not do: reading stored rows, compiling programs,
/// waiting. Bounded.
class ReadPool {
public:
    using Work = net::UniqueFunction<void()>;
    explicit ReadPool(unsigned threads);
    /// Drops what has not begun.
    ~ReadPool();
    ReadPool(const ReadPool&) = delete;
    ReadPool& operator=(const ReadPool&) = delete;

    static constexpr std::size_t kWorkMax = 8'192;
    /// False if too much waits; `work` is dropped then. Runs not before `delay` has passed.
    [[nodiscard]] bool post(
        Work work, std::chrono::milliseconds delay = std::chrono::milliseconds(0)
    );

private:
    using Instant = std::chrono::steady_clock::time_point;
    struct Item {
        Instant due;
        std::uint64_t order = 0;
        mutable Work work;
        bool operator<(const Item& other) const {
            return std::tie(other.due, other.order) < std::tie(due, order);
        }
    };
    void run();

    std::mutex mutex_;
    std::condition_variable changed_;
    // guarded by mutex_
    std::priority_queue<Item> items_;
    std::uint64_t next_order_ = 0;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace server::http
