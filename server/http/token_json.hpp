#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace server::http {

/// What is read of a token's header (RFC 7515). Absent or of another type: empty.
struct TokenHeader {
    std::string algorithm;  ///< alg
    std::string key_id;     ///< kid
    bool critical = false;  ///< has `crit`, whatever is in it
};

/// What is read of a token's claims (RFC 7519). Absent or of another type: empty.
struct TokenClaims {
    std::string issuer;        ///< iss
    std::string subject;       ///< sub
    bool for_guerdon = false;  ///< aud is "guerdon" or a list of strings with it
    /// Seconds since 1970 UTC, whole and from 0 to 2^53 - 1.
    std::optional<std::int64_t> issued_at;   ///< iat
    std::optional<std::int64_t> expires_at;  ///< exp
    std::optional<std::int64_t> not_before;  ///< nbf
    bool has_not_before = false;             ///< nbf is there, though perhaps no such number
};

/// Empty unless `json` is one JSON object in UTF-8 in which no name read here occurs twice.
[[nodiscard]] std::optional<TokenHeader> read_token_header(std::string_view json);
[[nodiscard]] std::optional<TokenClaims> read_token_claims(std::string_view json);

}  // namespace server::http
