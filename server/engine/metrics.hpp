#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "ledger/base/result.hpp"

// Counters the engine keeps itself (it knows no metrics library); server/ops reads them when it is
// scraped.
namespace server::engine {

/// Powers of two from 1 microsecond; written by any thread with relaxed atomics.
class Histogram {
public:
    static constexpr std::size_t kBuckets =
        26;  ///< bucket i counts values < 2^i; the last one counts all

    void record(std::uint64_t value) {
        std::size_t bucket = 0;
        while (bucket + 1 < kBuckets && value >= (std::uint64_t{1} << bucket))
            ++bucket;
        counts_[bucket].fetch_add(1, std::memory_order_relaxed);
        sum_.fetch_add(value, std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t count(std::size_t bucket) const {
        return counts_[bucket].load(std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t sum() const { return sum_.load(std::memory_order_relaxed); }

private:
    std::array<std::atomic<std::uint64_t>, kBuckets> counts_{};
    std::atomic<std::uint64_t> sum_{0};
};

struct Counter {
    std::atomic<std::uint64_t> value{0};
    void add(std::uint64_t n = 1) { value.fetch_add(n, std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t get() const { return value.load(std::memory_order_relaxed); }
};

struct Metrics {
    static constexpr std::size_t kCodes = 128;  ///< ErrorCode values are below this

    Counter commands;  ///< decided
    Counter events_applied;
    Counter events_duplicate;
    Counter entries;  ///< appended
    Counter groups;   ///< committed
    Counter reads;
    Counter fetched_rows;  ///< rows read from disk because RAM did not know them
    Counter retries;       ///< decisions repeated after a fetch
    Counter poison;
    Counter unreadable_rows;  ///< stored rows that could not be read when they were needed
    Counter rule_errors;      ///< rule outcomes with the code `error`
    Counter checkpoints;
    Counter view_records;
    Counter log_value_bytes;
    Counter settled_members;
    std::array<Counter, kCodes> refused_by_code;  ///< rejected and refused, by ErrorCode

    Histogram group_commands;     ///< commands a group
    Histogram decide_micros;      ///< a group
    Histogram apply_micros;       ///< a group: seal, check, encode, hash, apply
    Histogram sync_micros;        ///< Write(sync)
    Histogram commit_micros;      ///< a group: handed over to answers let go, waiting for the sync
                                  ///< before included
    Histogram queue_micros;       ///< submit to drained
    Histogram checkpoint_micros;  ///< cut to ingested

    void refused(ledger::ErrorCode code) {
        refused_by_code[static_cast<std::size_t>(code) % kCodes].add();
    }
};

}  // namespace server::engine
