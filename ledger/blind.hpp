#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ledger/hmac.hpp"
#include "ledger/view.hpp"

// The keyed hashes of an entry and of a member's personal fields (docs/ledger-format.md, "Hashes").
// All are pure; `hmac` is the program's HMAC key.
namespace ledger {

/// Entry::key_hash of an event.
[[nodiscard]] Hash16 event_key_hash(
    const HmacKey& hmac, std::string_view source, std::string_view id
);
/// Entry::key_hash of a command with an Idempotency-Key. `operation` keeps equal keys of two
/// endpoints apart, e.g. "adjustments".
[[nodiscard]] Hash16 idempotency_key_hash(
    const HmacKey& hmac, std::string_view operation, std::string_view key
);
/// Entry::natural_hash. `kind` is the event type; `refund` is empty and `cycle` 0 where unused.
[[nodiscard]] Hash16 natural_key_hash(
    const HmacKey& hmac,
    std::string_view shop,
    std::string_view kind,
    std::string_view order,
    std::string_view refund,
    std::uint32_t cycle
);
/// Entry::request_hash of the canonical request's bytes.
[[nodiscard]] Hash16 request_hash(const HmacKey& hmac, std::string_view canonical);

/// The authority of a source that has one ("//maison/prestashop" and "https://Maison/x" give
/// "maison"; a host has no case, RFC 3986 section 3.2.2), else the whole source as it is.
[[nodiscard]] std::string shop_of(std::string_view source);

/// Without surrounding white space, ASCII letters in lower case; other bytes are kept.
[[nodiscard]] std::string normalise_email(std::string_view email);

/// The look-up hash of one field; `value` must be normalised. Not for BlindKind::profile.
[[nodiscard]] Hash16 blind_hash(const HmacKey& hmac, BlindKind kind, std::string_view value);
/// Hashes of the fields that are given (not empty); the e-mail must be normalised, as Personal
/// says.
[[nodiscard]] BlindHashes blind_hashes(const HmacKey& hmac, const Personal& personal);
/// The first 8 bytes of each hash as a big-endian number; a hash that begins with 8 zero bytes
/// counts as 1, because 0 means none.
[[nodiscard]] ProfileHashes profile_hashes(const BlindHashes& hashes);

}  // namespace ledger
