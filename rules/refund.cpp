#include "rules/refund.hpp"

#include <algorithm>
#include <cstddef>
#include <string>

#include "rules/event.hpp"
#include "rules/spread.hpp"

namespace rules {
namespace {

std::string_view line_id(const OrderFacts& order, std::size_t index) {
    return order.lines.empty() ? kWholeOrderLine : order.lines[index].line_id;
}

ledger::Error exceeds(std::string pointer, std::string detail) {
    return ledger::field_error(
        ledger::ErrorCode::refund_exceeds_order, std::move(pointer), std::move(detail)
    );
}

std::string line_pointer(std::size_t index, std::string_view field) {
    return "/data/lines/" + std::to_string(index) + "/" + std::string(field);
}

/// The first line with `id` from `start` on, wrapping around: refunds mostly name lines in order.
std::size_t find_line(const OrderFacts& order, std::string_view id, std::size_t start) {
    const std::size_t count = line_count(order);
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t index = (start + i) % count;
        if (line_id(order, index) == id) return index;
    }
    return count;
}

ledger::Result<void> take_lines(
    const OrderFacts& order,
    std::span<const OrderLine> lines,
    std::span<const Points> remaining,
    std::span<Points> taken
) {
    std::size_t start = 0;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const std::size_t index = find_line(order, lines[i].line_id, start);
        if (index == remaining.size()) {
            return exceeds(line_pointer(i, "line_id"), "the order has no such line");
        }
        if (lines[i].amount > remaining[index] - taken[index]) {
            return exceeds(line_pointer(i, "amount"), "more than remains of the line");
        }
        taken[index] += lines[i].amount;
        start = index + 1;
    }
    return {};
}

ledger::Result<void> take_amount(
    Points amount, std::span<const Points> remaining, std::span<Points> taken
) {
    Points left = amount;
    for (const Points line : remaining)
        left -= std::min(left, line);
    if (left > 0) return exceeds("/data/amount", "more than remains of the order");
    spread(amount, remaining, taken);
    return {};
}

}  // namespace

ledger::Result<void> plan_refund(
    const OrderFacts& order,
    const ledger::RefundFacts& refund,
    std::span<const Points> remaining,
    std::span<Points> taken
) {
    std::ranges::fill(taken, 0);
    if (refund.cancel) {
        std::ranges::copy(remaining, taken.begin());
        return {};
    }
    if (!refund.lines.empty()) return take_lines(order, refund.lines, remaining, taken);
    if (refund.has_amount) return take_amount(refund.amount, remaining, taken);
    return {};
}

}  // namespace rules
