#include "rules/cel/machine.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include "ledger/base/invariant.hpp"
#include "rules/cel/ast.hpp"
#include "rules/cel/operators.hpp"

namespace rules::cel {

namespace {

constexpr std::size_t kInlineStack = 48;

/// Neither && nor || hide these: the evaluation has to end.
bool is_fatal(EvaluationErrorKind kind) {
    return kind == EvaluationErrorKind::fuel_exhausted || kind == EvaluationErrorKind::too_large;
}

/// A term of && or || that is not `wanted`: itself if it is an error, no_overload if it is no bool.
Value as_term(const Value& value) {
    return value.is(Kind::bool_) || value.is(Kind::error) ? value : no_overload();
}

class Machine {
public:
    Machine(const Program& program, std::span<const Value> slots, Context& context, Value* stack)
        : program_(program), slots_(slots), context_(context), stack_(stack) {}

    Value run() {
        while (pc_ < program_.code.size()) {
            if (!context_.fuel.charge(1)) return failed(out_of_fuel());
            const Instruction instruction = program_.code[pc_++];
            const Value error = step(instruction);
            if (error.is(Kind::error) && !recover(error)) return failed(error);
        }
        return stack_[0];
    }

private:
    static Value no_error() { return Value::absent(); }

    /// The error with the place where it arose; one that was raised before keeps its own.
    [[nodiscard]] Value failed(const Value& error) const {
        if (error.position() != Value::kNoPosition) return error;
        const std::size_t at = pc_ == 0 ? 0 : pc_ - 1;
        return Value::error(error.error_kind(), program_.positions[at]);
    }

    bool recover(const Value& error) {
        if (is_fatal(error.error_kind())) return false;
        const std::uint32_t at = pc_ - 1;
        for (const Handler& handler : program_.handlers) {
            if (at < handler.begin || at >= handler.end) continue;
            const Value placed = failed(error);
            top_ = handler.depth;
            stack_[top_++] = placed;
            pc_ = handler.target;
            return true;
        }
        return false;
    }

    Value push(const Value& value) {
        if (value.is(Kind::error)) return value;
        stack_[top_++] = value;
        return no_error();
    }
    /// Puts the result of an operation on its `count` operands in their place.
    Value replace(std::uint32_t count, const Value& value) {
        top_ -= count;
        return push(value);
    }
    /// From the top, 0 first.
    Value& top(std::uint32_t below = 0) { return stack_[top_ - 1 - below]; }

    Value step(Instruction instruction) {
        const std::uint32_t second = instruction.second;
        switch (instruction.opcode) {
            case Opcode::constant: return push(program_.constants[second]);
            case Opcode::slot: return present(slots_[second]);
            case Opcode::slot_present:
                return push(Value::boolean(!slots_[second].is(Kind::absent)));
            case Opcode::local: return push(stack_[second]);
            case Opcode::select: return replace(1, cel::select(top(), program_.constants[second]));
            case Opcode::select_present:
                return replace(1, has_key(top(), program_.constants[second]));
            case Opcode::field: return field(second);
            case Opcode::field_present: return field_present(second);
            case Opcode::index: return replace(2, at(top(1), top()));
            case Opcode::unary:
                return replace(1, apply(static_cast<Operation>(instruction.first), top()));
            case Opcode::binary: return binary(static_cast<Operation>(instruction.first));
            case Opcode::jump: pc_ = second; return no_error();
            case Opcode::jump_if_false:
                if (top().is_false()) pc_ = second;
                return no_error();
            case Opcode::jump_if_true:
                if (top().is_true()) pc_ = second;
                return no_error();
            case Opcode::join_and: return join(false);
            case Opcode::join_or: return join(true);
            case Opcode::branch: return branch(second);
            case Opcode::list: return list(second);
            case Opcode::map: return map(second);
            case Opcode::call: return call(instruction.first, second);
            case Opcode::raise: return failure(static_cast<EvaluationErrorKind>(second));
            case Opcode::slide: return replace(2, top());
            default: return loop_step(instruction);
        }
    }

    Value present(const Value& value) {
        return value.is(Kind::absent) ? failure(EvaluationErrorKind::absent_field) : push(value);
    }

    Value field(std::uint32_t index) {
        const Value record = top();
        if (!record.is(Kind::record) || index >= record.size()) return no_overload();
        --top_;
        return present(record.as_items()[index]);
    }

    Value field_present(std::uint32_t index) {
        const Value record = top();
        if (!record.is(Kind::record) || index >= record.size()) return no_overload();
        return replace(1, Value::boolean(!record.as_items()[index].is(Kind::absent)));
    }

    /// The operators of most rules without a call; everything else in operators.cpp.
    Value binary(Operation operation) {
        const Value left = top(1);
        const Value right = top();
        if (left.is(Kind::int_) && right.is(Kind::int_)) {
            const std::int64_t a = left.as_int();
            const std::int64_t b = right.as_int();
            switch (operation) {
                case Operation::equal: return replace(2, Value::boolean(a == b));
                case Operation::not_equal: return replace(2, Value::boolean(a != b));
                case Operation::less: return replace(2, Value::boolean(a < b));
                case Operation::less_equal: return replace(2, Value::boolean(a <= b));
                case Operation::greater: return replace(2, Value::boolean(a > b));
                case Operation::greater_equal: return replace(2, Value::boolean(a >= b));
                default: break;
            }
        }
        return replace(2, apply(operation, context_, left, right));
    }

    /// `settling` is the bool that decides alone: false for &&, true for ||.
    Value join(bool settling) {
        const Value left = as_term(top(1));
        const Value right = as_term(top());
        top_ -= 2;
        for (const Value& term : {left, right}) {
            if (term.is(Kind::bool_) && term.as_bool() == settling) return push(term);
        }
        if (left.is(Kind::error)) return left;
        return push(right);
    }

    Value branch(std::uint32_t target) {
        const Value condition = top();
        --top_;
        if (!condition.is(Kind::bool_)) return no_overload();
        if (!condition.as_bool()) pc_ = target;
        return no_error();
    }

    Value list(std::uint32_t count) {
        if (!context_.fuel.charge(count)) return out_of_fuel();
        Value* items = context_.arena.allocate_values(count);
        if (items == nullptr) return too_large();
        std::copy_n(stack_ + top_ - count, count, items);
        return replace(count, Value::list({items, count}));
    }

    Value map(std::uint32_t count) {
        if (!context_.fuel.charge(std::uint64_t{count} * 2)) return out_of_fuel();
        MapEntry* entries = context_.arena.allocate_entries(count);
        if (entries == nullptr) return too_large();
        const Value* pairs = stack_ + top_ - 2 * std::size_t{count};
        for (std::size_t i = 0; i < count; ++i) {
            entries[i] = {pairs[2 * i], pairs[2 * i + 1]};
            if (!is_key(entries[i].key)) return failure(EvaluationErrorKind::unsupported_key);
        }
        if (!sort_entries({entries, count})) return failure(EvaluationErrorKind::repeated_key);
        return replace(2 * count, Value::map({entries, count}));
    }

    Value call(std::uint32_t count, std::uint32_t function) {
        const Value result =
            function_at(function).function(context_, {stack_ + top_ - count, count});
        return replace(count, result);
    }

    // Loops ---------------------------------------------------------------------------------------

    Value loop_step(Instruction instruction) {
        const std::uint32_t variables = instruction.first;
        switch (instruction.opcode) {
            case Opcode::loop_begin: return loop_begin(static_cast<Macro>(instruction.first));
            case Opcode::loop_next: return loop_next(variables, instruction.second);
            case Opcode::loop_all: return loop_settle(false, variables, instruction.second);
            case Opcode::loop_exists: return loop_settle(true, variables, instruction.second);
            case Opcode::loop_count: return loop_count(variables);
            case Opcode::loop_keep: return loop_keep(variables);
            case Opcode::loop_skip: return loop_skip(variables, instruction.second);
            case Opcode::loop_append: {
                const Value item = top();
                top_ -= variables + 1;
                append(item);
                return no_error();
            }
            case Opcode::loop_put: {
                const Value key = top(variables);
                const Value value = top();
                top_ -= variables + 1;
                put(key, value);
                return no_error();
            }
            case Opcode::loop_end: return loop_end(static_cast<Macro>(instruction.first));
            default: INVARIANT(false);
        }
        return no_overload();
    }

    Value loop_begin(Macro macro) {
        const Value range = top();
        if (!range.is(Kind::list) && !range.is(Kind::map)) return no_overload();
        stack_[top_++] = Value::integer(0);
        switch (macro) {
            case Macro::all: return push(Value::boolean(true));
            case Macro::exists: return push(Value::boolean(false));
            case Macro::exists_one: return push(Value::integer(0));
            case Macro::map:
            case Macro::filter:
            case Macro::transform_list: {
                Value* items = context_.arena.allocate_values(range.size());
                return items == nullptr ? too_large() : push(Value::list({items, 0}));
            }
            case Macro::transform_map: {
                MapEntry* entries = context_.arena.allocate_entries(range.size());
                return entries == nullptr ? too_large() : push(Value::map({entries, 0}));
            }
        }
        return no_overload();
    }

    Value loop_next(std::uint32_t variables, std::uint32_t exit) {
        const Value range = top(2);
        Value& position = top(1);
        const auto at = static_cast<std::size_t>(position.as_int());
        if (at >= range.size()) {
            pc_ = exit;
            return no_error();
        }
        position = Value::integer(static_cast<std::int64_t>(at + 1));
        if (range.is(Kind::map)) {
            stack_[top_++] = range.as_entries()[at].key;
            if (variables == 2) stack_[top_++] = range.as_entries()[at].value;
            return no_error();
        }
        if (variables == 2) stack_[top_++] = Value::integer(static_cast<std::int64_t>(at));
        stack_[top_++] = range.as_items()[at];
        return no_error();
    }

    Value loop_settle(bool settling, std::uint32_t variables, std::uint32_t exit) {
        Value term = as_term(top());
        if (term.is(Kind::error)) term = failed(term);
        top_ -= variables + 1;
        if (term.is(Kind::error)) {
            if (!top().is(Kind::error)) top() = term;
        } else if (term.as_bool() == settling) {
            top() = term;
            pc_ = exit;
        }
        return no_error();
    }

    Value loop_count(std::uint32_t variables) {
        const Value term = top();
        if (!term.is(Kind::bool_)) return no_overload();
        top_ -= variables + 1;
        if (term.as_bool()) top() = Value::integer(top().as_int() + 1);
        return no_error();
    }

    Value loop_keep(std::uint32_t variables) {
        const Value term = top();
        const Value item = top(1);
        if (!term.is(Kind::bool_)) return no_overload();
        top_ -= variables + 1;
        if (term.as_bool()) append(item);
        return no_error();
    }

    Value loop_skip(std::uint32_t variables, std::uint32_t next) {
        const Value term = top();
        if (!term.is(Kind::bool_)) return no_overload();
        --top_;
        if (!term.as_bool()) {
            top_ -= variables;
            pc_ = next;
        }
        return no_error();
    }

    /// loop_begin made room for as many items as the range has.
    void append(const Value& item) {
        const auto items = top().as_items();
        const_cast<Value*>(items.data())[items.size()] = item;
        top() = Value::list({items.data(), items.size() + 1});
    }

    void put(const Value& key, const Value& value) {
        const auto entries = top().as_entries();
        const_cast<MapEntry*>(entries.data())[entries.size()] = {key, value};
        top() = Value::map({entries.data(), entries.size() + 1});
    }

    Value loop_end(Macro macro) {
        const Value result =
            macro == Macro::exists_one ? Value::boolean(top().as_int() == 1) : top();
        return replace(3, result);
    }

    const Program& program_;
    std::span<const Value> slots_;
    Context& context_;
    Value* stack_;
    std::uint32_t top_ = 0;
    std::uint32_t pc_ = 0;
};

}  // namespace

Value run(const Program& program, std::span<const Value> slots, Context& context) {
    INVARIANT(program.slots_read.empty() || program.slots_read.back() < slots.size());
    if (program.stack_size <= kInlineStack) {
        alignas(Value) std::array<std::byte, kInlineStack * sizeof(Value)> memory;
        return Machine(program, slots, context, reinterpret_cast<Value*>(memory.data())).run();
    }
    Value* stack = context.arena.allocate_values(program.stack_size);
    if (stack == nullptr) return too_large();
    return Machine(program, slots, context, stack).run();
}

}  // namespace rules::cel
