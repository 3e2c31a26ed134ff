#pragma once

#include <optional>
#include <string_view>

#include "rules/cel/arena.hpp"
#include "rules/cel/ast.hpp"
#include "rules/cel/diagnostic.hpp"
#include "rules/cel/limits.hpp"

namespace rules::cel {

struct Parsed {
    Ast ast;
    std::optional<Diagnostic> error;
};

/// Text to tree, macros included. Names point into `source`, contents of literals into `constants`:
/// both must outlive the tree. Recursion is bounded by `limits.depth_max`.
[[nodiscard]] Parsed parse(std::string_view source, const Limits& limits, Arena& constants);

}  // namespace rules::cel
