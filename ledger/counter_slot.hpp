#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ledger/base/ids.hpp"

namespace ledger {

/// Whose count it is, and of when. Stored in entries and as the key of view `ctr`: member u64,
/// period u32 (sign bit flipped), both big-endian, then the field's bytes.
struct CounterSlot {
    MemberId member;          ///< none: everybody's
    std::int32_t period = 0;  ///< days or months since 1970-01 in the program's zone; 0: lifetime
    std::string_view field;   ///< a value of the event, e.g. a network; at most kFieldBytesMax

    static constexpr std::size_t kFixedBytes = 12;
    static constexpr std::size_t kFieldBytesMax = 255;
    friend bool operator==(const CounterSlot&, const CounterSlot&) = default;
};

[[nodiscard]] std::string encode_counter_slot(const CounterSlot& slot);
/// Nullopt: these bytes are no slot. `field` points into them.
[[nodiscard]] std::optional<CounterSlot> parse_counter_slot(std::string_view bytes);

}  // namespace ledger
