#include "server/http/shopper_token.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "server/http/base64url.hpp"
#include "server/http/token_signature.hpp"
#include "tests/server/shopper_fixture.hpp"
#include "tests/support/catch.hpp"

using namespace server;
using http::TokenFault;
using server_test::claims_with;
using server_test::encoded;
using server_test::kNow;
using server_test::kNowSeconds;
using server_test::Shops;
using server_test::SigningKey;

namespace {

constexpr const char* kHsHeader = R"({"alg":"HS256","kid":"21"})";

std::variant<http::ShopperToken, TokenFault> verify(
    const Shops& shops, std::string_view token, ledger::Timestamp now = kNow
) {
    return http::verify_shopper_token(shops.registry, &shops.program(), token, now);
}

/// -1: the token holds.
int fault_of(const Shops& shops, std::string_view token, ledger::Timestamp now = kNow) {
    const auto verified = verify(shops, token, now);
    const auto* fault = std::get_if<TokenFault>(&verified);
    return fault == nullptr ? -1 : static_cast<int>(*fault);
}

std::string bytes_of(std::string_view text) {
    return *http::from_base64url(text);
}

}  // namespace

TEST_CASE("base64url: bytes come back and other texts are refused", "[token]") {
    CHECK(encoded("") == "");
    CHECK(encoded("f") == "Zg");
    CHECK(encoded("\xfb\xff\xfe") == "-__-");
    for (const char* text : {"", "f", "fo", "foo", "foob", "Zoë"})
        CHECK(bytes_of(encoded(text)) == text);
    for (const char* bad : {"Z", "Zg==", "Zh", "+w", "Zg Zg", "Zg\n", "Zm9v."}) {
        INFO(bad);
        CHECK_FALSE(http::from_base64url(bad));
    }
}

TEST_CASE("token signature: known answers of RFC 7515 hold", "[token]") {
    const std::string claims =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
        "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    // Appendix A.1
    const std::string secret = bytes_of(
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
    );
    const std::string hs_input = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + claims;
    const std::string hs_tag = bytes_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    CHECK(http::hs256_matches(secret, hs_input, hs_tag));
    CHECK_FALSE(http::hs256_matches(secret, hs_input + "x", hs_tag));
    CHECK_FALSE(http::hs256_matches(secret, hs_input, hs_tag.substr(1)));
    // Appendix A.3
    const std::string public_key = bytes_of("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE") +
                                   bytes_of("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU") +
                                   bytes_of("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
    const std::string es_input = "eyJhbGciOiJFUzI1NiJ9." + claims;
    const std::string es_tag = bytes_of(
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    );
    CHECK(http::es256_matches(public_key, es_input, es_tag));
    CHECK_FALSE(http::es256_matches(public_key, es_input + "x", es_tag));
    CHECK_FALSE(http::es256_matches(public_key, es_input, es_tag.substr(1)));
    CHECK_FALSE(http::es256_matches(public_key, es_input, std::string(64, '\0')));
    CHECK_FALSE(http::es256_matches(public_key.substr(1), es_input, es_tag));
}

TEST_CASE("token signature: a public key is a point on P-256 in PEM or is refused", "[token]") {
    const SigningKey key;
    const auto der = http::read_public_key(key.public_pem());
    REQUIRE(der);
    CHECK(der->size() == 91);
    const std::string input = "what is signed";
    CHECK(http::es256_matches(*der, input, bytes_of(key.sign(input))));
    CHECK_FALSE(http::es256_matches(*der, input, bytes_of(SigningKey().sign(input))));

    EVP_PKEY* rsa = EVP_RSA_gen(2048);
    BIO* out = BIO_new(BIO_s_mem());
    REQUIRE(PEM_write_bio_PUBKEY(out, rsa) == 1);
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(out, &bytes);
    const std::string rsa_pem(bytes, static_cast<std::size_t>(size));
    BIO_free_all(out);
    EVP_PKEY_free(rsa);
    std::string off_curve = key.public_pem();
    const std::size_t point = off_curve.find('\n') + 60;
    off_curve[point] = off_curve[point] == 'A' ? 'B' : 'A';
    const std::string private_pem =
        "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\n"
        "-----END PRIVATE KEY-----\n";
    for (const std::string& bad :
         {std::string(),
          std::string("P-256"),
          private_pem,
          rsa_pem,
          off_curve,
          SigningKey("P-384").public_pem(),
          SigningKey("secp256k1").public_pem(),
          key.public_pem().substr(0, 80)}) {
        INFO(bad);
        const auto refused = http::read_public_key(bad);
        REQUIRE(refused.has_error());
        CHECK(refused.error().code == ledger::ErrorCode::invalid_parameter);
    }
}

TEST_CASE("shopper token: both algorithms admit the member they name", "[token]") {
    const Shops shops;
    for (const std::uint64_t key : {Shops::kHs256, Shops::kEs256}) {
        const auto verified = verify(shops, shops.token(key));
        REQUIRE(std::holds_alternative<http::ShopperToken>(verified));
        const auto& token = std::get<http::ShopperToken>(verified);
        CHECK(token.member == "Anna 2");
        CHECK(token.key_id == key);
        CHECK(token.expires_at == kNow + 600 * ledger::kMicrosPerSecond);
    }
}

TEST_CASE("shopper token: each thing that is wrong has its fault", "[token]") {
    const Shops shops;
    const std::string good = shops.token();
    const std::string es = shops.token(Shops::kEs256);
    const std::size_t dot = good.rfind('.');
    const std::string unsigned_text = good.substr(0, dot);
    const auto headed = [&](std::string_view header) {
        return shops.token(Shops::kHs256, header, claims_with());
    };
    const auto claiming = [&](std::string_view claim) {
        return shops.token(Shops::kHs256, kHsHeader, claims_with(claim));
    };
    const auto at = [](std::int64_t offset) { return std::to_string(kNowSeconds + offset); };
    const auto times = [&](std::int64_t issued, std::int64_t expires) {
        return claiming("\"iat\":" + at(issued) + ",\"exp\":" + at(expires));
    };
    // The public key's text as an HMAC secret: the classic confusion.
    const std::string confused_header = R"({"alg":"HS256","kid":"22"})";
    const std::string confused_input = encoded(confused_header) + "." + encoded(claims_with());
    const auto confused = [&](std::string_view secret) {
        return confused_input + "." + server_test::hs256(secret, confused_input);
    };
    struct Row {
        const char* what;
        std::string token;
        TokenFault fault;
    };
    const std::vector<Row> rows{
        {"4097 bytes", std::string(4097, 'a'), TokenFault::too_large},
        {"empty", "", TokenFault::malformed},
        {"two parts", unsigned_text, TokenFault::malformed},
        {"four parts", good + ".e30", TokenFault::malformed},
        {"padding", good + "=", TokenFault::malformed},
        {"a blank", " " + good, TokenFault::malformed},
        {"header is no JSON", headed("alg"), TokenFault::malformed},
        {"header is a list", headed("[]"), TokenFault::malformed},
        {"alg twice", headed(R"({"alg":"none","alg":"HS256","kid":"21"})"), TokenFault::malformed},
        {"header is not UTF-8", headed("{\"alg\":\"\xff\"}"), TokenFault::malformed},
        {"crit", headed(R"({"alg":"HS256","kid":"21","crit":["exp"]})"), TokenFault::critical},
        {"no kid", headed(R"({"alg":"HS256"})"), TokenFault::unknown_key},
        {"kid is a number", headed(R"({"alg":"HS256","kid":21})"), TokenFault::unknown_key},
        {"kid with zeros", headed(R"({"alg":"HS256","kid":"021"})"), TokenFault::unknown_key},
        {"kid with a sign", headed(R"({"alg":"HS256","kid":"+21"})"), TokenFault::unknown_key},
        {"kid with more", headed(R"({"alg":"HS256","kid":"21 "})"), TokenFault::unknown_key},
        {"kid of nobody", headed(R"({"alg":"HS256","kid":"99"})"), TokenFault::unknown_key},
        {"kid of an API key", headed(R"({"alg":"HS256","kid":"13"})"), TokenFault::unknown_key},
        {"kid of a publishable key",
         headed(R"({"alg":"HS256","kid":"11"})"),
         TokenFault::unknown_key},
        {"kid of another program",
         shops.token(Shops::kOtherHs256, R"({"alg":"HS256","kid":"32"})", claims_with()),
         TokenFault::unknown_key},
        {"alg none", headed(R"({"alg":"none","kid":"21"})"), TokenFault::algorithm},
        {"alg none unsigned",
         encoded(R"({"alg":"none","kid":"21"})") + "." + encoded(claims_with()) + ".",
         TokenFault::algorithm},
        {"no alg", headed(R"({"kid":"21"})"), TokenFault::algorithm},
        {"alg in lower case", headed(R"({"alg":"hs256","kid":"21"})"), TokenFault::algorithm},
        {"HS512", headed(R"({"alg":"HS512","kid":"21"})"), TokenFault::algorithm},
        {"ES256 by an HS256 key", headed(R"({"alg":"ES256","kid":"21"})"), TokenFault::algorithm},
        {"HS256 by an ES256 key",
         confused(shops.registry.key(Shops::kEs256)->public_key),
         TokenFault::algorithm},
        {"HS256 by its PEM", confused(shops.signing_key.public_pem()), TokenFault::algorithm},
        {"no signature", unsigned_text + ".", TokenFault::signature},
        {"another's signature",
         unsigned_text + "." + server_test::hs256("guess", unsigned_text),
         TokenFault::signature},
        {"the secret decoded",
         unsigned_text + "." +
             server_test::hs256(bytes_of(shops.secret_of(Shops::kHs256)), unsigned_text),
         TokenFault::signature},
        {"other claims under the signature",
         encoded(kHsHeader) + "." + encoded(claims_with(R"("sub":"Bob")")) + good.substr(dot),
         TokenFault::signature},
        {"another shop's ES256 key",
         es.substr(0, es.rfind('.') + 1) + SigningKey().sign(es.substr(0, es.rfind('.'))),
         TokenFault::signature},
        {"claims are no JSON", shops.token(Shops::kHs256, kHsHeader, "sub"), TokenFault::malformed},
        {"sub twice", claiming(R"("sub":"Anna 2","sub":"Bob")"), TokenFault::malformed},
        {"iss of another program", claiming(R"("iss":"other")"), TokenFault::issuer},
        {"iss is a list", claiming(R"("iss":["maison"])"), TokenFault::issuer},
        {"sub is empty", claiming(R"("sub":"")"), TokenFault::subject},
        {"sub is a number", claiming(R"("sub":2)"), TokenFault::subject},
        {"sub of 256 bytes",
         claiming("\"sub\":\"" + std::string(256, 's') + "\""),
         TokenFault::subject},
        {"aud of another", claiming(R"("aud":"shop")"), TokenFault::audience},
        {"aud without us", claiming(R"("aud":["shop","Guerdon"])"), TokenFault::audience},
        {"aud with a number", claiming(R"("aud":["guerdon",1])"), TokenFault::audience},
        {"aud is an object", claiming(R"("aud":{"guerdon":1})"), TokenFault::audience},
        {"exp is a text", claiming(R"("exp":"1795000600")"), TokenFault::no_times},
        {"exp with a fraction", claiming(R"("exp":1795000600.5)"), TokenFault::no_times},
        {"iat is negative", claiming(R"("iat":-1)"), TokenFault::no_times},
        {"iat above 2^53", claiming(R"("iat":9223372036854775807)"), TokenFault::no_times},
        {"nbf is a text", claiming(R"("nbf":"now")"), TokenFault::no_times},
        {"901 seconds", times(0, 901), TokenFault::long_lived},
        {"exp before iat", times(10, 9), TokenFault::long_lived},
        {"expired 30 s ago", times(-100, -30), TokenFault::expired},
        {"issued in 31 s", times(31, 100), TokenFault::not_yet_valid},
        {"not before in 31 s", claiming("\"nbf\":" + at(31)), TokenFault::not_yet_valid},
    };
    for (const Row& row : rows) {
        INFO(row.what);
        CHECK(fault_of(shops, row.token) == static_cast<int>(row.fault));
    }
}

TEST_CASE("shopper token: what is at a limit still holds", "[token]") {
    const Shops shops;
    const auto holds = [&](const std::string& claim) {
        INFO(claim);
        CHECK(fault_of(shops, shops.token(Shops::kHs256, kHsHeader, claims_with(claim))) == -1);
    };
    const auto at = [](std::int64_t offset) { return std::to_string(kNowSeconds + offset); };
    holds("\"iat\":" + at(0) + ",\"exp\":" + at(900));
    holds("\"iat\":" + at(30) + ",\"exp\":" + at(930));
    holds("\"iat\":" + at(-100) + ",\"exp\":" + at(-29));
    holds("\"nbf\":" + at(30));
    holds("\"sub\":\"" + std::string(255, 's') + "\"");
    holds(R"("aud":["shop","guerdon"])");
}

TEST_CASE("shopper token: a fraction of a second does not move a limit", "[token]") {
    const Shops shops;
    const std::string token = shops.token();  // expires at kNow + 600 s
    constexpr ledger::Timestamp kSecond = ledger::kMicrosPerSecond;
    CHECK(fault_of(shops, token, kNow + 630 * kSecond - 1) == -1);
    CHECK(fault_of(shops, token, kNow + 630 * kSecond) == static_cast<int>(TokenFault::expired));
    CHECK(fault_of(shops, token, kNow - 30 * kSecond) == -1);
    CHECK(
        fault_of(shops, token, kNow - 30 * kSecond - 1) ==
        static_cast<int>(TokenFault::not_yet_valid)
    );
}

TEST_CASE("shopper token: a revoked key admits nobody any more", "[token]") {
    Shops shops;
    const std::string token = shops.token(Shops::kEs256);
    REQUIRE(fault_of(shops, token) == -1);
    shops.revoke(Shops::kEs256);
    CHECK(fault_of(shops, token) == static_cast<int>(TokenFault::revoked_key));
    CHECK(fault_of(shops, shops.token(Shops::kHs256)) == -1);
}

TEST_CASE("shopper token: every fault has a sentence of its own", "[token]") {
    std::set<std::string_view> sentences;
    constexpr int kFaults = static_cast<int>(TokenFault::not_yet_valid) + 1;
    for (int i = 0; i < kFaults; ++i)
        sentences.insert(http::explain(static_cast<TokenFault>(i)));
    CHECK(sentences.size() == kFaults);
}
