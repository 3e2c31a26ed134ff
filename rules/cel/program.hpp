#pragma once

#include <cstdint>
#include <vector>

#include "rules/cel/value.hpp"

namespace rules::cel {

/// What the machine does; "push" and "pop" are about its value stack. `first` and `second` are the
/// operands of the instruction.
enum class Opcode : std::uint8_t {
    constant,        // push constants[second]
    slot,            // push slots[second]; absent is an error
    slot_present,    // push whether slots[second] is there
    local,           // push stack[second]
    select,          // pop map, push its value under constants[second]
    select_present,  // pop map, push whether it has constants[second]
    field,           // pop record, push field `second`; absent is an error
    field_present,   // pop record, push whether field `second` is there
    index,           // pop key and target, push the element
    unary,           // pop, push; first = Operation
    binary,          // pop right and left, push; first = Operation
    jump,            // to second
    jump_if_false,   // if the top is false: to second, the top stays
    jump_if_true,    // if the top is true: to second, the top stays
    join_and,        // pop right and left of &&, push; either may be an error
    join_or,         // pop right and left of ||, push; either may be an error
    branch,          // pop a bool; false: to second
    list,            // pop `second` items, push a list
    map,             // pop `second` pairs, push a map
    call,            // pop `first` arguments, push the result of function `second`
    raise,           // the error of kind `second`
    slide,           // pop the value and the local below it, push the value
    // Loops: the stack holds range, position, accumulator, then `first` variables and what the body
    // left.
    loop_begin,   // with the range on top: push position 0 and the accumulator of Macro `first`
    loop_next,    // push the next variables, or at the end jump to second
    loop_all,     // pop the term and the variables; false settles it: to second
    loop_exists,  // the same with true
    loop_count,   // pop the bool and the variables; count if true
    loop_keep,    // pop the bool and the variables; append the first variable if true
    loop_skip,    // pop a bool; if false pop the variables and jump to second
    loop_append,  // pop the value and the variables, append the value
    loop_put,     // pop the value and the variables, append the first variable : value
    loop_end,     // pop range, position and accumulator, push the result of Macro `first`
};

struct Instruction {
    Opcode opcode = Opcode::raise;
    std::uint16_t first = 0;
    std::uint32_t second = 0;
};
static_assert(sizeof(Instruction) == 8);

/// An error in [begin, end) does not end the evaluation: the stack is cut to `depth`, the error is
/// pushed, and the machine goes on at `target`. Inner regions stand before outer ones.
struct Handler {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    std::uint32_t target = 0;
    std::uint32_t depth = 0;
};

/// Flat code. Immutable once compiled; constants live in the arena of the expression.
struct Program {
    std::vector<Instruction> code;
    /// For each instruction the byte offset in the source.
    std::vector<std::uint32_t> positions;
    std::vector<Value> constants;
    std::vector<Handler> handlers;
    std::uint32_t stack_size = 0;
    /// Slots that the code may read, sorted, each once.
    std::vector<std::uint32_t> slots_read;
};

}  // namespace rules::cel
