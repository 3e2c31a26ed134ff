#pragma once

#include "rules/cel/ast.hpp"
#include "rules/cel/functions.hpp"
#include "rules/cel/value.hpp"

namespace rules::cel {

/// A unary or binary operator (not && and ||) on values that are neither absent nor errors.
[[nodiscard]] Value apply(
    Operation operation, Context& context, const Value& left, const Value& right
);
[[nodiscard]] Value apply(Operation operation, const Value& operand);

/// `target[key]`: list element or map value.
[[nodiscard]] Value at(const Value& target, const Value& key);
/// `target.name` on a map.
[[nodiscard]] Value select(const Value& target, const Value& name);
/// `has(target.name)` on a map.
[[nodiscard]] Value has_key(const Value& target, const Value& name);

}  // namespace rules::cel
