#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "ledger/base/clock.hpp"
#include "server/engine/registry.hpp"

namespace server::http {

inline constexpr std::size_t kTokenBytesMax = 4096;
/// From iat to exp, at most.
inline constexpr ledger::Timestamp kTokenLifeMax = 900 * ledger::kMicrosPerSecond;
/// How far the shop's clock may be from ours.
inline constexpr ledger::Timestamp kTokenClockSkew = 30 * ledger::kMicrosPerSecond;

/// A shopper token that holds: the shop of `key_id` says that its caller is `member`.
struct ShopperToken {
    std::shared_ptr<const engine::ProgramInfo> program;  ///< never null
    std::string member;                                  ///< external id, 1 to 255 bytes
    std::uint64_t key_id = 0;
    ledger::Timestamp expires_at = 0;  ///< exp, without the allowance for clocks
};

/// Why a token does not hold, in order of precedence.
enum class TokenFault : std::uint8_t {
    too_large,
    malformed,    ///< not three parts in base64url, or a part that is not a JSON object
    critical,     ///< the header has `crit`
    unknown_key,  ///< no `kid`, or none of a shopper key (of the program asked for)
    revoked_key,
    algorithm,  ///< `alg` is not the key's own
    signature,
    issuer,
    subject,
    audience,
    no_times,    ///< iat or exp is absent or no whole number of seconds; nbf is no such number
    long_lived,  ///< exp - iat is negative or above kTokenLifeMax
    expired,
    not_yet_valid,  ///< iat or nbf lies in the future
};
/// One sentence for whoever made the token.
[[nodiscard]] std::string_view explain(TokenFault fault);

/// Verifies a JWT in compact form (docs/live.md, "Who may look"). The key that `kid` names fixes
/// the algorithm, and the program if `program` is null. Any thread.
[[nodiscard]] std::variant<ShopperToken, TokenFault> verify_shopper_token(
    const engine::Registry& registry,
    const engine::ProgramInfo* program,
    std::string_view token,
    ledger::Timestamp now
);

}  // namespace server::http
