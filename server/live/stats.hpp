#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace server::live {

/// The codes that the server closes with, in the order of LiveStats::closes.
inline constexpr std::array<std::uint16_t, 13> kCloseCodes{
    4400, 4401, 4402, 4403, 4404, 4405, 4406, 4500, 4501, 4502, 4503, 4504, 4505};

/// Sums over all threads since start, but for the first two, which are now.
struct LiveStats {
    std::uint64_t connections = 0;
    std::uint64_t subscriptions = 0;
    std::uint64_t upgrades = 0;
    std::uint64_t upgrades_refused = 0;
    std::uint64_t messages = 0;  ///< to clients
    std::uint64_t frames = 0;    ///< in them
    std::uint64_t bytes = 0;     ///< of them
    std::uint64_t snaps = 0;
    std::uint64_t deltas = 0;
    std::uint64_t commands = 0;
    std::uint64_t resumes_hit = 0;
    std::uint64_t resumes_missed = 0;
    std::array<std::uint64_t, kCloseCodes.size()> closes{};
};

/// The counters of one thread: it alone writes.
struct HubCounters {
    using Counter = std::atomic<std::uint64_t>;
    Counter connections{0};
    Counter subscriptions{0};
    Counter upgrades{0};
    Counter messages{0};
    Counter frames{0};
    Counter bytes{0};
    Counter snaps{0};
    Counter deltas{0};
    Counter commands{0};
    Counter resumes_hit{0};
    Counter resumes_missed{0};
    std::array<Counter, kCloseCodes.size()> closes{};

    static void add(Counter& counter, std::uint64_t count = 1) {
        counter.store(counter.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
    }
    static void subtract(Counter& counter, std::uint64_t count = 1) {
        counter.store(counter.load(std::memory_order_relaxed) - count, std::memory_order_relaxed);
    }
    void add_to(LiveStats& stats) const;
};

}  // namespace server::live
