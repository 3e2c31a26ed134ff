#include "tools/import/row_text.hpp"

#include <algorithm>

#include "tools/import/decimal.hpp"

namespace importer {

std::optional<Template> Template::parse(
    std::string_view text, std::vector<std::string>& columns, std::string& why
) {
    Template made;
    std::string literal;
    const auto flush = [&] {
        if (!literal.empty()) made.pieces_.push_back({Kind::text, 0, literal});
        literal.clear();
    };
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c != '{' && c != '}') {
            literal.push_back(c);
            continue;
        }
        if (text.substr(i + 1, 1) == text.substr(i, 1)) {
            literal.push_back(c);
            ++i;
            continue;
        }
        const std::size_t end = c == '{' ? text.find('}', i) : std::string_view::npos;
        if (end == std::string_view::npos || end == i + 1) {
            why = "has a brace without a partner; write {{ or }} for the character itself";
            return std::nullopt;
        }
        const std::string_view name = text.substr(i + 1, end - i - 1);
        i = end;
        flush();
        if (name == "#line") {
            made.pieces_.push_back({Kind::line, 0, {}});
        } else if (name == "#file") {
            made.pieces_.push_back({Kind::file, 0, {}});
        } else if (name == "#order") {
            made.pieces_.push_back({Kind::order, 0, {}});
        } else if (name.front() == '#') {
            why = "names {" + std::string(name) + "}; there are {#line}, {#file} and {#order}";
            return std::nullopt;
        } else {
            const auto found = std::find(columns.begin(), columns.end(), name);
            const auto index = static_cast<std::size_t>(found - columns.begin());
            if (found == columns.end()) columns.emplace_back(name);
            made.pieces_.push_back({Kind::column, index, {}});
        }
    }
    flush();
    return made;
}

void Template::render(const RowView& row, std::string& out) const {
    for (const Piece& piece : pieces_) {
        switch (piece.kind) {
            case Kind::text: out += piece.text; break;
            case Kind::column: out += row.values[piece.column]; break;
            case Kind::line: out += std::to_string(row.line); break;
            case Kind::file: out += row.file; break;
            case Kind::order: out += row.order; break;
        }
    }
}

std::vector<std::size_t> Template::columns() const {
    std::vector<std::size_t> found;
    for (const Piece& piece : pieces_)
        if (piece.kind == Kind::column) found.push_back(piece.column);
    return found;
}

bool Template::names_order() const {
    return std::any_of(pieces_.begin(), pieces_.end(), [](const Piece& piece) {
        return piece.kind == Kind::order;
    });
}

void Value::render(const RowView& row, std::string& out) const {
    out.clear();
    text.render(row, out);
    if (trim) {
        constexpr const char* kBlanks = " \t\r\n";
        const std::size_t begin = out.find_first_not_of(kBlanks);
        out = begin == std::string::npos
                  ? std::string()
                  : out.substr(begin, out.find_last_not_of(kBlanks) - begin + 1);
    }
    if (!strip_prefix.empty() && out.starts_with(strip_prefix)) out.erase(0, strip_prefix.size());
    if (!strip_suffix.empty() && out.ends_with(strip_suffix))
        out.resize(out.size() - strip_suffix.size());
    if (lower) {
        for (char& c : out)
            if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
}

std::string Value::of(const RowView& row) const {
    std::string out;
    render(row, out);
    return out;
}

bool Condition::holds(const RowView& row) const {
    const std::string text = value.of(row);
    const auto number = [&](auto test_of) {
        const auto parsed = Decimal::parse(text);
        return parsed && test_of(*parsed);
    };
    switch (test) {
        case Test::empty: return text.empty();
        case Test::not_empty: return !text.empty();
        case Test::zero: return number([](const Decimal& n) { return n.is_zero(); });
        case Test::negative: return number([](const Decimal& n) { return n.is_negative(); });
        case Test::positive:
            return number([](const Decimal& n) { return !n.is_zero() && !n.is_negative(); });
        case Test::equals: return text == operand;
        case Test::starts_with: return text.starts_with(operand);
        case Test::ends_with: return text.ends_with(operand);
    }
    return false;
}

bool all_hold(const std::vector<Condition>& conditions, const RowView& row) {
    return std::all_of(conditions.begin(), conditions.end(), [&](const Condition& condition) {
        return condition.holds(row);
    });
}

}  // namespace importer
