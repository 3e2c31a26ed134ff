#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace importer {

/// What a template may name: one row's values in the order of `Map::columns`, in UTF-8.
struct RowView {
    std::span<const std::string_view> values;
    std::uint64_t line = 0;
    std::string_view file;   ///< base name without its last extension
    std::string_view order;  ///< of a matched refund: the order it credits
};

/// "order/{InvoiceNo}": text with columns in it. `{#line}`, `{#file}` and `{#order}` are built in,
/// `{{` and `}}` are braces.
class Template {
public:
    /// `columns` gets the names that are not in it yet. nullopt, with `why`, for a broken brace or
    /// a built-in that does not exist.
    [[nodiscard]] static std::optional<Template> parse(
        std::string_view text, std::vector<std::string>& columns, std::string& why
    );

    void render(const RowView& row, std::string& out) const;
    /// Indices into `Map::columns`.
    [[nodiscard]] std::vector<std::size_t> columns() const;
    [[nodiscard]] bool names_order() const;

private:
    enum class Kind : std::uint8_t { text, column, line, file, order };
    struct Piece {
        Kind kind = Kind::text;
        std::size_t column = 0;
        std::string text;
    };
    std::vector<Piece> pieces_;
};

/// How a value is written into JSON.
enum class As : std::uint8_t { text, integer, boolean, characters };

/// A template and what is done to its text, in this order.
struct Value {
    Template text;
    std::string strip_prefix;
    std::string strip_suffix;
    bool trim = false;
    bool lower = false;  ///< ASCII letters
    As as = As::text;

    /// Replaces `out`.
    void render(const RowView& row, std::string& out) const;
    [[nodiscard]] std::string of(const RowView& row) const;
};

/// One test of a row.
struct Condition {
    enum class Test : std::uint8_t {
        empty,
        not_empty,
        zero,
        negative,
        positive,
        equals,
        starts_with,
        ends_with
    };
    Value value;
    Test test = Test::empty;
    std::string operand;

    [[nodiscard]] bool holds(const RowView& row) const;
};

[[nodiscard]] bool all_hold(const std::vector<Condition>& conditions, const RowView& row);

}  // namespace importer
