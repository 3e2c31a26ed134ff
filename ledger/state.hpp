#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ledger/statement.hpp"
#include "ledger/view.hpp"

namespace ledger {

/// The rows in RAM: a write-back cache over views/. *A row absent from RAM has not changed since
/// the views' group.* Only `apply` changes it. Owned by one writer thread; nothing here blocks or
/// touches the disk.
///
/// Growth never stalls the writer: tables are split in 256 parts so that a rehash moves a small
/// one, keys live in generations, chunks are bounded.
class State final : public View {
public:
    struct Options {
        /// Rows are dropped (clean ones only) when `memory_bytes()` passes this.
        std::size_t memory_bytes_max = std::size_t{2} << 30;
        /// Asked before a key look-up is reported missing; false: certainly not in views/ (the
        /// Bloom filter).
        std::function<bool(ProgramId, const Hash16&)> key_may_exist;
        /// The views are empty (new folder, or a replay from the first group): every miss is
        /// `absent`.
        bool views_empty = false;
    };
    explicit State(Options options);
    ~State() override;

    // View
    const Program* program(ProgramId id) const override;
    const Program* program_by_name(std::string_view name) const override;
    const ApiKey* api_key(std::uint64_t id) const override;
    Lookup<Member> member(ProgramId program, MemberId id) const override;
    Lookup<LotChunk> lot_chunk(ProgramId program, MemberId id, std::uint32_t chunk) const override;
    Lookup<OrderState> order_state(ProgramId program, Seq order) const override;
    Lookup<WaitingRefunds> waiting(ProgramId program, const Hash16& order) const override;
    Lookup<Orphan> orphan(ProgramId program, Seq seq) const override;
    ValueLookup<std::int64_t> counter(
        ProgramId program, std::uint16_t counter, std::string_view slot
    ) const override;
    ValueLookup<Seq> seen(ProgramId program, const Hash16& hash) const override;
    ValueLookup<MemberId> member_by_external_id(ProgramId program, const Hash16& hash)
        const override;
    ValueLookup<ProfileHashes> profile(ProgramId program, MemberId id) const override;
    Lookup<OwnedEntry> entry(ProgramId program, Seq seq) const override;
    Misses& misses() const override;

    /// What a command will look for first. Null: nothing.
    struct LookAhead {
        ProgramId program;
        std::array<const Hash16*, 3> keys{};  ///< idempotency and natural keys
        const Hash16* external_id = nullptr;  ///< of its member
        bool profile = false;                 ///< the member's profile hashes too
    };
    /// Looks at the rows of many commands before the first is decided: memory waits overlap (a
    /// decision alone waits for ten or so cache misses in a row), and everything missing is noted
    /// at once for one fetch. Changes nothing else. Best with 32 to 256 commands a call.
    void look_ahead(std::span<const LookAhead> commands) const;

    /// Hands over a row that was missing; nullopt: it does not exist. Ignored if RAM knows the row
    /// by now. Malformed: corrupt.
    Result<void> insert(const RowRef& row, std::optional<std::string_view> value);
    /// Hands over an entry read from the log (or the ring); the cache of entries is small and
    /// bounded.
    void insert(std::unique_ptr<OwnedEntry> entry);

    /// Rows that `apply(entry)` will change and RAM does not know are noted in misses(); true if
    /// none. The live path has them already from decide; replays call this first.
    bool prepared(const Entry& entry) const;

    /// Is `entry` a legal successor of this state? Pure. Sequence numbers, postings that sum to
    /// zero, lots that can give what is taken, wallet equations, balances_after. Error `internal`
    /// (a bug) or `corrupt` (a bad log).
    Result<void> check(const Entry& entry) const;
    /// Makes it so. Requires prepared() and check(). `blind` carries the hashes of entry.personal
    /// if there are any.
    void apply(const Entry& entry, const BlindHashes* blind) noexcept;

    /// Rows that are made beside apply and only ever appended (seqidx, tree nodes).
    void append(ViewRecord record);

    // Checkpoint. cut → copy_slice until it says done → take → (SST ingestion elsewhere) →
    // checkpoint_ingested.
    /// Everything applied so far belongs to the checkpoint; O(1).
    void cut(GroupId group);
    /// Serialises up to `rows` more rows of the cut; true when all are copied. A row about to
    /// change is saved by apply.
    bool copy_slice(std::size_t rows);
    /// Requires copy_slice() == true.
    CheckpointBatch take_checkpoint();
    /// The batch is in views/ now: its keys may be forgotten, its rows evicted.
    void checkpoint_ingested();
    [[nodiscard]] bool checkpoint_running() const;
    [[nodiscard]] std::size_t dirty_rows() const;

    /// Drops clean rows, oldest use first, until memory_bytes() is within the limit; at most
    /// `rows_max` a call.
    void evict(std::size_t rows_max);
    [[nodiscard]] std::size_t memory_bytes() const;

    [[nodiscard]] std::vector<ProgramId> programs() const;
    [[nodiscard]] std::vector<std::uint64_t> api_keys() const;
    /// What a reading thread needs beside a snapshot of views/ (taken in the same step). Requires
    /// member() == found.
    [[nodiscard]] MemberHistory history(ProgramId program, MemberId id) const;
    /// Members by e-mail or phone among rows not yet in views/. The caller joins them with a scan
    /// of `blind` (contact_row_prefix) and keeps those whose profile() still has the hash.
    [[nodiscard]] std::vector<MemberId> recent_by_blind(
        ProgramId program, BlindKind kind, const Hash16& hash
    ) const;

    /// Orphans made or attached since the views' group, by seq from `after` (exclusive) on, until
    /// `live_max` of them are still orphans; true: it is none any more. The caller joins them with
    /// a scan of `orphan`.
    [[nodiscard]] std::vector<std::pair<Seq, bool>> recent_orphans(
        ProgramId program, Seq after, std::size_t live_max
    ) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ledger
