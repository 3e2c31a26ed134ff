#include "ledger/witness.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

#include <fmt/format.h>

#include "ledger/big_endian.hpp"
#include "ledger/crc32c.hpp"
#include "ledger/group_codec.hpp"

// Witness file, format 1. All integers are big-endian.
//
//   file = slot slot        generation g lies in slot g mod 2; the higher whole one counts
//   slot = magic "GRDNWIT1":8  format:u32 = 1  generation:u64  shard:u16  group:u64  program:u32
//   seq:u64  root:32
//          zeros up to byte 4,092  crc:u32, CRC-32C of the 4,092 bytes before
namespace ledger {
namespace {

constexpr std::size_t kSlotBytes = 4096;
constexpr std::string_view kMagic = "GRDNWIT1";
constexpr std::uint32_t kWitnessFormat = 1;
constexpr unsigned kFileMode = 0600;

std::string encode(std::uint64_t generation, const WitnessPosition& position) {
    std::string slot(kMagic);
    append_big_endian(slot, kWitnessFormat);
    append_big_endian(slot, generation);
    append_big_endian(slot, position.shard.value);
    append_big_endian(slot, position.group.value);
    append_big_endian(slot, position.program.value);
    append_big_endian(slot, position.seq.value);
    slot.append(reinterpret_cast<const char*>(position.root.data()), position.root.size());
    slot.resize(kSlotBytes - sizeof(std::uint32_t));
    append_big_endian(slot, crc32c(slot));
    return slot;
}

struct Slot {
    std::uint64_t generation = 0;
    std::uint32_t format = 0;
    WitnessPosition position;
};

std::optional<Slot> decode(std::string_view bytes) {
    if (bytes.size() != kSlotBytes || !bytes.starts_with(kMagic)) {
        return std::nullopt;
    }
    constexpr std::size_t kBody = kSlotBytes - sizeof(std::uint32_t);
    if (crc32c(bytes.substr(0, kBody)) != load_big_endian<std::uint32_t>(bytes.data() + kBody)) {
        return std::nullopt;
    }
    const char* at = bytes.data();
    Slot slot;
    slot.format = load_big_endian<std::uint32_t>(at + 8);
    slot.generation = load_big_endian<std::uint64_t>(at + 12);
    slot.position.shard = ShardId{load_big_endian<std::uint16_t>(at + 20)};
    slot.position.group = GroupId{load_big_endian<std::uint64_t>(at + 22)};
    slot.position.program = ProgramId{load_big_endian<std::uint32_t>(at + 30)};
    slot.position.seq = Seq{load_big_endian<std::uint64_t>(at + 34)};
    std::memcpy(slot.position.root.data(), at + 42, slot.position.root.size());
    return slot;
}

std::string describe(const WitnessPosition& position) {
    return fmt::format(
        "the witness saw shard {} group {} with program {} seq {}",
        position.shard.value,
        position.group.value,
        position.program.value,
        position.seq.value
    );
}

/// The group's last entry as the log has it; nullopt if the group is not whole.
Result<std::optional<std::pair<ProgramId, Seq>>> last_entry(
    LogStore& log, ShardId shard, GroupId group
) {
    for (std::uint16_t part = 0;; ++part) {
        const auto value = log.value(shard, group, part);
        if (!value) {
            if (value.error().code == ErrorCode::not_found) {
                return std::optional<std::pair<ProgramId, Seq>>();
            }
            return value.error();
        }
        const auto view = decode_value(shard, group, part, *value);
        if (!view) {
            return view.error();
        }
        if (view->header().last_part) {
            const ValueView::Item last = view->item(view->size() - 1);
            return std::optional(std::pair(last.program, last.seq));
        }
    }
}

}  // namespace

Result<WitnessReading> read_witness(Disk& disk, const std::string& path) {
    WitnessReading reading;
    if (!disk.exists(path)) {
        return reading;
    }
    const auto bytes = disk.read_file(path);
    if (!bytes) {
        return bytes.error();
    }
    reading.state = WitnessReading::State::torn;
    for (std::size_t at = 0; at < bytes->size() && at < 2 * kSlotBytes; at += kSlotBytes) {
        const auto slot = decode(std::string_view(*bytes).substr(at, kSlotBytes));
        if (!slot || (reading.state == WitnessReading::State::valid &&
                      slot->generation < reading.generation)) {
            continue;
        }
        if (slot->format > kWitnessFormat) {
            return make_error(
                ErrorCode::newer_format,
                fmt::format(
                    "witness: format {}, this release reads {}", slot->format, kWitnessFormat
                )
            );
        }
        reading.state = WitnessReading::State::valid;
        reading.generation = slot->generation;
        reading.position = slot->position;
    }
    return reading;
}

Result<void> write_witness(
    Disk& disk, const std::string& path, std::uint64_t generation, const WitnessPosition& position
) {
    return disk.write_at(
        path, generation % 2 * kSlotBytes, encode(generation, position), kFileMode
    );
}

Result<void> compare(const WitnessReading& witness, LogStore& log, ShardId shard) {
    const auto last = log.last_group(shard);
    if (!last) {
        return last.error();
    }
    if (witness.state != WitnessReading::State::valid) {
        if (last->none()) {
            return {};
        }
        return make_error(
            ErrorCode::behind_witness,
            fmt::format(
                "the witness is {}: whether the log, which ends at group {}, lost its end cannot "
                "be "
                "told",
                witness.state == WitnessReading::State::absent ? "absent" : "unreadable",
                last->value
            )
        );
    }
    const WitnessPosition& position = witness.position;
    if (position.group.none()) {
        return {};
    }
    if (*last < position.group) {
        return make_error(
            ErrorCode::behind_witness,
            fmt::format(
                "{}, but the log ends at group {}: acknowledged entries are lost",
                describe(position),
                last->value
            )
        );
    }
    const auto entry = last_entry(log, position.shard, position.group);
    if (!entry) {
        return entry.error();
    }
    if (!*entry || **entry != std::pair(position.program, position.seq)) {
        const std::string found =
            *entry
                ? fmt::format(
                      "ends with program {} seq {}", (*entry)->first.value, (*entry)->second.value
                  )
                : std::string("is missing");
        return make_error(
            ErrorCode::behind_witness,
            fmt::format(
                "{}, but in the log that group {}: it is another log", describe(position), found
            )
        );
    }
    return {};
}

Result<void> compare_with_no_log(const WitnessReading& witness) {
    if (witness.state != WitnessReading::State::valid || witness.position.group.none()) {
        return {};
    }
    return make_error(
        ErrorCode::behind_witness,
        describe(witness.position) + ", but there is no log: acknowledged entries are lost"
    );
}

Result<void> compare_root(const WitnessPosition& witness, const Hash32& root) {
    if (witness.root == root) {
        return {};
    }
    return make_error(
        ErrorCode::behind_witness,
        describe(witness) + ", but the root of the tree there is another: it is another log"
    );
}

WitnessKeeper::WitnessKeeper(
    Options options, std::uint64_t generation, const WitnessPosition& position
)
    : options_(std::move(options)),
      latest_(position),
      written_(position),
      generation_(generation) {}

Result<std::unique_ptr<WitnessKeeper>> WitnessKeeper::start(
    Options options, const WitnessReading& found, const WitnessPosition& position
) {
    std::unique_ptr<WitnessKeeper> keeper(
        new WitnessKeeper(std::move(options), found.generation + 1, position)
    );
    if (auto wrote = keeper->write(position, keeper->generation_); !wrote) {
        return wrote.error();
    }
    keeper->thread_ = std::thread([raw = keeper.get()] { raw->run(); });
    return keeper;
}

WitnessKeeper::~WitnessKeeper() {
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) {
        thread_.join();
    }
}

void WitnessKeeper::durable(const WitnessPosition& position) {
    bool was_idle = false;
    {
        const std::scoped_lock lock(mutex_);
        was_idle = latest_ == written_;
        latest_ = position;
    }
    if (was_idle) {
        changed_.notify_all();
    }
}

Result<void> WitnessKeeper::stop() {
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
        write_last_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) {
        thread_.join();
    }
    const std::scoped_lock lock(mutex_);
    if (error_) {
        return *error_;
    }
    return {};
}

WitnessPosition WitnessKeeper::written() const {
    const std::scoped_lock lock(mutex_);
    return written_;
}

Result<void> WitnessKeeper::write(const WitnessPosition& position, std::uint64_t generation) {
    return write_witness(*options_.disk, options_.path, generation, position);
}

void WitnessKeeper::run() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return stopping_ || latest_ != written_; });
        if (stopping_ && !(write_last_ && latest_ != written_)) {
            return;
        }
        const WitnessPosition position = latest_;
        const std::uint64_t generation = generation_ + 1;
        lock.unlock();
        const auto wrote = write(position, generation);
        lock.lock();
        if (!wrote) {
            error_ = wrote.error();
            lock.unlock();
            if (options_.on_error) {
                options_.on_error(wrote.error());
            }
            return;
        }
        generation_ = generation;
        written_ = position;
        // The first position after a pause is written at once, the next ones together.
        changed_.wait_for(lock, options_.interval, [this] { return stopping_; });
    }
}

}  // namespace ledger
