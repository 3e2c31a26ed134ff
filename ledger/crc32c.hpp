#pragma once

#include <cstdint>
#include <string_view>

namespace ledger {

/// CRC-32C (Castagnoli) of `bytes`, by the processor's instruction where there is one.
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes) noexcept;

}  // namespace ledger
