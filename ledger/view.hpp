#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "ledger/entry.hpp"
#include "ledger/rows.hpp"
#include "ledger/view_record.hpp"

namespace ledger {

/// Whether a row is known in RAM.
enum class Presence : std::uint8_t {
    missing,  ///< not in RAM; noted in Misses: fetch it, then decide again
    absent,   ///< known not to exist
    found,
};

template <typename Row>
struct Lookup {
    Presence presence = Presence::missing;
    const Row* row = nullptr;  ///< set iff found; valid until the next apply or eviction
    [[nodiscard]] bool missing() const { return presence == Presence::missing; }
    [[nodiscard]] bool found() const { return presence == Presence::found; }
};

/// A look-up whose answer is a small value.
template <typename Value>
struct ValueLookup {
    Presence presence = Presence::missing;
    Value value{};
    [[nodiscard]] bool missing() const { return presence == Presence::missing; }
    [[nodiscard]] bool found() const { return presence == Presence::found; }
};

/// What a decision looked for and RAM did not know. The writer fetches all of it in one go and
/// decides again: decide never touches the disk.
struct Misses {
    std::vector<RowRef> rows;
    std::vector<std::pair<ProgramId, Seq>> entries;
    [[nodiscard]] bool empty() const { return rows.empty() && entries.empty(); }
    void clear() {
        rows.clear();
        entries.clear();
    }
};

/// Kinds of blind look-ups (first byte of their key).
enum class BlindKind : std::uint8_t { external_id = 1, email = 2, phone = 3, profile = 16 };

/// Hashes of a member's personal fields (first 8 bytes of the HMAC, 0: none), to see what changed
/// without opening it.
struct ProfileHashes {
    std::uint64_t external_id = 0, email = 0, phone = 0, name = 0, address = 0, board = 0;
    friend bool operator==(const ProfileHashes&, const ProfileHashes&) = default;
};

/// Keyed hashes of personal fields, made on the io thread (or after opening `sealed` in a replay).
struct BlindHashes {
    std::optional<Hash16> external_id, email, phone, name, address, board;
};

/// What decide reads: the state, or an overlay on it. Single-threaded (the writer). Every look-up
/// that answers `missing` has noted the row in `misses()`.
class View {
public:
    virtual ~View() = default;
    [[nodiscard]] virtual const Program* program(ProgramId id) const = 0;
    [[nodiscard]] virtual const Program* program_by_name(std::string_view name) const = 0;
    [[nodiscard]] virtual const ApiKey* api_key(std::uint64_t id) const = 0;
    [[nodiscard]] virtual Lookup<Member> member(ProgramId program, MemberId id) const = 0;
    [[nodiscard]] virtual Lookup<LotChunk> lot_chunk(
        ProgramId program, MemberId id, std::uint32_t chunk
    ) const = 0;
    [[nodiscard]] virtual Lookup<OrderState> order_state(ProgramId program, Seq order) const = 0;
    /// The refunds that wait for the order with this natural hash.
    [[nodiscard]] virtual Lookup<WaitingRefunds> waiting(ProgramId program, const Hash16& order)
        const = 0;
    /// A refund without an order, by its `orphaned` entry.
    [[nodiscard]] virtual Lookup<Orphan> orphan(ProgramId program, Seq seq) const = 0;
    /// What a counter has counted in a slot (ledger/counter_slot.hpp); absent: nothing yet.
    [[nodiscard]] virtual ValueLookup<std::int64_t> counter(
        ProgramId program, std::uint16_t counter, std::string_view slot
    ) const = 0;
    /// The entry that claimed an idempotency or natural key. It may be an `alias`: its own request
    /// hash answers for the key, its link `original` names the entry that answers for the fact.
    [[nodiscard]] virtual ValueLookup<Seq> seen(ProgramId program, const Hash16& hash) const = 0;
    [[nodiscard]] virtual ValueLookup<MemberId> member_by_external_id(
        ProgramId program, const Hash16& hash
    ) const = 0;
    [[nodiscard]] virtual ValueLookup<ProfileHashes> profile(ProgramId program, MemberId id)
        const = 0;
    /// A stored entry, decoded (its `personal` is not opened).
    [[nodiscard]] virtual Lookup<OwnedEntry> entry(ProgramId program, Seq seq) const = 0;
    [[nodiscard]] virtual Misses& misses() const = 0;
};

}  // namespace ledger
