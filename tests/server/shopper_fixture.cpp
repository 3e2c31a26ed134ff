#include "tests/server/shopper_fixture.hpp"

#include <map>
#include <vector>

#include <openssl/bio.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include "server/http/auth.hpp"
#include "server/http/base64url.hpp"
#include "server/http/token_signature.hpp"
#include "tests/support/catch.hpp"

namespace server_test {

using ledger::ApiKeyKind;

SigningKey::SigningKey(const char* curve) : key_(EVP_EC_gen(curve), EVP_PKEY_free) {
    REQUIRE(key_ != nullptr);
}

std::string SigningKey::public_pem() const {
    BIO* out = BIO_new(BIO_s_mem());
    REQUIRE(PEM_write_bio_PUBKEY(out, key_.get()) == 1);
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(out, &bytes);
    std::string pem(bytes, static_cast<std::size_t>(size));
    BIO_free_all(out);
    return pem;
}

std::string SigningKey::sign(std::string_view input) const {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    REQUIRE(EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key_.get()) == 1);
    std::array<unsigned char, 160> der{};
    std::size_t size = der.size();
    const auto* bytes = reinterpret_cast<const unsigned char*>(input.data());
    REQUIRE(EVP_DigestSign(context, der.data(), &size, bytes, input.size()) == 1);
    EVP_MD_CTX_free(context);
    const unsigned char* at = der.data();
    ECDSA_SIG* signature = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size));
    std::array<std::uint8_t, 64> raw{};
    REQUIRE(BN_bn2binpad(ECDSA_SIG_get0_r(signature), raw.data(), 32) == 32);
    REQUIRE(BN_bn2binpad(ECDSA_SIG_get0_s(signature), raw.data() + 32, 32) == 32);
    ECDSA_SIG_free(signature);
    return server::http::base64url(raw);
}

std::string hs256(std::string_view secret, std::string_view input) {
    std::array<std::uint8_t, 32> tag{};
    unsigned size = 0;
    REQUIRE(
        HMAC(
            EVP_sha256(),
            secret.data(),
            static_cast<int>(secret.size()),
            reinterpret_cast<const unsigned char*>(input.data()),
            input.size(),
            tag.data(),
            &size
        ) != nullptr
    );
    return server::http::base64url(tag);
}

std::string encoded(std::string_view text) {
    return server::http::base64url({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}
    );
}

std::string claims_with(std::string_view with) {
    const std::string now = std::to_string(kNowSeconds);
    const std::string later = std::to_string(kNowSeconds + 600);
    const std::map<std::string, std::string> standard{
        {"iss", R"("maison")"},
        {"sub", R"("Anna 2")"},
        {"aud", R"("guerdon")"},
        {"iat", now},
        {"exp", later}};
    std::string json = "{";
    for (const auto& [name, value] : standard) {
        if (with.find("\"" + name + "\":") == std::string_view::npos)
            json += "\"" + name + "\":" + value + ",";
    }
    json += R"("extra":[{}])";
    if (!with.empty()) json += "," + std::string(with);
    return json + "}";
}

namespace {

std::shared_ptr<const server::engine::ProgramInfo> program_of(
    std::uint32_t id, const std::string& name
) {
    auto info = std::make_shared<server::engine::ProgramInfo>();
    info->id = ledger::ProgramId{id};
    info->name = name;
    std::array<std::uint8_t, 32> key{};
    key.fill(static_cast<std::uint8_t>(id));
    info->hmac = std::make_shared<const ledger::HmacKey>(key);
    return info;
}

ledger::ApiKey key_of(std::uint64_t id, std::uint32_t program, ApiKeyKind kind) {
    ledger::ApiKey key;
    key.id = id;
    key.program = ledger::ProgramId{program};
    key.kind = kind;
    key.secret_hash.fill(static_cast<std::uint8_t>(id));
    return key;
}

}  // namespace

Shops::Shops() {
    registry.add_program(program_of(1, "maison"));
    registry.add_program(program_of(2, "other"));
    const auto presented = [this](
                               std::uint64_t id,
                               std::uint32_t program,
                               ApiKeyKind kind,
                               const std::string& text,
                               std::vector<std::string> scopes,
                               std::vector<std::string> origins
                           ) {
        ledger::ApiKey key = key_of(id, program, kind);
        key.secret_hash = server::http::secret_hash(text);
        key.scopes = std::move(scopes);
        key.origins = std::move(origins);
        registry.add_key(key);
    };
    presented(
        kPublishable,
        1,
        ApiKeyKind::publishable,
        "pk_one",
        {},
        {"https://shop.example", "http://127.0.0.1:8088"}
    );
    presented(
        kSecondPublishable, 1, ApiKeyKind::publishable, "pk_two", {}, {"https://blog.example"}
    );
    presented(kReader, 1, ApiKeyKind::secret, "gk_reader", {"members:read"}, {});
    presented(kWriter, 1, ApiKeyKind::secret, "gk_writer", {"events:write"}, {});
    presented(kAdmin, 0, ApiKeyKind::secret, "gk_admin", {"admin"}, {});
    presented(
        kOtherPublishable, 2, ApiKeyKind::publishable, "pk_other", {}, {"https://other.example"}
    );
    registry.add_key(key_of(kHs256, 1, ApiKeyKind::shopper_hs256));
    registry.add_key(key_of(kOtherHs256, 2, ApiKeyKind::shopper_hs256));
    ledger::ApiKey es256 = key_of(kEs256, 1, ApiKeyKind::shopper_es256);
    es256.public_key = *server::http::read_public_key(signing_key.public_pem());
    registry.add_key(es256);
}

void Shops::revoke(std::uint64_t id) {
    server::engine::Registry next;
    next.programs = registry.programs;
    next.programs_by_id = registry.programs_by_id;
    for (const auto& [number, key] : registry.keys) {
        ledger::ApiKey copy = key;
        copy.revoked = key.revoked || number == id;
        next.add_key(copy);
    }
    registry = std::move(next);
}

const server::engine::ProgramInfo& Shops::program() const {
    return *registry.find("maison");
}

std::string Shops::secret_of(std::uint64_t id) const {
    const ledger::ApiKey& key = *registry.key(id);
    const char* name = key.program.value == 1 ? "maison" : "other";
    return server::http::shopper_secret(*registry.find(name)->hmac, key.secret_hash);
}

std::string Shops::token(std::uint64_t key) const {
    const std::string algorithm = key == kEs256 ? "ES256" : "HS256";
    const std::string kid = std::to_string(key);
    return token(key, R"({"alg":")" + algorithm + R"(","kid":")" + kid + "\"}", claims_with());
}

std::string Shops::token(std::uint64_t key, std::string_view header, std::string_view claims)
    const {
    const std::string input = encoded(header) + "." + encoded(claims);
    if (key == kEs256) return input + "." + signing_key.sign(input);
    return input + "." + hs256(secret_of(key), input);
}

}  // namespace server_test
