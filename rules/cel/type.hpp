#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace rules::cel {

/// Static kinds. `bottom` is the element type of `[]`: it fits everywhere and shows as dyn.
enum class TypeKind : std::uint8_t {
    dyn,
    bottom,
    null,
    bool_,
    int_,
    uint_,
    double_,
    string,
    bytes,
    timestamp,
    duration,
    type,
    list,
    map,
    record,
};

struct RecordField;

/// A static type. Cheap to copy: parameters and record fields are shared and immutable.
class Type {
public:
    Type() = default;
    Type(TypeKind kind)
        : kind_(kind) {
    }  // NOLINT(google-explicit-constructor): a kind is a type without parameters

    [[nodiscard]] static Type list(Type element);
    [[nodiscard]] static Type map(Type key, Type value);
    /// A structure with known fields, e.g. one order line. Its values are Value::record, with the
    /// fields in this order.
    [[nodiscard]] static Type record(std::vector<RecordField> fields);

    [[nodiscard]] TypeKind kind() const { return kind_; }
    [[nodiscard]] bool is(TypeKind kind) const { return kind_ == kind; }
    /// True if nothing is known before run time: dyn or bottom.
    [[nodiscard]] bool is_open() const { return is(TypeKind::dyn) || is(TypeKind::bottom); }
    /// Of list and map values; dyn for the rest.
    [[nodiscard]] Type element() const;
    [[nodiscard]] Type key() const;
    [[nodiscard]] const std::vector<RecordField>& fields() const;

private:
    TypeKind kind_ = TypeKind::dyn;
    std::shared_ptr<const std::vector<Type>> parameters_;
    std::shared_ptr<const std::vector<RecordField>> fields_;
};

struct RecordField {
    std::string name;
    Type type;
    /// May be absent in a value: reading it is then an evaluation error, `has()` tests it.
    bool optional = false;
    /// Most bytes of text or items of a list that the schema allows; 0 if it does not say. Only the
    /// cost estimate uses it.
    std::uint32_t size_max = 0;
};

/// "int", "list(string)", "map(string, dyn)".
[[nodiscard]] std::string to_string(const Type& type);
/// True if a value of one type may stand where the other is wanted; dyn goes with everything.
[[nodiscard]] bool agree(const Type& left, const Type& right);
/// The type of a list that holds both; dyn when they do not agree.
[[nodiscard]] Type join(const Type& left, const Type& right);

}  // namespace rules::cel
