#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/steady_timer.hpp>

#include "server/net/asio.hpp"
#include "server/net/io_queue.hpp"
#include "server/net/server.hpp"

namespace server::net {

/// Milliseconds of the steady clock.
using SteadyMs = std::int64_t;
[[nodiscard]] SteadyMs steady_now_ms();
inline constexpr SteadyMs kNoDeadline = INT64_MAX;

/// What the io thread needs of a connection: its place in the list and its deadline.
class Connection {
public:
    virtual ~Connection() = default;
    /// The deadline has passed. On the io thread.
    virtual void on_deadline() = 0;
    /// Closes if idle; otherwise after the request in flight. On the io thread.
    virtual void begin_drain() = 0;
    /// Closes at once. On the io thread.
    virtual void cut() = 0;

    SteadyMs deadline = kNoDeadline;

private:
    friend class IoThread;
    Connection* previous_ = nullptr;
    Connection* next_ = nullptr;
    bool listed_ = false;
};

/// One thread with one io_context. A connection lives and dies on one of them, so it needs neither
/// strand nor lock. Deadlines cost no timer: one tick scans them all.
class IoThread final : public IoQueue {
public:
    explicit IoThread(std::chrono::milliseconds tick);
    ~IoThread() override;

    void start();
    /// Lets `run` return once nothing is left to do, and joins.
    void join();

    void push(UniqueFunction<void()> work) override;
    void push_many(std::vector<UniqueFunction<void()>>& work) override;
    [[nodiscard]] bool on_this_thread() const override {
        return thread_id_.load(std::memory_order_relaxed) == std::this_thread::get_id();
    }

    [[nodiscard]] asio::io_context& context() { return context_; }

    // On the io thread.
    void enlist(Connection& connection);
    void delist(Connection& connection);
    void drain_connections();
    void cut_connections();
    [[nodiscard]] bool draining() const { return draining_; }
    /// "Sun, 22 Nov 2026 17:45:00 GMT", renewed by the tick.
    [[nodiscard]] std::string_view date() const { return {date_.data(), date_size_}; }

    struct Counters {
        std::atomic<std::uint64_t> requests{0};
        std::atomic<std::uint64_t> timeouts{0};
        std::atomic<std::uint64_t> malformed{0};
    };
    /// Written by the io thread only.
    Counters counters;
    static void count(std::atomic<std::uint64_t>& counter) {
        counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }

private:
    void schedule_tick();
    void on_tick();
    void renew_date();
    void run_inbox();
    void wake();

    asio::io_context context_{1};
    std::optional<asio::executor_work_guard<IoExecutor>> work_guard_;
    asio::steady_timer timer_{context_};
    std::chrono::milliseconds tick_;
    std::thread thread_;
    std::atomic<std::thread::id> thread_id_{};

    // Owned by the io thread.
    Connection* first_ = nullptr;
    bool draining_ = false;
    std::array<char, 40> date_{};
    std::size_t date_size_ = 0;
    std::vector<UniqueFunction<void()>> running_;

    // Guarded by inbox_mutex_.
    std::mutex inbox_mutex_;
    std::vector<UniqueFunction<void()>> inbox_;
    bool woken_ = false;
    bool stopped_ = false;
};

}  // namespace server::net
