#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/base/result.hpp"
#include "ledger/rows.hpp"
#include "ledger/view.hpp"
#include "ledger/view_record.hpp"

// Keys and values of the views (docs/ledger-format.md, "Views"). Keys are big-endian numbers. A
// value is a version byte (1), then LEB128 varints (signed ones zigzag), then, for text, length and
// bytes. Equal rows give equal bytes. Decoders accept any input: malformed is `corrupt`, another
// version `newer_format`. Pure; any thread.
namespace ledger {

inline constexpr char kRowVersion = 1;

// Keys. parse_* answers nullopt for a key of another length or kind.

[[nodiscard]] std::string program_row_key(ProgramId program);
[[nodiscard]] std::string api_key_row_key(std::uint64_t id);
[[nodiscard]] std::string member_row_key(ProgramId program, MemberId member);
/// Of `lot` and `stmt`; chunk 0 holds lots 1 … 16 or lines 0 … 15.
[[nodiscard]] std::string chunk_row_key(ProgramId program, MemberId member, std::uint32_t chunk);
[[nodiscard]] std::string seen_row_key(ProgramId program, const Hash16& hash);
[[nodiscard]] std::string order_row_key(ProgramId program, Seq order);
[[nodiscard]] std::string due_row_key(ProgramId program, Timestamp when, MemberId member);
/// Of a refund that waits for its order until `when`.
[[nodiscard]] std::string parked_due_row_key(ProgramId program, Timestamp when, Seq parked);
[[nodiscard]] std::string waiting_row_key(ProgramId program, const Hash16& order);
[[nodiscard]] std::string orphan_row_key(ProgramId program, Seq seq);
/// What the key filter knows of an order that refunds wait for: another hash than the order's own,
/// which is in the filter only once the order came.
[[nodiscard]] Hash16 waiting_filter_hash(const Hash16& order);
[[nodiscard]] std::string external_id_row_key(ProgramId program, const Hash16& hash);
[[nodiscard]] std::string profile_row_key(ProgramId program, MemberId member);
/// `kind` is email or phone. Only the first 8 bytes of the hash are in the key (as in
/// ProfileHashes), so that a changed profile can erase its old row without knowing the rest.
[[nodiscard]] std::string contact_row_key(
    ProgramId program, BlindKind kind, std::uint64_t hash, MemberId member
);
/// All members with that e-mail or phone: scan `blind` with this prefix, parse_contact_key each
/// key.
[[nodiscard]] std::string contact_row_prefix(ProgramId program, BlindKind kind, std::uint64_t hash);
[[nodiscard]] std::string counter_row_key(
    ProgramId program, std::uint16_t counter, std::string_view slot
);
[[nodiscard]] std::string seq_index_row_key(ProgramId program, Seq first);
/// The first 8 bytes of a hash as ProfileHashes keeps them (never 0).
[[nodiscard]] std::uint64_t short_hash(const Hash16& hash);

struct MemberKey {
    ProgramId program;
    MemberId member;
};
struct ChunkKey {
    ProgramId program;
    MemberId member;
    std::uint32_t chunk = 0;
};
struct SeenRowKey {
    ProgramId program;
    Hash16 hash{};
};
struct SeqKey {
    ProgramId program;
    Seq seq;
};
struct DueKey {
    ProgramId program;
    Timestamp when = 0;
    MemberId member;  ///< none: a parked refund is due
    Seq parked;
};
struct CounterKey {
    ProgramId program;
    std::uint16_t counter = 0;
    std::string_view slot;  ///< points into the key
};
struct BlindKey {
    BlindKind kind = BlindKind::external_id;
    ProgramId program;
    Hash16 hash{};                   ///< external_id
    std::uint64_t contact_hash = 0;  ///< email, phone
    MemberId member;                 ///< email, phone, profile
};
[[nodiscard]] std::optional<ProgramId> parse_program_key(std::string_view key);
[[nodiscard]] std::optional<std::uint64_t> parse_api_key_key(std::string_view key);
[[nodiscard]] std::optional<MemberKey> parse_member_key(std::string_view key);
[[nodiscard]] std::optional<ChunkKey> parse_chunk_key(std::string_view key);
[[nodiscard]] std::optional<SeenRowKey> parse_seen_key(std::string_view key);  ///< keys, waiting
[[nodiscard]] std::optional<SeqKey> parse_seq_key(std::string_view key);  ///< rev, seqidx, orphan
[[nodiscard]] std::optional<DueKey> parse_due_key(std::string_view key);
[[nodiscard]] std::optional<CounterKey> parse_counter_key(std::string_view key);
[[nodiscard]] std::optional<BlindKey> parse_blind_key(std::string_view key);

// Values. encode_* replaces `out`.

/// Where a log value begins: group and part.
struct SeqIndex {
    GroupId group;
    std::uint16_t part = 0;
};

void encode_row(const Program& row, std::string& out);
void encode_row(const ApiKey& row, std::string& out);
void encode_row(const Member& row, std::string& out);
void encode_row(const LotChunk& row, std::string& out);
void encode_row(const OrderState& row, std::string& out);
void encode_row(const WaitingRefunds& row, std::string& out);
void encode_row(const Orphan& row, std::string& out);
void encode_row(const CounterValue& row, std::string& out);
void encode_row(const ProfileHashes& row, std::string& out);
void encode_row(Seq seen, std::string& out);
void encode_row(MemberId member, std::string& out);
void encode_row(const SeqIndex& row, std::string& out);
/// The value of rows whose key says all (`due`, e-mail, phone).
void encode_empty_row(std::string& out);

// Errors of all: newer_format, corrupt. `row` is unspecified after an error. Ids that are in the
// key are not in the value: `Program::id`, `ApiKey::id`, `Member::id`, Lot::no are filled from the
// key.

[[nodiscard]] Result<void> decode_row(std::string_view key, std::string_view value, Program& row);
[[nodiscard]] Result<void> decode_row(std::string_view key, std::string_view value, ApiKey& row);
[[nodiscard]] Result<void> decode_row(std::string_view key, std::string_view value, Member& row);
[[nodiscard]] Result<void> decode_row(std::string_view key, std::string_view value, LotChunk& row);
[[nodiscard]] Result<void> decode_row(
    std::string_view key, std::string_view value, CounterValue& row
);
[[nodiscard]] Result<void> decode_row(
    std::string_view key, std::string_view value, OrderState& row
);
[[nodiscard]] Result<void> decode_row(
    std::string_view key, std::string_view value, WaitingRefunds& row
);
[[nodiscard]] Result<void> decode_row(std::string_view key, std::string_view value, Orphan& row);
[[nodiscard]] Result<void> decode_row(
    std::string_view key, std::string_view value, ProfileHashes& row
);
[[nodiscard]] Result<void> decode_row(std::string_view key, std::string_view value, Seq& seen);
[[nodiscard]] Result<void> decode_row(
    std::string_view key, std::string_view value, MemberId& member
);
[[nodiscard]] Result<void> decode_row(std::string_view key, std::string_view value, SeqIndex& row);

/// Any row of any family: is it one that this release could have written?
[[nodiscard]] Result<void> check_row(
    ViewFamily family, std::string_view key, std::string_view value
);

// Statement lines are packed one after another: length (varint), then the fields. They are written
// in full, so that the oldest can be moved to a chunk by copying bytes.

void pack_line(const StatementLine& line, std::string& out);
/// The length of the first `count` lines in bytes; nullopt if there are fewer.
[[nodiscard]] std::optional<std::size_t> packed_length(std::string_view packed, std::size_t count);
/// The next line of `packed`, which is advanced; its views point into it. corrupt.
[[nodiscard]] Result<StatementLine> unpack_line(std::string_view& packed, MemberId member);
/// Value of a `stmt` row, given its packed lines; and back.
void encode_lines(std::string_view packed, std::string& out);
[[nodiscard]] Result<std::string_view> decode_lines(std::string_view value);

}  // namespace ledger
