#include <string>
#include <string_view>

#include "rules/cel/expression.hpp"
#include "tests/rules/cel_fixture.hpp"
#include "tests/support/catch.hpp"

namespace {

using namespace rules::cel;
using cel_test::outcome;

Evaluation with_fuel(std::string_view source, std::uint64_t steps, Arena& arena) {
    const auto compiled =
        compile(source, cel_test::order_environment(), ExpectedType::any, Limits::rule());
    Fuel fuel{steps};
    return evaluate(compiled.value(), cel_test::Order().slots, fuel, arena);
}

}  // namespace

TEST_CASE("cel evaluate: muldiv floors and never overflows inside", "[cel]") {
    const auto [source, expected] = GENERATE(table<std::string_view, std::string_view>({
        {"muldiv(8990, 1, 100)", "89"},
        {"muldiv(-8990, 1, 100)", "-90"},
        {"muldiv(8990, 1, -100)", "-90"},
        {"muldiv(-8990, 1, -100)", "89"},
        {"muldiv(0, 5, 7)", "0"},
        {"muldiv(9223372036854775807, 9223372036854775807, 9223372036854775807)",
         "9223372036854775807"},
        {"muldiv(-9223372036854775808, -9223372036854775808, -9223372036854775808)",
         "-9223372036854775808"},
        {"muldiv(9223372036854775807, 2, 1)", "error: the result is out of range"},
        {"muldiv(-9223372036854775808, 1, -1)", "error: the result is out of range"},
        {"muldiv(order.net, 3, order.unit)", "204"},
        {"muldiv(1, 1, 0)", "error: division by zero"},
        {"muldivRound(1, 1, 0, 'floor')", "error: division by zero"},
    }));
    INFO(source);
    CHECK(outcome(source) == expected);
}

TEST_CASE("cel evaluate: muldivRound rounds as its mode says", "[cel]") {
    struct Row {
        int dividend;
        int floor;
        int ceil;
        int half_up;
        int half_even;
    };
    const auto row = GENERATE(
        Row{24, 2, 3, 2, 2},
        Row{25, 2, 3, 3, 2},
        Row{26, 2, 3, 3, 3},
        Row{35, 3, 4, 4, 4},
        Row{30, 3, 3, 3, 3},
        Row{-24, -3, -2, -2, -2},
        Row{-25, -3, -2, -3, -2},
        Row{-26, -3, -2, -3, -3},
        Row{-35, -4, -3, -4, -4},
        Row{-5, -1, 0, -1, 0}
    );
    const auto rounded = [&](std::string_view mode) {
        return outcome(
            "muldivRound(" + std::to_string(row.dividend) + ", 1, 10, '" + std::string(mode) + "')"
        );
    };
    INFO(row.dividend);
    CHECK(rounded("floor") == std::to_string(row.floor));
    CHECK(rounded("ceil") == std::to_string(row.ceil));
    CHECK(rounded("half_up") == std::to_string(row.half_up));
    CHECK(rounded("half_even") == std::to_string(row.half_even));
}

TEST_CASE("cel evaluate: an absent field is an error that has tests", "[cel]") {
    CHECK(outcome("has(order.channel)") == "false");
    CHECK(outcome("order.channel == 'app'") == "error: the field is absent");
    CHECK(outcome("has(order.channel) && order.channel == 'app'") == "false");
    CHECK(outcome("has(order.channel) ? order.channel : 'none'") == "'none'");
    cel_test::Order order;
    order.slots[cel_test::order_channel] = Value::string("app");
    CHECK(outcome("has(order.channel) && order.channel == 'app'", order.slots) == "true");
}

TEST_CASE("cel evaluate: loops read the fields of records", "[cel]") {
    CHECK(outcome("order.lines.exists(l, l.sku == 'GIFT')") == "true");
    CHECK(outcome("order.lines.all(l, l.amount > 1800)") == "false");
    CHECK(outcome("order.lines.exists_one(l, l.quantity > 1)") == "true");
    CHECK(outcome("size(order.lines.filter(l, l.sku != 'GIFT'))") == "1");
    CHECK(outcome("order.lines.map(l, l.amount * l.quantity) == [3600, 5000]") == "true");
    CHECK(outcome("order.lines.map(l, has(l.note)) == [false, true]") == "true");
    CHECK(outcome("order.lines.all(l, l.note == 'wrap')") == "error: the field is absent");
    CHECK(outcome("order.lines.exists(l, l.note == 'wrap')") == "true");
    CHECK(outcome("order.lines[0].sku + order.lines[1].sku") == "'TEAGIFT'");
    CHECK(outcome("order.lines[2].sku") == "error: the index is out of range");
    CHECK(outcome("order.lines[-1].sku") == "error: the index is out of range");
}

TEST_CASE("cel evaluate: a bool that decides hides an error on the other side", "[cel]") {
    const auto [source, expected] = GENERATE(table<std::string_view, std::string_view>({
        {"false && order.net / 0 > 1", "false"},
        {"order.net / 0 > 1 && false", "false"},
        {"true || order.net / 0 > 1", "true"},
        {"order.net / 0 > 1 || true", "true"},
        {"order.net / 0 > 1 && true", "error: division by zero"},
        {"false || order.net / 0 > 1", "error: division by zero"},
        {"order.net > 1 && order.net / 0 > 1 && order.net > 9999", "false"},
        {"[2, 0].exists(x, order.net / x > 1)", "true"},
        {"[0, 2].exists(x, order.net / x > 1)", "true"},
        {"[0, 2].all(x, order.net / x < 1)", "false"},
        {"[0, 2].all(x, order.net / x > 1)", "error: division by zero"},
        {"[0, 2].exists_one(x, order.net / x > 1)", "error: division by zero"},
        {"size([0, 2].map(x, order.net / x)) == 2", "error: division by zero"},
        {"dyn(order.net) && false", "false"},
        {"dyn(order.net) && true", "error: the operation does not accept these types"},
    }));
    INFO(source);
    CHECK(outcome(source) == expected);
}

TEST_CASE("cel evaluate: int arithmetic out of range is an error", "[cel]") {
    const auto source = GENERATE(
        as<std::string_view>{},
        "order.net + 9223372036854775807",
        "-9223372036854775807 - order.net",
        "order.net * 9223372036854775807",
        "(order.net - order.net - 9223372036854775807 - 1) / -1",
        "-(order.net - order.net - 9223372036854775807 - 1)",
        "int(double(order.net) * 1e300)",
        "uint(0 - order.net)"
    );
    INFO(source);
    CHECK(outcome(source) == "error: the result is out of range");
}

TEST_CASE("cel evaluate: fuel ends an evaluation and no operator hides it", "[cel]") {
    Arena arena;
    const auto loop = "[1, 2, 3].exists(x, order.net == x) || true";
    CHECK(with_fuel(loop, kRuleFuel, arena).ok());
    for (std::uint64_t steps = 0; steps < 20; ++steps) {
        const Evaluation result = with_fuel(loop, steps, arena);
        INFO(steps);
        CHECK(result.error == EvaluationErrorKind::fuel_exhausted);
    }
}

TEST_CASE("cel evaluate: the fuel used is the same in each run", "[cel]") {
    const auto compiled = compile(
        "order.lines.exists(l, l.sku.startsWith('GI')) && event.type == 'order.paid'",
        cel_test::order_environment(),
        ExpectedType::bool_,
        Limits::rule()
    );
    Arena arena;
    Fuel first{kRuleFuel};
    Fuel second{kRuleFuel};
    const cel_test::Order order;
    CHECK(evaluate(compiled.value(), order.slots, first, arena).value.is_true());
    CHECK(evaluate(compiled.value(), order.slots, second, arena).value.is_true());
    CHECK(first.steps_left == second.steps_left);
    CHECK(first.steps_left < kRuleFuel);
}

TEST_CASE("cel evaluate: a full arena is too_large and not a crash", "[cel]") {
    Arena small(64);
    const auto result = with_fuel("order.lines.map(l, l.amount) == [1]", kRuleFuel, small);
    CHECK(result.ok());
    Arena tiny(16);
    CHECK(
        with_fuel("order.lines.map(l, l.amount) == [1]", kRuleFuel, tiny).error ==
        EvaluationErrorKind::too_large
    );
}

TEST_CASE("cel evaluate: an error has the place where it arose", "[cel]") {
    Arena arena;
    const auto compiled = compile(
        "order.net > 1 &&\n order.net / 0 > 1",
        cel_test::order_environment(),
        ExpectedType::bool_,
        Limits::rule()
    );
    Fuel fuel{kRuleFuel};
    const auto result = evaluate(compiled.value(), cel_test::Order().slots, fuel, arena);
    REQUIRE_FALSE(result.ok());
    const SourceLocation where = compiled.value().locate(result.position);
    CHECK(where.line == 2);
    CHECK(where.column == 12);
}
