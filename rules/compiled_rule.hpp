#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rules/cel/expression.hpp"
#include "rules/document.hpp"
#include "rules/duration.hpp"

namespace rules {

/// An expression that yields a bool or an integer; one that reads nothing was evaluated already.
struct CompiledExpression {
    std::optional<cel::Expression> expression;
    std::optional<cel::Value> constant;
};

struct CompiledAward {
    CompiledExpression points;
    std::uint16_t currency = 0;
    std::string reason;
    std::optional<DurationSpec> hold;
    std::optional<DurationSpec> expires;
};

/// One rule, ready to run.
struct CompiledRule {
    std::string name;  ///< "campaign/rule"
    std::optional<Cap> cap;
    std::size_t cap_cell = 0;  ///< index into RuleSet::cells(), if there is a cap
    std::string campaign;
    Stage stage = Stage::base;
    std::int32_t priority = 0;
    CompiledExpression condition;
    std::vector<CompiledAward> awards;
};

}  // namespace rules
