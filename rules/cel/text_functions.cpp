// size, the text predicates and the string extensions. Positions and lengths count code points.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "rules/cel/functions.hpp"
#include "rules/cel/text.hpp"

namespace rules::cel {

namespace {

Value out_of_range() {
    return failure(EvaluationErrorKind::index_out_of_range);
}

bool all_strings(std::span<const Value> values) {
    return std::ranges::all_of(values, [](const Value& value) { return value.is(Kind::string); });
}

/// A copy in the arena. The text was already paid for in fuel.
Value kept(Context& context, std::string_view text) {
    char* copy = context.arena.allocate_text(text.size());
    if (copy == nullptr) return too_large();
    std::ranges::copy(text, copy);
    return Value::string({copy, text.size()});
}

Value size(Context& context, std::span<const Value> arguments) {
    const Value& of = arguments[0];
    switch (of.kind()) {
        case Kind::string:
            if (!context.charge_text(of.size())) return out_of_fuel();
            return Value::integer(static_cast<std::int64_t>(code_points(of.as_text())));
        case Kind::bytes:
        case Kind::list:
        case Kind::map: return Value::integer(of.size());
        default: return no_overload();
    }
}

Value contains(Context& context, std::span<const Value> arguments) {
    if (!all_strings(arguments)) return no_overload();
    if (!context.charge_text(std::size_t{arguments[0].size()} + arguments[1].size()))
        return out_of_fuel();
    return Value::boolean(
        arguments[0].as_text().find(arguments[1].as_text()) != std::string_view::npos
    );
}

Value starts_with(Context& context, std::span<const Value> arguments) {
    if (!all_strings(arguments)) return no_overload();
    if (!context.charge_text(arguments[1].size())) return out_of_fuel();
    return Value::boolean(arguments[0].as_text().starts_with(arguments[1].as_text()));
}

Value ends_with(Context& context, std::span<const Value> arguments) {
    if (!all_strings(arguments)) return no_overload();
    if (!context.charge_text(arguments[1].size())) return out_of_fuel();
    return Value::boolean(arguments[0].as_text().ends_with(arguments[1].as_text()));
}

Value char_at(Context& context, std::span<const Value> arguments) {
    if (!arguments[0].is(Kind::string) || !arguments[1].is(Kind::int_)) return no_overload();
    const auto text = arguments[0].as_text();
    if (!context.charge_text(text.size())) return out_of_fuel();
    const std::int64_t index = arguments[1].as_int();
    const auto length = static_cast<std::int64_t>(code_points(text));
    if (index < 0 || index > length) return out_of_range();
    if (index == length) return Value::string({});
    const std::size_t begin = byte_offset(text, static_cast<std::size_t>(index));
    return Value::string(text.substr(begin, code_point_bytes(text, begin)));
}

/// Code point index of a byte offset, or -1 for npos.
Value index_value(std::string_view text, std::size_t offset) {
    if (offset == std::string_view::npos) return Value::integer(-1);
    return Value::integer(static_cast<std::int64_t>(code_points(text.substr(0, offset))));
}

Value index_of(Context& context, std::span<const Value> arguments) {
    if (!all_strings(arguments.first(2))) return no_overload();
    if (arguments.size() == 3 && !arguments[2].is(Kind::int_)) return no_overload();
    const auto text = arguments[0].as_text();
    const auto wanted = arguments[1].as_text();
    if (!context.charge_text(text.size() + wanted.size())) return out_of_fuel();
    std::size_t from = 0;
    if (arguments.size() == 3) {
        const std::int64_t index = arguments[2].as_int();
        if (index < 0 || index > static_cast<std::int64_t>(code_points(text)))
            return out_of_range();
        from = byte_offset(text, static_cast<std::size_t>(index));
    }
    return index_value(text, text.find(wanted, from));
}

Value last_index_of(Context& context, std::span<const Value> arguments) {
    if (!all_strings(arguments.first(2))) return no_overload();
    if (arguments.size() == 3 && !arguments[2].is(Kind::int_)) return no_overload();
    const auto text = arguments[0].as_text();
    const auto wanted = arguments[1].as_text();
    if (!context.charge_text(text.size() + wanted.size())) return out_of_fuel();
    std::size_t from = text.size();
    if (arguments.size() == 3) {
        const std::int64_t index = arguments[2].as_int();
        if (index < 0 || index > static_cast<std::int64_t>(code_points(text)))
            return out_of_range();
        from = byte_offset(text, static_cast<std::size_t>(index));
    }
    return index_value(text, text.rfind(wanted, from));
}

Value change_case(Context& context, const Value& of, char first, char last, int distance) {
    if (!of.is(Kind::string)) return no_overload();
    if (!context.charge_text(of.size())) return out_of_fuel();
    char* copy = context.arena.allocate_text(of.size());
    if (copy == nullptr) return too_large();
    std::ranges::transform(of.as_text(), copy, [=](char c) {
        return c >= first && c <= last ? static_cast<char>(c + distance) : c;
    });
    return Value::string({copy, of.size()});
}

Value lower_ascii(Context& context, std::span<const Value> arguments) {
    return change_case(context, arguments[0], 'A', 'Z', 'a' - 'A');
}

Value upper_ascii(Context& context, std::span<const Value> arguments) {
    return change_case(context, arguments[0], 'a', 'z', 'A' - 'a');
}

/// Byte offsets at which `wanted` occurs; an empty `wanted` occurs before each code point and at
/// the end. At most `count_max` of them.
std::vector<std::size_t> occurrences(
    std::string_view text, std::string_view wanted, std::size_t count_max
) {
    std::vector<std::size_t> found;
    std::size_t from = 0;
    while (found.size() < count_max && from <= text.size()) {
        const std::size_t at = text.find(wanted, from);
        if (at == std::string_view::npos) break;
        found.push_back(at);
        if (!wanted.empty()) {
            from = at + wanted.size();
        } else {
            from = at < text.size() ? at + code_point_bytes(text, at) : text.size() + 1;
        }
    }
    return found;
}

/// The optional third argument of replace and split: negative means no bound.
bool read_count(std::span<const Value> arguments, std::size_t index, std::size_t& count) {
    count = static_cast<std::size_t>(-1);
    if (arguments.size() <= index) return true;
    if (!arguments[index].is(Kind::int_)) return false;
    if (arguments[index].as_int() >= 0) count = static_cast<std::size_t>(arguments[index].as_int());
    return true;
}

Value replace(Context& context, std::span<const Value> arguments) {
    std::size_t count = 0;
    if (!all_strings(arguments.first(3)) || !read_count(arguments, 3, count)) return no_overload();
    const auto text = arguments[0].as_text();
    const auto wanted = arguments[1].as_text();
    const auto by = arguments[2].as_text();
    if (!context.charge_text(text.size())) return out_of_fuel();
    const auto found = occurrences(text, wanted, count);
    const std::size_t made = text.size() - found.size() * wanted.size() + found.size() * by.size();
    if (!context.charge_text(made)) return out_of_fuel();
    char* out = context.arena.allocate_text(made);
    if (out == nullptr) return too_large();
    char* next = out;
    std::size_t from = 0;
    for (const std::size_t at : found) {
        next = std::ranges::copy(text.substr(from, at - from), next).out;
        next = std::ranges::copy(by, next).out;
        from = at + wanted.size();
    }
    std::ranges::copy(text.substr(from), next);
    return Value::string({out, made});
}

Value split(Context& context, std::span<const Value> arguments) {
    std::size_t count = 0;
    if (!all_strings(arguments.first(2)) || !read_count(arguments, 2, count)) return no_overload();
    if (count == 0) return Value::list({});
    const auto text = arguments[0].as_text();
    const auto separator = arguments[1].as_text();
    if (!context.charge_text(text.size())) return out_of_fuel();
    auto found = occurrences(text, separator, separator.empty() ? count : count - 1);
    if (separator.empty()) {
        // Between the code points only: neither before the first nor after the last.
        if (text.empty()) return Value::list({});
        if (!found.empty()) found.erase(found.begin());
        if (!found.empty() && found.back() == text.size()) found.pop_back();
    }
    if (!context.fuel.charge(found.size() + 1)) return out_of_fuel();
    Value* items = context.arena.allocate_values(found.size() + 1);
    if (items == nullptr) return too_large();
    std::size_t from = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
        items[i] = Value::string(text.substr(from, found[i] - from));
        from = found[i] + separator.size();
    }
    items[found.size()] = Value::string(text.substr(from));
    return Value::list({items, found.size() + 1});
}

Value substring(Context& context, std::span<const Value> arguments) {
    if (!arguments[0].is(Kind::string) || !arguments[1].is(Kind::int_)) return no_overload();
    if (arguments.size() == 3 && !arguments[2].is(Kind::int_)) return no_overload();
    const auto text = arguments[0].as_text();
    if (!context.charge_text(text.size())) return out_of_fuel();
    const auto length = static_cast<std::int64_t>(code_points(text));
    const std::int64_t begin = arguments[1].as_int();
    const std::int64_t end = arguments.size() == 3 ? arguments[2].as_int() : length;
    if (begin < 0 || begin > length || end < begin || end > length) return out_of_range();
    const std::size_t first = byte_offset(text, static_cast<std::size_t>(begin));
    const std::size_t last = byte_offset(text, static_cast<std::size_t>(end));
    return Value::string(text.substr(first, last - first));
}

/// Unicode's White_Space property.
bool is_blank(char32_t c) {
    return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

Value trim(Context& context, std::span<const Value> arguments) {
    if (!arguments[0].is(Kind::string)) return no_overload();
    auto text = arguments[0].as_text();
    if (!context.charge_text(text.size())) return out_of_fuel();
    while (!text.empty() && is_blank(code_point_at(text, 0)))
        text.remove_prefix(code_point_bytes(text, 0));
    while (!text.empty()) {
        std::size_t last = text.size() - 1;
        while (last > 0 && is_continuation(text[last]))
            --last;
        if (!is_blank(code_point_at(text, last))) break;
        text = text.substr(0, last);
    }
    return Value::string(text);
}

Value join(Context& context, std::span<const Value> arguments) {
    if (!arguments[0].is(Kind::list) || !all_strings(arguments[0].as_items())) return no_overload();
    if (arguments.size() == 2 && !arguments[1].is(Kind::string)) return no_overload();
    const auto separator = arguments.size() == 2 ? arguments[1].as_text() : std::string_view();
    std::size_t bytes = 0;
    for (const Value& item : arguments[0].as_items())
        bytes += item.size() + separator.size();
    if (!context.fuel.charge(arguments[0].size()) || !context.charge_text(bytes))
        return out_of_fuel();
    char* out = context.arena.allocate_text(bytes);
    if (out == nullptr) return too_large();
    char* next = out;
    for (const Value& item : arguments[0].as_items()) {
        if (&item != arguments[0].as_items().data()) next = std::ranges::copy(separator, next).out;
        next = std::ranges::copy(item.as_text(), next).out;
    }
    return Value::string({out, static_cast<std::size_t>(next - out)});
}

Value reverse(Context& context, std::span<const Value> arguments) {
    if (!arguments[0].is(Kind::string)) return no_overload();
    const auto text = arguments[0].as_text();
    if (!context.charge_text(text.size())) return out_of_fuel();
    char* out = context.arena.allocate_text(text.size());
    if (out == nullptr) return too_large();
    char* next = out + text.size();
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t bytes = code_point_bytes(text, at);
        next -= bytes;
        std::ranges::copy(text.substr(at, bytes), next);
        at += bytes;
    }
    return Value::string({out, text.size()});
}

char escape_letter(char c) {
    switch (c) {
        case '\a': return 'a';
        case '\b': return 'b';
        case '\f': return 'f';
        case '\n': return 'n';
        case '\r': return 'r';
        case '\t': return 't';
        case '\v': return 'v';
        case '\\': return '\\';
        case '"': return '"';
        default: return '\0';
    }
}

Value quote(Context& context, std::span<const Value> arguments) {
    if (!arguments[0].is(Kind::string)) return no_overload();
    if (!context.charge_text(arguments[0].size() * std::size_t{2} + 2)) return out_of_fuel();
    std::string quoted = "\"";
    for (const char c : arguments[0].as_text()) {
        const char letter = escape_letter(c);
        if (letter != '\0') quoted += '\\';
        quoted += letter != '\0' ? letter : c;
    }
    return kept(context, quoted + "\"");
}

constexpr TypeKind kString = TypeKind::string;
constexpr TypeKind kInt = TypeKind::int_;

constexpr std::array kTable{
    Overload{"size", false, size, 1, {kString}, kInt},
    Overload{"size", false, size, 1, {TypeKind::bytes}, kInt},
    Overload{"size", false, size, 1, {TypeKind::list}, kInt},
    Overload{"size", false, size, 1, {TypeKind::map}, kInt},
    Overload{"size", true, size, 1, {kString}, kInt},
    Overload{"size", true, size, 1, {TypeKind::bytes}, kInt},
    Overload{"size", true, size, 1, {TypeKind::list}, kInt},
    Overload{"size", true, size, 1, {TypeKind::map}, kInt},
    Overload{"contains", true, contains, 2, {kString, kString}, TypeKind::bool_},
    Overload{"startsWith", true, starts_with, 2, {kString, kString}, TypeKind::bool_},
    Overload{"endsWith", true, ends_with, 2, {kString, kString}, TypeKind::bool_},
    Overload{"charAt", true, char_at, 2, {kString, kInt}, kString},
    Overload{"indexOf", true, index_of, 2, {kString, kString}, kInt},
    Overload{"indexOf", true, index_of, 3, {kString, kString, kInt}, kInt},
    Overload{"lastIndexOf", true, last_index_of, 2, {kString, kString}, kInt},
    Overload{"lastIndexOf", true, last_index_of, 3, {kString, kString, kInt}, kInt},
    Overload{"lowerAscii", true, lower_ascii, 1, {kString}, kString},
    Overload{"upperAscii", true, upper_ascii, 1, {kString}, kString},
    Overload{"replace", true, replace, 3, {kString, kString, kString}, kString},
    Overload{"replace", true, replace, 4, {kString, kString, kString, kInt}, kString},
    Overload{"split", true, split, 2, {kString, kString}, TypeKind::list, kString},
    Overload{"split", true, split, 3, {kString, kString, kInt}, TypeKind::list, kString},
    Overload{"substring", true, substring, 2, {kString, kInt}, kString},
    Overload{"substring", true, substring, 3, {kString, kInt, kInt}, kString},
    Overload{"trim", true, trim, 1, {kString}, kString},
    Overload{"join", true, join, 1, {TypeKind::list}, kString},
    Overload{"join", true, join, 2, {TypeKind::list, kString}, kString},
    Overload{"reverse", true, reverse, 1, {kString}, kString},
    Overload{"strings.quote", false, quote, 1, {kString}, kString},
};

}  // namespace

std::span<const Overload> text_functions() {
    return kTable;
}

}  // namespace rules::cel
