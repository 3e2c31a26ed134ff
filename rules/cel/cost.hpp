#pragma once

#include <cstdint>

#include "rules/cel/ast.hpp"
#include "rules/cel/limits.hpp"

namespace rules::cel {

/// Units as in cel-go: a name or a call 1, a new list 10, a new map 30, a pass over text 0.1 for
/// each byte, a loop its turns times its body; a constant is free.
struct Cost {
    std::uint64_t min = 0;
    std::uint64_t max = 0;
};

/// Bounds on the cost of any evaluation of the checked and folded tree, assuming lists and strings
/// in the slots within `limits`. Saturates.
[[nodiscard]] Cost estimate_cost(const Ast& ast, const Limits& limits);

}  // namespace rules::cel
