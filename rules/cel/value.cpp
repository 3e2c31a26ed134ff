#include "rules/cel/value.hpp"

#include <algorithm>
#include <limits>
#include <optional>

#include "ledger/base/invariant.hpp"

namespace rules::cel {

namespace {

std::uint32_t checked_size(std::size_t size) {
    INVARIANT(size <= std::numeric_limits<std::uint32_t>::max());
    return static_cast<std::uint32_t>(size);
}

int key_rank(const Value& key) {
    if (key.is(Kind::bool_)) return 0;
    return key.is_number() ? 1 : 2;
}

std::strong_ordering compare_int_uint(std::int64_t left, std::uint64_t right) {
    if (left < 0) return std::strong_ordering::less;
    return static_cast<std::uint64_t>(left) <=> right;
}

double to_double(const Value& number) {
    if (number.is(Kind::int_)) return static_cast<double>(number.as_int());
    if (number.is(Kind::uint_)) return static_cast<double>(number.as_uint());
    return number.as_double();
}

/// Both must be numbers. A comparison with a double is made in double, as the other CEL
/// implementations do: 9223372036854775807 is not less than 9223372036854775808.0.
std::partial_ordering compare_numbers(const Value& left, const Value& right) {
    if (left.is(Kind::double_) || right.is(Kind::double_)) {
        return to_double(left) <=> to_double(right);
    }
    if (left.is(Kind::int_)) {
        return right.is(Kind::int_) ? left.as_int() <=> right.as_int()
                                    : compare_int_uint(left.as_int(), right.as_uint());
    }
    if (right.is(Kind::uint_)) return left.as_uint() <=> right.as_uint();
    return 0 <=> compare_int_uint(right.as_int(), left.as_uint());
}

bool equal_lists(const Value& left, const Value& right, std::uint64_t& work) {
    if (left.size() != right.size()) return false;
    for (std::size_t i = 0; i < left.size(); ++i) {
        if (!equal(left.as_items()[i], right.as_items()[i], work)) return false;
    }
    return true;
}

bool equal_maps(const Value& left, const Value& right, std::uint64_t& work) {
    if (left.size() != right.size()) return false;
    for (std::size_t i = 0; i < left.size(); ++i) {
        const MapEntry& a = left.as_entries()[i];
        const MapEntry& b = right.as_entries()[i];
        if (!equal(a.key, b.key, work) || !equal(a.value, b.value, work)) return false;
    }
    return true;
}

/// The int or uint key that equals this double, if there is one.
std::optional<Value> integral_key(double value) {
    constexpr double kTwo63 = 9223372036854775808.0;
    constexpr double kTwo64 = 18446744073709551616.0;
    if (!(value >= -kTwo63 && value < kTwo64)) return std::nullopt;
    if (value < kTwo63) {
        const auto whole = static_cast<std::int64_t>(value);
        if (static_cast<double>(whole) != value) return std::nullopt;
        return Value::integer(whole);
    }
    return Value::natural(static_cast<std::uint64_t>(value));
}

}  // namespace

std::string_view type_name(Kind kind) {
    switch (kind) {
        case Kind::absent: return "absent";
        case Kind::error: return "error";
        case Kind::null: return "null_type";
        case Kind::bool_: return "bool";
        case Kind::int_: return "int";
        case Kind::uint_: return "uint";
        case Kind::double_: return "double";
        case Kind::string: return "string";
        case Kind::bytes: return "bytes";
        case Kind::list: return "list";
        case Kind::map: return "map";
        case Kind::record: return "record";
        case Kind::timestamp: return "google.protobuf.Timestamp";
        case Kind::duration: return "google.protobuf.Duration";
        case Kind::type: return "type";
    }
    return "unknown";
}

std::string_view describe(EvaluationErrorKind kind) {
    switch (kind) {
        case EvaluationErrorKind::none: return "no error";
        case EvaluationErrorKind::no_overload: return "the operation does not accept these types";
        case EvaluationErrorKind::division_by_zero: return "division by zero";
        case EvaluationErrorKind::overflow: return "the result is out of range";
        case EvaluationErrorKind::no_such_key: return "no such key";
        case EvaluationErrorKind::index_out_of_range: return "the index is out of range";
        case EvaluationErrorKind::invalid_argument: return "invalid argument";
        case EvaluationErrorKind::invalid_conversion: return "the value cannot be converted";
        case EvaluationErrorKind::absent_field: return "the field is absent";
        case EvaluationErrorKind::unknown_variable: return "unknown variable";
        case EvaluationErrorKind::unknown_function: return "unknown function";
        case EvaluationErrorKind::repeated_key: return "the map repeats a key";
        case EvaluationErrorKind::unsupported_key:
            return "a map key must be bool, int, uint or string";
        case EvaluationErrorKind::fuel_exhausted: return "the expression ran out of fuel";
        case EvaluationErrorKind::too_large: return "the result is too large";
    }
    return "unknown error";
}

Value Value::natural(std::uint64_t value) {
    Value result(Kind::uint_, 0);
    result.payload_.natural = value;
    return result;
}

Value Value::real(double value) {
    Value result(Kind::double_, 0);
    result.payload_.real = value;
    return result;
}

Value Value::with_text(Kind kind, std::string_view text) {
    Value result(kind, checked_size(text.size()));
    result.payload_.text = text.data();
    return result;
}

Value Value::list(std::span<const Value> items) {
    Value result(Kind::list, checked_size(items.size()));
    result.payload_.items = items.data();
    return result;
}

Value Value::map(std::span<const MapEntry> entries) {
    Value result(Kind::map, checked_size(entries.size()));
    result.payload_.entries = entries.data();
    return result;
}

Value Value::record(std::span<const Value> fields) {
    Value result(Kind::record, checked_size(fields.size()));
    result.payload_.items = fields.data();
    return result;
}

Value Value::timestamp(std::int64_t seconds, std::uint32_t nanoseconds) {
    Value result(Kind::timestamp, nanoseconds);
    result.payload_.integer = seconds;
    return result;
}

Value Value::error(EvaluationErrorKind kind, std::uint32_t position) {
    Value result(Kind::error, position);
    result.payload_.integer = static_cast<std::int64_t>(kind);
    return result;
}

bool equal(const Value& left, const Value& right, std::uint64_t& work) {
    ++work;
    if (left.is_number() && right.is_number()) return compare_numbers(left, right) == 0;
    if (left.kind() != right.kind()) return false;
    switch (left.kind()) {
        case Kind::string:
        case Kind::bytes:
            if (left.size() != right.size()) return false;
            work += left.size() / 16;
            return left.as_text() == right.as_text();
        case Kind::list:
        case Kind::record: return equal_lists(left, right, work);
        case Kind::map: return equal_maps(left, right, work);
        case Kind::timestamp:
            return left.seconds() == right.seconds() && left.nanoseconds() == right.nanoseconds();
        case Kind::null:
        case Kind::absent:
        case Kind::error: return true;
        case Kind::bool_:
        case Kind::duration:
        case Kind::type: return left.as_int() == right.as_int();
        case Kind::int_:
        case Kind::uint_:
        case Kind::double_: break;
    }
    return false;
}

Comparison compare(const Value& left, const Value& right) {
    if (left.is_number() && right.is_number()) return {true, compare_numbers(left, right)};
    if (left.kind() != right.kind()) return {};
    switch (left.kind()) {
        case Kind::string:
        case Kind::bytes: {
            // Byte order of UTF-8 is code point order; char_traits<char> compares unsigned.
            return {true, left.as_text() <=> right.as_text()};
        }
        case Kind::bool_:
        case Kind::duration: return {true, left.as_int() <=> right.as_int()};
        case Kind::timestamp: {
            const auto seconds = left.seconds() <=> right.seconds();
            return {true, seconds != 0 ? seconds : left.nanoseconds() <=> right.nanoseconds()};
        }
        default: return {};
    }
}

bool is_key(const Value& value) {
    return value.is(Kind::bool_) || value.is(Kind::int_) || value.is(Kind::uint_) ||
           value.is(Kind::string);
}

std::strong_ordering compare_keys(const Value& left, const Value& right) {
    const auto rank = key_rank(left) <=> key_rank(right);
    if (rank != 0) return rank;
    if (left.is(Kind::string)) return left.as_text() <=> right.as_text();
    if (left.is(Kind::bool_)) return left.as_int() <=> right.as_int();
    if (left.is(Kind::int_)) {
        return right.is(Kind::int_) ? left.as_int() <=> right.as_int()
                                    : compare_int_uint(left.as_int(), right.as_uint());
    }
    if (right.is(Kind::uint_)) return left.as_uint() <=> right.as_uint();
    return 0 <=> compare_int_uint(right.as_int(), left.as_uint());
}

bool sort_entries(std::span<MapEntry> entries) {
    if (!std::ranges::all_of(entries, [](const MapEntry& entry) { return is_key(entry.key); })) {
        return false;
    }
    std::ranges::sort(entries, [](const MapEntry& a, const MapEntry& b) {
        return compare_keys(a.key, b.key) < 0;
    });
    return std::ranges::adjacent_find(entries, [](const MapEntry& a, const MapEntry& b) {
               return compare_keys(a.key, b.key) == 0;
           }) == entries.end();
}

const Value* find_key(const Value& map, const Value& key) {
    Value wanted = key;
    if (key.is(Kind::double_)) {
        const auto whole = integral_key(key.as_double());
        if (!whole) return nullptr;
        wanted = *whole;
    }
    if (!is_key(wanted)) return nullptr;
    const auto entries = map.as_entries();
    const auto found = std::ranges::lower_bound(
        entries,
        wanted,
        [](const Value& a, const Value& b) { return compare_keys(a, b) < 0; },
        &MapEntry::key
    );
    if (found == entries.end() || compare_keys(found->key, wanted) != 0) return nullptr;
    return &found->value;
}

}  // namespace rules::cel
