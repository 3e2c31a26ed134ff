#pragma once

#include <span>

#include "ledger/base/points.hpp"

namespace rules {

/// Splits `amount` >= 0 over `shares` in proportion to `weights` >= 0: each share rounded down,
/// then one unit more in the order of the largest remainders, ties by position. The shares sum to
/// `amount`, and none exceeds its weight when `amount` does not exceed the sum of the weights. All
/// weights zero: split evenly. `shares` and `weights` have the same size >= 1. Allocates only
/// beyond 32 shares.
void spread(
    ledger::Points amount, std::span<const ledger::Points> weights, std::span<ledger::Points> shares
);

}  // namespace rules
