#pragma once

#include <cstdint>

#include "rules/cel/environment.hpp"

namespace rules {

/// The slots of the environment of `order.paid`; each enumerator is the index of its variable.
enum class OrderSlot : std::uint8_t {
    event_id,
    event_source,
    event_subject,
    event_time,
    event_type,
    now,
    order_channel,
    order_currency,
    order_id,
    order_lines,
    order_net,
    order_unit,
    count,
};

/// The fields of an item of `order.lines`, in the order of its record.
enum class LineField : std::uint8_t { line_id, sku, quantity, amount, gift_card, count };

/// What an expression of an `order.paid` rule may read. Made once; thread-safe.
[[nodiscard]] const cel::Environment& order_environment();

}  // namespace rules
