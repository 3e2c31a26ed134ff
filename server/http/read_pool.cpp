#include "server/http/read_pool.hpp"

#include <exception>

#include "server/ops/log.hpp"

namespace server::http {

ReadPool::ReadPool(unsigned threads) {
    for (unsigned i = 0; i < threads; ++i)
        threads_.emplace_back([this] { run(); });
}

ReadPool::~ReadPool() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_)
        thread.join();
}

bool ReadPool::post(Work work, std::chrono::milliseconds delay) {
    {
        std::lock_guard lock(mutex_);
        if (stopping_ || items_.size() >= kWorkMax) return false;
        items_.push({std::chrono::steady_clock::now() + delay, next_order_++, std::move(work)});
    }
    changed_.notify_one();
    return true;
}

void ReadPool::run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        if (items_.empty()) {
            changed_.wait(lock);
            continue;
        }
        const Instant due = items_.top().due;
        if (due > std::chrono::steady_clock::now()) {
            changed_.wait_until(lock, due);
            continue;
        }
        Work work = std::move(items_.top().work);
        items_.pop();
        lock.unlock();
        try {
            work();
        } catch (const std::exception& error) {
            ops::log(ops::Severity::error, "read_pool_failed", {{"what", error.what()}});
        }
        work.reset();
        lock.lock();
    }
}

}  // namespace server::http
