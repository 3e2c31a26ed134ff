#pragma once

#include <atomic>

#include "ledger/base/clock.hpp"

namespace test_support {

/// Time that moves only when it is told to. Thread-safe.
class FakeClock final : public ledger::Clock {
public:
    /// 2026-01-15T00:00:00Z.
    static constexpr ledger::Timestamp kStart = 1'768'435'200 * ledger::kMicrosPerSecond;

    explicit FakeClock(ledger::Timestamp now = kStart) : now_(now) {}

    [[nodiscard]] ledger::Timestamp now() const override { return now_; }
    [[nodiscard]] ledger::Timestamp monotonic() const override { return monotonic_; }

    /// Time passes.
    void advance(ledger::Timestamp micros) {
        monotonic_ += micros;
        now_ += micros;
    }
    /// Somebody sets the wall clock.
    void jump(ledger::Timestamp micros) { now_ += micros; }

private:
    std::atomic<ledger::Timestamp> now_;
    /// Not 0, which some users take for "never".
    std::atomic<ledger::Timestamp> monotonic_{ledger::kMicrosPerDay};
};

}  // namespace test_support
