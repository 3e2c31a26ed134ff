// The conversions int() uint() double() string() bytes() bool() timestamp() duration(), and dyn()
// and type(). Out of range is an error, never a wrap; text is read without a locale.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "rules/cel/functions.hpp"
#include "rules/cel/text.hpp"
#include "rules/cel/time.hpp"

namespace rules::cel {

namespace {

constexpr double kTwo63 = 9223372036854775808.0;
constexpr double kTwo64 = 18446744073709551616.0;

Value not_convertible() {
    return failure(EvaluationErrorKind::invalid_conversion);
}

template <typename Number>
std::optional<Number> read_number(std::string_view text) {
    Number value{};
    if (text.starts_with('+')) {
        text.remove_prefix(1);
        if (text.starts_with('-')) return std::nullopt;
    }
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
    if (read.ec != std::errc{} || read.ptr != text.data() + text.size()) return std::nullopt;
    return value;
}

Value copied(Context& context, std::string_view text) {
    if (!context.charge_text(text.size())) return out_of_fuel();
    char* copy = context.arena.allocate_text(text.size());
    if (copy == nullptr) return too_large();
    std::ranges::copy(text, copy);
    return Value::string({copy, text.size()});
}

Value to_int(Context&, std::span<const Value> arguments) {
    const Value& from = arguments[0];
    switch (from.kind()) {
        case Kind::int_: return from;
        case Kind::uint_:
            if (from.as_uint() >
                static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
                return overflow();
            }
            return Value::integer(static_cast<std::int64_t>(from.as_uint()));
        case Kind::double_:
            if (!(from.as_double() > -kTwo63 && from.as_double() < kTwo63)) return overflow();
            return Value::integer(static_cast<std::int64_t>(from.as_double()));
        case Kind::string: {
            const auto value = read_number<std::int64_t>(from.as_text());
            return value ? Value::integer(*value) : not_convertible();
        }
        case Kind::timestamp: return Value::integer(from.seconds());
        case Kind::duration: return Value::integer(from.as_int());
        default: return no_overload();
    }
}

Value to_uint(Context&, std::span<const Value> arguments) {
    const Value& from = arguments[0];
    switch (from.kind()) {
        case Kind::uint_: return from;
        case Kind::int_:
            if (from.as_int() < 0) return overflow();
            return Value::natural(static_cast<std::uint64_t>(from.as_int()));
        case Kind::double_:
            if (!(from.as_double() >= 0.0 && from.as_double() < kTwo64)) return overflow();
            return Value::natural(static_cast<std::uint64_t>(from.as_double()));
        case Kind::string: {
            const auto value = read_number<std::uint64_t>(from.as_text());
            return value ? Value::natural(*value) : not_convertible();
        }
        default: return no_overload();
    }
}

Value to_double(Context&, std::span<const Value> arguments) {
    const Value& from = arguments[0];
    switch (from.kind()) {
        case Kind::double_: return from;
        case Kind::int_: return Value::real(static_cast<double>(from.as_int()));
        case Kind::uint_: return Value::real(static_cast<double>(from.as_uint()));
        case Kind::string: {
            const auto value = read_number<double>(from.as_text());
            return value ? Value::real(*value) : not_convertible();
        }
        default: return no_overload();
    }
}

Value double_text(Context& context, double value) {
    if (std::isnan(value)) return copied(context, "NaN");
    if (std::isinf(value)) return copied(context, value > 0 ? "+Inf" : "-Inf");
    std::array<char, 32> buffer{};
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
    return copied(context, {buffer.data(), static_cast<std::size_t>(end - buffer.data())});
}

template <typename Number>
Value number_text(Context& context, Number value) {
    std::array<char, 24> buffer{};
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
    return copied(context, {buffer.data(), static_cast<std::size_t>(end - buffer.data())});
}

Value to_string(Context& context, std::span<const Value> arguments) {
    const Value& from = arguments[0];
    switch (from.kind()) {
        case Kind::string: return from;
        case Kind::bool_: return Value::string(from.as_bool() ? "true" : "false");
        case Kind::int_: return number_text(context, from.as_int());
        case Kind::uint_: return number_text(context, from.as_uint());
        case Kind::double_: return double_text(context, from.as_double());
        case Kind::bytes:
            if (!context.charge_text(from.size())) return out_of_fuel();
            return is_utf8(from.as_text()) ? Value::string(from.as_text()) : not_convertible();
        case Kind::timestamp: return copied(context, timestamp_text(from));
        case Kind::duration: return copied(context, duration_text(from));
        default: return no_overload();
    }
}

Value to_bytes(Context&, std::span<const Value> arguments) {
    const Value& from = arguments[0];
    if (from.is(Kind::bytes)) return from;
    return from.is(Kind::string) ? Value::bytes(from.as_text()) : no_overload();
}

Value to_bool(Context&, std::span<const Value> arguments) {
    const Value& from = arguments[0];
    if (from.is(Kind::bool_)) return from;
    if (!from.is(Kind::string)) return no_overload();
    const auto text = from.as_text();
    for (const std::string_view yes : {"1", "t", "true", "TRUE", "True", "T"}) {
        if (text == yes) return Value::boolean(true);
    }
    for (const std::string_view no : {"0", "f", "false", "FALSE", "False", "F"}) {
        if (text == no) return Value::boolean(false);
    }
    return not_convertible();
}

Value to_timestamp(Context&, std::span<const Value> arguments) {
    const Value& from = arguments[0];
    if (from.is(Kind::timestamp)) return from;
    if (from.is(Kind::int_)) return make_timestamp(from.as_int(), 0);
    return from.is(Kind::string) ? parse_timestamp(from.as_text()) : no_overload();
}

Value to_duration(Context&, std::span<const Value> arguments) {
    const Value& from = arguments[0];
    if (from.is(Kind::duration)) return from;
    return from.is(Kind::string) ? parse_duration(from.as_text()) : no_overload();
}

Value to_dyn(Context&, std::span<const Value> arguments) {
    return arguments[0];
}

Value type_of(Context&, std::span<const Value> arguments) {
    const Kind kind = arguments[0].kind();
    return Value::type(kind == Kind::record ? Kind::map : kind);
}

constexpr Overload conversion(std::string_view name, Builtin function, TypeKind from, TypeKind to) {
    return {name, false, function, 1, {from}, to};
}

constexpr std::array kTable{
    conversion("int", to_int, TypeKind::int_, TypeKind::int_),
    conversion("int", to_int, TypeKind::uint_, TypeKind::int_),
    conversion("int", to_int, TypeKind::double_, TypeKind::int_),
    conversion("int", to_int, TypeKind::string, TypeKind::int_),
    conversion("int", to_int, TypeKind::timestamp, TypeKind::int_),
    conversion("int", to_int, TypeKind::duration, TypeKind::int_),
    conversion("uint", to_uint, TypeKind::uint_, TypeKind::uint_),
    conversion("uint", to_uint, TypeKind::int_, TypeKind::uint_),
    conversion("uint", to_uint, TypeKind::double_, TypeKind::uint_),
    conversion("uint", to_uint, TypeKind::string, TypeKind::uint_),
    conversion("double", to_double, TypeKind::double_, TypeKind::double_),
    conversion("double", to_double, TypeKind::int_, TypeKind::double_),
    conversion("double", to_double, TypeKind::uint_, TypeKind::double_),
    conversion("double", to_double, TypeKind::string, TypeKind::double_),
    conversion("string", to_string, TypeKind::string, TypeKind::string),
    conversion("string", to_string, TypeKind::bool_, TypeKind::string),
    conversion("string", to_string, TypeKind::int_, TypeKind::string),
    conversion("string", to_string, TypeKind::uint_, TypeKind::string),
    conversion("string", to_string, TypeKind::double_, TypeKind::string),
    conversion("string", to_string, TypeKind::bytes, TypeKind::string),
    conversion("string", to_string, TypeKind::timestamp, TypeKind::string),
    conversion("string", to_string, TypeKind::duration, TypeKind::string),
    conversion("bytes", to_bytes, TypeKind::bytes, TypeKind::bytes),
    conversion("bytes", to_bytes, TypeKind::string, TypeKind::bytes),
    conversion("bool", to_bool, TypeKind::bool_, TypeKind::bool_),
    conversion("bool", to_bool, TypeKind::string, TypeKind::bool_),
    conversion("timestamp", to_timestamp, TypeKind::timestamp, TypeKind::timestamp),
    conversion("timestamp", to_timestamp, TypeKind::string, TypeKind::timestamp),
    conversion("timestamp", to_timestamp, TypeKind::int_, TypeKind::timestamp),
    conversion("duration", to_duration, TypeKind::duration, TypeKind::duration),
    conversion("duration", to_duration, TypeKind::string, TypeKind::duration),
    conversion("dyn", to_dyn, TypeKind::dyn, TypeKind::dyn),
    conversion("type", type_of, TypeKind::dyn, TypeKind::type),
};

}  // namespace

std::span<const Overload> conversion_functions() {
    return kTable;
}

}  // namespace rules::cel
