#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "ledger/base/clock.hpp"
#include "ledger/base/ids.hpp"
#include "ledger/base/result.hpp"

// A commit group and the log values it is stored in. The byte grammar is at the top of
// group_codec.cpp and in docs/ledger-format.md, "Log values".
namespace ledger {

inline constexpr std::uint16_t kValueFormat = 1;
/// Entries share a value up to this many bytes, header and table included.
inline constexpr std::size_t kValueBytesMax = 4096;
/// A value that holds one entry too large for kValueBytesMax.
inline constexpr std::size_t kLargeValueBytesMax = std::size_t{2} << 20;
/// What a value needs beside its only entry.
inline constexpr std::size_t kValueOverhead = 52;
/// The largest entry that can be stored; a larger one is refused (too_large) before it is decided.
inline constexpr std::size_t kEntryBytesMax = kLargeValueBytesMax - kValueOverhead;

/// Where an entry lies in its group.
struct EntryLocation {
    ProgramId program;
    Seq seq;
    std::uint16_t part = 0;
    std::uint32_t offset = 0;  ///< in the value
    std::uint32_t size = 0;
};

/// A value's first entry of one program: one row of the view `seqidx`.
struct FirstInValue {
    ProgramId program;
    Seq first;
    std::uint16_t part = 0;
};

/// A finished group: its values as they are stored and where its entries lie. Immutable; owns its
/// bytes. Any thread.
class Group {
public:
    Group(const Group&) = delete;
    Group& operator=(const Group&) = delete;
    ~Group();

    [[nodiscard]] ShardId shard() const { return shard_; }
    [[nodiscard]] GroupId id() const { return id_; }
    [[nodiscard]] Timestamp recorded_at() const { return recorded_at_; }
    /// The stored values; the index is the part.
    [[nodiscard]] std::span<const std::string_view> values() const { return values_; }
    /// In the order of append.
    [[nodiscard]] std::span<const EntryLocation> entries() const { return entries_; }
    [[nodiscard]] std::string_view bytes(const EntryLocation& entry) const {
        return values_[entry.part].substr(entry.offset, entry.size);
    }
    /// In the order of append; per program the `first`s ascend.
    [[nodiscard]] std::span<const FirstInValue> firsts() const { return firsts_; }
    /// An entry known to be in value `part` if it is in the group at all.
    [[nodiscard]] std::optional<std::string_view> find(
        std::uint16_t part, ProgramId program, Seq seq
    ) const;
    /// Bytes of the values and of the tables about them.
    [[nodiscard]] std::size_t memory_bytes() const { return memory_bytes_; }

private:
    friend class GroupBuilder;
    friend class GroupReader;
    struct Block;
    class BlockPool;
    Group() = default;
    void add_entry(
        ProgramId program, Seq seq, std::uint16_t part, std::size_t offset, std::size_t size
    );
    void seal();

    ShardId shard_;
    GroupId id_;
    Timestamp recorded_at_ = 0;
    std::size_t memory_bytes_ = 0;
    std::vector<std::string_view> values_;
    std::vector<std::uint32_t> part_begin_;  ///< index into entries_ of each part's first entry
    std::vector<EntryLocation> entries_;
    std::vector<FirstInValue> firsts_;
    std::vector<std::shared_ptr<Block>> blocks_;
};

/// Packs entries into the values of one group after another. Bytes go into blocks of 256 KiB that
/// consecutive groups share and that come back when the last group in them dies, so that appending
/// never moves what is there. One thread (the writer); the groups it makes may die on any.
class GroupBuilder {
public:
    explicit GroupBuilder(ShardId shard);
    ~GroupBuilder();
    GroupBuilder(const GroupBuilder&) = delete;
    GroupBuilder& operator=(const GroupBuilder&) = delete;

    /// Starts the next group. Requires that none is open.
    void begin(GroupId group, Timestamp recorded_at);
    /// Adds one entry. Per program seqs must ascend by one. Requires an open group, !full() and
    /// 0 < entry.size() <= kEntryBytesMax.
    void append(ProgramId program, Seq seq, std::string_view entry);
    /// Entries in the open group.
    [[nodiscard]] std::size_t entries() const;
    [[nodiscard]] bool empty() const { return entries() == 0; }
    /// Bytes of the open group so far.
    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    /// Parts are numbered with 16 bits: finish the group before it takes more. (Never reached under
    /// the limits of the writer: 4,096 commands or 1 MiB.)
    [[nodiscard]] bool full() const;
    /// Closes the open group. Requires !empty().
    std::shared_ptr<const Group> finish();

private:
    void open_value(std::size_t bytes_max, bool large);
    void close_value(bool last);

    ShardId shard_;
    std::shared_ptr<Group::BlockPool> pool_;
    std::shared_ptr<Group::Block> block_;  ///< being filled
    std::shared_ptr<Group> group_;
    // The open value.
    char* value_ = nullptr;
    std::size_t value_bytes_ = 0;  ///< header and entries so far
    std::uint32_t value_count_ = 0;
    bool value_large_ = false;
    std::size_t bytes_ = 0;
    std::size_t entries_hint_ = 64;
};

struct ValueHeader {
    ShardId shard;
    GroupId group;
    std::uint16_t part = 0;
    bool last_part = false;
    bool large = false;
    std::uint32_t count = 0;
    Timestamp recorded_at = 0;
};

/// A verified value. Points into the bytes it was decoded from.
class ValueView {
public:
    struct Item {
        ProgramId program;
        Seq seq;
        std::uint32_t offset = 0;
        std::string_view bytes;
    };
    [[nodiscard]] const ValueHeader& header() const { return header_; }
    [[nodiscard]] std::size_t size() const { return header_.count; }
    [[nodiscard]] Item item(std::size_t index) const;
    [[nodiscard]] std::optional<std::string_view> find(ProgramId program, Seq seq) const;

private:
    friend Result<ValueView> decode_value(
        ShardId shard, GroupId group, std::uint16_t part, std::string_view value
    );
    ValueHeader header_;
    std::string_view value_;
};

/// Verifies everything about the value stored under (shard, group, part): size, checksum, format,
/// that it says the same key, table. Trusts no length. Errors name the key: corrupt, newer_format.
Result<ValueView> decode_value(
    ShardId shard, GroupId group, std::uint16_t part, std::string_view value
);

/// Puts values that come in key order together to groups. One thread.
class GroupReader {
public:
    /// The next group must be `first`; none(): any.
    GroupReader(ShardId shard, GroupId first) : shard_(shard), next_(first) {}
    /// The group if this was its last value, else null. Errors: corrupt (bad value; a group or part
    /// is missing or comes twice), newer_format.
    Result<std::shared_ptr<const Group>> add(
        GroupId group, std::uint16_t part, std::string_view value
    );
    /// No more values come. Error: corrupt if the last group lacks its last value.
    Result<void> finish() const;

private:
    ShardId shard_;
    GroupId next_;
    std::shared_ptr<Group> group_;  ///< being put together
};

}  // namespace ledger
