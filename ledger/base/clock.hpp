#pragma once

#include <chrono>
#include <cstdint>
#include <limits>

namespace ledger {

/// Microseconds since 1970-01-01T00:00:00Z.
using Timestamp = std::int64_t;

/// "Never": an expiry that does not come. Compares after every real instant.
inline constexpr Timestamp kNever = std::numeric_limits<Timestamp>::max();

inline constexpr Timestamp kMicrosPerSecond = 1'000'000;
inline constexpr Timestamp kMicrosPerMinute = 60 * kMicrosPerSecond;
inline constexpr Timestamp kMicrosPerHour = 60 * kMicrosPerMinute;
inline constexpr Timestamp kMicrosPerDay = 24 * kMicrosPerHour;

/// The only source of time. Thread-safe.
class Clock {
public:
    virtual ~Clock() = default;
    /// Wall clock, UTC. May jump.
    [[nodiscard]] virtual Timestamp now() const = 0;
    /// Microseconds from an arbitrary start; never goes back.
    [[nodiscard]] virtual Timestamp monotonic() const = 0;
};

class SystemClock final : public Clock {
public:
    [[nodiscard]] Timestamp now() const override {
        return std::chrono::duration_cast<std::chrono::microseconds>(
                   std::chrono::system_clock::now().time_since_epoch()
        )
            .count();
    }
    [[nodiscard]] Timestamp monotonic() const override {
        return std::chrono::duration_cast<std::chrono::microseconds>(
                   std::chrono::steady_clock::now().time_since_epoch()
        )
            .count();
    }
};

}  // namespace ledger
