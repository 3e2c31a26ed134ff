#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "ledger/base/points.hpp"
#include "ledger/base/result.hpp"

namespace rules {

/// Digits after the point of an ISO 4217 currency, e.g. 2 for "EUR"; nullopt for a code that is not
/// an active one with minor units (metals, test codes, lower case).
[[nodiscard]] std::optional<std::uint8_t> currency_exponent(std::string_view code);

/// 10^exponent; `exponent` <= 4 for every ISO 4217 currency.
[[nodiscard]] ledger::Points currency_unit(std::uint8_t exponent);

/// Decimal text `-?[0-9]{1,15}(\.[0-9]+)?` as minor units, without a double on the way. Zeros
/// beyond the exponent are dropped. Errors: `invalid_amount` for text of another form, a further
/// digit that is not 0, a negative amount, or one outside the wire's range. The error has no
/// pointer: the caller knows the field.
[[nodiscard]] ledger::Result<ledger::Points> parse_money(
    std::string_view text, std::uint8_t exponent
);

}  // namespace rules
