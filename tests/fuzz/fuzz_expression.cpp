// Parse, check, fold, cost, compile and run of random text as an expression: no input may crash,
// hang or break an INVARIANT. The first byte chooses the limits and whether types are checked.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "ledger/base/invariant.hpp"
#include "rules/cel/expression.hpp"

namespace {

using namespace rules::cel;

Environment environment() {
    const Type line = Type::record({
        {"sku", TypeKind::string},
        {"amount", TypeKind::int_},
        {"note", TypeKind::string, true},
    });
    return Environment({
        {"order.net", TypeKind::int_},
        {"order.channel", TypeKind::string, true},
        {"order.lines", Type::list(line)},
        {"now", TypeKind::timestamp},
        {"x", TypeKind::dyn},
        {"m", Type::map(TypeKind::string, TypeKind::int_)},
    });
}

Limits limits_for(unsigned choice) {
    Limits limits = (choice & 1U) != 0 ? Limits::rule() : Limits::conformance();
    limits.check_types = (choice & 2U) != 0;
    return limits;
}

/// Runs it twice: an expression gives the same answer for the same fuel each time.
void evaluate_twice(const Expression& expression) {
    const std::vector<Value> line{Value::string("TEA"), Value::integer(5), Value::absent()};
    const std::vector<Value> lines{Value::record(line), Value::record(line)};
    const std::vector<MapEntry> entries{{Value::string("a"), Value::integer(1)}};
    const std::vector<Value> slots{
        Value::integer(1000),
        Value::absent(),
        Value::list(lines),
        Value::timestamp(0, 0),
        Value::real(1.5),
        Value::map(entries),
    };
    Arena arena;
    Fuel first{kRuleFuel};
    const Evaluation a = evaluate(expression, slots, first, arena);
    arena.reset();
    Fuel second{kRuleFuel};
    const Evaluation b = evaluate(expression, slots, second, arena);
    INVARIANT(a.error == b.error && a.position == b.position);
    INVARIANT(a.value.kind() == b.value.kind() && first.steps_left == second.steps_left);
    INVARIANT(a.ok() != a.value.is(Kind::absent));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Environment variables = environment();
    if (size == 0) return 0;
    const std::string_view source(reinterpret_cast<const char*>(data) + 1, size - 1);
    const auto result = compile(source, variables, ExpectedType::any, limits_for(data[0]));
    if (result) {
        INVARIANT(result->cost().min <= result->cost().max);
        evaluate_twice(*result);
    } else {
        INVARIANT(!result.error().detail.empty());
    }
    return 0;
}
