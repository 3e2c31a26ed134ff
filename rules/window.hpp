#pragma once

#include <string>

#include "ledger/base/clock.hpp"
#include "rules/rule_set.hpp"

namespace date {
class time_zone;
}

namespace rules {

/// One turn of a board's window: [starts_at, ends_at), local midnights of the program's zone.
struct WindowSpan {
    std::string id;                   ///< "2026-11"; "2026-W47", the ISO 8601 week; "all"
    ledger::Timestamp starts_at = 0;  ///< of `all`: 0
    ledger::Timestamp ends_at = 0;    ///< of `all`: kNever
};

/// The window of `kind` that holds `at`. A midnight that the clocks skip is the instant of the
/// jump; one that occurs twice, the earlier. Years 0001 to 9999. Thread-safe.
[[nodiscard]] WindowSpan window_at(
    BoardWindow kind, const date::time_zone& zone, ledger::Timestamp at
);

/// The period of a counter that holds `at`: local days or months since 1970-01; 0 for lifetime.
[[nodiscard]] std::int32_t period_at(
    CounterWindow window, const date::time_zone& zone, ledger::Timestamp at
);

/// The local midnight that begins the day of `at`, as above.
[[nodiscard]] ledger::Timestamp day_begin(const date::time_zone& zone, ledger::Timestamp at);

}  // namespace rules
