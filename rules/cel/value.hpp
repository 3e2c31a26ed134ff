#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

namespace rules::cel {

/// What a Value holds. `absent` marks an optional slot or field that the event does not have;
/// `error` never leaves the machine.
enum class Kind : std::uint8_t {
    absent,
    error,
    null,
    bool_,
    int_,
    uint_,
    double_,
    string,
    bytes,
    list,
    map,
    record,
    timestamp,
    duration,
    type,
};

/// The CEL name of a kind, e.g. "int", "null_type", "google.protobuf.Timestamp".
[[nodiscard]] std::string_view type_name(Kind kind);

/// Why an evaluation ended without a value.
enum class EvaluationErrorKind : std::uint8_t {
    none,
    no_overload,
    division_by_zero,
    overflow,
    no_such_key,
    index_out_of_range,
    invalid_argument,
    invalid_conversion,
    absent_field,
    unknown_variable,
    unknown_function,
    repeated_key,
    unsupported_key,
    fuel_exhausted,
    too_large,
};

/// One short sentence for each kind; static storage.
[[nodiscard]] std::string_view describe(EvaluationErrorKind kind);

struct MapEntry;

/// A 16-byte tagged value. Text, lists, maps and records are views: whoever made the value keeps
/// the memory alive (caller's slots, the expression's constants, or the arena of the evaluation).
/// Strings are valid UTF-8. Maps are sorted by `compare_keys` and hold no key twice.
/// Left uninitialised by default, so that a stack of values costs nothing.
class Value {
public:
    /// Of an error that has no place in the source yet.
    static constexpr std::uint32_t kNoPosition = 0xFFFF'FFFF;

    Value() = default;

    [[nodiscard]] static Value absent() { return Value(Kind::absent, 0); }
    [[nodiscard]] static Value null() { return Value(Kind::null, 0); }
    [[nodiscard]] static Value boolean(bool value) { return with_int(Kind::bool_, value ? 1 : 0); }
    [[nodiscard]] static Value integer(std::int64_t value) { return with_int(Kind::int_, value); }
    [[nodiscard]] static Value natural(std::uint64_t value);
    [[nodiscard]] static Value real(double value);
    [[nodiscard]] static Value string(std::string_view text) {
        return with_text(Kind::string, text);
    }
    [[nodiscard]] static Value bytes(std::string_view text) { return with_text(Kind::bytes, text); }
    [[nodiscard]] static Value list(std::span<const Value> items);
    /// `entries` must be sorted and free of repeated keys: see `sort_entries`.
    [[nodiscard]] static Value map(std::span<const MapEntry> entries);
    /// Fields in the order of the RecordType; an optional field may be absent().
    [[nodiscard]] static Value record(std::span<const Value> fields);
    /// Seconds since 1970 and nanoseconds 0..999'999'999.
    [[nodiscard]] static Value timestamp(std::int64_t seconds, std::uint32_t nanoseconds);
    [[nodiscard]] static Value duration(std::int64_t nanoseconds) {
        return with_int(Kind::duration, nanoseconds);
    }
    [[nodiscard]] static Value type(Kind kind) {
        return with_int(Kind::type, static_cast<std::int64_t>(kind));
    }
    [[nodiscard]] static Value error(
        EvaluationErrorKind kind, std::uint32_t position = kNoPosition
    );

    [[nodiscard]] Kind kind() const { return kind_; }
    [[nodiscard]] bool is(Kind kind) const { return kind_ == kind; }
    [[nodiscard]] bool is_true() const { return kind_ == Kind::bool_ && payload_.integer == 1; }
    [[nodiscard]] bool is_false() const { return kind_ == Kind::bool_ && payload_.integer == 0; }
    [[nodiscard]] bool is_number() const {
        return kind_ == Kind::int_ || kind_ == Kind::uint_ || kind_ == Kind::double_;
    }

    // Each reads the payload of its own kind; asking for another kind is a bug of the caller.
    [[nodiscard]] bool as_bool() const { return payload_.integer != 0; }
    [[nodiscard]] std::int64_t as_int() const { return payload_.integer; }
    [[nodiscard]] std::uint64_t as_uint() const { return payload_.natural; }
    [[nodiscard]] double as_double() const { return payload_.real; }
    [[nodiscard]] std::string_view as_text() const { return {payload_.text, size_}; }
    [[nodiscard]] std::span<const Value> as_items() const { return {payload_.items, size_}; }
    [[nodiscard]] std::span<const MapEntry> as_entries() const;
    [[nodiscard]] std::int64_t seconds() const { return payload_.integer; }
    [[nodiscard]] std::uint32_t nanoseconds() const { return size_; }
    [[nodiscard]] Kind as_type() const { return static_cast<Kind>(payload_.integer); }
    [[nodiscard]] EvaluationErrorKind error_kind() const {
        return static_cast<EvaluationErrorKind>(payload_.integer);
    }
    /// Of an error: byte offset in the source.
    [[nodiscard]] std::uint32_t position() const { return size_; }
    /// Bytes of text, items of a list, entries of a map.
    [[nodiscard]] std::uint32_t size() const { return size_; }

private:
    Value(Kind kind, std::uint32_t size) : kind_(kind), size_(size) { payload_.integer = 0; }
    [[nodiscard]] static Value with_int(Kind kind, std::int64_t value) {
        Value result(kind, 0);
        result.payload_.integer = value;
        return result;
    }
    [[nodiscard]] static Value with_text(Kind kind, std::string_view text);

    Kind kind_;
    std::uint32_t size_;
    union {
        std::int64_t integer;
        std::uint64_t natural;
        double real;
        const char* text;
        const Value* items;
        const MapEntry* entries;
    } payload_;
};

static_assert(sizeof(Value) == 16);
static_assert(std::is_trivially_copyable_v<Value>);
static_assert(std::is_trivially_default_constructible_v<Value>);

struct MapEntry {
    Value key;
    Value value;
};

/// CEL equality: numbers compare across types, values of other different kinds are unequal,
/// NaN equals nothing. `work` grows by the number of values and text bytes / 16 that were looked
/// at.
[[nodiscard]] bool equal(const Value& left, const Value& right, std::uint64_t& work);

/// The order of two values that `<` accepts; nullopt-like `unordered` with `comparable` false when
/// CEL has no such overload.
struct Comparison {
    bool comparable = false;
    std::partial_ordering order = std::partial_ordering::unordered;
};
[[nodiscard]] Comparison compare(const Value& left, const Value& right);

/// True for kinds that a map accepts as key: bool, int, uint, string.
[[nodiscard]] bool is_key(const Value& value);
/// A total order on keys: bool, then numbers by value (1 and 1u are the same key), then strings.
[[nodiscard]] std::strong_ordering compare_keys(const Value& left, const Value& right);
/// Sorts; false if a key occurs twice or is not a key.
[[nodiscard]] bool sort_entries(std::span<MapEntry> entries);
/// The value under `key`, or nullptr. A double with an integral value finds the int or uint key.
[[nodiscard]] const Value* find_key(const Value& map, const Value& key);

inline std::span<const MapEntry> Value::as_entries() const {
    return {payload_.entries, size_};
}

}  // namespace rules::cel
