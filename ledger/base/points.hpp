#pragma once

#include <cstdint>
#include <optional>

namespace ledger {

/// An amount of points (or of minor money units): a signed 64-bit integer, never a float.
using Points = std::int64_t;

/// Largest magnitude that leaves or enters over JSON: 2^53 - 1 (docs/api.md, "Numbers").
inline constexpr Points kWireMax = 9'007'199'254'740'991;

[[nodiscard]] inline std::optional<Points> checked_add(Points a, Points b) {
    Points sum = 0;
    if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
    return sum;
}

[[nodiscard]] inline std::optional<Points> checked_sub(Points a, Points b) {
    Points difference = 0;
    if (__builtin_sub_overflow(a, b, &difference)) return std::nullopt;
    return difference;
}

[[nodiscard]] inline std::optional<Points> checked_mul(Points a, Points b) {
    Points product = 0;
    if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
    return product;
}

/// True if `value` may appear on the wire.
[[nodiscard]] constexpr bool fits_wire(Points value) {
    return value >= -kWireMax && value <= kWireMax;
}

}  // namespace ledger
