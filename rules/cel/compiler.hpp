#pragma once

#include "rules/cel/arena.hpp"
#include "rules/cel/ast.hpp"
#include "rules/cel/program.hpp"

namespace rules::cel {

/// Checked tree under `root` to flat code. Constants that the code refers to stay where they are.
[[nodiscard]] Program compile_program(const Ast& ast, NodeId root);

/// Replaces each part whose value never changes by that value, kept in `constants`. A part that
/// fails stays: it may be guarded by a condition. The work is bounded.
void fold_constants(Ast& ast, Arena& constants);

}  // namespace rules::cel
