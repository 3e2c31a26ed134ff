#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "ledger/base/result.hpp"
#include "rules/cel/arena.hpp"
#include "rules/cel/checker.hpp"
#include "rules/cel/cost.hpp"
#include "rules/cel/diagnostic.hpp"
#include "rules/cel/environment.hpp"
#include "rules/cel/functions.hpp"
#include "rules/cel/limits.hpp"
#include "rules/cel/type.hpp"
#include "rules/cel/value.hpp"

/// CEL, the Common Expression Language, for rules: compile once, evaluate often.
///
///     Environment order({{"order.net", TypeKind::int_}, {"order.channel", TypeKind::string,
///     true}}); auto rule = compile("order.net >= 1000", order, ExpectedType::bool_,
///     Limits::rule()); Evaluation result = evaluate(rule.value(), slots, fuel, arena);
///
/// Two documented choices: a JSON integer is `int`, and maps are walked in key order.
namespace rules::cel {

/// A compiled expression. Immutable, cheap to copy, safe to evaluate from many threads at once.
class Expression {
public:
    [[nodiscard]] const std::string& source() const;
    /// Bounds in cost units; see cost.hpp.
    [[nodiscard]] Cost cost() const;
    [[nodiscard]] const Type& result_type() const;
    /// Slots of the Environment that an evaluation may read, ascending: fill only these.
    [[nodiscard]] std::span<const std::uint32_t> slots_read() const;
    /// Line and column of a byte offset, as in Evaluation::position.
    [[nodiscard]] SourceLocation locate(std::uint32_t position) const;

private:
    struct Compiled;
    explicit Expression(std::shared_ptr<const Compiled> compiled)
        : compiled_(std::move(compiled)) {}

    friend ledger::Result<Expression> compile(
        std::string_view source,
        const Environment& environment,
        ExpectedType expected,
        const Limits& limits
    );
    friend struct Evaluation evaluate(
        const Expression& expression, std::span<const Value> slots, Fuel& fuel, Arena& arena
    );

    std::shared_ptr<const Compiled> compiled_;
};

/// Text to a checked, folded, costed and flat program. `environment` is needed only during the
/// call. Errors: invalid_expression (detail: line, column, message, the line, a caret),
/// not_supported (the same, for CEL that this implementation lacks), expression_too_costly (detail:
/// the estimate).
[[nodiscard]] ledger::Result<Expression> compile(
    std::string_view source,
    const Environment& environment,
    ExpectedType expected,
    const Limits& limits
);

/// A value, or why there is none.
struct Evaluation {
    /// Valid while the slots, the expression and (until its reset) the arena are.
    Value value = Value::absent();
    EvaluationErrorKind error = EvaluationErrorKind::none;
    /// Of the error: byte offset in the source.
    std::uint32_t position = 0;

    [[nodiscard]] bool ok() const { return error == EvaluationErrorKind::none; }
    /// One short sentence; static storage.
    [[nodiscard]] std::string_view text() const { return describe(error); }
};

/// Runs the expression. `slots` has one value for each variable of the Environment, at its index;
/// those not in `slots_read()` are never looked at. Takes its steps from `fuel`. Never throws;
/// takes no memory but from `arena`, and none at all for programs of numbers, bools and text
/// comparisons.
[[nodiscard]] Evaluation evaluate(
    const Expression& expression, std::span<const Value> slots, Fuel& fuel, Arena& arena
);

}  // namespace rules::cel
