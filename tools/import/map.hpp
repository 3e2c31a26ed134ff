#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tools/import/csv_reader.hpp"
#include "tools/import/local_time.hpp"
#include "tools/import/row_text.hpp"
#include "tools/import/text_encoding.hpp"

namespace importer {

enum class Format : std::uint8_t { csv, ndjson };

/// `[group]`: rows with the same key make one event.
struct GroupMap {
    Value by;
    std::uint64_t within = 10'000;  ///< a group is complete after so many rows of others
};

/// `time`: text that is RFC 3339 already, or local time with its form and zone.
struct TimeMap {
    Value from;
    std::optional<TimeFormat> format;
};

/// `[data]`: a value, or a table of further fields.
struct DataField {
    std::string name;
    std::variant<Value, std::string> value;  ///< text: JSON as it is, of a TOML number or boolean
    std::vector<DataField> fields;           ///< not empty: an object, `value` is unused
};

/// `[order.line]`: one row is one line of the order.
struct OrderLineMap {
    std::optional<Value> sku;
    Value quantity;
    std::optional<Value> price;   ///< of one piece; exactly one of
    std::optional<Value> amount;  ///< these two
};

/// `[order]`: data of order.paid.
struct OrderMap {
    Value order_id;
    Value currency;
    std::optional<Value> customer;
    std::optional<Value> email;
    std::optional<Value> total;  ///< without it the sum of the lines
    std::optional<OrderLineMap> line;
};

/// `[[skip]]`: rows that become no event.
struct SkipMap {
    enum class Of : std::uint8_t { group, row };
    std::string name;  ///< the class they are counted as
    Of of = Of::group;
    std::vector<Condition> all;
};

/// `[credits]`: groups that are credit notes and name no order.
struct CreditsMap {
    std::vector<Condition> when;  ///< of the group's first row
    Value refund_id;              ///< of what is matched to one order
    Value orphan_id;              ///< of what is matched to none
};

/// A map file: how rows become events. docs/import.md has every key.
struct Map {
    Format format = Format::csv;
    Encoding encoding = Encoding::utf_8;
    CsvFormat csv;
    std::vector<std::string> header;   ///< given in the map: the file has no line with names
    std::vector<std::string> columns;  ///< every column that the map names
    std::string type;
    std::string source;
    Value id;
    std::optional<Value> subject;
    TimeMap time;
    std::vector<DataField> data;
    std::optional<OrderMap> order;
    std::optional<GroupMap> group;
    std::vector<SkipMap> skips;
    std::optional<CreditsMap> credits;

    /// Throws UsageError, naming file, line and key, for a map that is not one.
    [[nodiscard]] static Map parse(std::string_view toml, const std::string& name);
    [[nodiscard]] static Map read(const std::string& path);
};

}  // namespace importer
