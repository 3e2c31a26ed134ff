#include "ledger/random.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>

#include <sodium/utils.h>
#include <sys/random.h>

#include "ledger/base/invariant.hpp"

namespace ledger {
namespace {

constexpr std::size_t kPool = 4096;

void fill_from_kernel(std::span<std::uint8_t> out) {
    std::size_t filled = 0;
    while (filled < out.size()) {
        const ssize_t got = getrandom(out.data() + filled, out.size() - filled, 0);
        if (got < 0 && errno == EINTR) continue;
        INVARIANT(got > 0);
        filled += static_cast<std::size_t>(got);
    }
}

struct Pool {
    std::array<std::uint8_t, kPool> bytes;
    std::size_t used = kPool;
    ~Pool() { sodium_memzero(bytes.data(), bytes.size()); }
};

}  // namespace

void random_bytes(std::span<std::uint8_t> out) {
    if (out.size() > kPool) return fill_from_kernel(out);
    thread_local Pool pool;
    if (kPool - pool.used < out.size()) {
        fill_from_kernel(pool.bytes);
        pool.used = 0;
    }
    const auto handed_out = std::span(pool.bytes).subspan(pool.used, out.size());
    std::copy(handed_out.begin(), handed_out.end(), out.begin());
    sodium_memzero(handed_out.data(), handed_out.size());
    pool.used += out.size();
}

}  // namespace ledger
