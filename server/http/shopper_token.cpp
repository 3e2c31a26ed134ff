#include "server/http/shopper_token.hpp"

#include <charconv>
#include <optional>
#include <utility>

#include "server/http/base64url.hpp"
#include "server/http/token_json.hpp"
#include "server/http/token_signature.hpp"

namespace server::http {

using ledger::ApiKeyKind;

namespace {

constexpr std::size_t kMemberBytesMax = 255;

/// The three parts, decoded, and what is signed.
struct Parts {
    std::string header;
    std::string claims;
    std::string signature;
    std::string_view signed_text;
};

std::optional<Parts> split(std::string_view token) {
    const std::size_t first = token.find('.');
    if (first == std::string_view::npos) return std::nullopt;
    const std::size_t second = token.find('.', first + 1);
    if (second == std::string_view::npos) return std::nullopt;
    auto header = from_base64url(token.substr(0, first));
    auto claims = from_base64url(token.substr(first + 1, second - first - 1));
    auto signature = from_base64url(token.substr(second + 1));
    if (!header || !claims || !signature) return std::nullopt;
    return Parts{
        std::move(*header), std::move(*claims), std::move(*signature), token.substr(0, second)};
}

/// A key's id as `kid` says it: decimal, as it was answered when the key was made.
const ledger::ApiKey* find_key(
    const engine::Registry& registry, const engine::ProgramInfo* program, std::string_view kid
) {
    std::uint64_t id = 0;
    const auto parsed = std::from_chars(kid.data(), kid.data() + kid.size(), id);
    const bool whole = parsed.ec == std::errc() && parsed.ptr == kid.data() + kid.size();
    if (kid.empty() || !whole || kid.front() == '0') return nullptr;
    const ledger::ApiKey* key = registry.key(id);
    if (key == nullptr || (program != nullptr && key->program != program->id)) return nullptr;
    const bool shopper =
        key->kind == ApiKeyKind::shopper_hs256 || key->kind == ApiKeyKind::shopper_es256;
    return shopper ? key : nullptr;
}

std::string_view algorithm_of(const ledger::ApiKey& key) {
    return key.kind == ApiKeyKind::shopper_es256 ? "ES256" : "HS256";
}

bool is_signed(const engine::ProgramInfo& program, const ledger::ApiKey& key, const Parts& parts) {
    if (key.kind == ApiKeyKind::shopper_es256)
        return es256_matches(key.public_key, parts.signed_text, parts.signature);
    const std::string secret = shopper_secret(*program.hmac, key.secret_hash);
    return hs256_matches(secret, parts.signed_text, parts.signature);
}

std::optional<TokenFault> check_times(const TokenClaims& claims, ledger::Timestamp now) {
    const bool odd = claims.has_not_before && !claims.not_before;
    if (!claims.issued_at || !claims.expires_at || odd) return TokenFault::no_times;
    // Whole seconds up to 2^53 do not fit as microseconds, so seconds are compared.
    constexpr ledger::Timestamp kSecond = ledger::kMicrosPerSecond;
    const std::int64_t life = *claims.expires_at - *claims.issued_at;
    if (life < 0 || life > kTokenLifeMax / kSecond) return TokenFault::long_lived;
    const std::int64_t earliest = (now - kTokenClockSkew) / kSecond;
    const std::int64_t latest = (now + kTokenClockSkew) / kSecond;
    if (*claims.expires_at <= earliest) return TokenFault::expired;
    if (*claims.issued_at > latest || claims.not_before.value_or(0) > latest)
        return TokenFault::not_yet_valid;
    return std::nullopt;
}

std::optional<TokenFault> check_claims(
    const engine::ProgramInfo& program, const TokenClaims& claims, ledger::Timestamp now
) {
    if (claims.issuer != program.name) return TokenFault::issuer;
    if (claims.subject.empty() || claims.subject.size() > kMemberBytesMax)
        return TokenFault::subject;
    if (!claims.for_guerdon) return TokenFault::audience;
    return check_times(claims, now);
}

}  // namespace

std::string_view explain(TokenFault fault) {
    switch (fault) {
        case TokenFault::too_large: return "The shopper token has more than 4096 bytes.";
        case TokenFault::malformed: return "This is neither a known key nor a shopper token.";
        case TokenFault::critical: return "The shopper token has a header parameter crit.";
        case TokenFault::unknown_key:
            return "The shopper token's kid names no shopper key of this program.";
        case TokenFault::revoked_key: return "The shopper token's key was revoked.";
        case TokenFault::algorithm:
            return "The shopper token's alg is not the algorithm of its key.";
        case TokenFault::signature: return "The shopper token's signature does not hold.";
        case TokenFault::issuer: return "The shopper token's iss is not this program.";
        case TokenFault::subject:
            return "The shopper token's sub must be a member's id of 1 to 255 bytes.";
        case TokenFault::audience: return "The shopper token's aud is not guerdon.";
        case TokenFault::no_times:
            return "The shopper token's iat and exp must be whole seconds, and nbf if it is there.";
        case TokenFault::long_lived:
            return "The shopper token's exp must be at most 900 seconds after its iat.";
        case TokenFault::expired: return "The shopper token has expired.";
        case TokenFault::not_yet_valid: return "The shopper token is not valid yet.";
    }
    return "The shopper token does not hold.";
}

std::variant<ShopperToken, TokenFault> verify_shopper_token(
    const engine::Registry& registry,
    const engine::ProgramInfo* asked_for,
    std::string_view token,
    ledger::Timestamp now
) {
    if (token.size() > kTokenBytesMax) return TokenFault::too_large;
    const auto parts = split(token);
    if (!parts) return TokenFault::malformed;
    const auto header = read_token_header(parts->header);
    if (!header) return TokenFault::malformed;
    if (header->critical) return TokenFault::critical;
    const ledger::ApiKey* key = find_key(registry, asked_for, header->key_id);
    if (key == nullptr) return TokenFault::unknown_key;
    auto program = registry.share(key->program);
    if (program == nullptr) return TokenFault::unknown_key;
    if (key->revoked) return TokenFault::revoked_key;
    if (header->algorithm != algorithm_of(*key)) return TokenFault::algorithm;
    if (!is_signed(*program, *key, *parts)) return TokenFault::signature;
    auto claims = read_token_claims(parts->claims);
    if (!claims) return TokenFault::malformed;
    if (const auto fault = check_claims(*program, *claims, now)) return *fault;
    const ledger::Timestamp expires_at = *claims->expires_at * ledger::kMicrosPerSecond;
    return ShopperToken{std::move(program), std::move(claims->subject), key->id, expires_at};
}

}  // namespace server::http
