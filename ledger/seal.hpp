#pragma once

#include <string>
#include <string_view>

#include "ledger/base/result.hpp"
#include "ledger/entry.hpp"
#include "ledger/keyring.hpp"

// Personal fields <-> Entry::sealed: 24-byte random nonce, then crypto_secretbox
// (XSalsa20-Poly1305) of the Personal message of entry.proto. Any thread.
namespace ledger {

/// Replaces `out` by the sealed fields; empty if `personal` is empty.
void seal(const Personal& personal, const SecretKey& key, std::string& out);

/// Opens `sealed` into `plain` (wiped first); the views of the answer point into `plain`.
/// Errors: corrupt (another key, changed bytes, or malformed content).
[[nodiscard]] Result<Personal> unseal(
    std::string_view sealed, const SecretKey& key, std::string& plain
);

/// Opens `owned.entry.sealed` into `owned.personal_bytes` and `owned.entry.personal`; nothing to do
/// if there is none. Errors: corrupt.
[[nodiscard]] Result<void> open_personal(OwnedEntry& owned, const SecretKey& key);

/// Overwrites the bytes (capacity included) and empties the string.
void wipe(std::string& secret);

}  // namespace ledger
