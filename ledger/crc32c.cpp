#include "ledger/crc32c.hpp"

#include <cstring>

#if defined(__SSE4_2__)
#include <nmmintrin.h>
#else
#include <boost/crc.hpp>
#endif

namespace ledger {

#if defined(__SSE4_2__)
std::uint32_t crc32c(std::string_view bytes) noexcept {
    const char* at = bytes.data();
    std::size_t left = bytes.size();
    std::uint64_t crc = 0xFFFFFFFFU;
    for (; left >= 8; at += 8, left -= 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, at, 8);
        crc = _mm_crc32_u64(crc, word);
    }
    auto crc_narrow = static_cast<std::uint32_t>(crc);
    for (; left > 0; ++at, --left) {
        crc_narrow = _mm_crc32_u8(crc_narrow, static_cast<unsigned char>(*at));
    }
    return ~crc_narrow;
}
#else
std::uint32_t crc32c(std::string_view bytes) noexcept {
    boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
    crc.process_bytes(bytes.data(), bytes.size());
    return crc.checksum();
}
#endif

}  // namespace ledger
