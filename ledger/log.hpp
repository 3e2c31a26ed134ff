#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ledger/base/ids.hpp"
#include "ledger/base/result.hpp"
#include "ledger/group_codec.hpp"
#include "ledger/store.hpp"
#include "ledger/view_record.hpp"

namespace ledger {

/// The rows of `seqidx` that belong to a group: the writer appends them to the state with the
/// group.
[[nodiscard]] std::vector<ViewRecord> seqidx_records(const Group& group);

/// One shard's log: the store, a ring of recent groups in RAM, and where entries not yet in the
/// view `seqidx` lie.
///
/// One writer (append, ingested) and one committing thread at a time (commit; may be the writer
/// itself or another thread); everything const from any thread. The locks are held for look-ups
/// only, never for I/O.
class Log {
public:
    struct Options {
        ShardId shard{};
        /// Committed groups kept in RAM; uncommitted ones are never dropped.
        std::size_t ring_bytes_max = std::size_t{64} << 20;
    };
    /// Both stores must outlive the log. The ring starts empty. Before any look-up the caller
    /// replays the groups after views.applied_group() and hands each to replayed(). Errors:
    /// io_error, corrupt.
    static Result<std::unique_ptr<Log>> open(LogStore& store, ViewStore& views, Options options);

    /// A committed group after the views' applied group, read back at start-up. In order. Writer.
    void replayed(const Group& group);
    /// Makes the entries of the next group findable at once, before it is committed. Writer.
    /// Requires group->id() == last_group() + 1.
    void append(std::shared_ptr<const Group> group);
    /// Writes and syncs an appended group with new rows of `keys`, in order. After an error the
    /// process must exit.
    Result<void> commit(const Group& group, std::span<const LogStore::Row> keys);
    /// `seqidx` in views/ now covers everything up to `group`. Writer, or the checkpoint helper.
    void ingested(GroupId group);

    /// The last appended group; 0: none.
    [[nodiscard]] GroupId last_group() const {
        return GroupId{last_group_.load(std::memory_order_acquire)};
    }
    /// The last committed group; 0: none.
    [[nodiscard]] GroupId durable_group() const {
        return GroupId{durable_group_.load(std::memory_order_acquire)};
    }

    /// An entry's bytes, kept alive by its group.
    struct EntryRef {
        std::shared_ptr<const Group> group;
        std::string_view bytes;
    };
    /// No I/O: for the writer. Also finds entries that are not committed yet.
    [[nodiscard]] std::optional<EntryRef> find_in_ring(ProgramId program, Seq seq) const;
    /// An entry's stored bytes, from RAM or disk; it may not be committed yet, so an answer made of
    /// it waits for durable_group(). Errors: not_found, corrupt, newer_format, io_error.
    [[nodiscard]] Result<std::string> find(ProgramId program, Seq seq) const;
    /// Several entries of one program, in the order asked; neighbours share one read. Errors as
    /// find.
    [[nodiscard]] Result<std::vector<std::string>> find_many(
        ProgramId program, std::span<const Seq> seqs
    ) const;

    /// Committed groups from `from` on, in order, from RAM or disk, up to the group that is durable
    /// when the last one was visited. The visitor answers false to stop, or an error, which is
    /// handed back. Errors: corrupt, newer_format, io_error.
    using GroupVisitor = std::function<Result<bool>(const std::shared_ptr<const Group>&)>;
    Result<void> groups_from(GroupId from, const GroupVisitor& visit) const;

    /// Bytes held in the ring.
    [[nodiscard]] std::size_t ring_bytes() const;

private:
    struct Place {
        std::uint64_t first = 0;  ///< first seq of the program in the value
        std::uint64_t group = 0;
        std::uint16_t part = 0;
    };
    Log(LogStore& store, ViewStore& views, Options options, GroupId last);
    void index(const Group& group);
    void trim_ring(std::vector<std::shared_ptr<const Group>>& dropped);
    void trim_index(GroupId up_to);
    [[nodiscard]] std::optional<Place> recent_place(ProgramId program, Seq seq) const;
    [[nodiscard]] std::shared_ptr<const Group> in_ring(std::uint64_t group) const;
    [[nodiscard]] Result<std::optional<Place>> stored_place(
        const ViewSnapshot& views, ProgramId program, Seq seq
    ) const;
    Result<void> read_stored(
        GroupId from, GroupId to, const GroupVisitor& visit, GroupId& visited, bool& stopped
    ) const;

    LogStore& store_;
    ViewStore& views_;
    const Options options_;
    std::atomic<std::uint64_t> last_group_;
    std::atomic<std::uint64_t> durable_group_;

    mutable std::shared_mutex mutex_;
    // Guarded by mutex_.
    std::deque<std::shared_ptr<const Group>> ring_;  ///< consecutive groups, the newest last
    std::size_t ring_bytes_ = 0;
    std::uint64_t ingested_;
    std::unordered_map<ProgramId, std::deque<Place>>
        places_;  ///< of groups in the ring or not ingested; ascending
};

}  // namespace ledger
