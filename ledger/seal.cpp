#include "ledger/seal.hpp"

#include <array>

#include <protozero/pbf_reader.hpp>
#include <sodium.h>

#include "ledger/random.hpp"
#include "ledger/wire.hpp"

namespace ledger {
namespace {

constexpr std::size_t kNonceBytes = crypto_secretbox_NONCEBYTES;
constexpr std::size_t kOverhead = kNonceBytes + crypto_secretbox_MACBYTES;

std::size_t bound(const Personal& personal) {
    return wire::bound(personal.external_id) + wire::bound(personal.email) +
           wire::bound(personal.phone) + wire::bound(personal.name) +
           wire::bound(personal.address) + wire::bound(personal.note) + wire::bound(personal.board);
}

// Answers the number of bytes written to `out`.
std::size_t write_personal(char* out, const Personal& personal) {
    wire::Writer writer(out);
    writer.text<1>(personal.external_id);
    writer.text<2>(personal.email);
    writer.text<3>(personal.phone);
    writer.text<4>(personal.name);
    writer.text<5>(personal.address);
    writer.text<6>(personal.note);
    writer.text<7>(personal.board);
    return static_cast<std::size_t>(writer.at() - out);
}

std::string_view* field_of(Personal& personal, std::uint32_t field) {
    switch (field) {
        case 1: return &personal.external_id;
        case 2: return &personal.email;
        case 3: return &personal.phone;
        case 4: return &personal.name;
        case 5: return &personal.address;
        case 6: return &personal.note;
        case 7: return &personal.board;
        default: return nullptr;
    }
}

Personal read_personal(protozero::pbf_reader in) {
    Personal personal;
    while (in.next()) {
        std::string_view* const field = field_of(personal, in.tag());
        if (field == nullptr || in.wire_type() != protozero::pbf_wire_type::length_delimited) {
            in.skip();
            continue;
        }
        const protozero::data_view text = in.get_view();
        *field = {text.data(), text.size()};
    }
    return personal;
}

}  // namespace

void seal(const Personal& personal, const SecretKey& key, std::string& out) {
    out.clear();
    if (personal.empty()) return;
    // The plain bytes are laid where their box will be (the box follows the nonce and its tag), so
    // that no other copy of them exists to be wiped.
    out.resize(kOverhead + bound(personal));
    const std::size_t size = write_personal(out.data() + kOverhead, personal);
    out.resize(kOverhead + size);
    auto* const nonce = reinterpret_cast<unsigned char*>(out.data());
    random_bytes({nonce, kNonceBytes});
    crypto_secretbox_detached(
        nonce + kOverhead, nonce + kNonceBytes, nonce + kOverhead, size, nonce, key.bytes().data()
    );
}

Result<Personal> unseal(std::string_view sealed, const SecretKey& key, std::string& plain) {
    wipe(plain);
    if (sealed.size() < kOverhead) return make_error(ErrorCode::corrupt, "sealed: too short");
    plain.resize(sealed.size() - kOverhead);
    const auto* const nonce = reinterpret_cast<const unsigned char*>(sealed.data());
    const int opened = crypto_secretbox_open_easy(
        reinterpret_cast<unsigned char*>(plain.data()),
        nonce + kNonceBytes,
        sealed.size() - kNonceBytes,
        nonce,
        key.bytes().data()
    );
    if (opened != 0) {
        wipe(plain);
        return make_error(ErrorCode::corrupt, "sealed: another key, or changed bytes");
    }
    try {
        return read_personal(protozero::pbf_reader{plain.data(), plain.size()});
    } catch (const protozero::exception&) {
        wipe(plain);
        return make_error(ErrorCode::corrupt, "sealed: malformed content");
    }
}

Result<void> open_personal(OwnedEntry& owned, const SecretKey& key) {
    if (owned.entry.sealed.empty()) return {};
    const Result<Personal> personal = unseal(owned.entry.sealed, key, owned.personal_bytes);
    if (!personal) return personal.error();
    owned.entry.personal = *personal;
    return {};
}

void wipe(std::string& secret) {
    secret.resize(secret.capacity());
    sodium_memzero(secret.data(), secret.size());
    secret.clear();
}

}  // namespace ledger
