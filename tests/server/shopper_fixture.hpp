#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include <openssl/ec.h>
#include <openssl/evp.h>

#include "ledger/base/clock.hpp"
#include "server/engine/registry.hpp"

/// A shop that signs shopper tokens with OpenSSL, and the registry of a server that knows its keys.
namespace server_test {

inline constexpr ledger::Timestamp kNow = 1'795'000'000 * ledger::kMicrosPerSecond;
inline constexpr std::int64_t kNowSeconds = kNow / ledger::kMicrosPerSecond;

/// An elliptic-curve key pair of the shop.
class SigningKey {
public:
    explicit SigningKey(const char* curve = "P-256");
    /// PEM, "BEGIN PUBLIC KEY".
    [[nodiscard]] std::string public_pem() const;
    /// r and s, 32 bytes each, in base64url.
    [[nodiscard]] std::string sign(std::string_view input) const;

private:
    std::shared_ptr<EVP_PKEY> key_;
};

/// The HMAC-SHA-256 in base64url.
[[nodiscard]] std::string hs256(std::string_view secret, std::string_view input);
/// base64url of a text.
[[nodiscard]] std::string encoded(std::string_view text);

/// Two programs, "maison" and "other", and keys of both. The numbers are the keys' ids.
struct Shops {
    static constexpr std::uint64_t kPublishable = 11;
    static constexpr std::uint64_t kSecondPublishable = 12;
    static constexpr std::uint64_t kReader = 13;
    static constexpr std::uint64_t kWriter = 14;
    static constexpr std::uint64_t kAdmin = 15;
    static constexpr std::uint64_t kHs256 = 21;
    static constexpr std::uint64_t kEs256 = 22;
    static constexpr std::uint64_t kOtherPublishable = 31;
    static constexpr std::uint64_t kOtherHs256 = 32;

    Shops();
    /// Publishes the keys again with this one revoked.
    void revoke(std::uint64_t id);
    [[nodiscard]] const server::engine::ProgramInfo& program() const;
    [[nodiscard]] std::string secret_of(std::uint64_t id) const;
    /// A token for "Anna 2" that holds, by kHs256 or kEs256.
    [[nodiscard]] std::string token(std::uint64_t key = kHs256) const;
    /// The same with this header and these claims, signed as `key` signs.
    [[nodiscard]] std::string token(
        std::uint64_t key, std::string_view header, std::string_view claims
    ) const;

    SigningKey signing_key;
    server::engine::Registry registry;
};

/// Claims of a token that holds, where `with` replaces or adds: `"sub":"x"`.
[[nodiscard]] std::string claims_with(std::string_view with = {});

}  // namespace server_test
