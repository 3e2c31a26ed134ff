#include "rules/cel/type.hpp"

#include <utility>

#include "ledger/base/invariant.hpp"

namespace rules::cel {

namespace {

std::string_view plain_name(TypeKind kind) {
    switch (kind) {
        case TypeKind::dyn:
        case TypeKind::bottom: return "dyn";
        case TypeKind::null: return "null";
        case TypeKind::bool_: return "bool";
        case TypeKind::int_: return "int";
        case TypeKind::uint_: return "uint";
        case TypeKind::double_: return "double";
        case TypeKind::string: return "string";
        case TypeKind::bytes: return "bytes";
        case TypeKind::timestamp: return "timestamp";
        case TypeKind::duration: return "duration";
        case TypeKind::type: return "type";
        case TypeKind::list: return "list";
        case TypeKind::map: return "map";
        case TypeKind::record: return "record";
    }
    return "unknown";
}

}  // namespace

Type Type::list(Type element) {
    Type result(TypeKind::list);
    result.parameters_ = std::make_shared<const std::vector<Type>>(1, std::move(element));
    return result;
}

Type Type::map(Type key, Type value) {
    Type result(TypeKind::map);
    result.parameters_ = std::make_shared<const std::vector<Type>>(std::vector<Type>{
        std::move(value), std::move(key)});
    return result;
}

Type Type::record(std::vector<RecordField> fields) {
    Type result(TypeKind::record);
    result.fields_ = std::make_shared<const std::vector<RecordField>>(std::move(fields));
    return result;
}

Type Type::element() const {
    return parameters_ ? parameters_->front() : Type();
}

Type Type::key() const {
    return is(TypeKind::map) && parameters_ ? parameters_->back() : Type();
}

const std::vector<RecordField>& Type::fields() const {
    INVARIANT(fields_ != nullptr);
    return *fields_;
}

std::string to_string(const Type& type) {
    if (type.is(TypeKind::list)) return "list(" + to_string(type.element()) + ")";
    if (type.is(TypeKind::map)) {
        return "map(" + to_string(type.key()) + ", " + to_string(type.element()) + ")";
    }
    return std::string(plain_name(type.kind()));
}

bool agree(const Type& left, const Type& right) {
    if (left.is_open() || right.is_open()) return true;
    if (left.kind() != right.kind()) return false;
    switch (left.kind()) {
        case TypeKind::list: return agree(left.element(), right.element());
        case TypeKind::map:
            return agree(left.key(), right.key()) && agree(left.element(), right.element());
        case TypeKind::record: return &left.fields() == &right.fields();
        default: return true;
    }
}

Type join(const Type& left, const Type& right) {
    if (left.is(TypeKind::bottom)) return right;
    if (right.is(TypeKind::bottom)) return left;
    if (!agree(left, right) || left.is_open() || right.is_open()) return TypeKind::dyn;
    if (left.is(TypeKind::list)) return Type::list(join(left.element(), right.element()));
    if (left.is(TypeKind::map)) {
        return Type::map(join(left.key(), right.key()), join(left.element(), right.element()));
    }
    return left;
}

}  // namespace rules::cel
