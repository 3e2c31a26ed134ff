#include "ledger/blind.hpp"

#include <array>

#include "ledger/base/invariant.hpp"
#include "ledger/big_endian.hpp"

namespace ledger {
namespace {

constexpr std::string_view kWhiteSpace = " \t\r\n\v\f";

bool is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}

std::string_view trimmed(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(kWhiteSpace);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(kWhiteSpace) - begin + 1);
}

HashDomain domain_of(BlindKind kind) {
    switch (kind) {
        case BlindKind::external_id: return HashDomain::external_id;
        case BlindKind::email: return HashDomain::email;
        case BlindKind::phone: return HashDomain::phone;
        case BlindKind::profile: break;
    }
    INVARIANT(!"a profile row has no single hash");
    return HashDomain::external_id;
}

std::optional<Hash16> hash_if_given(
    const HmacKey& hmac, HashDomain domain, std::string_view value
) {
    if (value.empty()) return std::nullopt;
    return hmac.mac16(domain, {value});
}

std::uint64_t first_8_bytes(const std::optional<Hash16>& hash) {
    if (!hash) return 0;
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < 8; ++i)
        number = number << 8 | (*hash)[i];
    return number == 0 ? 1 : number;
}

std::string lower_case(std::string_view text) {
    std::string lower(text);
    for (char& c : lower) {
        if (is_upper(c)) c = static_cast<char>(c - 'A' + 'a');
    }
    return lower;
}

}  // namespace

Hash16 event_key_hash(const HmacKey& hmac, std::string_view source, std::string_view id) {
    return hmac.mac16(HashDomain::event_key, {source, id});
}

Hash16 idempotency_key_hash(const HmacKey& hmac, std::string_view operation, std::string_view key) {
    return hmac.mac16(HashDomain::idempotency_key, {operation, key});
}

Hash16 natural_key_hash(
    const HmacKey& hmac,
    std::string_view shop,
    std::string_view kind,
    std::string_view order,
    std::string_view refund,
    std::uint32_t cycle
) {
    std::array<char, 4> stored_cycle;
    store_big_endian(stored_cycle.data(), cycle);
    return hmac.mac16(
        HashDomain::natural_key,
        {shop, kind, order, refund, {stored_cycle.data(), stored_cycle.size()}}
    );
}

Hash16 request_hash(const HmacKey& hmac, std::string_view canonical) {
    return hmac.mac16(HashDomain::request, {canonical});
}

std::string shop_of(std::string_view source) {
    // RFC 3986: the authority follows "//", which a scheme may precede.
    const std::size_t slashes = source.find("//");
    const bool scheme_only = slashes != std::string_view::npos &&
                             (slashes == 0 || source.find_first_of(":/?#") == slashes - 1);
    if (!scheme_only) return std::string(source);
    const std::size_t begin = slashes + 2;
    const std::string_view authority =
        source.substr(begin, source.find_first_of("/?#", begin) - begin);
    return authority.empty() ? std::string(source) : lower_case(authority);
}

std::string normalise_email(std::string_view email) {
    return lower_case(trimmed(email));
}

Hash16 blind_hash(const HmacKey& hmac, BlindKind kind, std::string_view value) {
    return hmac.mac16(domain_of(kind), {value});
}

BlindHashes blind_hashes(const HmacKey& hmac, const Personal& personal) {
    BlindHashes hashes;
    hashes.external_id = hash_if_given(hmac, HashDomain::external_id, personal.external_id);
    hashes.email = hash_if_given(hmac, HashDomain::email, personal.email);
    hashes.phone = hash_if_given(hmac, HashDomain::phone, personal.phone);
    hashes.name = hash_if_given(hmac, HashDomain::name, personal.name);
    hashes.address = hash_if_given(hmac, HashDomain::address, personal.address);
    hashes.board = hash_if_given(hmac, HashDomain::board, personal.board);
    return hashes;
}

ProfileHashes profile_hashes(const BlindHashes& hashes) {
    return {
        .external_id = first_8_bytes(hashes.external_id),
        .email = first_8_bytes(hashes.email),
        .phone = first_8_bytes(hashes.phone),
        .name = first_8_bytes(hashes.name),
        .address = first_8_bytes(hashes.address),
        .board = first_8_bytes(hashes.board)};
}

}  // namespace ledger
