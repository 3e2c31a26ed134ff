#include "server/http/token_json.hpp"

#include <array>

#include <simdjson.h>

namespace server::http {

using simdjson::dom::element;
using simdjson::dom::object;

namespace {

constexpr std::size_t kDepthMax = 8;
constexpr std::size_t kCapacity = 4096;
constexpr std::int64_t kSecondsMax = (std::int64_t{1} << 53) - 1;

/// The object lives until the thread's next call.
std::optional<object> parse(std::string_view json) {
    static thread_local simdjson::dom::parser parser;
    if (json.size() > kCapacity) return std::nullopt;
    if (parser.capacity() < kCapacity && parser.allocate(kCapacity, kDepthMax)) return std::nullopt;
    object root;
    // `true`: the text has no padding behind it, so the parser copies it.
    if (parser.parse(json.data(), json.size(), true).get_object().get(root)) return std::nullopt;
    return root;
}

std::string text_of(element value) {
    std::string_view text;
    return value.get_string().get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
}

std::optional<std::int64_t> seconds_of(element value) {
    std::int64_t seconds = 0;
    if (value.type() != simdjson::dom::element_type::INT64 || value.get_int64().get(seconds))
        return std::nullopt;
    if (seconds < 0 || seconds > kSecondsMax) return std::nullopt;
    return seconds;
}

bool names_guerdon(element audience) {
    constexpr std::string_view kName = "guerdon";
    simdjson::dom::array list;
    if (audience.get_array().get(list)) return text_of(audience) == kName;
    bool found = false;
    for (const element item : list) {
        if (!item.is_string()) return false;
        found = found || text_of(item) == kName;
    }
    return found;
}

/// Two readers of one token must not see two things: a repeated name is refused.
template <std::size_t kCount>
bool repeats(object read, const std::array<std::string_view, kCount>& names) {
    std::array<bool, kCount> seen{};
    for (const auto& [key, value] : read) {
        for (std::size_t i = 0; i < kCount; ++i) {
            if (key != names[i]) continue;
            if (seen[i]) return true;
            seen[i] = true;
        }
    }
    return false;
}

}  // namespace

std::optional<TokenHeader> read_token_header(std::string_view json) {
    static constexpr std::array<std::string_view, 3> kNames{"alg", "kid", "crit"};
    const auto root = parse(json);
    if (!root || repeats(*root, kNames)) return std::nullopt;
    TokenHeader header;
    for (const auto& [key, value] : *root) {
        if (key == "alg") header.algorithm = text_of(value);
        if (key == "kid") header.key_id = text_of(value);
        if (key == "crit") header.critical = true;
    }
    return header;
}

std::optional<TokenClaims> read_token_claims(std::string_view json) {
    static constexpr std::array<std::string_view, 6> kNames{
        "iss", "sub", "aud", "iat", "exp", "nbf"};
    const auto root = parse(json);
    if (!root || repeats(*root, kNames)) return std::nullopt;
    TokenClaims claims;
    for (const auto& [key, value] : *root) {
        if (key == "iss") claims.issuer = text_of(value);
        if (key == "sub") claims.subject = text_of(value);
        if (key == "aud") claims.for_guerdon = names_guerdon(value);
        if (key == "iat") claims.issued_at = seconds_of(value);
        if (key == "exp") claims.expires_at = seconds_of(value);
        if (key != "nbf") continue;
        claims.has_not_before = true;
        claims.not_before = seconds_of(value);
    }
    return claims;
}

}  // namespace server::http
