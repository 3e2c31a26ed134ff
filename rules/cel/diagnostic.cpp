#include "rules/cel/diagnostic.hpp"

#include <algorithm>
#include <vector>

#include "rules/cel/text.hpp"

namespace rules::cel {

namespace {

constexpr std::size_t kExcerptMax = 80;
constexpr std::size_t kExcerptBefore = 60;

std::size_t line_begin(std::string_view source, std::size_t position) {
    const auto newline = source.substr(0, position).rfind('\n');
    return newline == std::string_view::npos ? 0 : newline + 1;
}

/// The code points of one line as separate strings; control characters become spaces, so that the
/// caret stands under its place and a log shows one line.
std::vector<std::string> printable(std::string_view line) {
    std::vector<std::string> points;
    for (const char c : line) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20U || byte == 0x7FU) {
            points.emplace_back(" ");
        } else if ((byte & 0xC0U) == 0x80U) {
            if (!points.empty()) points.back() += c;
        } else {
            points.emplace_back(1, c);
        }
    }
    return points;
}

}  // namespace

SourceLocation locate(std::string_view source, std::uint32_t position) {
    const std::size_t end = std::min<std::size_t>(position, source.size());
    const auto before = source.substr(0, end);
    SourceLocation location;
    location.line = 1 + static_cast<std::uint32_t>(std::ranges::count(before, '\n'));
    location.column =
        1 + static_cast<std::uint32_t>(code_points(before.substr(line_begin(source, end))));
    return location;
}

std::string render(std::string_view source, const Diagnostic& diagnostic) {
    const SourceLocation location = locate(source, diagnostic.position);
    std::string text = "line " + std::to_string(location.line) + ", column " +
                       std::to_string(location.column) + ": " + diagnostic.message;
    // A source with broken UTF-8 is not quoted: the text goes into JSON.
    if (diagnostic.message == "the text is not valid UTF-8") return text;
    const std::size_t begin =
        line_begin(source, std::min<std::size_t>(diagnostic.position, source.size()));
    const auto line = source.substr(begin, source.find('\n', begin) - begin);
    const auto points = printable(line);
    const std::size_t column = location.column - 1U;
    const std::size_t first = column > kExcerptBefore ? column - kExcerptBefore : 0;
    const std::size_t last = std::min(points.size(), first + kExcerptMax);
    text += "\n  ";
    for (std::size_t i = first; i < last; ++i)
        text += points[i];
    text += "\n  " + std::string(column - first, ' ') + "^";
    return text;
}

}  // namespace rules::cel
