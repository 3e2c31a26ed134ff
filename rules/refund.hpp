#pragma once

#include <span>

#include "ledger/base/facts.hpp"
#include "ledger/base/points.hpp"
#include "ledger/base/result.hpp"

namespace rules {

/// What a refund takes from each line of its order, lines in the order's own sequence. `remaining`
/// and `taken` have line_count(order) amounts; `taken` is overwritten, `remaining` is the caller's
/// to lower.
/// - cancel: everything that remains;
/// - lines: their amounts; the line `_order` names an order without lines;
/// - an amount without lines: spread over what remains, largest remainder, ties by line order.
/// Errors: `refund_exceeds_order` for an unknown line or more than remains, with the pointer of the
/// field under `/data`.
[[nodiscard]] ledger::Result<void> plan_refund(
    const ledger::OrderFacts& order,
    const ledger::RefundFacts& refund,
    std::span<const ledger::Points> remaining,
    std::span<ledger::Points> taken
);

}  // namespace rules
