#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace importer {

enum class Encoding : std::uint8_t { utf_8, iso_8859_1, windows_1252 };

/// Appends the UTF-8 of `text`, which is in a single-byte encoding, to `out`. Bytes that
/// windows-1252 leaves undefined become the control character of the same number, as browsers do.
void append_utf8(std::string& out, std::string_view text, Encoding encoding);

/// How many characters UTF-8 text has.
[[nodiscard]] std::size_t characters(std::string_view utf8);

}  // namespace importer
