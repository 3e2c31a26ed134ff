#pragma once

#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "rules/cel/type.hpp"
#include "rules/cel/value.hpp"

namespace rules::cel {

using NodeId = std::uint32_t;
inline constexpr NodeId kNoNode = std::numeric_limits<NodeId>::max();

enum class NodeKind : std::uint8_t {
    constant,
    identifier,
    select,       // child 0 . name
    has,          // has(child 0 . name)
    index,        // child 0 [ child 1 ]
    unary,        // operation, child 0
    binary,       // operation, children 0 and 1
    all_of,       // child && child && …
    any_of,       // child || child || …
    conditional,  // child 0 ? child 1 : child 2
    list,
    map,            // key, value, key, value, …
    call,           // name(children); with `receiver`, child 0 is before the dot
    comprehension,  // macro over child 0
    bind,           // cel.bind(variable, child 0, child 1)
};

enum class Operation : std::uint8_t {
    negate,
    logical_not,
    add,
    subtract,
    multiply,
    divide,
    modulo,
    equal,
    not_equal,
    less,
    less_equal,
    greater,
    greater_equal,
    in,
};

/// Loops over child 0. Children after it: the condition if `has_condition`, then the result of
/// map, transform_list and transform_map.
enum class Macro : std::uint8_t {
    all,
    exists,
    exists_one,
    map,
    filter,
    transform_list,
    transform_map
};

/// What a name turned out to be; filled by the checker.
enum class Resolution : std::uint8_t {
    none,
    slot,        // target = slot
    local,       // target = number of the local variable
    type_value,  // target = Kind
    field,       // select or has on a record; target = field index
    function,    // target = index of the function group
    unknown,     // only without the checker; target = EvaluationErrorKind
};

struct Node {
    NodeKind kind = NodeKind::constant;
    Operation operation = Operation::add;
    Macro macro = Macro::all;
    Resolution resolution = Resolution::none;
    bool root_scope = false;     // `.name`
    bool receiver = false;       // of a call
    bool has_condition = false;  // of a comprehension
    bool reads_slot = false;
    std::uint32_t position = 0;
    std::uint32_t depth = 1;
    std::uint32_t target = 0;
    /// Number of the first local that a comprehension or bind declares; a second one follows it.
    std::uint32_t first_local = 0;
    /// Declared bound on the bytes or items of a slot or field; 0 if there is none.
    std::uint32_t size_max = 0;
    /// Lowest number of a local read inside and declared outside; kNoNode if there is none.
    std::uint32_t free_local = kNoNode;
    std::string_view name;
    std::string_view variable;
    std::string_view second_variable;
    std::vector<NodeId> children;
    Value constant = Value::null();
    Type type;

    /// Nothing from outside is read: the value is the same in each evaluation.
    [[nodiscard]] bool closed() const { return !reads_slot && free_local == kNoNode; }
};

struct Ast {
    std::vector<Node> nodes;
    NodeId root = kNoNode;

    [[nodiscard]] Node& operator[](NodeId id) { return nodes[id]; }
    [[nodiscard]] const Node& operator[](NodeId id) const { return nodes[id]; }
};

}  // namespace rules::cel
