#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "ledger/base/clock.hpp"
#include "ledger/base/facts.hpp"
#include "ledger/base/points.hpp"
#include "ledger/base/result.hpp"

namespace rules {

using ledger::OrderFacts;
using ledger::OrderLine;
using ledger::Points;
using ledger::Timestamp;

/// What a posted event's `type` means to this version.
enum class EventStanding : std::uint8_t {
    /// Sequenced and evaluated: order.paid, order.refunded, order.cancelled.
    built,
    /// A canonical inbound type that nothing is built on yet, `custom.<name>` included: stored as
    /// `ignored`.
    known,
    /// Only the server emits it; posting one is `derived_type`.
    derived,
    /// Stored as `ignored`.
    unknown,
};
[[nodiscard]] EventStanding standing(std::string_view type);

inline constexpr std::string_view kOrderPaid = "order.paid";
inline constexpr std::string_view kOrderRefunded = "order.refunded";
inline constexpr std::string_view kOrderCancelled = "order.cancelled";

/// The line of an order that came without lines; its amount is `order.net`.
inline constexpr std::string_view kWholeOrderLine = "_order";
/// The most lines one event may have.
inline constexpr std::size_t kLinesMax = 1'000;

/// What the rules may look at for one `order.paid`. Everything pointed to outlives the evaluation.
struct OrderEvent {
    const OrderFacts& order;
    std::string_view id;        ///< `event.id`
    std::string_view source;    ///< `event.source`
    std::string_view subject;   ///< `event.subject`; empty: absent
    Timestamp occurred_at = 0;  ///< `event.time`; holds and expiries count from here
    Timestamp now = 0;          ///< `now`: the event's time inside the late window
    /// What RuleSet::cells() had counted before the event, by position; empty: nothing.
    std::span<const std::int64_t> counts = {};
};

/// The number of lines that amounts are kept for: at least one (`_order`).
[[nodiscard]] inline std::size_t line_count(const OrderFacts& order) {
    return order.lines.empty() ? 1 : order.lines.size();
}

/// The original amount of line `index` < line_count(order), minor units.
[[nodiscard]] inline Points line_amount(const OrderFacts& order, std::size_t index) {
    return order.lines.empty() ? order.net : order.lines[index].amount;
}

/// `order.net` of a whole order from its other facts (docs/rules.md, "The value of an order"):
/// lines that are no gift cards less `points_amount`; without lines the subtotal, else the total
/// less shipping and tax; never below 0. Amounts must be >= 0 and inside the wire's range. Errors:
/// `invalid_amount` when the result leaves the wire's range.
[[nodiscard]] ledger::Result<Points> order_net(const OrderFacts& order);

/// The same over what refunds left of each line; `remaining` has line_count(order) amounts. Never
/// more than order.net, and 0 when nothing remains.
[[nodiscard]] Points order_net(const OrderFacts& order, std::span<const Points> remaining);

}  // namespace rules
