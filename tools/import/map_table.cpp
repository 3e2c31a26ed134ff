#include "tools/import/map_table.hpp"

#include <fmt/format.h>

namespace importer {

const toml::node* MapTable::find(std::string_view key) {
    asked_.emplace(key);
    return table_.get(key);
}

const toml::node& MapTable::need(std::string_view key) {
    const toml::node* found = find(key);
    if (found == nullptr) complain(table_, key, "is missing");
    return *found;
}

std::string MapTable::text(std::string_view key, std::string_view otherwise) {
    const toml::node* found = find(key);
    if (found == nullptr) return std::string(otherwise);
    if (!found->is_string()) complain(*found, key, "must be text");
    return **found->as_string();
}

std::string MapTable::need_text(std::string_view key) {
    (void)need(key);
    return text(key, "");
}

bool MapTable::boolean(std::string_view key) {
    const toml::node* found = find(key);
    if (found == nullptr) return false;
    if (!found->is_boolean()) complain(*found, key, "must be true or false");
    return **found->as_boolean();
}

const toml::table* MapTable::table(std::string_view key) {
    const toml::node* found = find(key);
    if (found == nullptr) return nullptr;
    if (!found->is_table()) complain(*found, key, "must be a table");
    return found->as_table();
}

void MapTable::refuse_unknown() const {
    for (const auto& [key, node] : table_)
        if (!asked_.contains(key.str())) complain(node, key.str(), "is not a key of a map");
}

std::string MapTable::name_of(std::string_view key) const {
    return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

void MapTable::complain(std::string_view key, std::string_view why) const {
    const toml::node* node = table_.get(key);
    complain(node == nullptr ? static_cast<const toml::node&>(table_) : *node, key, why);
}

void MapTable::complain(const toml::node& at, std::string_view key, std::string_view why) const {
    const auto line = at.source().begin.line;
    throw UsageError(fmt::format("{}:{}: {} {}", file_, line == 0 ? 1 : line, name_of(key), why));
}

}  // namespace importer
