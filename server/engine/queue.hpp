#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "ledger/base/result.hpp"
#include "server/engine/job.hpp"

namespace server::engine {

/// Bounded queues in front of the writer: one pair (interactive, bulk) a program, served round
/// robin, and one for reads. Interactive work of all programs goes before bulk work. Thread-safe;
/// one consumer.
class JobQueue {
public:
    struct Limits {
        std::uint32_t commands_max = 65'536;                 ///< per program and lane
        std::uint64_t bytes_max = std::uint64_t{128} << 20;  ///< of bodies, per program and lane
        std::uint32_t reads_max = 8'192;
    };
    struct Drained {
        std::vector<std::unique_ptr<Job>> writes;
        std::vector<std::unique_ptr<Job>> reads;
        [[nodiscard]] bool empty() const { return writes.empty() && reads.empty(); }
    };

    explicit JobQueue(Limits limits) : limits_(limits) {}

    /// overloaded when full (the job is left with the caller), not_ready after close. A batch
    /// enters whole or not at all.
    ledger::Result<void> push(std::unique_ptr<Job>& job);
    /// Takes at most `commands` commands' worth of jobs and `reads` reads; waits up to
    /// `wait_micros` if there is nothing.
    Drained drain(std::uint32_t commands, std::uint32_t reads, ledger::Timestamp wait_micros);
    /// True if nothing waits.
    [[nodiscard]] bool idle() const;
    /// Wakes the consumer without work.
    void wake();
    [[nodiscard]] bool closed() const;
    /// No more pushes; what is queued is still drained.
    void close();
    struct Depth {
        std::uint64_t interactive = 0, bulk = 0, reads = 0;
    };
    [[nodiscard]] Depth depth() const;

private:
    struct Lanes {
        std::deque<std::unique_ptr<Job>> jobs[2];
        std::uint32_t commands[2] = {0, 0};
        std::uint64_t bytes[2] = {0, 0};
    };
    void take(int lane, std::uint32_t commands, Drained& out);

    const Limits limits_;
    mutable std::mutex mutex_;
    std::condition_variable arrived_;
    // guarded by mutex_
    std::map<std::uint32_t, Lanes> programs_;
    std::uint32_t next_program_ = 0;  ///< round robin position
    std::deque<std::unique_ptr<Job>> reads_;
    std::uint64_t commands_[2] = {0, 0};
    bool closed_ = false;
    bool woken_ = false;
    bool waiting_ = false;
};

/// The number of commands a job stands for.
[[nodiscard]] std::uint32_t weight(const Job& job);

}  // namespace server::engine
