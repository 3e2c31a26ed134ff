#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

#include "ledger/entry.hpp"
#include "ledger/sha256.hpp"

namespace ledger {

/// Separates the uses of one HMAC key. Stored hashes depend on these numbers: never renumber.
enum class HashDomain : std::uint8_t {
    event_key = 1,        ///< (source, id)
    natural_key = 2,      ///< (shop, kind, order id, refund id, cycle)
    request = 3,          ///< the canonical request
    idempotency_key = 4,  ///< (operation, Idempotency-Key)
    external_id = 17,     ///< 16 + BlindKind::external_id
    email = 18,           ///< 16 + BlindKind::email
    phone = 19,           ///< 16 + BlindKind::phone
    name = 20,            ///< for ProfileHashes only, never a look-up
    address = 21,         ///< for ProfileHashes only, never a look-up
    board = 22,           ///< for ProfileHashes only, never a look-up
    shopper_secret = 32,  ///< KeyPart::secret_hash of a shopper_hs256 key: its secret
    resume_ticket = 33,   ///< what a resume ticket says: its tag
    board_row = 34,       ///< (board id, member number u64): a member's pseudonym on a board
};

/// HMAC-SHA-256 under one key, the keyed states computed once. Immutable, so any thread may use
/// one object. Wiped when it dies.
class HmacKey {
public:
    explicit HmacKey(std::span<const std::uint8_t, 32> key);
    ~HmacKey();
    HmacKey(const HmacKey&) = default;
    HmacKey& operator=(const HmacKey&) = default;

    /// The plain HMAC-SHA-256 of `message`.
    [[nodiscard]] Hash32 mac(std::string_view message) const;
    /// The first 16 bytes of the HMAC of: domain byte, then each part as u32 length (big-endian)
    /// and bytes. The lengths keep ("ab", "c") and ("a", "bc") apart.
    [[nodiscard]] Hash16 mac16(HashDomain domain, std::initializer_list<std::string_view> parts)
        const;
    /// The same HMAC, all 32 bytes: for secrets, never for look-ups.
    [[nodiscard]] Hash32 mac32(HashDomain domain, std::initializer_list<std::string_view> parts)
        const;

private:
    Sha256 inner_;
    Sha256 outer_;
};

}  // namespace ledger
