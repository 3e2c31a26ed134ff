#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// What the state hands to the store of views and gets back: bytes under a family. No RocksDB type
// shows.
namespace ledger {

/// The views. Each is one RocksDB column family in views/, named after its enumerator. All integers
/// in keys are big-endian. Every value starts with a version byte (1).
enum class ViewFamily : std::uint8_t {
    meta = 0,  ///< "applied_group" → u64, "format" → u32, "apply_version" → u32
    program,   ///< program u32 → Program
    api_key,   ///< key id u64 → ApiKey
    member,    ///< program u32 · member u64 → Member
    lot,       ///< program u32 · member u64 · chunk u32 → LotChunk
    stmt,      ///< program u32 · member u64 · chunk u32 → 16 packed StatementLines
    keys,      ///< program u32 · hash 16 bytes → seq (varint)
    rev,       ///< program u32 · order entry seq u64 → OrderState
    due,       ///< program u32 · when i64 (sign bit flipped) · member u64, or 2^63 + the seq of a
               ///< parked refund → empty
    blind,  ///< kind u8 · program u32 · then: hash 16 → member (external id); hash 8 · member u64 →
            ///< empty (e-mail, phone); member u64 → ProfileHashes (profile)
    seqidx,  ///< program u32 · first seq u64 of a log value → group u64 · part u16
    tree,  ///< program u32 · level u8 · index u64 → 32-byte node of a complete subtree (levels 8,
           ///< 16, …)
    waiting,  ///< program u32 · order's natural hash 16 → WaitingRefunds
    orphan,   ///< program u32 · `orphaned` entry seq u64 → Orphan
    ctr,      ///< program u32 · counter u16 · slot → count (zigzag varint)
    count_    ///< number of families
};
[[nodiscard]] std::string_view name(ViewFamily family);

/// One put (value) or delete of a view row.
struct ViewRecord {
    ViewFamily family = ViewFamily::meta;
    bool erase = false;
    std::string key;
    std::string value;
};

/// A claimed key on its way to `keys`. Plain, because there are two an event and the writer makes
/// them.
struct SeenKey {
    std::uint32_t program = 0;
    std::array<std::uint8_t, 16> hash{};
    std::uint64_t seq = 0;
};

/// The rows of one checkpoint: everything that changed up to and including group `applied_group`.
/// At most one record a (family, key).
struct CheckpointBatch {
    std::uint64_t applied_group = 0;
    std::vector<ViewRecord> records;
    std::vector<std::vector<SeenKey>> seen;
    /// Turns `seen` into records. ViewStore::ingest takes them as they are, which is cheaper.
    void expand();
};

/// Names one row; the unit in which a missing row is reported and fetched.
struct RowRef {
    ViewFamily family = ViewFamily::member;
    std::string key;
    friend bool operator==(const RowRef&, const RowRef&) = default;
};

}  // namespace ledger
