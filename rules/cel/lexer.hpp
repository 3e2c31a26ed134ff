#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/cel/diagnostic.hpp"

namespace rules::cel {

enum class TokenKind : std::uint8_t {
    end,
    identifier,
    int_literal,
    uint_literal,
    double_literal,
    string_literal,
    bytes_literal,
    /// Operators and punctuation; the text tells which.
    symbol,
};

struct Token {
    TokenKind kind = TokenKind::end;
    std::uint32_t position = 0;
    /// The characters in the source; of a number without the suffix `u`.
    std::string_view text;
    /// Of string and bytes literals: the content after escapes.
    std::string content;
};

struct Tokens {
    std::vector<Token> items;  // the last is `end`
    std::optional<Diagnostic> error;
};

/// Splits `source` (which must outlive the tokens). Stops at the first error. At most `tokens_max`
/// tokens are made; more is an error.
[[nodiscard]] Tokens tokenize(std::string_view source, std::size_t tokens_max);

}  // namespace rules::cel
