#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rules/cel/expression.hpp"
#include "rules/cel/text.hpp"

namespace cel_test {

/// The slots of a small order event, with values, in the order of `order_environment`.
enum Slot : std::uint32_t {
    order_id,
    order_currency,
    order_unit,
    order_net,
    order_channel,
    order_lines,
    event_type,
    now
};

inline rules::cel::Environment order_environment() {
    using rules::cel::RecordField;
    using rules::cel::Type;
    using rules::cel::TypeKind;
    const Type line = Type::record({
        {"line_id", TypeKind::string},
        {"sku", TypeKind::string, false, 64},
        {"quantity", TypeKind::int_},
        {"amount", TypeKind::int_},
        {"note", TypeKind::string, true},
    });
    return rules::cel::Environment({
        {"order.id", TypeKind::string},
        {"order.currency", TypeKind::string},
        {"order.unit", TypeKind::int_},
        {"order.net", TypeKind::int_},
        {"order.channel", TypeKind::string, true},
        {"order.lines", Type::list(line)},
        {"event.type", TypeKind::string},
        {"now", TypeKind::timestamp},
    });
}

/// Owns the values of one order: two lines, no channel.
class Order {
public:
    Order() {
        using rules::cel::Value;
        lines_[0] = {
            Value::string("1"),
            Value::string("TEA"),
            Value::integer(2),
            Value::integer(1800),
            Value::absent()};
        lines_[1] = {
            Value::string("2"),
            Value::string("GIFT"),
            Value::integer(1),
            Value::integer(5000),
            Value::string("wrap")};
        line_values_ = {Value::record(lines_[0]), Value::record(lines_[1])};
        slots = {
            Value::string("o-1"),
            Value::string("EUR"),
            Value::integer(100),
            Value::integer(6800),
            Value::absent(),
            Value::list(line_values_),
            Value::string("order.paid"),
            Value::timestamp(1'700'000'000, 0),
        };
    }

    std::vector<rules::cel::Value> slots;

private:
    std::vector<rules::cel::Value> lines_[2];
    std::vector<rules::cel::Value> line_values_;
};

/// The detail of the error that compiling gives, or "" when it compiles.
inline std::string complaint(
    std::string_view source,
    rules::cel::ExpectedType expected = rules::cel::ExpectedType::any,
    const rules::cel::Limits& limits = rules::cel::Limits::rule()
) {
    const auto result = rules::cel::compile(source, order_environment(), expected, limits);
    return result ? std::string() : result.error().detail;
}

/// The value as text ("42", "true", "'x'"), "error: <sentence>" or "refused: <detail>".
inline std::string outcome(
    std::string_view source, const std::vector<rules::cel::Value>& slots = Order().slots
) {
    using rules::cel::Kind;
    const auto compiled = rules::cel::compile(
        source, order_environment(), rules::cel::ExpectedType::any, rules::cel::Limits::rule()
    );
    if (!compiled) return std::string("refused: ").append(compiled.error().detail);
    rules::cel::Fuel fuel{rules::cel::kRuleFuel};
    rules::cel::Arena arena;
    const auto result = rules::cel::evaluate(compiled.value(), slots, fuel, arena);
    if (!result.ok()) return std::string("error: ").append(result.text());
    switch (result.value.kind()) {
        case Kind::bool_: return result.value.as_bool() ? "true" : "false";
        case Kind::int_: return std::to_string(result.value.as_int());
        case Kind::string: return rules::cel::quoted(result.value.as_text());
        default: return std::string(rules::cel::type_name(result.value.kind()));
    }
}

}  // namespace cel_test
