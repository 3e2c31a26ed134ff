#include "rules/cel/parser.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <utility>

#include "rules/cel/lexer.hpp"
#include "rules/cel/text.hpp"

namespace rules::cel {

namespace {

constexpr std::array<std::string_view, 17> kReserved{
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while"};
constexpr std::array<std::string_view, 4> kKeywords{"false", "in", "null", "true"};

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& words, std::string_view word) {
    return std::ranges::find(words, word) != words.end();
}

struct BinaryOperator {
    std::string_view text;
    int precedence;
    Operation operation;
};

constexpr int kRelation = 1;
constexpr int kSum = 2;
constexpr int kProduct = 3;

constexpr std::array<BinaryOperator, 12> kBinaryOperators{{
    {"==", kRelation, Operation::equal},
    {"!=", kRelation, Operation::not_equal},
    {"<", kRelation, Operation::less},
    {"<=", kRelation, Operation::less_equal},
    {">", kRelation, Operation::greater},
    {">=", kRelation, Operation::greater_equal},
    {"in", kRelation, Operation::in},
    {"+", kSum, Operation::add},
    {"-", kSum, Operation::subtract},
    {"*", kProduct, Operation::multiply},
    {"/", kProduct, Operation::divide},
    {"%", kProduct, Operation::modulo},
}};

struct MacroForm {
    std::string_view name;
    std::size_t arguments;
    Macro macro;
    bool two_variables;
    bool has_condition;
};

constexpr std::array<MacroForm, 14> kMacros{{
    {"all", 2, Macro::all, false, true},
    {"exists", 2, Macro::exists, false, true},
    {"exists_one", 2, Macro::exists_one, false, true},
    {"existsOne", 2, Macro::exists_one, false, true},
    {"map", 2, Macro::map, false, false},
    {"map", 3, Macro::map, false, true},
    {"filter", 2, Macro::filter, false, true},
    {"all", 3, Macro::all, true, true},
    {"exists", 3, Macro::exists, true, true},
    {"existsOne", 3, Macro::exists_one, true, true},
    {"transformList", 3, Macro::transform_list, true, false},
    {"transformList", 4, Macro::transform_list, true, true},
    {"transformMap", 3, Macro::transform_map, true, false},
    {"transformMap", 4, Macro::transform_map, true, true},
}};

class Parser {
public:
    Parser(Tokens tokens, const Limits& limits, Arena& constants)
        : tokens_(std::move(tokens.items)), limits_(limits), constants_(constants) {
        result_.error = std::move(tokens.error);
    }

    Parsed run() {
        if (!result_.error) {
            result_.ast.root = expression();
            if (!failed() && current().kind != TokenKind::end)
                fail_here("unexpected " + shown(current()));
        }
        return std::move(result_);
    }

private:
    [[nodiscard]] const Token& current() const { return tokens_[at_]; }
    [[nodiscard]] bool failed() const { return result_.error.has_value(); }
    [[nodiscard]] bool at_symbol(std::string_view text) const {
        return current().kind == TokenKind::symbol && current().text == text;
    }
    void advance() {
        if (at_ + 1 < tokens_.size()) ++at_;
    }
    bool accept(std::string_view symbol) {
        if (!at_symbol(symbol)) return false;
        advance();
        return true;
    }
    bool expect(std::string_view symbol) {
        if (accept(symbol)) return true;
        fail_here("expected " + quoted(symbol) + " before " + shown(current()));
        return false;
    }
    static std::string shown(const Token& token) {
        if (token.kind == TokenKind::end) return "the end";
        return token.text.size() > 40 ? "this" : quoted(token.text);
    }
    NodeId fail(
        std::uint32_t position, std::string message, Complaint complaint = Complaint::invalid
    ) {
        if (!failed()) result_.error = Diagnostic{position, std::move(message), complaint};
        return kNoNode;
    }
    NodeId fail_here(std::string message) { return fail(current().position, std::move(message)); }

    NodeId add(Node node) {
        if (failed()) return kNoNode;
        for (const NodeId child : node.children) {
            node.depth = std::max(node.depth, result_.ast[child].depth + 1);
        }
        if (node.depth > limits_.depth_max)
            return fail(node.position, "the expression is nested too deeply");
        if (result_.ast.nodes.size() >= limits_.nodes_max) {
            return fail(node.position, "the expression has too many parts");
        }
        result_.ast.nodes.push_back(std::move(node));
        return static_cast<NodeId>(result_.ast.nodes.size() - 1);
    }
    static Node make(NodeKind kind, std::uint32_t position, std::vector<NodeId> children = {}) {
        Node node;
        node.kind = kind;
        node.position = position;
        node.children = std::move(children);
        return node;
    }

    /// Counts open recursions: the parser's own stack is bounded even where no node is made.
    struct Nesting {
        explicit Nesting(Parser& owner) : parser(owner) {
            if (++parser.nesting_ > parser.limits_.depth_max) {
                parser.fail_here("the expression is nested too deeply");
            }
        }
        ~Nesting() { --parser.nesting_; }
        Nesting(const Nesting&) = delete;
        Nesting& operator=(const Nesting&) = delete;
        Parser& parser;
    };

    NodeId expression() {
        const Nesting nesting(*this);
        if (failed()) return kNoNode;
        const NodeId condition = chain("||", NodeKind::any_of);
        if (failed() || !at_symbol("?")) return condition;
        const std::uint32_t position = current().position;
        advance();
        const NodeId yes = chain("||", NodeKind::any_of);
        if (failed() || !expect(":")) return kNoNode;
        const NodeId no = expression();
        return add(make(NodeKind::conditional, position, {condition, yes, no}));
    }

    /// One n-ary node for `a && b && c`: the terms stay in source order and depth stays small.
    NodeId chain(std::string_view symbol, NodeKind kind) {
        const auto term = [&] {
            return kind == NodeKind::any_of ? chain("&&", NodeKind::all_of) : binary(kRelation);
        };
        const NodeId first = term();
        if (failed() || !at_symbol(symbol)) return first;
        Node node = make(kind, current().position, {first});
        while (!failed() && accept(symbol))
            node.children.push_back(term());
        return add(std::move(node));
    }

    [[nodiscard]] const BinaryOperator* binary_operator(int precedence) const {
        if (current().kind != TokenKind::symbol && current().text != "in") return nullptr;
        if (current().kind != TokenKind::symbol && current().kind != TokenKind::identifier)
            return nullptr;
        for (const BinaryOperator& candidate : kBinaryOperators) {
            if (candidate.precedence == precedence && candidate.text == current().text)
                return &candidate;
        }
        return nullptr;
    }

    NodeId binary(int precedence) {
        const auto operand = [&] {
            return precedence == kProduct ? unary() : binary(precedence + 1);
        };
        NodeId left = operand();
        while (!failed()) {
            const BinaryOperator* found = binary_operator(precedence);
            if (found == nullptr) break;
            const std::uint32_t position = current().position;
            advance();
            const NodeId right = operand();
            if (failed()) break;
            Node node = make(NodeKind::binary, position, {left, right});
            node.operation = found->operation;
            left = add(std::move(node));
        }
        return left;
    }

    [[nodiscard]] bool at_number() const {
        return current().kind == TokenKind::int_literal ||
               current().kind == TokenKind::double_literal;
    }

    NodeId unary() {
        if (!at_symbol("-") && !at_symbol("!")) return member();
        const std::string_view symbol = current().text;
        std::vector<std::uint32_t> positions;
        while (at_symbol(symbol)) {
            positions.push_back(current().position);
            advance();
        }
        NodeId operand = kNoNode;
        if (symbol == "-" && at_number()) {
            // The sign belongs to the literal: -9223372036854775808 has no positive counterpart.
            operand = member(positions.back());
            positions.pop_back();
        } else {
            operand = member();
        }
        for (; !failed() && !positions.empty(); positions.pop_back()) {
            Node node = make(NodeKind::unary, positions.back(), {operand});
            node.operation = symbol == "-" ? Operation::negate : Operation::logical_not;
            operand = add(std::move(node));
        }
        return operand;
    }

    NodeId member(std::optional<std::uint32_t> minus = std::nullopt) {
        NodeId left = primary(minus);
        while (!failed()) {
            const std::uint32_t position = current().position;
            if (accept("[")) {
                if (at_symbol("?")) return unsupported_optional();
                const NodeId key = expression();
                if (!failed() && expect("]"))
                    left = add(make(NodeKind::index, position, {left, key}));
            } else if (accept(".")) {
                left = selection(left);
            } else if (at_symbol("{") && may_name_message(left)) {
                return fail(position, "messages are not supported", Complaint::unsupported);
            } else {
                break;
            }
        }
        return left;
    }

    [[nodiscard]] bool may_name_message(NodeId id) const {
        const Node& node = result_.ast[id];
        return node.kind == NodeKind::identifier || node.kind == NodeKind::select;
    }

    NodeId unsupported_optional() {
        return fail(
            current().position, "optional values are not supported", Complaint::unsupported
        );
    }

    NodeId selection(NodeId left) {
        if (at_symbol("?")) return unsupported_optional();
        const Token field = current();
        if (field.kind != TokenKind::identifier || contains(kKeywords, field.text)) {
            return fail_here("expected a field name before " + shown(field));
        }
        advance();
        if (at_symbol("(")) return receiver_call(left, field);
        Node node = make(NodeKind::select, field.position, {left});
        node.name = field.text;
        return add(std::move(node));
    }

    NodeId receiver_call(NodeId target, const Token& name) {
        std::vector<NodeId> arguments = call_arguments();
        if (failed()) return kNoNode;
        const Node& receiver = result_.ast[target];
        if (receiver.kind == NodeKind::identifier && receiver.name == "cel" &&
            name.text == "bind") {
            return bind(name, arguments);
        }
        const auto macro = std::ranges::find_if(kMacros, [&](const MacroForm& form) {
            return form.name == name.text && form.arguments == arguments.size();
        });
        if (macro != kMacros.end()) return comprehension(*macro, target, name, arguments);
        arguments.insert(arguments.begin(), target);
        Node node = make(NodeKind::call, name.position, std::move(arguments));
        node.name = name.text;
        node.receiver = true;
        return add(std::move(node));
    }

    /// The name of a loop variable, or an empty text after a failure.
    std::string_view variable_name(NodeId id) {
        const Node& node = result_.ast[id];
        if (node.kind == NodeKind::identifier && !node.root_scope) return node.name;
        fail(node.position, "expected a simple name for the variable");
        return {};
    }

    NodeId comprehension(
        const MacroForm& form, NodeId range, const Token& name, const std::vector<NodeId>& arguments
    ) {
        const std::size_t variables = form.two_variables ? 2 : 1;
        Node node = make(NodeKind::comprehension, name.position, {range});
        node.macro = form.macro;
        node.has_condition = form.has_condition;
        node.variable = variable_name(arguments[0]);
        if (form.two_variables) node.second_variable = variable_name(arguments[1]);
        if (form.two_variables && node.variable == node.second_variable) {
            return fail(name.position, "the two variables must differ");
        }
        node.name = name.text;
        node.children.insert(
            node.children.end(),
            arguments.begin() + static_cast<std::ptrdiff_t>(variables),
            arguments.end()
        );
        return add(std::move(node));
    }

    NodeId bind(const Token& name, const std::vector<NodeId>& arguments) {
        if (arguments.size() != 3)
            return fail(name.position, "cel.bind takes a name and two expressions");
        Node node = make(NodeKind::bind, name.position, {arguments[1], arguments[2]});
        node.variable = variable_name(arguments[0]);
        return add(std::move(node));
    }

    std::vector<NodeId> call_arguments() {
        advance();  // "("
        std::vector<NodeId> arguments;
        if (accept(")")) return arguments;
        do {
            arguments.push_back(expression());
        } while (!failed() && accept(","));
        if (!failed()) expect(")");
        return arguments;
    }

    NodeId primary(std::optional<std::uint32_t> minus) {
        const Token token = current();
        switch (token.kind) {
            case TokenKind::int_literal:
            case TokenKind::uint_literal:
            case TokenKind::double_literal: advance(); return number(token, minus);
            case TokenKind::string_literal:
            case TokenKind::bytes_literal: advance(); return text(token);
            case TokenKind::identifier: advance(); return identifier(token, false);
            case TokenKind::symbol: return bracketed(token);
            case TokenKind::end: break;
        }
        return fail_here("expected an expression before " + shown(token));
    }

    NodeId bracketed(const Token& token) {
        if (accept("(")) {
            const NodeId inner = expression();
            if (!failed()) expect(")");
            return inner;
        }
        if (accept("[")) return list(token.position);
        if (accept("{")) return map(token.position);
        if (accept(".")) {
            const Token name = current();
            if (name.kind == TokenKind::identifier) {
                advance();
                return identifier(name, true);
            }
        }
        return fail_here("expected an expression before " + shown(current()));
    }

    NodeId list(std::uint32_t position) {
        Node node = make(NodeKind::list, position);
        while (!failed() && !accept("]")) {
            if (at_symbol("?")) return unsupported_optional();
            node.children.push_back(expression());
            if (!failed() && !accept(",") && !at_symbol("]")) expect("]");
        }
        return add(std::move(node));
    }

    NodeId map(std::uint32_t position) {
        Node node = make(NodeKind::map, position);
        while (!failed() && !accept("}")) {
            if (at_symbol("?")) return unsupported_optional();
            node.children.push_back(expression());
            if (failed() || !expect(":")) return kNoNode;
            node.children.push_back(expression());
            if (!failed() && !accept(",") && !at_symbol("}")) expect("}");
        }
        return add(std::move(node));
    }

    NodeId constant(std::uint32_t position, Value value, TypeKind type) {
        Node node = make(NodeKind::constant, position);
        node.constant = value;
        node.type = type;
        return add(std::move(node));
    }

    NodeId identifier(const Token& token, bool root_scope) {
        if (token.text == "true" || token.text == "false") {
            return constant(token.position, Value::boolean(token.text == "true"), TypeKind::bool_);
        }
        if (token.text == "null") return constant(token.position, Value::null(), TypeKind::null);
        if (contains(kReserved, token.text) || contains(kKeywords, token.text)) {
            return fail(token.position, quoted(token.text) + " is a reserved word");
        }
        if (at_symbol("(")) return global_call(token);
        Node node = make(NodeKind::identifier, token.position);
        node.name = token.text;
        node.root_scope = root_scope;
        return add(std::move(node));
    }

    NodeId global_call(const Token& name) {
        std::vector<NodeId> arguments = call_arguments();
        if (failed()) return kNoNode;
        if (name.text == "has") return has(name, arguments);
        Node node = make(NodeKind::call, name.position, std::move(arguments));
        node.name = name.text;
        return add(std::move(node));
    }

    NodeId has(const Token& name, const std::vector<NodeId>& arguments) {
        if (arguments.size() != 1 || result_.ast[arguments.front()].kind != NodeKind::select) {
            return fail(name.position, "has() takes one field, as in has(order.channel)");
        }
        // The selection becomes the test itself, so that its position and children stay.
        result_.ast[arguments.front()].kind = NodeKind::has;
        return arguments.front();
    }

    NodeId number(const Token& token, std::optional<std::uint32_t> minus) {
        const std::uint32_t position = minus.value_or(token.position);
        const std::string_view digits = token.text;
        if (token.kind == TokenKind::double_literal)
            return real(token, position, minus.has_value());
        const bool hex = digits.starts_with("0x") || digits.starts_with("0X");
        std::string text(minus ? 1 : 0, '-');
        text.append(hex ? digits.substr(2) : digits);
        const char* end = text.data() + text.size();
        if (token.kind == TokenKind::uint_literal) {
            std::uint64_t value = 0;
            const auto read = std::from_chars(text.data(), end, value, hex ? 16 : 10);
            if (read.ec != std::errc{})
                return fail(position, "the number is out of the range of uint");
            return constant(position, Value::natural(value), TypeKind::uint_);
        }
        std::int64_t value = 0;
        const auto read = std::from_chars(text.data(), end, value, hex ? 16 : 10);
        if (read.ec != std::errc{}) return fail(position, "the number is out of the range of int");
        return constant(position, Value::integer(value), TypeKind::int_);
    }

    NodeId real(const Token& token, std::uint32_t position, bool negative) {
        double value = 0;
        const auto read =
            std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
        // from_chars does not tell too large from too small; a negative exponent does.
        if (read.ec != std::errc{} && token.text.find('-') == std::string_view::npos) {
            return fail(position, "the number is out of the range of double");
        }
        return constant(position, Value::real(negative ? -value : value), TypeKind::double_);
    }

    NodeId text(const Token& token) {
        char* copy = constants_.allocate_text(token.content.size());
        if (copy == nullptr) return fail(token.position, "the expression holds too much text");
        std::ranges::copy(token.content, copy);
        const std::string_view content(copy, token.content.size());
        return token.kind == TokenKind::string_literal
                   ? constant(token.position, Value::string(content), TypeKind::string)
                   : constant(token.position, Value::bytes(content), TypeKind::bytes);
    }

    std::vector<Token> tokens_;
    const Limits& limits_;
    Arena& constants_;
    std::size_t at_ = 0;
    std::size_t nesting_ = 0;
    Parsed result_;
};

}  // namespace

Parsed parse(std::string_view source, const Limits& limits, Arena& constants) {
    if (source.size() > limits.source_bytes_max) {
        Parsed result;
        result.error = Diagnostic{
            0,
            "the expression is longer than " + std::to_string(limits.source_bytes_max) + " bytes",
            Complaint::invalid};
        return result;
    }
    // Each node needs at least one token; the factor covers punctuation.
    return Parser(tokenize(source, limits.nodes_max * 4 + 16), limits, constants).run();
}

}  // namespace rules::cel
