#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace rules::cel {

enum class Complaint : std::uint8_t {
    /// The text is not a valid expression here.
    invalid,
    /// Valid CEL that this implementation does not have.
    unsupported,
};

/// What is wrong with a source text, and where.
struct Diagnostic {
    /// Byte offset in the source.
    std::uint32_t position = 0;
    std::string message;
    Complaint complaint = Complaint::invalid;
};

/// Both 1-based; columns count code points.
struct SourceLocation {
    std::uint32_t line = 1;
    std::uint32_t column = 1;
};

[[nodiscard]] SourceLocation locate(std::string_view source, std::uint32_t position);

/// "line 1, column 7: <message>" then the source line (at most 80 code points around the place) and
/// a line with the caret below it.
[[nodiscard]] std::string render(std::string_view source, const Diagnostic& diagnostic);

}  // namespace rules::cel
