#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "rules/cel/arena.hpp"
#include "rules/cel/type.hpp"
#include "rules/cel/value.hpp"

namespace rules::cel {

/// What an evaluation may still do. One step is one instruction, or about 16 bytes of text, or one
/// element that a function looked at: the same on every machine.
struct Fuel {
    std::uint64_t steps_left = 0;

    [[nodiscard]] bool charge(std::uint64_t steps) {
        if (steps > steps_left) {
            steps_left = 0;
            return false;
        }
        steps_left -= steps;
        return true;
    }
};

/// What a function may use. Functions are pure: no clock, no randomness, no locale.
struct Context {
    Arena& arena;
    Fuel& fuel;

    [[nodiscard]] bool charge_text(std::size_t bytes) const { return fuel.charge(bytes / 16); }
};

/// Arguments never hold absent or error; the count was checked. Returns Value::error on failure.
using Builtin = Value (*)(Context& context, std::span<const Value> arguments);

inline constexpr std::size_t kArgumentsMax = 4;

/// One declared form of a function. All forms with one name and style share the Builtin, which
/// looks at the kinds itself: with dyn arguments the form is known only at run time.
struct Overload {
    std::string_view name;
    bool receiver = false;
    Builtin function = nullptr;
    std::uint8_t parameter_count = 0;
    std::array<TypeKind, kArgumentsMax> parameters{};
    TypeKind result = TypeKind::dyn;
    /// Element type when the result is a list.
    TypeKind result_element = TypeKind::dyn;
    /// Any number of arguments from one, each of the first parameter's type.
    bool variadic = false;
};

/// The overloads of `name` in this style, empty if there is none. A name in a namespace is written
/// whole, as in "math.abs".
[[nodiscard]] std::span<const Overload> find_function(std::string_view name, bool receiver);
/// Position of a group in the table, and back.
[[nodiscard]] std::uint32_t function_index(std::span<const Overload> group);
[[nodiscard]] const Overload& function_at(std::uint32_t index);
/// True for standard functions that CEL has and this implementation does not.
[[nodiscard]] bool is_unsupported_function(std::string_view name, bool receiver);
/// True if some function is in this namespace, e.g. "math".
[[nodiscard]] bool is_namespace(std::string_view name);

// The table in parts, one per file.
[[nodiscard]] std::span<const Overload> conversion_functions();
[[nodiscard]] std::span<const Overload> text_functions();
[[nodiscard]] std::span<const Overload> time_functions();
[[nodiscard]] std::span<const Overload> math_functions();
[[nodiscard]] std::span<const Overload> integer_functions();

[[nodiscard]] inline Value failure(EvaluationErrorKind kind) {
    return Value::error(kind);
}
[[nodiscard]] inline Value no_overload() {
    return failure(EvaluationErrorKind::no_overload);
}
[[nodiscard]] inline Value overflow() {
    return failure(EvaluationErrorKind::overflow);
}
[[nodiscard]] inline Value too_large() {
    return failure(EvaluationErrorKind::too_large);
}
[[nodiscard]] inline Value out_of_fuel() {
    return failure(EvaluationErrorKind::fuel_exhausted);
}

}  // namespace rules::cel
