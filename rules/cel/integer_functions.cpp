// muldiv(a, b, c) and muldivRound(a, b, c, mode): a * b / c with a 128-bit product, for points and
// money, so that no intermediate overflows and no double appears.
#include <array>
#include <cstdint>

#include "rules/cel/functions.hpp"

namespace rules::cel {

namespace {

__extension__ typedef __int128
    Wide;  // NOLINT(modernize-use-using): the keyword goes before a typedef only

/// A fraction in lowest sign form: quotient toward minus infinity, 0 <= rest < divisor.
struct Division {
    Wide quotient = 0;
    Wide rest = 0;
    Wide divisor = 1;
};

Division floor_division(Wide dividend, Wide divisor) {
    if (divisor < 0) {
        dividend = -dividend;
        divisor = -divisor;
    }
    Division result{dividend / divisor, dividend % divisor, divisor};
    if (result.rest < 0) {
        result.rest += divisor;
        --result.quotient;
    }
    return result;
}

Value narrowed(Wide value) {
    const auto result = static_cast<std::int64_t>(value);
    return Wide{result} == value ? Value::integer(result) : overflow();
}

bool three_ints(std::span<const Value> arguments) {
    return arguments[0].is(Kind::int_) && arguments[1].is(Kind::int_) &&
           arguments[2].is(Kind::int_);
}

Value muldiv(Context&, std::span<const Value> arguments) {
    if (!three_ints(arguments)) return no_overload();
    if (arguments[2].as_int() == 0) return failure(EvaluationErrorKind::division_by_zero);
    const Wide product = Wide{arguments[0].as_int()} * arguments[1].as_int();
    return narrowed(floor_division(product, arguments[2].as_int()).quotient);
}

/// Modes: "floor" and "ceil" (toward minus and plus infinity), "half_up" (ties away from zero),
/// "half_even" (ties to the even neighbour).
Value muldiv_round(Context&, std::span<const Value> arguments) {
    if (!three_ints(arguments) || !arguments[3].is(Kind::string)) return no_overload();
    if (arguments[2].as_int() == 0) return failure(EvaluationErrorKind::division_by_zero);
    const Wide product = Wide{arguments[0].as_int()} * arguments[1].as_int();
    const Division division = floor_division(product, arguments[2].as_int());
    const Wide twice = division.rest * 2;
    const auto mode = arguments[3].as_text();
    bool up = false;
    if (mode == "ceil") {
        up = division.rest != 0;
    } else if (mode == "half_up") {
        // The quotient is below the exact value; a tie goes up only for a positive value.
        up = twice > division.divisor || (twice == division.divisor && division.quotient >= 0);
    } else if (mode == "half_even") {
        up = twice > division.divisor || (twice == division.divisor && division.quotient % 2 != 0);
    } else if (mode != "floor") {
        return failure(EvaluationErrorKind::invalid_argument);
    }
    return narrowed(division.quotient + (up ? 1 : 0));
}

constexpr TypeKind kInt = TypeKind::int_;

constexpr std::array kTable{
    Overload{"muldiv", false, muldiv, 3, {kInt, kInt, kInt}, kInt},
    Overload{"muldivRound", false, muldiv_round, 4, {kInt, kInt, kInt, TypeKind::string}, kInt},
};

}  // namespace

std::span<const Overload> integer_functions() {
    return kTable;
}

}  // namespace rules::cel
