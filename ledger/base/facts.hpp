#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "ledger/base/points.hpp"

// What an event says, as entries store it and rules read it.
namespace ledger {

/// Stored: never renumber. What one rule did with one event.
enum class RuleCode : std::uint8_t {
    awarded = 1,
    not_matched = 2,
    error = 3,
    zero = 4,
    capped = 5,
    refunded = 6,
};

/// Bits of Order.present.
enum class OrderField : std::uint32_t {
    total = 1,
    subtotal = 2,
    shipping = 4,
    tax = 8,
    discount = 16,
    gift_card_amount = 32,
    points_amount = 64,
    channel = 128,
};

struct OrderLine {
    std::string_view line_id;
    std::string_view sku;
    std::int64_t quantity = 1;
    Points amount = 0;  ///< minor units, after discounts
    bool gift_card = false;
};

/// Facts of `order.paid`. Amounts in minor units of `currency`, >= 0.
struct OrderFacts {
    std::string_view order_id;
    std::string_view currency;  ///< ISO 4217
    std::uint8_t exponent = 2;  ///< order.unit = 10^exponent
    Points total = 0;
    Points net = 0;  ///< order.net, design rules.md; never below 0
    std::string_view channel;
    std::span<const OrderLine> lines;
    Points shipping = 0;
    Points tax = 0;
    Points discount = 0;
    Points gift_card_amount = 0;
    Points points_amount = 0;
    Points subtotal = 0;
    std::uint32_t present = 0;  ///< OrderField bits
};

/// Facts of `order.refunded` and `order.cancelled`.
struct RefundFacts {
    std::string_view order_id;
    std::string_view refund_id;
    std::string_view currency;
    Points amount = 0;
    std::span<const OrderLine> lines;
    Points shipping = 0;
    bool cancel = false;
    bool has_amount = false;
    std::span<const Points> taken;  ///< per order line; filled by decide
};

}  // namespace ledger
