#include "ledger/counter_slot.hpp"

#include "ledger/base/invariant.hpp"
#include "ledger/big_endian.hpp"

namespace ledger {

namespace {

constexpr std::uint32_t kSignBit = 0x8000'0000U;

}  // namespace

std::string encode_counter_slot(const CounterSlot& slot) {
    INVARIANT(slot.field.size() <= CounterSlot::kFieldBytesMax);
    std::string bytes(CounterSlot::kFixedBytes, '\0');
    store_big_endian(bytes.data(), slot.member.value);
    store_big_endian(bytes.data() + 8, static_cast<std::uint32_t>(slot.period) ^ kSignBit);
    bytes.append(slot.field);
    return bytes;
}

std::optional<CounterSlot> parse_counter_slot(std::string_view bytes) {
    const bool sized = bytes.size() >= CounterSlot::kFixedBytes &&
                       bytes.size() <= CounterSlot::kFixedBytes + CounterSlot::kFieldBytesMax;
    if (!sized) return std::nullopt;
    CounterSlot slot;
    slot.member = MemberId{load_big_endian<std::uint64_t>(bytes.data())};
    slot.period =
        static_cast<std::int32_t>(load_big_endian<std::uint32_t>(bytes.data() + 8) ^ kSignBit);
    slot.field = bytes.substr(CounterSlot::kFixedBytes);
    return slot;
}

}  // namespace ledger
