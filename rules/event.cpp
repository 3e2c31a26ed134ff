#include "rules/event.hpp"

#include <algorithm>
#include <array>

namespace rules {
namespace {

constexpr std::array<std::string_view, 3> kBuilt{kOrderCancelled, kOrderPaid, kOrderRefunded};

constexpr std::array<std::string_view, 18> kKnown{
    "customer.created",
    "customer.merged",
    "customer.redacted",
    "customer.updated",
    "order.created",
    "order.delivered",
    "order.edited",
    "order.fulfilled",
    "referral.clicked",
    "referral.signed_up",
    "review.published",
    "review.removed",
    "review.updated",
    "social.mentioned",
    "social.shared",
    "ugc.approved",
    "ugc.revoked",
    "visit",
};

constexpr std::array<std::string_view, 6> kDerived{
    "goal.reached",
    "referral.bound",
    "referral.qualified",
    "review.approved",
    "share.verified",
    "tier.changed",
};

template <std::size_t Size>
bool contains(const std::array<std::string_view, Size>& names, std::string_view type) {
    return std::ranges::find(names, type) != names.end();
}

bool has(const OrderFacts& order, ledger::OrderField field) {
    return (order.present & static_cast<std::uint32_t>(field)) != 0;
}

Points net_without_lines(const OrderFacts& order) {
    if (has(order, ledger::OrderField::subtotal)) return order.subtotal;
    return order.total - order.shipping - order.tax;
}

}  // namespace

EventStanding standing(std::string_view type) {
    if (contains(kBuilt, type)) return EventStanding::built;
    if (contains(kDerived, type)) return EventStanding::derived;
    if (contains(kKnown, type)) return EventStanding::known;
    constexpr std::string_view custom = "custom.";
    const bool is_custom = type.starts_with(custom) && type.size() > custom.size();
    return is_custom ? EventStanding::known : EventStanding::unknown;
}

ledger::Result<Points> order_net(const OrderFacts& order) {
    if (order.lines.empty()) return std::max<Points>(0, net_without_lines(order));
    Points sum = 0;
    for (const OrderLine& line : order.lines) {
        if (line.gift_card) continue;
        const auto next = ledger::checked_add(sum, line.amount);
        if (!next || !ledger::fits_wire(*next)) {
            return ledger::make_error(
                ledger::ErrorCode::invalid_amount,
                "the lines of the order sum to more than 2^53 - 1"
            );
        }
        sum = *next;
    }
    return std::max<Points>(0, sum - order.points_amount);
}

Points order_net(const OrderFacts& order, std::span<const Points> remaining) {
    if (order.lines.empty()) return remaining[0];
    Points sum = 0;
    for (std::size_t i = 0; i < remaining.size(); ++i) {
        if (!order.lines[i].gift_card) sum += remaining[i];
    }
    return std::max<Points>(0, sum - order.points_amount);
}

}  // namespace rules
