#pragma once

#include <bit>
#include <concepts>
#include <cstring>
#include <string>

// Every integer we store is big-endian: keys then sort as their numbers do, and there is one rule
// to remember.
namespace ledger {

template <std::integral Number>
[[nodiscard]] inline Number big_endian(Number number) noexcept {
    if constexpr (sizeof(Number) == 1 || std::endian::native == std::endian::big) {
        return number;
    } else if constexpr (sizeof(Number) == 2) {
        return static_cast<Number>(__builtin_bswap16(static_cast<std::uint16_t>(number)));
    } else if constexpr (sizeof(Number) == 4) {
        return static_cast<Number>(__builtin_bswap32(static_cast<std::uint32_t>(number)));
    } else {
        return static_cast<Number>(__builtin_bswap64(static_cast<std::uint64_t>(number)));
    }
}

/// The caller guarantees sizeof(Number) bytes at `at`.
template <std::integral Number>
[[nodiscard]] inline Number load_big_endian(const char* at) noexcept {
    Number number = 0;
    std::memcpy(&number, at, sizeof number);
    return big_endian(number);
}

template <std::integral Number>
inline void store_big_endian(char* at, Number number) noexcept {
    number = big_endian(number);
    std::memcpy(at, &number, sizeof number);
}

template <std::integral Number>
inline void append_big_endian(std::string& to, Number number) {
    char bytes[sizeof number];
    store_big_endian(bytes, number);
    to.append(bytes, sizeof number);
}

}  // namespace ledger
