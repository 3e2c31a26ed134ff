#pragma once

#include <atomic>
#include <cstdio>
#include <mutex>

#include "ledger/base/clock.hpp"

namespace server::engine {

/// The answer while the clock is held.
inline constexpr const char* kClockHeldDetail =
    "The clock is far ahead of the ledger; an operator must accept it (--accept-clock).";

/// Holds writes and timers while the wall clock is far ahead of what the log and the monotonic
/// clock say, until an operator accepts it: an entry recorded in the future could never be taken
/// back. Thread-safe.
class ClockGuard {
public:
    /// Ahead of the last look plus the time that passed since then.
    static constexpr ledger::Timestamp kJumpMax = 10 * ledger::kMicrosPerMinute;
    /// Ahead of the last entry at start-up.
    static constexpr ledger::Timestamp kGapMax = 24 * ledger::kMicrosPerHour;

    /// `last_recorded` 0: the log is empty. `accepted`: the operator vouches for the clock.
    ClockGuard(const ledger::Clock& clock, ledger::Timestamp last_recorded, bool accepted)
        : clock_(clock), wall_base_(clock.now()), monotonic_base_(clock.monotonic()) {
        if (last_recorded == 0 || accepted || wall_base_ <= last_recorded + kGapMax) return;
        held_ = true;
        skew_ = wall_base_ - last_recorded;
    }

    /// Looks at the clock, whose `now()` the caller is about to use; true: it must not.
    bool check(ledger::Timestamp now) {
        if (held()) return true;
        const std::scoped_lock lock(mutex_);
        const ledger::Timestamp skew = now - (wall_base_ + (clock_.monotonic() - monotonic_base_));
        skew_.store(skew, std::memory_order_relaxed);
        if (skew <= kJumpMax) return false;
        held_.store(true, std::memory_order_relaxed);
        std::fprintf(
            stderr,
            "guerdon: the clock jumped ahead by %lld s: writes wait for POST /v1/ops/clock or a "
            "restart with --accept-clock\n",
            static_cast<long long>(skew / ledger::kMicrosPerSecond)
        );
        return true;
    }
    [[nodiscard]] bool held() const { return held_.load(std::memory_order_relaxed); }
    /// Microseconds ahead, at the last look.
    [[nodiscard]] ledger::Timestamp skew() const { return skew_.load(std::memory_order_relaxed); }

    /// The operator's word: what the clock says now is right.
    void accept() {
        const std::scoped_lock lock(mutex_);
        wall_base_ = clock_.now();
        monotonic_base_ = clock_.monotonic();
        skew_.store(0, std::memory_order_relaxed);
        held_.store(false, std::memory_order_relaxed);
    }

private:
    const ledger::Clock& clock_;
    std::atomic<bool> held_{false};
    std::atomic<ledger::Timestamp> skew_{0};
    std::mutex mutex_;
    // guarded by mutex_
    ledger::Timestamp wall_base_;
    ledger::Timestamp monotonic_base_;
};

}  // namespace server::engine
