#pragma once

#include <span>

#include "rules/cel/functions.hpp"
#include "rules/cel/program.hpp"

namespace rules::cel {

/// Runs `program` until it has a value, an error (with its position) or no more fuel. Allocates
/// only from `context.arena`, and there only for text, lists and maps that are made.
[[nodiscard]] Value run(const Program& program, std::span<const Value> slots, Context& context);

}  // namespace rules::cel
