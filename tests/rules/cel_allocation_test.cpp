#include <string_view>

#include "rules/cel/expression.hpp"
#include "tests/rules/allocation_count.hpp"
#include "tests/rules/cel_fixture.hpp"
#include "tests/support/catch.hpp"

using namespace rules::cel;

namespace {

/// Allocations of one evaluation with this arena.
std::uint64_t allocations_of(const Expression& expression, Arena& arena) {
    const cel_test::Order order;
    Fuel fuel{kRuleFuel};
    const std::uint64_t before = rules_test::allocations();
    const Evaluation result = evaluate(expression, order.slots, fuel, arena);
    const std::uint64_t after = rules_test::allocations();
    CHECK(result.ok());
    return after - before;
}

Expression compiled(std::string_view source) {
    return compile(source, cel_test::order_environment(), ExpectedType::any, Limits::rule())
        .value();
}

}  // namespace

TEST_CASE("cel evaluate: numbers and text comparisons and loops allocate nothing", "[cel]") {
    const auto source = GENERATE(
        as<std::string_view>{},
        "order.net >= 1000 && event.type == 'order.paid' && order.currency in ['EUR', 'CHF']",
        "muldiv(order.net, 3, order.unit)",
        "muldivRound(order.net, 3, order.unit, 'half_even') + 1",
        "order.lines.exists(l, l.sku.startsWith('GI') && l.amount > 100)",
        "has(order.channel) ? 1 : order.id.size()",
        "order.net / 0 > 1 || order.net > 1",
        "now < timestamp('2030-01-01T00:00:00Z')"
    );
    INFO(source);
    const Expression expression = compiled(source);
    Arena arena;
    CHECK(allocations_of(expression, arena) == 0);
}

TEST_CASE("cel evaluate: a reused arena serves lists and text without allocating", "[cel]") {
    const Expression expression =
        compiled("size(order.lines.map(l, l.amount * 2)) + size(order.id + 'x')");
    Arena arena;
    CHECK(allocations_of(expression, arena) > 0);
    arena.reset();
    CHECK(allocations_of(expression, arena) == 0);
}
