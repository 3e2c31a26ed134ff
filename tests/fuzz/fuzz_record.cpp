// The decoder of log values. The input is tried as it is, and again with a right checksum, size and
// key, so that what lies behind the checksum is reached too.
#include <cstdint>
#include <string>
#include <string_view>

#include "ledger/base/invariant.hpp"
#include "ledger/big_endian.hpp"
#include "ledger/crc32c.hpp"
#include "ledger/group_codec.hpp"

namespace {

constexpr ledger::ShardId kShard{0};
constexpr ledger::GroupId kGroup{7};

void read(std::string_view bytes) {
    const auto value = ledger::decode_value(kShard, kGroup, 0, bytes);
    ledger::GroupReader reader(kShard, kGroup);
    const auto group = reader.add(kGroup, 0, bytes);
    INVARIANT(value.has_value() == group.has_value());
    if (!value) {
        return;
    }
    INVARIANT(value->size() > 0);
    const char* end = bytes.data() + bytes.size();
    for (std::size_t i = 0; i < value->size(); ++i) {
        const auto item = value->item(i);
        INVARIANT(
            !item.bytes.empty() && item.bytes.data() > bytes.data() &&
            item.bytes.data() + item.bytes.size() < end
        );
        INVARIANT(value->find(item.program, item.seq).has_value());
    }
    INVARIANT((*group != nullptr) == value->header().last_part);
    INVARIANT(*group == nullptr || (*group)->entries().size() == value->size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string bytes(reinterpret_cast<const char*>(data), size);
    read(bytes);
    constexpr std::size_t kHeaderBytes = 32;
    if (bytes.size() >= kHeaderBytes + sizeof(std::uint32_t)) {
        ledger::store_big_endian(bytes.data(), ledger::kValueFormat);
        bytes[2] = 0;
        bytes[3] = static_cast<char>(bytes[3] & 3);
        ledger::store_big_endian(bytes.data() + 4, kShard.value);
        ledger::store_big_endian(bytes.data() + 6, std::uint16_t{0});
        ledger::store_big_endian(bytes.data() + 8, static_cast<std::uint32_t>(bytes.size()));
        ledger::store_big_endian(bytes.data() + 16, kGroup.value);
        const std::size_t body = bytes.size() - sizeof(std::uint32_t);
        ledger::store_big_endian(
            bytes.data() + body, ledger::crc32c(std::string_view(bytes).substr(0, body))
        );
        read(bytes);
    }
    return 0;
}
