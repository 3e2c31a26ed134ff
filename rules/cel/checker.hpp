#pragma once

#include <cstdint>
#include <optional>

#include "rules/cel/ast.hpp"
#include "rules/cel/diagnostic.hpp"
#include "rules/cel/environment.hpp"
#include "rules/cel/limits.hpp"

namespace rules::cel {

/// What the whole expression must yield.
enum class ExpectedType : std::uint8_t { any, bool_, int_ };

/// Resolves each name to a slot, local, type, field or function and gives each node its type. With
/// `limits.check_types` the first contradiction is returned; without it names are resolved only,
/// and what cannot be resolved becomes an evaluation error.
[[nodiscard]] std::optional<Diagnostic> check(
    Ast& ast, const Environment& environment, ExpectedType expected, const Limits& limits
);

}  // namespace rules::cel
