#include "ledger/group_codec.hpp"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <string>

#include <fmt/format.h>

#include "ledger/base/invariant.hpp"
#include "ledger/big_endian.hpp"
#include "ledger/crc32c.hpp"

// Log value, format 1. All integers are big-endian and unsigned unless said.
//
//   value  = header entry+ row+ crc
//   header = format:u16   1. In every format the first two bytes are the format and the last four
//   the crc.
//            flags:u16    bit 0 last:  the group has no further value
//                         bit 1 large: one entry that fits no shared value; the value may exceed
//                         4,096 bytes other bits are 0
//            shard:u16    as in the key
//            part:u16     as in the key; 0, 1, 2 … in a group
//            size:u32     of the whole value
//            count:u32    of entries, and of rows; at least 1
//            group:u64    as in the key
//            recorded_at:i64  microseconds since 1970-01-01T00:00:00Z, equal in all values of a
//            group
//   entry  = the stored bytes of one Entry (ledger/entry.proto), never empty, never split over
//   values row    = program:u32 seq:u64 offset:u32     one per entry, in order; offset of its first
//   byte in the value. The
//            first offset is 32; an entry ends where the next begins, the last one where the rows
//            begin
//   crc    = u32, CRC-32C of all bytes before it
//
//   key    = shard:u16 group:u64 part:u16
namespace ledger {
namespace {

constexpr std::size_t kHeaderBytes = 32;
constexpr std::size_t kRowBytes = 16;
constexpr std::size_t kCrcBytes = 4;
static_assert(kHeaderBytes + kRowBytes + kCrcBytes == kValueOverhead);
constexpr std::uint16_t kFlagLast = 1;
constexpr std::uint16_t kFlagLarge = 2;
constexpr std::size_t kPartsMax = 65'536;
/// full() leaves room for the values of the last command.
constexpr std::size_t kPartsFull = 60'000;
constexpr std::size_t kBlockBytes = std::size_t{256} << 10;
constexpr std::size_t kFreeBlocksMax = 64;

Error bad_value(
    ErrorCode code, ShardId shard, GroupId group, std::uint16_t part, std::string_view what
) {
    return make_error(
        code,
        fmt::format("log value shard {} group {} part {}: {}", shard.value, group.value, part, what)
    );
}

std::size_t value_size(std::size_t body_bytes, std::size_t count) {
    return body_bytes + count * kRowBytes + kCrcBytes;
}

}  // namespace

// Memory. Groups of one event are 400 bytes and groups of a batch are 1 MiB, so blocks are shared
// between consecutive groups and counted by shared_ptr; a block nobody points into any more goes
// back to the pool.

struct Group::Block {
    explicit Block(std::size_t size) : bytes(new char[size]), capacity(size) {}
    std::unique_ptr<char[]> bytes;
    std::size_t capacity;
    std::size_t used = 0;
};

class Group::BlockPool : public std::enable_shared_from_this<BlockPool> {
public:
    std::shared_ptr<Block> take(std::size_t bytes_min) {
        std::unique_ptr<Block> block;
        if (bytes_min <= kBlockBytes) {
            const std::scoped_lock lock(mutex_);
            if (!free_.empty()) {
                block = std::move(free_.back());
                free_.pop_back();
            }
        }
        if (!block) {
            block = std::make_unique<Block>(std::max(bytes_min, kBlockBytes));
        }
        return {block.release(), [pool = weak_from_this()](Block* dead) {
                    std::unique_ptr<Block> owned(dead);
                    if (const auto alive = pool.lock()) {
                        alive->give_back(std::move(owned));
                    }
                }};
    }

private:
    void give_back(std::unique_ptr<Block> block) {
        const std::scoped_lock lock(mutex_);
        if (block->capacity == kBlockBytes && free_.size() < kFreeBlocksMax) {
            block->used = 0;
            free_.push_back(std::move(block));
        }
    }

    std::mutex mutex_;
    std::vector<std::unique_ptr<Block>> free_;  ///< guarded by mutex_
};

Group::~Group() = default;

void Group::add_entry(
    ProgramId program, Seq seq, std::uint16_t part, std::size_t offset, std::size_t size
) {
    const std::size_t begin = part_begin_[part];
    const auto known = [program](const FirstInValue& first) { return first.program == program; };
    auto from = firsts_.rbegin();
    while (from != firsts_.rend() && from->part == part && !known(*from)) {
        ++from;
    }
    INVARIANT(begin <= entries_.size());
    if (from == firsts_.rend() || from->part != part) {
        firsts_.push_back({program, seq, part});
    }
    entries_.push_back(
        {program, seq, part, static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(size)}
    );
}

void Group::seal() {
    memory_bytes_ = sizeof(Group) +
                    values_.size() * (sizeof(std::string_view) + sizeof(std::uint32_t)) +
                    entries_.size() * sizeof(EntryLocation) + firsts_.size() * sizeof(FirstInValue);
    for (const std::string_view value : values_) {
        memory_bytes_ += value.size();
    }
}

std::optional<std::string_view> Group::find(std::uint16_t part, ProgramId program, Seq seq) const {
    if (part >= part_begin_.size()) {
        return std::nullopt;
    }
    const std::size_t end = part + std::size_t{1} < part_begin_.size()
                                ? part_begin_[part + std::size_t{1}]
                                : entries_.size();
    for (std::size_t i = part_begin_[part]; i < end; ++i) {
        if (entries_[i].seq == seq && entries_[i].program == program) {
            return bytes(entries_[i]);
        }
    }
    return std::nullopt;
}

GroupBuilder::GroupBuilder(ShardId shard)
    : shard_(shard),
      pool_(std::make_shared<Group::BlockPool>()),
      block_(pool_->take(kBlockBytes)) {}

GroupBuilder::~GroupBuilder() = default;

void GroupBuilder::begin(GroupId group, Timestamp recorded_at) {
    INVARIANT(!group_);
    group_ = std::shared_ptr<Group>(new Group);
    group_->shard_ = shard_;
    group_->id_ = group;
    group_->recorded_at_ = recorded_at;
    group_->entries_.reserve(entries_hint_);
    bytes_ = 0;
}

void GroupBuilder::append(ProgramId program, Seq seq, std::string_view entry) {
    INVARIANT(group_ && !entry.empty() && entry.size() <= kEntryBytesMax);
    if (value_ != nullptr &&
        value_size(value_bytes_ + entry.size(), value_count_ + std::size_t{1}) > kValueBytesMax) {
        close_value(false);
    }
    if (value_ == nullptr) {
        const std::size_t alone = kValueOverhead + entry.size();
        const bool large = alone > kValueBytesMax;
        open_value(large ? alone : kValueBytesMax, large);
    }
    std::memcpy(value_ + value_bytes_, entry.data(), entry.size());
    group_->add_entry(
        program, seq, static_cast<std::uint16_t>(group_->values_.size()), value_bytes_, entry.size()
    );
    value_bytes_ += entry.size();
    ++value_count_;
    bytes_ += entry.size() + kRowBytes;
}

std::size_t GroupBuilder::entries() const {
    return group_ ? group_->entries_.size() : 0;
}

bool GroupBuilder::full() const {
    return group_ && group_->values_.size() >= kPartsFull;
}

void GroupBuilder::open_value(std::size_t bytes_max, bool large) {
    INVARIANT(group_->values_.size() < kPartsMax);
    std::shared_ptr<Group::Block> into = block_;
    if (bytes_max > kBlockBytes) {
        into = pool_->take(bytes_max);
        into->used = 0;
    } else if (block_->capacity - block_->used < bytes_max) {
        block_ = pool_->take(kBlockBytes);
        into = block_;
    }
    if (group_->blocks_.empty() || group_->blocks_.back() != into) {
        group_->blocks_.push_back(into);
    }
    value_ = into->bytes.get() + into->used;
    value_bytes_ = kHeaderBytes;
    value_count_ = 0;
    value_large_ = large;
    bytes_ += kHeaderBytes + kCrcBytes;
    group_->part_begin_.push_back(static_cast<std::uint32_t>(group_->entries_.size()));
}

void GroupBuilder::close_value(bool last) {
    const std::size_t size = value_size(value_bytes_, value_count_);
    const std::uint16_t flags =
        static_cast<std::uint16_t>((last ? kFlagLast : 0) | (value_large_ ? kFlagLarge : 0));
    store_big_endian(value_, kValueFormat);
    store_big_endian(value_ + 2, flags);
    store_big_endian(value_ + 4, shard_.value);
    store_big_endian(value_ + 6, static_cast<std::uint16_t>(group_->values_.size()));
    store_big_endian(value_ + 8, static_cast<std::uint32_t>(size));
    store_big_endian(value_ + 12, value_count_);
    store_big_endian(value_ + 16, group_->id_.value);
    store_big_endian(value_ + 24, group_->recorded_at_);
    char* row = value_ + value_bytes_;
    for (std::size_t i = group_->part_begin_.back(); i < group_->entries_.size();
         ++i, row += kRowBytes) {
        const EntryLocation& entry = group_->entries_[i];
        store_big_endian(row, entry.program.value);
        store_big_endian(row + 4, entry.seq.value);
        store_big_endian(row + 12, entry.offset);
    }
    store_big_endian(row, crc32c({value_, size - kCrcBytes}));
    group_->values_.emplace_back(value_, size);
    // The block that holds the value is the newest of the group; large values have one of their
    // own.
    Group::Block& block = *group_->blocks_.back();
    block.used = static_cast<std::size_t>(value_ - block.bytes.get()) + size;
    value_ = nullptr;
}

std::shared_ptr<const Group> GroupBuilder::finish() {
    INVARIANT(group_ && value_ != nullptr);
    close_value(true);
    entries_hint_ = std::max<std::size_t>(16, group_->entries_.size());
    group_->seal();
    return std::exchange(group_, nullptr);
}

ValueView::Item ValueView::item(std::size_t index) const {
    const std::size_t rows = value_.size() - kCrcBytes - header_.count * kRowBytes;
    const char* row = value_.data() + rows + index * kRowBytes;
    const auto begin = load_big_endian<std::uint32_t>(row + 12);
    const std::size_t end =
        index + 1 < header_.count ? load_big_endian<std::uint32_t>(row + kRowBytes + 12) : rows;
    return {
        ProgramId{load_big_endian<std::uint32_t>(row)},
        Seq{load_big_endian<std::uint64_t>(row + 4)},
        begin,
        value_.substr(begin, end - begin)};
}

std::optional<std::string_view> ValueView::find(ProgramId program, Seq seq) const {
    for (std::size_t i = 0; i < size(); ++i) {
        const Item found = item(i);
        if (found.seq == seq && found.program == program) {
            return found.bytes;
        }
    }
    return std::nullopt;
}

namespace {

/// What is wrong with the table of rows; empty: nothing. The checksum was right, so only our own
/// bug can cause it.
std::string_view fault_in_table(std::string_view value, std::size_t count) {
    const std::size_t rows = value.size() - kCrcBytes - count * kRowBytes;
    std::size_t previous = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t offset =
            load_big_endian<std::uint32_t>(value.data() + rows + i * kRowBytes + 12);
        if (i == 0 ? offset != kHeaderBytes : offset <= previous) {
            return "offsets do not ascend";
        }
        if (offset >= rows) {
            return "an offset lies outside";
        }
        previous = offset;
    }
    return {};
}

}  // namespace

Result<ValueView> decode_value(
    ShardId shard, GroupId group, std::uint16_t part, std::string_view value
) {
    const auto corrupt = [&](std::string_view what) {
        return bad_value(ErrorCode::corrupt, shard, group, part, what);
    };
    if (value.size() <= kValueOverhead) {
        return corrupt("too short");
    }
    const char* at = value.data();
    if (crc32c(value.substr(0, value.size() - kCrcBytes)) !=
        load_big_endian<std::uint32_t>(at + value.size() - kCrcBytes)) {
        return corrupt("checksum mismatch");
    }
    const auto format = load_big_endian<std::uint16_t>(at);
    if (format != kValueFormat) {
        return bad_value(
            format > kValueFormat ? ErrorCode::newer_format : ErrorCode::corrupt,
            shard,
            group,
            part,
            fmt::format("format {}, this release reads {}", format, kValueFormat)
        );
    }
    const auto flags = load_big_endian<std::uint16_t>(at + 2);
    ValueView view;
    view.value_ = value;
    view.header_ = {
        ShardId{load_big_endian<std::uint16_t>(at + 4)},
        GroupId{load_big_endian<std::uint64_t>(at + 16)},
        load_big_endian<std::uint16_t>(at + 6),
        (flags & kFlagLast) != 0,
        (flags & kFlagLarge) != 0,
        load_big_endian<std::uint32_t>(at + 12),
        load_big_endian<std::int64_t>(at + 24)};
    const ValueHeader& header = view.header_;
    if (header.shard != shard || header.group != group || header.part != part) {
        return corrupt("it belongs to another key");
    }
    if ((flags & ~(kFlagLast | kFlagLarge)) != 0) {
        return corrupt("unknown flags");
    }
    if (load_big_endian<std::uint32_t>(at + 8) != value.size()) {
        return corrupt("wrong size");
    }
    if (value.size() > (header.large ? kLargeValueBytesMax : kValueBytesMax)) {
        return corrupt("too long");
    }
    if (header.count == 0 || (header.large && header.count != 1) ||
        header.count > (value.size() - kHeaderBytes - kCrcBytes) / (kRowBytes + 1)) {
        return corrupt("impossible count");
    }
    if (const std::string_view fault = fault_in_table(value, header.count); !fault.empty()) {
        return corrupt(fault);
    }
    return view;
}

Result<std::shared_ptr<const Group>> GroupReader::add(
    GroupId group, std::uint16_t part, std::string_view value
) {
    const GroupId expected = group_ ? group_->id_ : next_;
    const std::size_t expected_part = group_ ? group_->values_.size() : 0;
    if ((!expected.none() && group != expected) || part != expected_part) {
        return bad_value(
            ErrorCode::corrupt,
            shard_,
            group,
            part,
            fmt::format("group {} part {} should be here", expected.value, expected_part)
        );
    }
    const auto view = decode_value(shard_, group, part, value);
    if (!view) {
        return view.error();
    }
    const ValueHeader& header = view->header();
    if (!group_) {
        group_ = std::shared_ptr<Group>(new Group);
        group_->shard_ = shard_;
        group_->id_ = group;
        group_->recorded_at_ = header.recorded_at;
    } else if (group_->recorded_at_ != header.recorded_at) {
        return bad_value(
            ErrorCode::corrupt, shard_, group, part, "another recorded_at than part 0"
        );
    }
    auto block = std::make_shared<Group::Block>(value.size());
    std::memcpy(block->bytes.get(), value.data(), value.size());
    group_->part_begin_.push_back(static_cast<std::uint32_t>(group_->entries_.size()));
    for (std::size_t i = 0; i < view->size(); ++i) {
        const ValueView::Item item = view->item(i);
        group_->add_entry(item.program, item.seq, part, item.offset, item.bytes.size());
    }
    group_->values_.emplace_back(block->bytes.get(), value.size());
    group_->blocks_.push_back(std::move(block));
    if (!header.last_part) {
        return std::shared_ptr<const Group>();
    }
    group_->seal();
    next_ = GroupId{group.value + 1};
    return std::shared_ptr<const Group>(std::exchange(group_, nullptr));
}

Result<void> GroupReader::finish() const {
    if (group_) {
        return bad_value(
            ErrorCode::corrupt,
            shard_,
            group_->id_,
            static_cast<std::uint16_t>(group_->values_.size()),
            "the group ends before its last part"
        );
    }
    return {};
}

}  // namespace ledger
