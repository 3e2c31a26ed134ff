#include <string>
#include <string_view>

#include "rules/cel/expression.hpp"
#include "tests/rules/cel_fixture.hpp"
#include "tests/support/catch.hpp"

namespace {

using namespace rules::cel;
using cel_test::complaint;
using cel_test::order_environment;
using ledger::ErrorCode;

/// `before`, `text` count times, `after`. (Joining with + makes g++ 12 warn wrongly, its bug
/// 105651.)
std::string wrapped(
    std::string_view before, std::string_view text, std::size_t count, std::string_view after
) {
    std::string result(before);
    for (std::size_t i = 0; i < count; ++i)
        result.append(text);
    result.append(after);
    return result;
}

std::string repeated(std::string_view text, std::size_t count) {
    return wrapped("", text, count, "");
}

ErrorCode code_of(std::string_view source, const Limits& limits = Limits::rule()) {
    const auto result = compile(source, order_environment(), ExpectedType::any, limits);
    return result ? ErrorCode::ok : result.error().code;
}

}  // namespace

TEST_CASE("cel compile: an error names line and column and shows a caret", "[cel]") {
    CHECK(
        complaint("order.nett >= 1000") ==
        "line 1, column 7: unknown field 'nett' of 'order'; it has channel, currency, id, lines, "
        "net, unit\n"
        "  order.nett >= 1000\n"
        "        ^"
    );
    CHECK(
        complaint("order.net >= 10\n  && order.id > 5") ==
        "line 2, column 15: '>' does not accept string and int\n"
        "    && order.id > 5\n"
        "                ^"
    );
    CHECK(
        complaint("'é' + 1") ==
        "line 1, column 5: '+' does not accept string and int\n"
        "  'é' + 1\n"
        "      ^"
    );
    CHECK(
        complaint("order.net >") ==
        "line 1, column 12: expected an expression before the end\n"
        "  order.net >\n"
        "             ^"
    );
    CHECK(
        complaint("order.net", ExpectedType::bool_) ==
        "line 1, column 7: the expression must yield bool, not int\n"
        "  order.net\n"
        "        ^"
    );
    CHECK(complaint("\xff") == "line 1, column 1: the text is not valid UTF-8");
}

TEST_CASE("cel compile: a long line is shown in part", "[cel]") {
    const std::string text =
        complaint(repeated("true && ", 20) + "nobody" + repeated(" && true", 20));
    const std::string caret_line = text.substr(text.rfind('\n') + 1);
    CHECK(caret_line == std::string(62, ' ') + "^");
    CHECK(text.find("column 161:") != std::string::npos);
}

TEST_CASE("cel compile: a wrong type or name is invalid_expression", "[cel]") {
    const auto [source, message] = GENERATE(table<std::string_view, std::string_view>({
        {"orders.net", "unknown variable 'orders'"},
        {"order", "'order' is not a value; select one of its fields"},
        {"has(order.nett)", "unknown field 'nett' of 'order'"},
        {"order.net.value", "a value of type int has no fields"},
        {"order.lines[0].skus",
         "unknown field 'skus'; it has line_id, sku, quantity, amount, note"},
        {"order.lines.all(l, l.price > 0)", "unknown field 'price'"},
        {"order.lines.all(l, l.amount)", "the condition of 'all' must be bool, not int"},
        {"order.net.all(x, true)", "'all' needs a list or a map, not int"},
        {"order.net == 1.0", "'==' does not accept int and double"},
        {"order.net == 1u", "'==' does not accept int and uint"},
        {"order.net && true", "'&&' needs bool, not int"},
        {"!order.net", "'!' does not accept int"},
        {"-order.id", "'-' does not accept string"},
        {"order.net ? 1 : 2", "the condition before '?' must be bool, not int"},
        {"true ? 1 : 'a'", "the branches of '?:' differ: int and string"},
        {"order.net in ['a']", "'in' does not accept int and list(string)"},
        {"order.lines['a']", "'[]' does not accept list(record) and string"},
        {"{1.5: 1}", "a map key cannot be double"},
        {"size(order.net)", "the function 'size' does not accept (int)"},
        {"size()", "the function 'size' does not take 0 arguments"},
        {"muldiv(1, 2)", "the function 'muldiv' does not take 2 arguments"},
        {"muldivRound(1, 2, 3, 'up')", "the rounding mode must be"},
        {"random()", "unknown function 'random'"},
        {"math.random()", "unknown function 'math.random'"},
        {"order.id.explode()", "unknown function 'explode'"},
        {"timestamp()", "does not take 0 arguments"},
    }));
    INFO(source);
    CHECK(complaint(source).find(message) != std::string::npos);
    CHECK(code_of(source) == ErrorCode::invalid_expression);
}

TEST_CASE("cel compile: the result must have the expected type", "[cel]") {
    const auto environment = order_environment();
    CHECK(compile("order.net > 1", environment, ExpectedType::bool_, Limits::rule()).has_value());
    CHECK(compile("order.net / 2", environment, ExpectedType::int_, Limits::rule()).has_value());
    CHECK_FALSE(
        compile("order.net > 1", environment, ExpectedType::int_, Limits::rule()).has_value()
    );
    CHECK_FALSE(compile("dyn(true)", environment, ExpectedType::bool_, Limits::rule()).has_value());
}

TEST_CASE("cel compile: a loop over a list of a list is expression_too_costly", "[cel]") {
    CHECK(code_of("order.lines.all(l, l.amount > 0)") == ErrorCode::ok);
    CHECK(
        code_of("order.lines.all(a, order.lines.exists(b, a.amount == b.amount))") ==
        ErrorCode::expression_too_costly
    );
    const std::string detail =
        complaint("order.lines.all(a, order.lines.exists(b, a.amount == b.amount))");
    CHECK(detail.starts_with("the expression may cost "));
    CHECK(detail.ends_with(" units; at most 5000 are allowed"));
}

TEST_CASE("cel compile: the cost counts names and calls and loops but no constants", "[cel]") {
    const auto cost = [](std::string_view source) {
        return compile(source, order_environment(), ExpectedType::any, Limits::rule())
            .value()
            .cost();
    };
    CHECK(cost("1 + 2 * 3").max == 0);
    CHECK(cost("order.net > 1").min == 2);
    CHECK(cost("order.net > 1").max == 2);
    CHECK(cost("order.net > 1 && order.unit > 1").min == 2);
    CHECK(cost("order.net > 1 && order.unit > 1").max == 4);
    CHECK(cost("muldiv(order.net, 3, 100)").max == 2);
    CHECK(cost("order.lines.all(l, l.amount > 0)").max == 1 + 1 + 500 * 4);
    CHECK(cost("event.type in ['a', 'b']").max == 1 + 1 + 2);
}

TEST_CASE("cel compile: slots_read lists each slot once and ascending", "[cel]") {
    const auto expression = compile(
        "event.type == 'order.paid' && order.net > 1 && order.net < 9 && (has(order.channel) || 1 "
        "> 2)",
        order_environment(),
        ExpectedType::bool_,
        Limits::rule()
    );
    const auto slots = expression.value().slots_read();
    CHECK(
        std::vector<std::uint32_t>(slots.begin(), slots.end()) ==
        std::vector<std::uint32_t>{
            cel_test::order_net, cel_test::order_channel, cel_test::event_type}
    );
}

TEST_CASE("cel compile: long chains are refused without a crash", "[cel]") {
    constexpr std::size_t kMany = 100'000;
    Limits limits = Limits::conformance();
    limits.source_bytes_max = 4 * kMany;
    limits.nodes_max = 2 * kMany;
    CHECK(code_of(wrapped("1", "+1", kMany, ""), limits) == ErrorCode::invalid_expression);
    CHECK(code_of(wrapped("order", ".a", kMany, ""), limits) == ErrorCode::invalid_expression);
    CHECK(code_of(wrapped("[1]", "[0]", kMany, ""), limits) == ErrorCode::invalid_expression);
}

TEST_CASE("cel compile: deep texts are refused without a crash", "[cel]") {
    constexpr std::size_t kMany = 100'000;
    Limits limits = Limits::conformance();
    limits.source_bytes_max = 4 * kMany;
    limits.nodes_max = 2 * kMany;
    const auto opening = GENERATE(
        as<std::string>{}, "(", "[", "{1:", "!(", "-(", "f(", "a?b:", "a[", "a.f(", "!", "-"
    );
    INFO(opening);
    CHECK(code_of(repeated(opening, kMany), limits) == ErrorCode::invalid_expression);
    CHECK(code_of(repeated(opening, kMany) + "1", limits) == ErrorCode::invalid_expression);
}

TEST_CASE("cel compile: each limit of a rule is enforced", "[cel]") {
    CHECK(
        complaint(wrapped("'", "a", 4095, "'")).find("longer than 4096 bytes") != std::string::npos
    );
    CHECK(complaint(wrapped("[", "1,", 1000, "]")).find("too many parts") != std::string::npos);
    CHECK(
        complaint(repeated("(", 40) + "1" + repeated(")", 40)).find("nested too deeply") !=
        std::string::npos
    );
    CHECK(code_of(repeated("(", 30) + "1" + repeated(")", 30)) == ErrorCode::ok);
    CHECK(code_of("[1].all(a, [1].all(b, a == b))") == ErrorCode::ok);
    CHECK(
        complaint("[1].all(a, [1].all(b, [1].all(c, a == b)))").find("too many loops") !=
        std::string::npos
    );
    CHECK(code_of("'a'.matches('b')") == ErrorCode::not_supported);
}

TEST_CASE("cel compile: constants are folded and failing parts stay", "[cel]") {
    const auto folded = compile(
        "['a', 'b' + 'c'].size() + 40", order_environment(), ExpectedType::int_, Limits::rule()
    );
    CHECK(folded.value().cost().max == 0);
    CHECK(cel_test::outcome("false && 1 / 0 == 1") == "false");
    CHECK(cel_test::outcome("1 / 0 == 1") == "error: division by zero");
}
