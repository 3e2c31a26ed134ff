#include "rules/cel/arena.hpp"

#include <algorithm>
#include <cstring>

namespace rules::cel {

namespace {

constexpr std::size_t kBlockBytes = 8U << 10U;

Value copy_text(Arena& arena, const Value& value) {
    char* text = arena.allocate_text(value.size());
    if (text == nullptr) return Value::absent();
    std::copy_n(value.as_text().data(), value.size(), text);
    const std::string_view copied(text, value.size());
    return value.is(Kind::string) ? Value::string(copied) : Value::bytes(copied);
}

Value copy_items(Arena& arena, const Value& value) {
    Value* items = arena.allocate_values(value.size());
    if (items == nullptr) return Value::absent();
    for (std::size_t i = 0; i < value.size(); ++i) {
        items[i] = copy_into(arena, value.as_items()[i]);
    }
    const std::span<const Value> copied(items, value.size());
    return value.is(Kind::list) ? Value::list(copied) : Value::record(copied);
}

Value copy_entries(Arena& arena, const Value& value) {
    MapEntry* entries = arena.allocate_entries(value.size());
    if (entries == nullptr) return Value::absent();
    for (std::size_t i = 0; i < value.size(); ++i) {
        const MapEntry& entry = value.as_entries()[i];
        entries[i] = {copy_into(arena, entry.key), copy_into(arena, entry.value)};
    }
    return Value::map({entries, value.size()});
}

}  // namespace

std::byte* Arena::allocate(std::size_t bytes) {
    const std::size_t rounded = (std::max<std::size_t>(bytes, 1) + 15U) & ~std::size_t{15U};
    if (bytes > bytes_max_ || rounded > bytes_max_ - std::min(bytes_used_, bytes_max_)) {
        return nullptr;
    }
    while (current_ < blocks_.size() && offset_ + rounded > blocks_[current_].size) {
        ++current_;
        offset_ = 0;
    }
    if (current_ == blocks_.size()) {
        const std::size_t size =
            std::max(rounded, kBlockBytes << std::min<std::size_t>(current_, 6));
        blocks_.push_back({std::make_unique_for_overwrite<std::byte[]>(size), size});
    }
    std::byte* memory = blocks_[current_].memory.get() + offset_;
    offset_ += rounded;
    bytes_used_ += rounded;
    return memory;
}

void Arena::reset() {
    current_ = 0;
    offset_ = 0;
    bytes_used_ = 0;
}

Value copy_into(Arena& arena, const Value& value) {
    switch (value.kind()) {
        case Kind::string:
        case Kind::bytes: return copy_text(arena, value);
        case Kind::list:
        case Kind::record: return copy_items(arena, value);
        case Kind::map: return copy_entries(arena, value);
        default: return value;
    }
}

}  // namespace rules::cel
