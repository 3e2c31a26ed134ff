#include "server/http/auth.hpp"

#include <array>

#include "ledger/random.hpp"
#include "ledger/sha256.hpp"
#include "server/http/base64url.hpp"

namespace server::http {

using ledger::ErrorCode;

namespace {

constexpr std::array<std::string_view, 8> kScopes{
    "events:write",
    "events:backfill",
    "members:read",
    "members:write",
    "points:write",
    "program:write",
    "reports:read",
    "admin"};

constexpr std::uint32_t bit(Scope scope) {
    return 1u << static_cast<unsigned>(scope);
}

std::uint32_t scope_bits(const ledger::ApiKey& key) {
    std::uint32_t bits = 0;
    for (const std::string& scope : key.scopes) {
        for (std::size_t i = 0; i < kScopes.size(); ++i)
            if (scope == kScopes[i]) bits |= 1u << i;
    }
    if ((bits & bit(Scope::events_backfill)) != 0) bits |= bit(Scope::events_write);
    return bits;
}

}  // namespace

std::string_view name(Scope scope) {
    return kScopes[static_cast<std::size_t>(scope)];
}

bool known_scope(std::string_view text) {
    for (const std::string_view scope : kScopes)
        if (scope == text) return true;
    return false;
}

bool Caller::may(Scope scope) const {
    return (scopes & (bit(scope) | bit(Scope::admin))) != 0;
}

std::optional<unsigned> FailureLimiter::failed(std::string_view peer, ledger::Timestamp monotonic) {
    std::lock_guard lock(mutex_);
    if (windows_.size() > 10'000) windows_.clear();
    Window& window = windows_[std::string(peer)];
    const ledger::Timestamp age = monotonic - window.begin;
    if (window.failures == 0 || age >= ledger::kMicrosPerMinute) window = {monotonic, 0};
    if (window.failures < kFailuresMax) {
        ++window.failures;
        return std::nullopt;
    }
    const ledger::Timestamp rest = window.begin + ledger::kMicrosPerMinute - monotonic;
    return static_cast<unsigned>((rest + ledger::kMicrosPerSecond - 1) / ledger::kMicrosPerSecond);
}

ledger::Result<std::string_view> bearer(const net::RequestHead& head) {
    const std::string_view header = head.header("authorization");
    constexpr std::string_view kBearer = "Bearer ";
    if (header.empty()) {
        return ledger::make_error(
            ErrorCode::unauthenticated, "Give an API key: Authorization: Bearer gk_…"
        );
    }
    if (header.size() <= kBearer.size() ||
        !net::equals_ignoring_case(header.substr(0, kBearer.size()), kBearer)) {
        return ledger::make_error(
            ErrorCode::unauthenticated, "The Authorization header must be: Bearer gk_…"
        );
    }
    return header.substr(kBearer.size());
}

ledger::Result<Caller> authenticate(
    const engine::Registry& registry, const net::RequestHead& head
) {
    const auto text = bearer(head);
    if (text.has_error()) return text.error();
    const ledger::ApiKey* key = registry.key_by_secret(secret_hash(*text));
    if (key == nullptr || key->revoked || key->kind != ledger::ApiKeyKind::secret) {
        return ledger::make_error(
            ErrorCode::unauthenticated, "This API key is not known or was revoked."
        );
    }
    return caller_of(*key);
}

Caller caller_of(const ledger::ApiKey& key) {
    return Caller{key.id, key.program, scope_bits(key)};
}

std::string make_secret(ledger::ApiKeyKind kind) {
    std::array<std::uint8_t, 32> bytes{};
    ledger::random_bytes(bytes);
    return (kind == ledger::ApiKeyKind::publishable ? "pk_" : "gk_") + base64url(bytes);
}

ledger::Hash32 secret_hash(std::string_view secret) {
    return ledger::sha256(secret);
}

}  // namespace server::http
