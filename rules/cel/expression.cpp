#include "rules/cel/expression.hpp"

#include <utility>

#include "rules/cel/compiler.hpp"
#include "rules/cel/machine.hpp"
#include "rules/cel/parser.hpp"

namespace rules::cel {

namespace {

constexpr std::size_t kConstantBytesMax = 1U << 20U;

ledger::Error as_error(std::string_view source, const Diagnostic& diagnostic) {
    const auto code = diagnostic.complaint == Complaint::unsupported
                          ? ledger::ErrorCode::not_supported
                          : ledger::ErrorCode::invalid_expression;
    return ledger::make_error(code, render(source, diagnostic));
}

ledger::Error too_costly(const Cost& cost, std::uint64_t cost_max) {
    return ledger::make_error(
        ledger::ErrorCode::expression_too_costly,
        "the expression may cost " + std::to_string(cost.max) + " units; at most " +
            std::to_string(cost_max) + " are allowed"
    );
}

}  // namespace

struct Expression::Compiled {
    std::string source;
    Arena constants{kConstantBytesMax};
    Program program;
    Cost cost;
    Type result_type;
};

const std::string& Expression::source() const {
    return compiled_->source;
}
Cost Expression::cost() const {
    return compiled_->cost;
}
const Type& Expression::result_type() const {
    return compiled_->result_type;
}
std::span<const std::uint32_t> Expression::slots_read() const {
    return compiled_->program.slots_read;
}
SourceLocation Expression::locate(std::uint32_t position) const {
    return cel::locate(compiled_->source, position);
}

ledger::Result<Expression> compile(
    std::string_view source,
    const Environment& environment,
    ExpectedType expected,
    const Limits& limits
) {
    auto compiled = std::make_shared<Expression::Compiled>();
    compiled->source = source;
    Parsed parsed = parse(compiled->source, limits, compiled->constants);
    if (parsed.error) return as_error(source, *parsed.error);
    if (const auto error = check(parsed.ast, environment, expected, limits)) {
        return as_error(source, *error);
    }
    compiled->result_type = parsed.ast[parsed.ast.root].type;
    fold_constants(parsed.ast, compiled->constants);
    compiled->cost = estimate_cost(parsed.ast, limits);
    if (compiled->cost.max > limits.cost_max) return too_costly(compiled->cost, limits.cost_max);
    compiled->program = compile_program(parsed.ast, parsed.ast.root);
    if (compiled->program.code.size() > limits.instructions_max) {
        return as_error(source, {0, "the compiled expression is too large", Complaint::invalid});
    }
    return Expression(std::move(compiled));
}

Evaluation evaluate(
    const Expression& expression, std::span<const Value> slots, Fuel& fuel, Arena& arena
) {
    Context context{arena, fuel};
    const Value result = run(expression.compiled_->program, slots, context);
    if (!result.is(Kind::error)) return {result, EvaluationErrorKind::none, 0};
    return {Value::absent(), result.error_kind(), result.position()};
}

}  // namespace rules::cel
