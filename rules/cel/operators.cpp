#include "rules/cel/operators.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "rules/cel/time.hpp"

namespace rules::cel {

namespace {

Value division_by_zero() {
    return failure(EvaluationErrorKind::division_by_zero);
}

Value join_text(Context& context, const Value& left, const Value& right) {
    const std::size_t size = std::size_t{left.size()} + right.size();
    if (!context.charge_text(size)) return out_of_fuel();
    char* text = context.arena.allocate_text(size);
    if (text == nullptr) return too_large();
    std::copy_n(left.as_text().data(), left.size(), text);
    std::copy_n(right.as_text().data(), right.size(), text + left.size());
    const std::string_view joined(text, size);
    return left.is(Kind::string) ? Value::string(joined) : Value::bytes(joined);
}

Value join_lists(Context& context, const Value& left, const Value& right) {
    const std::size_t size = std::size_t{left.size()} + right.size();
    if (!context.fuel.charge(size)) return out_of_fuel();
    Value* items = context.arena.allocate_values(size);
    if (items == nullptr) return too_large();
    std::ranges::copy(left.as_items(), items);
    std::ranges::copy(right.as_items(), items + left.size());
    return Value::list({items, size});
}

Value shift(const Value& timestamp, std::int64_t nanoseconds, bool forward) {
    // Split first: negating the smallest duration as a whole would overflow.
    const std::int64_t seconds = nanoseconds / kNanosPerSecond;
    const std::int64_t rest = nanoseconds % kNanosPerSecond;
    const auto own = static_cast<std::int64_t>(timestamp.nanoseconds());
    return forward ? make_timestamp(timestamp.seconds() + seconds, own + rest)
                   : make_timestamp(timestamp.seconds() - seconds, own - rest);
}

Value between(const Value& left, const Value& right) {
    std::int64_t nanoseconds = 0;
    if (__builtin_mul_overflow(left.seconds() - right.seconds(), kNanosPerSecond, &nanoseconds) ||
        __builtin_add_overflow(
            nanoseconds,
            static_cast<std::int64_t>(left.nanoseconds()) -
                static_cast<std::int64_t>(right.nanoseconds()),
            &nanoseconds
        )) {
        return overflow();
    }
    return Value::duration(nanoseconds);
}

Value add_durations(const Value& left, const Value& right) {
    std::int64_t sum = 0;
    if (__builtin_add_overflow(left.as_int(), right.as_int(), &sum)) return overflow();
    return Value::duration(sum);
}

Value add(Context& context, const Value& left, const Value& right) {
    if (left.is(Kind::timestamp) && right.is(Kind::duration))
        return shift(left, right.as_int(), true);
    if (left.is(Kind::duration) && right.is(Kind::timestamp))
        return shift(right, left.as_int(), true);
    if (left.kind() != right.kind()) return no_overload();
    switch (left.kind()) {
        case Kind::int_: {
            std::int64_t sum = 0;
            if (__builtin_add_overflow(left.as_int(), right.as_int(), &sum)) return overflow();
            return Value::integer(sum);
        }
        case Kind::uint_: {
            std::uint64_t sum = 0;
            if (__builtin_add_overflow(left.as_uint(), right.as_uint(), &sum)) return overflow();
            return Value::natural(sum);
        }
        case Kind::double_: return Value::real(left.as_double() + right.as_double());
        case Kind::string:
        case Kind::bytes: return join_text(context, left, right);
        case Kind::list: return join_lists(context, left, right);
        case Kind::duration: return add_durations(left, right);
        default: return no_overload();
    }
}

Value subtract(const Value& left, const Value& right) {
    if (left.is(Kind::timestamp) && right.is(Kind::duration))
        return shift(left, right.as_int(), false);
    if (left.kind() != right.kind()) return no_overload();
    switch (left.kind()) {
        case Kind::int_: {
            std::int64_t result = 0;
            if (__builtin_sub_overflow(left.as_int(), right.as_int(), &result)) return overflow();
            return Value::integer(result);
        }
        case Kind::uint_: {
            std::uint64_t result = 0;
            if (__builtin_sub_overflow(left.as_uint(), right.as_uint(), &result)) return overflow();
            return Value::natural(result);
        }
        case Kind::double_: return Value::real(left.as_double() - right.as_double());
        case Kind::timestamp: return between(left, right);
        case Kind::duration: {
            std::int64_t result = 0;
            if (__builtin_sub_overflow(left.as_int(), right.as_int(), &result)) return overflow();
            return Value::duration(result);
        }
        default: return no_overload();
    }
}

Value multiply(const Value& left, const Value& right) {
    if (left.kind() != right.kind()) return no_overload();
    switch (left.kind()) {
        case Kind::int_: {
            std::int64_t product = 0;
            if (__builtin_mul_overflow(left.as_int(), right.as_int(), &product)) return overflow();
            return Value::integer(product);
        }
        case Kind::uint_: {
            std::uint64_t product = 0;
            if (__builtin_mul_overflow(left.as_uint(), right.as_uint(), &product))
                return overflow();
            return Value::natural(product);
        }
        case Kind::double_: return Value::real(left.as_double() * right.as_double());
        default: return no_overload();
    }
}

Value divide_ints(Operation operation, std::int64_t left, std::int64_t right) {
    if (right == 0) return division_by_zero();
    if (left == std::numeric_limits<std::int64_t>::min() && right == -1) return overflow();
    return Value::integer(operation == Operation::divide ? left / right : left % right);
}

Value divide(Operation operation, const Value& left, const Value& right) {
    if (left.kind() != right.kind()) return no_overload();
    if (left.is(Kind::int_)) return divide_ints(operation, left.as_int(), right.as_int());
    if (left.is(Kind::uint_)) {
        if (right.as_uint() == 0) return division_by_zero();
        return Value::natural(
            operation == Operation::divide ? left.as_uint() / right.as_uint()
                                           : left.as_uint() % right.as_uint()
        );
    }
    if (left.is(Kind::double_) && operation == Operation::divide) {
        return Value::real(left.as_double() / right.as_double());
    }
    return no_overload();
}

Value is_equal(Context& context, const Value& left, const Value& right, bool wanted) {
    std::uint64_t work = 0;
    const bool result = equal(left, right, work);
    if (!context.fuel.charge(work - 1)) return out_of_fuel();
    return Value::boolean(result == wanted);
}

Value ordered(Operation operation, Context& context, const Value& left, const Value& right) {
    const Comparison comparison = compare(left, right);
    if (!comparison.comparable) return no_overload();
    if (left.is(Kind::string) && !context.charge_text(std::min(left.size(), right.size()))) {
        return out_of_fuel();
    }
    switch (operation) {
        case Operation::less: return Value::boolean(comparison.order < 0);
        case Operation::less_equal: return Value::boolean(comparison.order <= 0);
        case Operation::greater: return Value::boolean(comparison.order > 0);
        default: return Value::boolean(comparison.order >= 0);
    }
}

Value is_in(Context& context, const Value& item, const Value& container) {
    if (container.is(Kind::map)) {
        if (!is_key(item) && !item.is(Kind::double_)) return no_overload();
        return Value::boolean(find_key(container, item) != nullptr);
    }
    if (!container.is(Kind::list)) return no_overload();
    std::uint64_t work = 0;
    const bool found = std::ranges::any_of(container.as_items(), [&](const Value& element) {
        return equal(element, item, work);
    });
    if (!context.fuel.charge(work)) return out_of_fuel();
    return Value::boolean(found);
}

Value negate(const Value& operand) {
    if (operand.is(Kind::double_)) return Value::real(-operand.as_double());
    if (!operand.is(Kind::int_) && !operand.is(Kind::duration)) return no_overload();
    if (operand.as_int() == std::numeric_limits<std::int64_t>::min()) return overflow();
    return operand.is(Kind::int_) ? Value::integer(-operand.as_int())
                                  : Value::duration(-operand.as_int());
}

Value element_at(const Value& list, const Value& index) {
    constexpr double kIndexLimit = 4294967296.0;
    std::uint64_t position = 0;
    if (index.is(Kind::uint_)) {
        position = index.as_uint();
    } else if (index.is(Kind::int_)) {
        if (index.as_int() < 0) return failure(EvaluationErrorKind::index_out_of_range);
        position = static_cast<std::uint64_t>(index.as_int());
    } else if (index.is(Kind::double_)) {
        const double value = index.as_double();
        if (!(value >= 0.0 && value < kIndexLimit))
            return failure(EvaluationErrorKind::index_out_of_range);
        position = static_cast<std::uint64_t>(value);
        if (static_cast<double>(position) != value)
            return failure(EvaluationErrorKind::invalid_argument);
    } else {
        return no_overload();
    }
    if (position >= list.size()) return failure(EvaluationErrorKind::index_out_of_range);
    return list.as_items()[position];
}

}  // namespace

Value apply(Operation operation, Context& context, const Value& left, const Value& right) {
    switch (operation) {
        case Operation::add: return add(context, left, right);
        case Operation::subtract: return subtract(left, right);
        case Operation::multiply: return multiply(left, right);
        case Operation::divide:
        case Operation::modulo: return divide(operation, left, right);
        case Operation::equal: return is_equal(context, left, right, true);
        case Operation::not_equal: return is_equal(context, left, right, false);
        case Operation::less:
        case Operation::less_equal:
        case Operation::greater:
        case Operation::greater_equal: return ordered(operation, context, left, right);
        case Operation::in: return is_in(context, left, right);
        case Operation::negate:
        case Operation::logical_not: break;
    }
    return no_overload();
}

Value apply(Operation operation, const Value& operand) {
    if (operation == Operation::negate) return negate(operand);
    if (!operand.is(Kind::bool_)) return no_overload();
    return Value::boolean(!operand.as_bool());
}

Value at(const Value& target, const Value& key) {
    if (target.is(Kind::list)) return element_at(target, key);
    if (!target.is(Kind::map)) return no_overload();
    const Value* found = find_key(target, key);
    return found != nullptr ? *found : failure(EvaluationErrorKind::no_such_key);
}

Value select(const Value& target, const Value& name) {
    if (!target.is(Kind::map)) return no_overload();
    const Value* found = find_key(target, name);
    return found != nullptr ? *found : failure(EvaluationErrorKind::no_such_key);
}

Value has_key(const Value& target, const Value& name) {
    if (!target.is(Kind::map)) return no_overload();
    return Value::boolean(find_key(target, name) != nullptr);
}

}  // namespace rules::cel
