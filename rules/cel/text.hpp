#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace rules::cel {

[[nodiscard]] inline bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
[[nodiscard]] inline bool is_continuation(char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

/// Number of code points in valid UTF-8.
[[nodiscard]] std::size_t code_points(std::string_view text);
/// Byte offset of the code point with this index; text.size() at or after the end.
[[nodiscard]] std::size_t byte_offset(std::string_view text, std::size_t code_point);
/// Bytes of the code point that starts at `offset` of valid UTF-8.
[[nodiscard]] std::size_t code_point_bytes(std::string_view text, std::size_t offset);
/// The code point that starts at `offset` of valid UTF-8.
[[nodiscard]] char32_t code_point_at(std::string_view text, std::size_t offset);
/// Strict: no surrogates, no overlong forms, nothing above U+10FFFF.
[[nodiscard]] bool is_utf8(std::string_view text);
/// True for what UTF-8 may encode: not a surrogate, at most U+10FFFF.
[[nodiscard]] bool is_scalar_value(std::uint32_t code_point);
void append_utf8(std::string& text, std::uint32_t code_point);

/// 'text', for messages.
[[nodiscard]] std::string quoted(std::string_view text);

}  // namespace rules::cel
