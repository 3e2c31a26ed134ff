#include "ledger/hmac.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include <sodium/utils.h>

#include "ledger/base/invariant.hpp"
#include "ledger/big_endian.hpp"

namespace ledger {
namespace {

constexpr std::size_t kBlock = 64;

std::string_view view(std::span<const std::uint8_t> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Sha256 keyed_state(std::span<const std::uint8_t, 32> key, std::uint8_t pad) {
    std::array<std::uint8_t, kBlock> block;
    block.fill(pad);
    for (std::size_t i = 0; i < key.size(); ++i) {
        block[i] = static_cast<std::uint8_t>(block[i] ^ key[i]);
    }
    Sha256 state;
    state.update(view(block));
    sodium_memzero(block.data(), block.size());
    return state;
}

// Gathers small parts, so that the hash is fed once in most cases.
class Gatherer {
public:
    explicit Gatherer(Sha256& hash) : hash_(hash) {}
    void byte(std::uint8_t value) {
        const char one = static_cast<char>(value);
        bytes({&one, 1});
    }
    void length(std::size_t value) {
        INVARIANT(value <= 0xffffffffU);
        std::array<char, 4> stored;
        store_big_endian(stored.data(), static_cast<std::uint32_t>(value));
        bytes({stored.data(), stored.size()});
    }
    void bytes(std::string_view part) {
        if (part.empty()) return;
        if (part.size() > buffer_.size() - used_) flush();
        if (part.size() > buffer_.size()) {
            hash_.update(part);
            return;
        }
        std::memcpy(buffer_.data() + used_, part.data(), part.size());
        used_ += part.size();
    }
    void flush() {
        hash_.update({buffer_.data(), used_});
        used_ = 0;
    }

private:
    Sha256& hash_;
    std::array<char, 256> buffer_;
    std::size_t used_ = 0;
};

}  // namespace

HmacKey::HmacKey(std::span<const std::uint8_t, 32> key)
    : inner_(keyed_state(key, 0x36)), outer_(keyed_state(key, 0x5c)) {}

HmacKey::~HmacKey() {
    sodium_memzero(&inner_, sizeof inner_);
    sodium_memzero(&outer_, sizeof outer_);
}

Hash32 HmacKey::mac(std::string_view message) const {
    Sha256 inner = inner_;
    const Hash32 inner_hash = inner.update(message).finish();
    Sha256 outer = outer_;
    return outer.update(view(inner_hash)).finish();
}

Hash32 HmacKey::mac32(HashDomain domain, std::initializer_list<std::string_view> parts) const {
    Sha256 inner = inner_;
    Gatherer gatherer(inner);
    gatherer.byte(static_cast<std::uint8_t>(domain));
    for (const std::string_view part : parts) {
        gatherer.length(part.size());
        gatherer.bytes(part);
    }
    gatherer.flush();
    const Hash32 inner_hash = inner.finish();
    Sha256 outer = outer_;
    return outer.update(view(inner_hash)).finish();
}

Hash16 HmacKey::mac16(HashDomain domain, std::initializer_list<std::string_view> parts) const {
    const Hash32 full = mac32(domain, parts);
    Hash16 first_half;
    std::copy_n(full.begin(), first_half.size(), first_half.begin());
    return first_half;
}

}  // namespace ledger
