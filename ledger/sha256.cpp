// The low-level functions are deprecated since OpenSSL 3.0 in favour of EVP, whose one-shot costs
// about 400 ns more a hash (measured: the algorithm is fetched each time) and whose contexts live
// on the heap and cannot be copied as plain memory. Both use the processor's SHA extensions.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "ledger/sha256.hpp"

#include <openssl/sha.h>

namespace ledger {
namespace {

// SHA256_CTX is an implicit-lifetime type, so that it may live in an array of bytes.
SHA256_CTX* context_in(std::byte* storage) {
    return reinterpret_cast<SHA256_CTX*>(storage);
}

}  // namespace

Sha256::Sha256() {
    static_assert(sizeof(SHA256_CTX) == sizeof(context_) && alignof(SHA256_CTX) <= 8);
    SHA256_Init(context_in(context_.data()));
}

Sha256& Sha256::update(std::string_view bytes) {
    SHA256_Update(context_in(context_.data()), bytes.data(), bytes.size());
    return *this;
}

Hash32 Sha256::finish() {
    Hash32 hash;
    SHA256_Final(hash.data(), context_in(context_.data()));
    return hash;
}

Hash32 sha256(std::string_view bytes) {
    return Sha256{}.update(bytes).finish();
}

}  // namespace ledger
