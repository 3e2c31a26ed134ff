#include "ledger/seal.hpp"

#include <string>

#include "ledger/keyring.hpp"
#include "ledger/sha256.hpp"
#include "tests/support/catch.hpp"

namespace {

using namespace ledger;

const Personal kPersonal{
    .external_id = "customer-12345",
    .email = "canary@example.org",
    .phone = "+33 1 23 45 67 89",
    .name = "Jane Canary",
    .address = "1 rue du Canari",
    .note = "asked twice",
    .board = "+Jane of the canaries"};

ErrorCode unseal_error(std::string_view sealed, const SecretKey& key) {
    std::string plain = "left over";
    const Result<Personal> personal = unseal(sealed, key, plain);
    if (personal) return ErrorCode::ok;
    REQUIRE(plain.empty());
    REQUIRE(personal.error().detail.find("canary") == std::string::npos);
    return personal.error().code;
}

std::string sealed_with(const SecretKey& key, const Personal& personal = kPersonal) {
    std::string sealed = "left over";
    seal(personal, key, sealed);
    return sealed;
}

}  // namespace

TEST_CASE("seal: what is sealed opens with the same key", "[seal]") {
    const SecretKey key = SecretKey::random();
    std::string plain;
    const Result<Personal> personal = unseal(sealed_with(key), key, plain);
    REQUIRE(personal);
    REQUIRE(personal->external_id == kPersonal.external_id);
    REQUIRE(personal->email == kPersonal.email);
    REQUIRE(personal->phone == kPersonal.phone);
    REQUIRE(personal->name == kPersonal.name);
    REQUIRE(personal->address == kPersonal.address);
    REQUIRE(personal->note == kPersonal.note);
    REQUIRE(personal->board == kPersonal.board);
}

TEST_CASE("seal: nothing to seal gives nothing", "[seal]") {
    REQUIRE(sealed_with(SecretKey::random(), {}).empty());
    OwnedEntry owned;
    REQUIRE(open_personal(owned, SecretKey::random()));
    REQUIRE(owned.entry.personal.empty());
}

TEST_CASE("seal: long fields survive", "[seal]") {
    const SecretKey key = SecretKey::random();
    const std::string note(10'000, 'n');
    Personal personal;
    personal.note = note;
    std::string plain;
    const Result<Personal> opened = unseal(sealed_with(key, personal), key, plain);
    REQUIRE(opened);
    REQUIRE(opened->note == note);
    REQUIRE(opened->email.empty());
}

TEST_CASE("seal: the sealed bytes hold no plain text and no hash of it", "[seal]") {
    const SecretKey key = SecretKey::random();
    const std::string sealed = sealed_with(key);
    for (const std::string_view field :
         {kPersonal.external_id,
          kPersonal.email,
          kPersonal.phone,
          kPersonal.name,
          kPersonal.address,
          kPersonal.note,
          kPersonal.board}) {
        const Hash32 hash = sha256(field);
        REQUIRE(sealed.find(field) == std::string::npos);
        REQUIRE(sealed.find({reinterpret_cast<const char*>(hash.data()), 8}) == std::string::npos);
    }
}

TEST_CASE("seal: the same fields are sealed differently each time", "[seal]") {
    const SecretKey key = SecretKey::random();
    REQUIRE(sealed_with(key) != sealed_with(key));
    REQUIRE(sealed_with(key).size() == sealed_with(key).size());
}

TEST_CASE("seal: another key does not open", "[seal]") {
    const std::string sealed = sealed_with(SecretKey::random());
    REQUIRE(unseal_error(sealed, SecretKey::random()) == ErrorCode::corrupt);
}

TEST_CASE("seal: any flipped bit is seen", "[seal]") {
    const SecretKey key = SecretKey::random();
    const std::string sealed = sealed_with(key);
    REQUIRE(unseal_error(sealed, key) == ErrorCode::ok);
    for (std::size_t at = 0; at < sealed.size(); ++at) {
        std::string changed = sealed;
        changed[at] = static_cast<char>(changed[at] ^ (1 << (at % 8)));
        REQUIRE(unseal_error(changed, key) == ErrorCode::corrupt);
    }
}

TEST_CASE("seal: any shortened box is seen", "[seal]") {
    const SecretKey key = SecretKey::random();
    const std::string sealed = sealed_with(key);
    for (std::size_t size = 0; size < sealed.size(); ++size) {
        REQUIRE(unseal_error(sealed.substr(0, size), key) == ErrorCode::corrupt);
    }
    REQUIRE(unseal_error(sealed + "x", key) == ErrorCode::corrupt);
}

TEST_CASE("seal: a failed opening leaves the entry without personal fields", "[seal]") {
    const std::string sealed = sealed_with(SecretKey::random());
    OwnedEntry owned;
    owned.entry.sealed = sealed;
    const Result<void> opened = open_personal(owned, SecretKey::random());
    REQUIRE_FALSE(opened);
    REQUIRE(opened.error().code == ErrorCode::corrupt);
    REQUIRE(owned.entry.personal.empty());
}

TEST_CASE("seal: wipe empties a string", "[seal]") {
    std::string secret(100, 's');
    const char* const at = secret.data();
    wipe(secret);
    REQUIRE(secret.empty());
    REQUIRE(at == secret.data());
}
