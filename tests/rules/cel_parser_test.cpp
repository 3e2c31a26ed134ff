#include <string>
#include <string_view>

#include "rules/cel/parser.hpp"
#include "rules/cel/text.hpp"
#include "tests/support/catch.hpp"

namespace {

using namespace rules::cel;

std::string_view sign(Operation operation) {
    switch (operation) {
        case Operation::negate: return "neg";
        case Operation::logical_not: return "not";
        case Operation::add: return "+";
        case Operation::subtract: return "-";
        case Operation::multiply: return "*";
        case Operation::divide: return "/";
        case Operation::modulo: return "%";
        case Operation::equal: return "==";
        case Operation::not_equal: return "!=";
        case Operation::less: return "<";
        case Operation::less_equal: return "<=";
        case Operation::greater: return ">";
        case Operation::greater_equal: return ">=";
        case Operation::in: return "in";
    }
    return "";
}

std::string head(const Node& node) {
    switch (node.kind) {
        case NodeKind::unary:
        case NodeKind::binary: return std::string(sign(node.operation));
        case NodeKind::all_of: return "&&";
        case NodeKind::any_of: return "||";
        case NodeKind::conditional: return "?";
        case NodeKind::index: return "[]";
        case NodeKind::list: return "list";
        case NodeKind::map: return "map";
        case NodeKind::has: return std::string("has ").append(node.name);
        case NodeKind::select: return std::string(".").append(node.name);
        case NodeKind::comprehension:
            return std::string(node.name) + " " + std::string(node.variable);
        default: return std::string(node.name);
    }
}

/// The tree as (operator child child …).
std::string shape(const Ast& ast, NodeId id) {
    const Node& node = ast[id];
    if (node.kind == NodeKind::constant) {
        if (node.constant.is(Kind::int_)) return std::to_string(node.constant.as_int());
        return node.constant.is(Kind::string) ? rules::cel::quoted(node.constant.as_text())
                                              : "constant";
    }
    if (node.kind == NodeKind::identifier) return std::string(node.name);
    std::string text(1, '(');
    text.append(head(node));
    for (const NodeId child : node.children)
        text.append(" ").append(shape(ast, child));
    return text + ")";
}

std::string shape(std::string_view source) {
    Arena constants;
    const Parsed parsed = parse(source, Limits::conformance(), constants);
    return parsed.error ? std::string("error: ").append(parsed.error->message)
                        : shape(parsed.ast, parsed.ast.root);
}

}  // namespace

TEST_CASE("cel parser: operators group by precedence", "[cel]") {
    const auto [source, expected] = GENERATE(table<std::string_view, std::string_view>({
        {"a || b && c", "(|| a (&& b c))"},
        {"a && b || c && d", "(|| (&& a b) (&& c d))"},
        {"a || b ? c : d || e", "(? (|| a b) c (|| d e))"},
        {"a ? b : c ? d : e", "(? a b (? c d e))"},
        {"a && b && c", "(&& a b c)"},
        {"a == b && c < d", "(&& (== a b) (< c d))"},
        {"a < b == c", "(== (< a b) c)"},
        {"a + b < c * d", "(< (+ a b) (* c d))"},
        {"a + b * c", "(+ a (* b c))"},
        {"a * b + c", "(+ (* a b) c)"},
        {"a - b - c", "(- (- a b) c)"},
        {"a / b * c % d", "(% (* (/ a b) c) d)"},
        {"(a + b) * c", "(* (+ a b) c)"},
        {"!a && b", "(&& (not a) b)"},
        {"!a.b", "(not (.b a))"},
        {"-a * b", "(* (neg a) b)"},
        {"a - -1", "(- a -1)"},
        {"a in b || c", "(|| (in a b) c)"},
        {"a.b.c(d)[e]", "([] (c (.b a) d) e)"},
        {"f(a, b).g()", "(g (f a b))"},
        {"[a, b,][0]", "([] (list a b) 0)"},
        {"{a: b}.c", "(.c (map a b))"},
        {"has(a.b) && a.b == 'x'", "(&& (has b a) (== (.b a) 'x'))"},
        {"a.exists(x, x > 1)", "(exists x a (> x 1))"},
        {"a // the rest is a comment\n + b", "(+ a b)"},
    }));
    INFO(source);
    CHECK(shape(source) == expected);
}

TEST_CASE("cel parser: malformed text is an error", "[cel]") {
    const auto source = GENERATE(
        as<std::string_view>{},
        "",
        " ",
        "1 +",
        "(1",
        "1)",
        "[1",
        "{1}",
        "{1: }",
        "a.",
        "a.1",
        "a..b",
        "f(",
        "f(a,)",
        "f(a b)",
        "1 2",
        "'open",
        "'line\nbreak'",
        "\"\"\"open\"",
        "'\\q'",
        "'\\ud800'",
        "'\\U00110000'",
        "'\\x1'",
        "b'\\u0041'",
        "'\\400'",
        "&& a",
        "a &&",
        "a & b",
        "a | b",
        "a = b",
        "a ? b",
        "a ? b :",
        "a !b",
        "1abc",
        "0x",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616u",
        "1e999",
        "if",
        "a ? b ? c : d",
        "has(a)",
        "has(a.b, c)",
        "a.all(b.c, true)",
        "#",
        "$a",
        "in",
        "a in",
        "\xff"
    );
    INFO(source);
    CHECK(shape(source).starts_with("error: "));
}

TEST_CASE("cel parser: what other CEL has is said to be unsupported", "[cel]") {
    const auto source =
        GENERATE(as<std::string_view>{}, "a.?b", "a[?b]", "[?a]", "{?a: b}", "M{f: 1}", "a.`b-c`");
    INFO(source);
    Arena constants;
    const Parsed parsed = parse(source, Limits::conformance(), constants);
    REQUIRE(parsed.error);
    CHECK(parsed.error->complaint == Complaint::unsupported);
}
