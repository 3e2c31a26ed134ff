#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ledger/base/clock.hpp"

namespace server::http {

/// Appends "2026-03-02T10:15:30Z", or with six digits of fraction if it is not a whole second.
void append_rfc3339(std::string& out, ledger::Timestamp time);
[[nodiscard]] std::string rfc3339(ledger::Timestamp time);

/// Any RFC 3339 date-time with "Z" or an offset; digits beyond the microsecond are dropped and a
/// leap second counts as the second after it. Empty if it is not one.
[[nodiscard]] std::optional<ledger::Timestamp> parse_rfc3339(std::string_view text);

/// False: an offset took the time out of the years that append_rfc3339 can write.
[[nodiscard]] bool has_four_digit_year(ledger::Timestamp time);

}  // namespace server::http
