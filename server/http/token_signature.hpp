#pragma once

#include <string>
#include <string_view>

#include "ledger/base/result.hpp"
#include "ledger/hmac.hpp"

// The two signatures of shopper tokens (RFC 7518): HS256 and ES256. All functions are pure and for
// any thread.
namespace server::http {

/// The secret of a shopper_hs256 key: 43 characters of base64url. The characters themselves are the
/// HMAC key, as JWT libraries take it. It is stored nowhere: `hmac` is the program's key and
/// `stored` the key's random bytes (ledger::KeyPart::secret_hash).
[[nodiscard]] std::string shopper_secret(const ledger::HmacKey& hmac, const ledger::Hash32& stored);

/// The SubjectPublicKeyInfo, DER with an uncompressed point, of one PEM block "PUBLIC KEY".
/// Errors: invalid_parameter with pointer /public_key, if it is no public key on the curve P-256.
[[nodiscard]] ledger::Result<std::string> read_public_key(std::string_view pem);

/// Whether `signature` (32 bytes) is the HMAC-SHA-256 of `input`; compares in constant time.
[[nodiscard]] bool hs256_matches(
    std::string_view secret, std::string_view input, std::string_view signature
);

/// Whether `signature` (r and s, 32 bytes each) signs `input` for `public_key`, which
/// `read_public_key` made.
[[nodiscard]] bool es256_matches(
    std::string_view public_key, std::string_view input, std::string_view signature
);

}  // namespace server::http
