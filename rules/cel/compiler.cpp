#include "rules/cel/compiler.hpp"

#include <algorithm>
#include <map>
#include <span>

#include "ledger/base/invariant.hpp"
#include "rules/cel/machine.hpp"

namespace rules::cel {

namespace {

class Compiler {
public:
    explicit Compiler(const Ast& ast) : ast_(ast) {}

    Program run(NodeId root) {
        emit_node(root);
        INVARIANT(depth_ == 1);
        auto& slots = program_.slots_read;
        std::ranges::sort(slots);
        slots.erase(std::unique(slots.begin(), slots.end()), slots.end());
        return std::move(program_);
    }

private:
    [[nodiscard]] std::uint32_t here() const {
        return static_cast<std::uint32_t>(program_.code.size());
    }

    std::uint32_t emit(
        const Node& node, Opcode opcode, std::size_t first = 0, std::size_t second = 0
    ) {
        INVARIANT(first <= 0xFFFFU);
        program_.code.push_back(
            {opcode, static_cast<std::uint16_t>(first), static_cast<std::uint32_t>(second)}
        );
        program_.positions.push_back(node.position);
        return here() - 1;
    }
    void push(std::uint32_t count = 1) {
        depth_ += count;
        program_.stack_size = std::max(program_.stack_size, depth_);
    }
    void pop(std::size_t count = 1) { depth_ -= static_cast<std::uint32_t>(count); }
    void land(std::uint32_t instruction) { program_.code[instruction].second = here(); }

    std::uint32_t constant(Value value) {
        program_.constants.push_back(value);
        return static_cast<std::uint32_t>(program_.constants.size() - 1);
    }

    /// Code whose error becomes a value on the stack.
    void emit_guarded(NodeId id) {
        const std::uint32_t begin = here();
        const std::uint32_t depth = depth_;
        emit_node(id);
        program_.handlers.push_back({begin, here(), here(), depth});
    }

    void emit_children(const Node& node) {
        for (const NodeId child : node.children)
            emit_node(child);
    }

    void emit_node(NodeId id) {
        const Node& node = ast_[id];
        if (node.resolution == Resolution::unknown) {
            emit(node, Opcode::raise, 0, node.target);
            push();
            return;
        }
        switch (node.kind) {
            case NodeKind::constant:
                emit(node, Opcode::constant, 0, constant(node.constant));
                push();
                return;
            case NodeKind::identifier:
            case NodeKind::select:
            case NodeKind::has: name(node); return;
            case NodeKind::unary:
                emit_children(node);
                emit(node, Opcode::unary, static_cast<std::size_t>(node.operation));
                return;
            case NodeKind::binary:
                emit_children(node);
                emit(node, Opcode::binary, static_cast<std::size_t>(node.operation));
                pop();
                return;
            case NodeKind::index:
                emit_children(node);
                emit(node, Opcode::index);
                pop();
                return;
            case NodeKind::all_of: logical(node, Opcode::jump_if_false, Opcode::join_and); return;
            case NodeKind::any_of: logical(node, Opcode::jump_if_true, Opcode::join_or); return;
            case NodeKind::conditional: conditional(node); return;
            case NodeKind::list:
                emit_children(node);
                emit(node, Opcode::list, 0, node.children.size());
                pop(node.children.size());
                push();
                return;
            case NodeKind::map:
                emit_children(node);
                emit(node, Opcode::map, 0, node.children.size() / 2);
                pop(node.children.size());
                push();
                return;
            case NodeKind::call:
                emit_children(node);
                emit(node, Opcode::call, node.children.size(), node.target);
                pop(node.children.size());
                push();
                return;
            case NodeKind::comprehension: loop(node); return;
            case NodeKind::bind: bind(node); return;
        }
    }

    void name(const Node& node) {
        const bool test = node.kind == NodeKind::has;
        switch (node.resolution) {
            case Resolution::slot:
                program_.slots_read.push_back(node.target);
                emit(node, test ? Opcode::slot_present : Opcode::slot, 0, node.target);
                push();
                return;
            case Resolution::local:
                emit(node, Opcode::local, 0, local_positions_[node.target]);
                push();
                return;
            case Resolution::type_value:
                emit(node, Opcode::constant, 0, constant(type_constant(node)));
                push();
                return;
            case Resolution::field:
                emit_children(node);
                emit(node, test ? Opcode::field_present : Opcode::field, 0, node.target);
                return;
            default:
                emit_children(node);
                emit(
                    node,
                    test ? Opcode::select_present : Opcode::select,
                    0,
                    constant(Value::string(node.name))
                );
                return;
        }
    }

    static Value type_constant(const Node& node) {
        if (node.kind == NodeKind::has) return Value::boolean(true);
        return Value::type(static_cast<Kind>(node.target));
    }

    void logical(const Node& node, Opcode jump, Opcode join) {
        std::vector<std::uint32_t> exits;
        emit_guarded(node.children.front());
        for (std::size_t i = 1; i < node.children.size(); ++i) {
            exits.push_back(emit(node, jump));
            emit_guarded(node.children[i]);
            const std::uint32_t joined = emit(node, join);
            pop();
            // (a && error) && false is false: a join before the last one may fail like a term.
            const bool last = i + 1 == node.children.size();
            if (!last) program_.handlers.push_back({joined, here(), here(), depth_ - 1});
        }
        for (const std::uint32_t exit : exits)
            land(exit);
    }

    void conditional(const Node& node) {
        emit_node(node.children[0]);
        const std::uint32_t to_no = emit(node, Opcode::branch);
        pop();
        emit_node(node.children[1]);
        const std::uint32_t to_end = emit(node, Opcode::jump);
        pop();
        land(to_no);
        emit_node(node.children[2]);
        land(to_end);
    }

    void bind(const Node& node) {
        emit_node(node.children[0]);
        local_positions_[node.first_local] = depth_ - 1;
        emit_node(node.children[1]);
        emit(node, Opcode::slide);
        pop();
    }

    void loop(const Node& node) {
        const std::size_t variables = node.second_variable.empty() ? 1 : 2;
        emit_node(node.children[0]);
        emit(node, Opcode::loop_begin, static_cast<std::size_t>(node.macro));
        push(2);
        const std::uint32_t next = emit(node, Opcode::loop_next, variables);
        local_positions_[node.first_local] = depth_;
        local_positions_[node.first_local + 1] = depth_ + 1;
        push(static_cast<std::uint32_t>(variables));
        const std::uint32_t settled = loop_body(node, variables, next);
        emit(node, Opcode::jump, 0, next);
        land(next);
        if (settled != 0) land(settled);
        emit(node, Opcode::loop_end, static_cast<std::size_t>(node.macro));
        pop(2);
    }

    /// Code for one turn; leaves the stack as before the variables. Returns the instruction that
    /// may leave the loop early, or 0.
    std::uint32_t loop_body(const Node& node, std::size_t variables, std::uint32_t next) {
        std::uint32_t settled = 0;
        switch (node.macro) {
            case Macro::all:
            case Macro::exists:
                emit_guarded(node.children[1]);
                settled = emit(
                    node,
                    node.macro == Macro::all ? Opcode::loop_all : Opcode::loop_exists,
                    variables
                );
                break;
            case Macro::exists_one:
                emit_node(node.children[1]);
                emit(node, Opcode::loop_count, variables);
                break;
            case Macro::filter:
                emit_node(node.children[1]);
                emit(node, Opcode::loop_keep, variables);
                break;
            case Macro::map:
            case Macro::transform_list:
            case Macro::transform_map:
                if (node.has_condition) {
                    emit_node(node.children[1]);
                    emit(node, Opcode::loop_skip, variables, next);
                    pop();
                }
                emit_node(node.children.back());
                emit(
                    node,
                    node.macro == Macro::transform_map ? Opcode::loop_put : Opcode::loop_append,
                    variables
                );
                break;
        }
        pop(variables + 1);
        return settled;
    }

    const Ast& ast_;
    Program program_;
    std::uint32_t depth_ = 0;
    std::map<std::uint32_t, std::uint32_t> local_positions_;
};

constexpr std::uint64_t kFoldFuel = 10'000;
constexpr std::size_t kFoldBytesMax = 64U << 10U;

class Folder {
public:
    Folder(Ast& ast, Arena& constants) : ast_(ast), constants_(constants) {}

    void fold(NodeId id) {
        if (ast_[id].kind == NodeKind::constant || fuel_.steps_left == 0) return;
        if (ast_[id].closed() && evaluate(id)) return;
        // By value: a fold of a child may not move nodes, but the loop should not depend on it.
        const std::vector<NodeId> children = ast_[id].children;
        for (const NodeId child : children)
            fold(child);
    }

private:
    bool evaluate(NodeId id) {
        const Program program = compile_program(ast_, id);
        scratch_.reset();
        Context context{scratch_, fuel_};
        const Value result = run(program, {}, context);
        if (result.is(Kind::error)) return false;
        const Value kept = copy_into(constants_, result);
        if (kept.is(Kind::absent)) return false;
        Node& node = ast_[id];
        node.kind = NodeKind::constant;
        node.resolution = Resolution::none;
        node.children.clear();
        node.constant = kept;
        return true;
    }

    Ast& ast_;
    Arena& constants_;
    Arena scratch_{kFoldBytesMax};
    Fuel fuel_{kFoldFuel};
};

}  // namespace

Program compile_program(const Ast& ast, NodeId root) {
    return Compiler(ast).run(root);
}

void fold_constants(Ast& ast, Arena& constants) {
    Folder(ast, constants).fold(ast.root);
}

}  // namespace rules::cel
