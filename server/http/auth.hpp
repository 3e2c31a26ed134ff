#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ledger/base/clock.hpp"
#include "ledger/base/result.hpp"
#include "server/engine/registry.hpp"
#include "server/net/http.hpp"

namespace server::http {

/// What a key may do. `admin` may do everything; `events_backfill` includes `events_write`.
enum class Scope : std::uint8_t {
    events_write,
    events_backfill,
    members_read,
    members_write,
    points_write,
    program_write,
    reports_read,
    admin,
};
/// "events:write" …
[[nodiscard]] std::string_view name(Scope scope);
/// False for a text that is no scope.
[[nodiscard]] bool known_scope(std::string_view text);

/// Who calls.
struct Caller {
    std::uint64_t key_id = 0;
    ledger::ProgramId program;  ///< _system: every program
    std::uint32_t scopes = 0;   ///< bit per Scope
    [[nodiscard]] bool may(Scope scope) const;
};

/// Counts requests with a wrong key, at most `kFailuresMax` a minute and address. A right key is
/// never asked about: others behind the same address must not lock it out. Any thread.
class FailureLimiter {
public:
    static constexpr unsigned kFailuresMax = 300;
    /// Notes a failure. After too many of them: the seconds until the next one is looked at again.
    [[nodiscard]] std::optional<unsigned> failed(
        std::string_view peer, ledger::Timestamp monotonic
    );

private:
    struct Window {
        ledger::Timestamp begin = 0;
        unsigned failures = 0;
    };
    std::mutex mutex_;
    std::unordered_map<std::string, Window> windows_;  ///< cleared when it grows large
};

/// What follows "Bearer " in Authorization; a view into `head`. Errors: unauthenticated.
[[nodiscard]] ledger::Result<std::string_view> bearer(const net::RequestHead& head);

/// `Authorization: Bearer gk_…` → caller. Errors: unauthenticated.
[[nodiscard]] ledger::Result<Caller> authenticate(
    const engine::Registry& registry, const net::RequestHead& head
);
/// What the holder of `key`, a secret key, may do.
[[nodiscard]] Caller caller_of(const ledger::ApiKey& key);

/// A new secret: "gk_", or "pk_" of a publishable key, and 32 random bytes in base64url.
[[nodiscard]] std::string make_secret(ledger::ApiKeyKind kind);
[[nodiscard]] ledger::Hash32 secret_hash(std::string_view secret);

}  // namespace server::http
