#include "rules/cel/checker.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "rules/cel/functions.hpp"
#include "rules/cel/text.hpp"
#include "rules/cel/time.hpp"

namespace rules::cel {

namespace {

constexpr std::array kTypeNames{
    std::pair<std::string_view, Kind>{"bool", Kind::bool_},
    std::pair<std::string_view, Kind>{"int", Kind::int_},
    std::pair<std::string_view, Kind>{"uint", Kind::uint_},
    std::pair<std::string_view, Kind>{"double", Kind::double_},
    std::pair<std::string_view, Kind>{"string", Kind::string},
    std::pair<std::string_view, Kind>{"bytes", Kind::bytes},
    std::pair<std::string_view, Kind>{"list", Kind::list},
    std::pair<std::string_view, Kind>{"map", Kind::map},
    std::pair<std::string_view, Kind>{"null_type", Kind::null},
    std::pair<std::string_view, Kind>{"type", Kind::type},
    std::pair<std::string_view, Kind>{"google.protobuf.Timestamp", Kind::timestamp},
    std::pair<std::string_view, Kind>{"google.protobuf.Duration", Kind::duration},
};

std::optional<Kind> type_value(std::string_view path) {
    for (const auto& [name, kind] : kTypeNames) {
        if (name == path) return kind;
    }
    return std::nullopt;
}

std::string_view symbol(Operation operation) {
    switch (operation) {
        case Operation::negate:
        case Operation::subtract: return "-";
        case Operation::logical_not: return "!";
        case Operation::add: return "+";
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
    return "?";
}

bool is_ordered(TypeKind kind) {
    switch (kind) {
        case TypeKind::bool_:
        case TypeKind::int_:
        case TypeKind::uint_:
        case TypeKind::double_:
        case TypeKind::string:
        case TypeKind::bytes:
        case TypeKind::timestamp:
        case TypeKind::duration: return true;
        default: return false;
    }
}

bool is_key_type(const Type& type) {
    return type.is_open() || type.is(TypeKind::bool_) || type.is(TypeKind::int_) ||
           type.is(TypeKind::uint_) || type.is(TypeKind::string);
}

/// The type of `left operation right` for + - * / %, or nullopt.
std::optional<Type> arithmetic(Operation operation, const Type& left, const Type& right) {
    const bool times = operation == Operation::add || operation == Operation::subtract;
    if (left.is_open() || right.is_open()) return Type(TypeKind::dyn);
    if (times && left.is(TypeKind::timestamp) && right.is(TypeKind::duration)) return left;
    if (operation == Operation::add && left.is(TypeKind::duration) &&
        right.is(TypeKind::timestamp)) {
        return right;
    }
    if (operation == Operation::subtract && left.is(TypeKind::timestamp) &&
        right.is(TypeKind::timestamp)) {
        return Type(TypeKind::duration);
    }
    if (left.kind() != right.kind()) return std::nullopt;
    switch (left.kind()) {
        case TypeKind::int_:
        case TypeKind::uint_: return left;
        case TypeKind::double_:
            if (operation == Operation::modulo) return std::nullopt;
            return left;
        case TypeKind::duration:
            if (!times) return std::nullopt;
            return left;
        case TypeKind::string:
        case TypeKind::bytes:
            if (operation != Operation::add) return std::nullopt;
            return left;
        case TypeKind::list:
            if (operation != Operation::add) return std::nullopt;
            return Type::list(join(left.element(), right.element()));
        default: return std::nullopt;
    }
}

class Checker {
public:
    Checker(Ast& ast, const Environment& environment, const Limits& limits)
        : ast_(ast), environment_(environment), limits_(limits) {}

    std::optional<Diagnostic> run(ExpectedType expected) {
        visit(ast_.root);
        if (!error_) check_result(expected);
        return std::move(error_);
    }

private:
    struct Local {
        std::string_view name;
        Type type;
        std::uint32_t number = 0;
    };

    void fail(const Node& node, std::string message, Complaint complaint = Complaint::invalid) {
        if (!error_) error_ = Diagnostic{node.position, std::move(message), complaint};
    }
    /// A contradiction of types: reported only when the checker is on.
    void mismatch(const Node& node, const std::string& message) {
        if (limits_.check_types) fail(node, message);
    }
    /// A name that means nothing here.
    void unknown(Node& node, EvaluationErrorKind kind, const std::string& message) {
        mismatch(node, message);
        node.resolution = Resolution::unknown;
        node.target = static_cast<std::uint32_t>(kind);
        // The children may be names that were never resolved, and they are not evaluated.
        node.children.clear();
        // Folding would be right, but the error belongs to the evaluation.
        node.reads_slot = true;
    }

    void check_result(ExpectedType expected) {
        const Node& root = ast_[ast_.root];
        const TypeKind wanted = expected == ExpectedType::bool_ ? TypeKind::bool_ : TypeKind::int_;
        if (expected == ExpectedType::any || root.type.is(wanted)) return;
        mismatch(
            root, "the expression must yield " + to_string(wanted) + ", not " + to_string(root.type)
        );
    }

    void visit(NodeId id) {
        if (error_) return;
        switch (ast_[id].kind) {
            case NodeKind::constant: return;
            case NodeKind::identifier: identifier(ast_[id]); return;
            case NodeKind::select:
            case NodeKind::has: select(ast_[id]); return;
            case NodeKind::call: call(ast_[id]); return;
            case NodeKind::comprehension: comprehension(ast_[id]); return;
            case NodeKind::bind: bind(ast_[id]); return;
            default: break;
        }
        visit_children(ast_[id]);
        if (!error_) combine(ast_[id]);
    }

    void visit_children(Node& node) {
        for (const NodeId child : node.children)
            visit(child);
        collect(node);
    }

    /// What the children read from outside is read by the node.
    void collect(Node& node) {
        for (const NodeId child : node.children) {
            node.reads_slot = node.reads_slot || ast_[child].reads_slot;
            node.free_local = std::min(node.free_local, ast_[child].free_local);
        }
    }

    const Type& type_of(const Node& node, std::size_t child) const {
        return ast_[node.children[child]].type;
    }

    void combine(Node& node) {
        switch (node.kind) {
            case NodeKind::unary: unary(node); return;
            case NodeKind::binary: binary(node); return;
            case NodeKind::all_of:
            case NodeKind::any_of: logical(node); return;
            case NodeKind::conditional: conditional(node); return;
            case NodeKind::index: index(node); return;
            case NodeKind::list: list(node); return;
            case NodeKind::map: map(node); return;
            default: return;
        }
    }

    // Names ---------------------------------------------------------------------------------------

    [[nodiscard]] const Local* find_local(std::string_view name) const {
        const auto found = std::ranges::find(locals_.rbegin(), locals_.rend(), name, &Local::name);
        return found == locals_.rend() ? nullptr : &*found;
    }

    /// "a.b.c" when the node is a chain of selections on a name that is not a local.
    [[nodiscard]] std::optional<std::string> path_of(NodeId id) const {
        const Node& node = ast_[id];
        if (node.kind == NodeKind::identifier) {
            if (!node.root_scope && find_local(node.name) != nullptr) return std::nullopt;
            return std::string(node.name);
        }
        if (node.kind != NodeKind::select && node.kind != NodeKind::has) return std::nullopt;
        auto path = path_of(node.children[0]);
        if (path) *path += "." + std::string(node.name);
        return path;
    }

    bool resolve_path(Node& node, const std::string& path) {
        if (const auto slot = environment_.slot(path)) {
            node.resolution = Resolution::slot;
            node.target = *slot;
            node.reads_slot = true;
            node.type = environment_.variables()[*slot].type;
            node.size_max = environment_.variables()[*slot].size_max;
            return true;
        }
        if (const auto kind = type_value(path)) {
            node.resolution = Resolution::type_value;
            node.target = static_cast<std::uint32_t>(*kind);
            node.type = TypeKind::type;
            return true;
        }
        return false;
    }

    void identifier(Node& node) {
        if (const Local* local = node.root_scope ? nullptr : find_local(node.name)) {
            node.resolution = Resolution::local;
            node.target = local->number;
            node.free_local = local->number;
            node.type = local->type;
            return;
        }
        const std::string path(node.name);
        if (resolve_path(node, path)) return;
        if (environment_.is_root(path)) {
            return unknown(
                node,
                EvaluationErrorKind::unknown_variable,
                quoted(path) +
                    " is not a value; select one of its fields: " + environment_.fields_of(path)
            );
        }
        unknown(node, EvaluationErrorKind::unknown_variable, "unknown variable " + quoted(path));
    }

    void select(Node& node) {
        const bool test = node.kind == NodeKind::has;
        if (const auto path = path_of(node.children[0])) {
            const std::string full = *path + "." + std::string(node.name);
            if (resolve_path(node, full)) {
                // The names before the dot are no values of their own.
                node.children.clear();
                if (test) node.type = TypeKind::bool_;
                return;
            }
            if (environment_.is_root(*path) && !environment_.slot(*path)) {
                return unknown(
                    node, EvaluationErrorKind::unknown_variable, unknown_field(*path, node.name)
                );
            }
        }
        visit_children(node);
        if (error_) return;
        const Type target = type_of(node, 0);
        if (target.is(TypeKind::record)) {
            field(node, target);
        } else if (target.is(TypeKind::map)) {
            if (!agree(target.key(), TypeKind::string))
                mismatch(node, "the map's keys are not strings");
            node.type = target.element();
        } else if (!target.is_open()) {
            mismatch(node, "a value of type " + to_string(target) + " has no fields");
        }
        if (test) node.type = TypeKind::bool_;
    }

    [[nodiscard]] std::string unknown_field(const std::string& root, std::string_view name) const {
        if (environment_.is_root(root + "." + std::string(name))) {
            return quoted(root + "." + std::string(name)) +
                   " is not a value; select one of its fields: " +
                   environment_.fields_of(root + "." + std::string(name));
        }
        return "unknown field " + quoted(name) + " of " + quoted(root) + "; it has " +
               environment_.fields_of(root);
    }

    void field(Node& node, const Type& record) {
        const auto& fields = record.fields();
        const auto found = std::ranges::find(fields, node.name, &RecordField::name);
        if (found == fields.end()) {
            std::string names;
            for (const RecordField& known : fields)
                names += (names.empty() ? "" : ", ") + known.name;
            // Also without the checker: the machine has no way to look a record's field up by name.
            return fail(node, "unknown field " + quoted(node.name) + "; it has " + names);
        }
        node.resolution = Resolution::field;
        node.target = static_cast<std::uint32_t>(found - fields.begin());
        node.type = found->type;
        node.size_max = found->size_max;
    }

    // Calls ---------------------------------------------------------------------------------------

    void call(Node& node) {
        std::string name(node.name);
        if (node.receiver) enter_namespace(node, name);
        visit_children(node);
        if (error_) return;
        const auto group = find_function(name, node.receiver);
        if (group.empty()) {
            if (is_unsupported_function(name, node.receiver)) {
                return fail(
                    node,
                    "the function " + quoted(name) + " is not supported",
                    Complaint::unsupported
                );
            }
            return unknown(
                node, EvaluationErrorKind::unknown_function, "unknown function " + quoted(name)
            );
        }
        node.resolution = Resolution::function;
        node.target = function_index(group);
        choose_overload(node, group, name);
        if (!error_) literal_arguments(node, name);
    }

    /// Turns `math.abs(x)` into a call of "math.abs", unless `math` is a variable.
    void enter_namespace(Node& node, std::string& name) {
        const auto path = path_of(node.children[0]);
        if (!path || environment_.slot(*path) || !is_namespace(*path)) return;
        name = *path + "." + name;
        node.children.erase(node.children.begin());
        node.receiver = false;
    }

    static bool takes(const Overload& overload, std::size_t count) {
        return overload.variadic ? count >= overload.parameter_count
                                 : count == overload.parameter_count;
    }

    [[nodiscard]] bool accepts(const Overload& overload, const Node& node) const {
        if (!takes(overload, node.children.size())) return false;
        for (std::size_t i = 0; i < node.children.size(); ++i) {
            const TypeKind wanted = overload.parameters[overload.variadic ? 0 : i];
            const Type& given = type_of(node, i);
            if (wanted != TypeKind::dyn && !given.is_open() && given.kind() != wanted) return false;
        }
        return true;
    }

    void choose_overload(Node& node, std::span<const Overload> group, const std::string& name) {
        bool right_count = false;
        std::optional<Type> result;
        for (const Overload& overload : group) {
            right_count = right_count || takes(overload, node.children.size());
            if (!accepts(overload, node)) continue;
            const Type type = overload.result == TypeKind::list
                                  ? Type::list(overload.result_element)
                                  : Type(overload.result);
            result = result ? join(*result, type) : type;
        }
        if (!right_count) {
            return unknown(
                node,
                EvaluationErrorKind::no_overload,
                "the function " + quoted(name) + " does not take " +
                    std::to_string(node.children.size()) + " arguments"
            );
        }
        if (!result && group.front().variadic && all_numbers(node)) result = TypeKind::dyn;
        if (!result)
            mismatch(
                node, "the function " + quoted(name) + " does not accept (" + shown(node) + ")"
            );
        node.type = result.value_or(TypeKind::dyn);
    }

    [[nodiscard]] bool all_numbers(const Node& node) const {
        return std::ranges::all_of(node.children, [&](NodeId child) {
            const Type& type = ast_[child].type;
            return type.is_open() || type.is(TypeKind::int_) || type.is(TypeKind::uint_) ||
                   type.is(TypeKind::double_);
        });
    }

    [[nodiscard]] std::string shown(const Node& node) const {
        std::string text;
        for (const NodeId child : node.children)
            text += (text.empty() ? "" : ", ") + to_string(ast_[child].type);
        return text;
    }

    /// Literal arguments whose value can already be seen to be wrong.
    void literal_arguments(const Node& node, std::string_view name) {
        if (node.children.empty()) return;
        const Node& last = ast_[node.children.back()];
        if (last.kind != NodeKind::constant || !last.constant.is(Kind::string)) return;
        const auto text = last.constant.as_text();
        const bool zoned = node.receiver && name.starts_with("get") && node.children.size() == 2;
        if (zoned && !zone_offset(text)) {
            fail(last, "time zones by name are not supported", Complaint::unsupported);
        }
        if (name == "muldivRound" && text != "floor" && text != "ceil" && text != "half_up" &&
            text != "half_even") {
            mismatch(last, "the rounding mode must be 'floor', 'ceil', 'half_up' or 'half_even'");
        }
    }

    // Operators -----------------------------------------------------------------------------------

    void unary(Node& node) {
        const Type& operand = type_of(node, 0);
        const bool fits = node.operation == Operation::logical_not
                              ? operand.is(TypeKind::bool_)
                              : operand.is(TypeKind::int_) || operand.is(TypeKind::double_);
        if (!fits && !operand.is_open()) {
            mismatch(
                node, quoted(symbol(node.operation)) + " does not accept " + to_string(operand)
            );
        }
        node.type = node.operation == Operation::logical_not
                        ? Type(TypeKind::bool_)
                        : (operand.is_open() ? Type() : operand);
    }

    void binary(Node& node) {
        const Type left = type_of(node, 0);
        const Type right = type_of(node, 1);
        bool fits = true;
        switch (node.operation) {
            case Operation::equal:
            case Operation::not_equal:
                node.type = TypeKind::bool_;
                fits = agree(left, right);
                break;
            case Operation::less:
            case Operation::less_equal:
            case Operation::greater:
            case Operation::greater_equal:
                node.type = TypeKind::bool_;
                fits = agree(left, right) && (left.is_open() || is_ordered(left.kind())) &&
                       (right.is_open() || is_ordered(right.kind()));
                break;
            case Operation::in:
                node.type = TypeKind::bool_;
                fits = right.is_open() ||
                       (right.is(TypeKind::list) && agree(left, right.element())) ||
                       (right.is(TypeKind::map) && agree(left, right.key()));
                break;
            default: {
                const auto result = arithmetic(node.operation, left, right);
                fits = result.has_value();
                node.type = result.value_or(Type());
            }
        }
        if (!fits) {
            mismatch(
                node,
                quoted(symbol(node.operation)) + " does not accept " + to_string(left) + " and " +
                    to_string(right)
            );
        }
    }

    void logical(Node& node) {
        const std::string_view sign = node.kind == NodeKind::all_of ? "&&" : "||";
        for (std::size_t i = 0; i < node.children.size(); ++i) {
            const Type& term = type_of(node, i);
            if (term.is(TypeKind::bool_) || term.is_open()) continue;
            mismatch(ast_[node.children[i]], quoted(sign) + " needs bool, not " + to_string(term));
        }
        node.type = TypeKind::bool_;
    }

    void conditional(Node& node) {
        const Type& condition = type_of(node, 0);
        if (!condition.is(TypeKind::bool_) && !condition.is_open()) {
            mismatch(node, "the condition before '?' must be bool, not " + to_string(condition));
        }
        if (!agree(type_of(node, 1), type_of(node, 2))) {
            mismatch(
                node,
                "the branches of '?:' differ: " + to_string(type_of(node, 1)) + " and " +
                    to_string(type_of(node, 2))
            );
        }
        node.type = join(type_of(node, 1), type_of(node, 2));
    }

    void index(Node& node) {
        const Type target = type_of(node, 0);
        const Type key = type_of(node, 1);
        bool fits = true;
        if (target.is(TypeKind::list)) {
            fits = key.is(TypeKind::int_) || key.is_open();
        } else if (target.is(TypeKind::map)) {
            fits = agree(key, target.key());
        } else {
            fits = target.is_open();
        }
        if (!fits)
            mismatch(node, "'[]' does not accept " + to_string(target) + " and " + to_string(key));
        node.type = target.element();
    }

    void list(Node& node) {
        Type element = TypeKind::bottom;
        for (std::size_t i = 0; i < node.children.size(); ++i)
            element = join(element, type_of(node, i));
        node.type = Type::list(element);
    }

    void map(Node& node) {
        Type key = TypeKind::bottom;
        Type value = TypeKind::bottom;
        for (std::size_t i = 0; i < node.children.size(); i += 2) {
            if (!is_key_type(type_of(node, i))) {
                mismatch(
                    ast_[node.children[i]], "a map key cannot be " + to_string(type_of(node, i))
                );
            }
            key = join(key, type_of(node, i));
            value = join(value, type_of(node, i + 1));
        }
        node.type = Type::map(key, value);
    }

    // Locals --------------------------------------------------------------------------------------

    /// Forgets the locals from `count` on, and in `node` that its children read those it declares.
    void leave(Node& node, std::size_t count) {
        locals_.resize(count);
        node.reads_slot = false;
        node.free_local = ast_[node.children[0]].free_local;
        for (const NodeId child : node.children) {
            node.reads_slot = node.reads_slot || ast_[child].reads_slot;
            if (ast_[child].free_local < node.first_local) {
                node.free_local = std::min(node.free_local, ast_[child].free_local);
            }
        }
    }

    void bind(Node& node) {
        visit(node.children[0]);
        if (error_) return;
        const std::size_t outside = locals_.size();
        node.first_local = next_local_++;
        locals_.push_back({node.variable, type_of(node, 0), node.first_local});
        visit(node.children[1]);
        leave(node, outside);
        node.type = type_of(node, 1);
    }

    void comprehension(Node& node) {
        visit(node.children[0]);
        if (error_) return;
        const Type range = type_of(node, 0);
        if (!range.is_open() && !range.is(TypeKind::list) && !range.is(TypeKind::map)) {
            mismatch(node, quoted(node.name) + " needs a list or a map, not " + to_string(range));
        }
        if (++loops_ > limits_.nested_loops_max) fail(node, "too many loops inside each other");
        const std::size_t outside = locals_.size();
        declare_loop_variables(node, range);
        for (std::size_t i = 1; i < node.children.size(); ++i)
            visit(node.children[i]);
        --loops_;
        if (error_) return;
        leave(node, outside);
        if (node.has_condition) {
            const Type& condition = type_of(node, 1);
            if (!condition.is(TypeKind::bool_) && !condition.is_open()) {
                mismatch(
                    ast_[node.children[1]],
                    "the condition of " + quoted(node.name) + " must be bool, not " +
                        to_string(condition)
                );
            }
        }
        node.type = loop_type(node, range);
    }

    void declare_loop_variables(Node& node, const Type& range) {
        node.first_local = next_local_++;
        const bool is_map = range.is(TypeKind::map);
        if (node.second_variable.empty()) {
            locals_.push_back(
                {node.variable, is_map ? range.key() : range.element(), node.first_local}
            );
            return;
        }
        const Type first =
            is_map ? range.key() : (range.is(TypeKind::list) ? Type(TypeKind::int_) : Type());
        locals_.push_back({node.variable, first, node.first_local});
        locals_.push_back({node.second_variable, range.element(), next_local_++});
    }

    [[nodiscard]] Type loop_type(const Node& node, const Type& range) const {
        switch (node.macro) {
            case Macro::all:
            case Macro::exists:
            case Macro::exists_one: return TypeKind::bool_;
            case Macro::filter:
                return Type::list(range.is(TypeKind::map) ? range.key() : range.element());
            case Macro::map:
            case Macro::transform_list: return Type::list(ast_[node.children.back()].type);
            case Macro::transform_map: break;
        }
        const Type key = range.is(TypeKind::list) ? Type(TypeKind::int_) : range.key();
        return Type::map(key, ast_[node.children.back()].type);
    }

    Ast& ast_;
    const Environment& environment_;
    const Limits& limits_;
    std::optional<Diagnostic> error_;
    std::vector<Local> locals_;
    std::uint32_t next_local_ = 0;
    std::size_t loops_ = 0;
};

}  // namespace

std::optional<Diagnostic> check(
    Ast& ast, const Environment& environment, ExpectedType expected, const Limits& limits
) {
    return Checker(ast, environment, limits).run(expected);
}

}  // namespace rules::cel
