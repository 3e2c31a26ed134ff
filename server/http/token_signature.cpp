#include "server/http/token_signature.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sodium.h>

#include "server/http/base64url.hpp"

namespace server::http {

namespace {

template <auto kFree>
struct Freeing {
    template <typename T>
    void operator()(T* owned) const {
        kFree(owned);
    }
};
using Bio = std::unique_ptr<BIO, Freeing<BIO_free_all>>;
using Key = std::unique_ptr<EVP_PKEY, Freeing<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freeing<EVP_PKEY_CTX_free>>;
using Digest = std::unique_ptr<EVP_MD_CTX, Freeing<EVP_MD_CTX_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, Freeing<ECDSA_SIG_free>>;

constexpr std::size_t kScalar = 32;

/// SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING of the 65 bytes that follow }.
constexpr std::array<std::uint8_t, 26> kP256Prefix{
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
constexpr std::size_t kPointBytes = 65;

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

Key read_der(std::string_view der) {
    const unsigned char* at = bytes_of(der);
    return Key(d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())));
}

bool is_p256(EVP_PKEY* key) {
    if (EVP_PKEY_is_a(key, "EC") != 1) return false;
    std::array<char, 64> group{};
    std::size_t size = 0;
    if (EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) != 1) return false;
    return std::string_view(group.data(), size) == "prime256v1";
}

/// 04, x, y; empty if the key has no such point.
std::optional<std::string> point_of(EVP_PKEY* key) {
    std::array<unsigned char, kScalar> x{};
    std::array<unsigned char, kScalar> y{};
    const auto coordinate = [key](const char* name, std::array<unsigned char, kScalar>& out) {
        BIGNUM* number = nullptr;
        if (EVP_PKEY_get_bn_param(key, name, &number) != 1) return false;
        const bool fits = BN_bn2binpad(number, out.data(), kScalar) == int{kScalar};
        BN_free(number);
        return fits;
    };
    if (!coordinate(OSSL_PKEY_PARAM_EC_PUB_X, x) || !coordinate(OSSL_PKEY_PARAM_EC_PUB_Y, y))
        return std::nullopt;
    std::string point("\x04");
    point.append(x.begin(), x.end()).append(y.begin(), y.end());
    return point;
}

/// Parsing a key costs as much as a verification: each thread keeps the few that it meets.
EVP_PKEY* parsed(std::string_view public_key) {
    constexpr std::size_t kKept = 256;
    static thread_local std::unordered_map<std::string, Key> keys;
    std::string der(public_key);
    if (const auto known = keys.find(der); known != keys.end()) return known->second.get();
    Key key = read_der(public_key);
    if (key == nullptr) return nullptr;
    if (keys.size() >= kKept) keys.clear();
    return keys.emplace(std::move(der), std::move(key)).first->second.get();
}

/// The ASN.1 form that OpenSSL verifies; empty if it cannot be made.
std::string asn1_signature(std::string_view raw) {
    const Signature signature(ECDSA_SIG_new());
    BIGNUM* r = BN_bin2bn(bytes_of(raw), kScalar, nullptr);
    BIGNUM* s = BN_bin2bn(bytes_of(raw) + kScalar, kScalar, nullptr);
    if (signature == nullptr || r == nullptr || s == nullptr ||
        ECDSA_SIG_set0(signature.get(), r, s) != 1) {
        BN_free(r);
        BN_free(s);
        return {};
    }
    std::array<unsigned char, 80> der{};
    unsigned char* end = der.data();
    const int size = i2d_ECDSA_SIG(signature.get(), nullptr);
    if (size <= 0 || static_cast<std::size_t>(size) > der.size()) return {};
    i2d_ECDSA_SIG(signature.get(), &end);
    return {reinterpret_cast<const char*>(der.data()), static_cast<std::size_t>(size)};
}

}  // namespace

std::string shopper_secret(const ledger::HmacKey& hmac, const ledger::Hash32& stored) {
    const std::string_view part(reinterpret_cast<const char*>(stored.data()), stored.size());
    return base64url(hmac.mac32(ledger::HashDomain::shopper_secret, {part}));
}

ledger::Result<std::string> read_public_key(std::string_view pem) {
    const auto refused = [](std::string detail) {
        return ledger::field_error(
            ledger::ErrorCode::invalid_parameter, "/public_key", std::move(detail)
        );
    };
    const Bio source(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    if (source == nullptr)
        return ledger::make_error(ledger::ErrorCode::overloaded, "The server is short of memory.");
    const Key key(PEM_read_bio_PUBKEY(source.get(), nullptr, nullptr, nullptr));
    if (key == nullptr) return refused("must be a PEM block PUBLIC KEY");
    if (!is_p256(key.get())) return refused("must be a key on the curve P-256");
    const KeyContext context(EVP_PKEY_CTX_new(key.get(), nullptr));
    const auto point = point_of(key.get());
    if (!point || context == nullptr || EVP_PKEY_public_check(context.get()) != 1)
        return refused("must be a point on the curve P-256");
    std::string der(kP256Prefix.begin(), kP256Prefix.end());
    return der + *point;
}

bool hs256_matches(std::string_view secret, std::string_view input, std::string_view signature) {
    std::array<unsigned char, crypto_auth_hmacsha256_BYTES> tag{};
    if (signature.size() != tag.size()) return false;
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, bytes_of(secret), secret.size());
    crypto_auth_hmacsha256_update(&state, bytes_of(input), input.size());
    crypto_auth_hmacsha256_final(&state, tag.data());
    const bool equal = sodium_memcmp(tag.data(), signature.data(), tag.size()) == 0;
    sodium_memzero(&state, sizeof state);
    return equal;
}

bool es256_matches(
    std::string_view public_key, std::string_view input, std::string_view signature
) {
    if (signature.size() != 2 * kScalar || public_key.size() != kP256Prefix.size() + kPointBytes)
        return false;
    EVP_PKEY* key = parsed(public_key);
    const std::string der = asn1_signature(signature);
    const Digest digest(EVP_MD_CTX_new());
    if (key == nullptr || der.empty() || digest == nullptr) return false;
    if (EVP_DigestVerifyInit(digest.get(), nullptr, EVP_sha256(), nullptr, key) != 1) return false;
    return EVP_DigestVerify(
               digest.get(), bytes_of(der), der.size(), bytes_of(input), input.size()
           ) == 1;
}

}  // namespace server::http
