#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace server::http {

/// RFC 4648 section 5 without padding, as JOSE writes it.
[[nodiscard]] std::string base64url(std::span<const std::uint8_t> bytes);

/// The bytes of `text`; empty if it has another character, padding, or bits left over.
[[nodiscard]] std::optional<std::string> from_base64url(std::string_view text);

}  // namespace server::http
