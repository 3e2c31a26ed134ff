#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "ledger/entry.hpp"

namespace ledger {

/// Incremental SHA-256. Copyable: a copy continues from the same point, which is how keyed and
/// prefixed hashes are precomputed. One thread at a time; copies are independent.
class Sha256 {
public:
    Sha256();
    Sha256& update(std::string_view bytes);
    /// The hash of everything fed. The object must not be used again.
    [[nodiscard]] Hash32 finish();

private:
    // OpenSSL's SHA256_CTX, kept opaque so that its header stays in sha256.cpp.
    alignas(8) std::array<std::byte, 112> context_;
};

[[nodiscard]] Hash32 sha256(std::string_view bytes);

}  // namespace ledger
