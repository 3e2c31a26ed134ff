// The math extension.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "rules/cel/functions.hpp"

namespace rules::cel {

namespace {

/// The first of the extreme numbers: of 1 and 1.0 the one that came first.
template <typename Better>
Value extreme(Context& context, std::span<const Value> arguments, Better better) {
    auto numbers = arguments;
    if (arguments.size() == 1 && arguments[0].is(Kind::list)) numbers = arguments[0].as_items();
    if (numbers.empty()) return failure(EvaluationErrorKind::invalid_argument);
    if (!context.fuel.charge(numbers.size())) return out_of_fuel();
    Value best = numbers.front();
    for (const Value& number : numbers) {
        if (!number.is_number()) return no_overload();
        if (better(compare(number, best).order)) best = number;
    }
    return best;
}

Value greatest(Context& context, std::span<const Value> arguments) {
    return extreme(context, arguments, [](std::partial_ordering order) { return order > 0; });
}

Value least(Context& context, std::span<const Value> arguments) {
    return extreme(context, arguments, [](std::partial_ordering order) { return order < 0; });
}

template <double (*Function)(double)>
Value of_double(Context&, std::span<const Value> arguments) {
    return arguments[0].is(Kind::double_) ? Value::real(Function(arguments[0].as_double()))
                                          : no_overload();
}

double ceil_of(double value) {
    return std::ceil(value);
}
double floor_of(double value) {
    return std::floor(value);
}
double round_of(double value) {
    return std::round(value);
}
double trunc_of(double value) {
    return std::trunc(value);
}
double sqrt_of(double value) {
    return std::sqrt(value);
}

Value sqrt(Context& context, std::span<const Value> arguments) {
    if (arguments[0].is(Kind::int_))
        return Value::real(std::sqrt(static_cast<double>(arguments[0].as_int())));
    if (arguments[0].is(Kind::uint_))
        return Value::real(std::sqrt(static_cast<double>(arguments[0].as_uint())));
    return of_double<sqrt_of>(context, arguments);
}

template <bool (*Function)(double)>
Value test_double(Context&, std::span<const Value> arguments) {
    return arguments[0].is(Kind::double_) ? Value::boolean(Function(arguments[0].as_double()))
                                          : no_overload();
}

bool is_nan(double value) {
    return std::isnan(value);
}
bool is_inf(double value) {
    return std::isinf(value);
}
bool is_finite(double value) {
    return std::isfinite(value);
}

Value abs(Context&, std::span<const Value> arguments) {
    const Value& number = arguments[0];
    if (number.is(Kind::uint_)) return number;
    if (number.is(Kind::double_)) return Value::real(std::fabs(number.as_double()));
    if (!number.is(Kind::int_)) return no_overload();
    if (number.as_int() == std::numeric_limits<std::int64_t>::min()) return overflow();
    return Value::integer(number.as_int() < 0 ? -number.as_int() : number.as_int());
}

Value sign(Context&, std::span<const Value> arguments) {
    const Value& number = arguments[0];
    if (number.is(Kind::uint_)) return Value::natural(number.as_uint() == 0 ? 0 : 1);
    if (number.is(Kind::int_)) {
        return Value::integer(number.as_int() == 0 ? 0 : (number.as_int() < 0 ? -1 : 1));
    }
    if (!number.is(Kind::double_)) return no_overload();
    const double value = number.as_double();
    if (std::isnan(value) || value == 0.0) return Value::real(value == 0.0 ? 0.0 : value);
    return Value::real(value < 0.0 ? -1.0 : 1.0);
}

enum class Bits : std::uint8_t { conjunction, disjunction, difference };

std::uint64_t combine(Bits operation, std::uint64_t left, std::uint64_t right) {
    switch (operation) {
        case Bits::conjunction: return left & right;
        case Bits::disjunction: return left | right;
        case Bits::difference: break;
    }
    return left ^ right;
}

template <Bits Operation>
Value bits(Context&, std::span<const Value> arguments) {
    if (arguments[0].kind() != arguments[1].kind()) return no_overload();
    const std::uint64_t result = combine(Operation, arguments[0].as_uint(), arguments[1].as_uint());
    if (arguments[0].is(Kind::uint_)) return Value::natural(result);
    return arguments[0].is(Kind::int_) ? Value::integer(static_cast<std::int64_t>(result))
                                       : no_overload();
}

Value bit_not(Context&, std::span<const Value> arguments) {
    if (arguments[0].is(Kind::uint_)) return Value::natural(~arguments[0].as_uint());
    return arguments[0].is(Kind::int_) ? Value::integer(~arguments[0].as_int()) : no_overload();
}

/// Shifts the bit pattern; the right shift of a negative int fills with zeros.
Value shift(std::span<const Value> arguments, bool left) {
    const Value& of = arguments[0];
    if ((!of.is(Kind::int_) && !of.is(Kind::uint_)) || !arguments[1].is(Kind::int_))
        return no_overload();
    const std::int64_t count = arguments[1].as_int();
    if (count < 0) return failure(EvaluationErrorKind::invalid_argument);
    std::uint64_t result = 0;
    if (count < 64) result = left ? of.as_uint() << count : of.as_uint() >> count;
    return of.is(Kind::uint_) ? Value::natural(result)
                              : Value::integer(static_cast<std::int64_t>(result));
}

Value shift_left(Context&, std::span<const Value> arguments) {
    return shift(arguments, true);
}
Value shift_right(Context&, std::span<const Value> arguments) {
    return shift(arguments, false);
}

constexpr TypeKind kInt = TypeKind::int_;
constexpr TypeKind kUint = TypeKind::uint_;
constexpr TypeKind kDouble = TypeKind::double_;

constexpr Overload unary(std::string_view name, Builtin function, TypeKind of, TypeKind result) {
    return {name, false, function, 1, {of}, result};
}
constexpr Overload binary(std::string_view name, Builtin function, TypeKind of, TypeKind second) {
    return {name, false, function, 2, {of, second}, of};
}

constexpr std::array kTable{
    Overload{"math.greatest", false, greatest, 1, {kInt}, kInt, TypeKind::dyn, true},
    Overload{"math.greatest", false, greatest, 1, {kUint}, kUint, TypeKind::dyn, true},
    Overload{"math.greatest", false, greatest, 1, {kDouble}, kDouble, TypeKind::dyn, true},
    Overload{"math.greatest", false, greatest, 1, {TypeKind::list}, TypeKind::dyn},
    Overload{"math.least", false, least, 1, {kInt}, kInt, TypeKind::dyn, true},
    Overload{"math.least", false, least, 1, {kUint}, kUint, TypeKind::dyn, true},
    Overload{"math.least", false, least, 1, {kDouble}, kDouble, TypeKind::dyn, true},
    Overload{"math.least", false, least, 1, {TypeKind::list}, TypeKind::dyn},
    unary("math.ceil", of_double<ceil_of>, kDouble, kDouble),
    unary("math.floor", of_double<floor_of>, kDouble, kDouble),
    unary("math.round", of_double<round_of>, kDouble, kDouble),
    unary("math.trunc", of_double<trunc_of>, kDouble, kDouble),
    unary("math.sqrt", sqrt, kDouble, kDouble),
    unary("math.sqrt", sqrt, kInt, kDouble),
    unary("math.sqrt", sqrt, kUint, kDouble),
    unary("math.abs", abs, kInt, kInt),
    unary("math.abs", abs, kUint, kUint),
    unary("math.abs", abs, kDouble, kDouble),
    unary("math.sign", sign, kInt, kInt),
    unary("math.sign", sign, kUint, kUint),
    unary("math.sign", sign, kDouble, kDouble),
    unary("math.isNaN", test_double<is_nan>, kDouble, TypeKind::bool_),
    unary("math.isInf", test_double<is_inf>, kDouble, TypeKind::bool_),
    unary("math.isFinite", test_double<is_finite>, kDouble, TypeKind::bool_),
    binary("math.bitAnd", bits<Bits::conjunction>, kInt, kInt),
    binary("math.bitAnd", bits<Bits::conjunction>, kUint, kUint),
    binary("math.bitOr", bits<Bits::disjunction>, kInt, kInt),
    binary("math.bitOr", bits<Bits::disjunction>, kUint, kUint),
    binary("math.bitXor", bits<Bits::difference>, kInt, kInt),
    binary("math.bitXor", bits<Bits::difference>, kUint, kUint),
    unary("math.bitNot", bit_not, kInt, kInt),
    unary("math.bitNot", bit_not, kUint, kUint),
    binary("math.bitShiftLeft", shift_left, kInt, kInt),
    binary("math.bitShiftLeft", shift_left, kUint, kInt),
    binary("math.bitShiftRight", shift_right, kInt, kInt),
    binary("math.bitShiftRight", shift_right, kUint, kInt),
};

}  // namespace

std::span<const Overload> math_functions() {
    return kTable;
}

}  // namespace rules::cel
