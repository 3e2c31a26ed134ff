#pragma once

#include <set>
#include <string>
#include <string_view>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "tools/import/fault.hpp"

namespace importer {

/// A table of a map file whose every key must be asked for: what nobody asked for is unknown, and
/// refused by name.
class MapTable {
public:
    MapTable(const toml::table& table, std::string path, std::string file)
        : table_(table), path_(std::move(path)), file_(std::move(file)) {}

    /// nullptr if there is no such key.
    [[nodiscard]] const toml::node* find(std::string_view key);
    /// Complains if there is no such key.
    [[nodiscard]] const toml::node& need(std::string_view key);
    [[nodiscard]] std::string text(std::string_view key, std::string_view otherwise);
    [[nodiscard]] std::string need_text(std::string_view key);
    [[nodiscard]] bool boolean(std::string_view key);
    /// A table below; nullptr if there is none.
    [[nodiscard]] const toml::table* table(std::string_view key);

    /// The first key nobody asked for is a complaint.
    void refuse_unknown() const;
    [[nodiscard]] bool has(std::string_view key) const { return table_.contains(key); }
    [[nodiscard]] const toml::table& all() const { return table_; }
    [[nodiscard]] const std::string& file() const { return file_; }
    [[nodiscard]] std::string name_of(std::string_view key) const;

    /// "map.toml:12: event.id: why", thrown as UsageError.
    [[noreturn]] void complain(std::string_view key, std::string_view why) const;
    [[noreturn]] void complain(const toml::node& at, std::string_view key, std::string_view why)
        const;

private:
    const toml::table& table_;
    const std::string path_;
    const std::string file_;
    std::set<std::string, std::less<>> asked_;
};

}  // namespace importer
