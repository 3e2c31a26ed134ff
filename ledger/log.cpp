#include "ledger/log.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "ledger/base/invariant.hpp"
#include "ledger/row_codec.hpp"

namespace ledger {
namespace {

/// What a group costs in the ring beside its own bytes.
constexpr std::size_t kRingOverhead = 64;

Error no_entry(ProgramId program, Seq seq) {
    return make_error(
        ErrorCode::not_found, fmt::format("no entry {} of program {}", seq.value, program.value)
    );
}

}  // namespace

std::vector<ViewRecord> seqidx_records(const Group& group) {
    std::vector<ViewRecord> records;
    records.reserve(group.firsts().size());
    for (const FirstInValue& first : group.firsts()) {
        std::string value;
        encode_row(SeqIndex{group.id(), first.part}, value);
        records.push_back(
            {ViewFamily::seqidx,
             false,
             seq_index_row_key(first.program, first.first),
             std::move(value)}
        );
    }
    return records;
}

Result<std::unique_ptr<Log>> Log::open(LogStore& store, ViewStore& views, Options options) {
    const auto last = store.last_group(options.shard);
    if (!last) {
        return last.error();
    }
    return std::unique_ptr<Log>(new Log(store, views, options, *last));
}

Log::Log(LogStore& store, ViewStore& views, Options options, GroupId last)
    : store_(store),
      views_(views),
      options_(options),
      last_group_(last.value),
      durable_group_(last.value),
      ingested_(views.applied_group().value) {}

void Log::index(const Group& group) {
    for (const FirstInValue& first : group.firsts()) {
        auto& places = places_[first.program];
        INVARIANT(places.empty() || places.back().first < first.first.value);
        places.push_back({first.first.value, group.id().value, first.part});
    }
}

void Log::replayed(const Group& group) {
    const std::unique_lock lock(mutex_);
    INVARIANT(ring_.empty());
    index(group);
}

void Log::append(std::shared_ptr<const Group> group) {
    const std::unique_lock lock(mutex_);
    INVARIANT(
        group->shard() == options_.shard &&
        group->id().value == last_group_.load(std::memory_order_relaxed) + 1
    );
    index(*group);
    ring_bytes_ += group->memory_bytes() + kRingOverhead;
    last_group_.store(group->id().value, std::memory_order_release);
    ring_.push_back(std::move(group));
}

Result<void> Log::commit(const Group& group, std::span<const LogStore::Row> keys) {
    INVARIANT(group.id().value == durable_group_.load(std::memory_order_relaxed) + 1);
    if (auto written = store_.commit(group.shard(), group.id(), group.values(), keys); !written) {
        return written;
    }
    durable_group_.store(group.id().value, std::memory_order_release);
    // Groups die outside the lock.
    std::vector<std::shared_ptr<const Group>> dropped;
    {
        const std::unique_lock lock(mutex_);
        trim_ring(dropped);
    }
    return {};
}

void Log::trim_ring(std::vector<std::shared_ptr<const Group>>& dropped) {
    const std::uint64_t durable = durable_group_.load(std::memory_order_relaxed);
    while (ring_bytes_ > options_.ring_bytes_max && !ring_.empty() &&
           ring_.front()->id().value <= durable) {
        ring_bytes_ -= ring_.front()->memory_bytes() + kRingOverhead;
        for (const FirstInValue& first : ring_.front()->firsts()) {
            // Places of the dropped group stay until they are in the view.
            const auto places = places_.find(first.program);
            while (places != places_.end() && !places->second.empty() &&
                   places->second.front().group <= std::min(ring_.front()->id().value, ingested_)) {
                places->second.pop_front();
            }
        }
        dropped.push_back(std::move(ring_.front()));
        ring_.pop_front();
    }
}

void Log::trim_index(GroupId up_to) {
    for (auto& [program, places] : places_) {
        while (!places.empty() && places.front().group <= up_to.value) {
            places.pop_front();
        }
    }
}

void Log::ingested(GroupId group) {
    const std::unique_lock lock(mutex_);
    ingested_ = std::max(ingested_, group.value);
    const std::uint64_t before_ring = ring_.empty() ? ingested_ : ring_.front()->id().value - 1;
    trim_index(GroupId{std::min(ingested_, before_ring)});
}

std::shared_ptr<const Group> Log::in_ring(std::uint64_t group) const {
    if (ring_.empty() || group < ring_.front()->id().value || group > ring_.back()->id().value) {
        return nullptr;
    }
    return ring_[group - ring_.front()->id().value];
}

std::optional<Log::Place> Log::recent_place(ProgramId program, Seq seq) const {
    const auto places = places_.find(program);
    if (places == places_.end()) {
        return std::nullopt;
    }
    const auto after = std::ranges::upper_bound(places->second, seq.value, {}, &Place::first);
    if (after == places->second.begin()) {
        return std::nullopt;
    }
    return *std::prev(after);
}

std::optional<Log::EntryRef> Log::find_in_ring(ProgramId program, Seq seq) const {
    std::shared_ptr<const Group> group;
    std::optional<Place> place;
    {
        const std::shared_lock lock(mutex_);
        place = recent_place(program, seq);
        if (place) {
            group = in_ring(place->group);
        }
    }
    if (!group) {
        return std::nullopt;
    }
    const auto bytes = group->find(place->part, program, seq);
    if (!bytes) {
        return std::nullopt;
    }
    return EntryRef{std::move(group), *bytes};
}

Result<std::string> Log::find(ProgramId program, Seq seq) const {
    auto found = find_many(program, std::span(&seq, 1));
    if (!found) {
        return found.error();
    }
    return std::move(found->front());
}

Result<std::optional<Log::Place>> Log::stored_place(
    const ViewSnapshot& views, ProgramId program, Seq seq
) const {
    const std::string key = seq_index_row_key(program, seq);
    const auto row =
        views.seek_for_prev(ViewFamily::seqidx, std::string_view(key).substr(0, 4), key);
    if (!row) {
        return row.error();
    }
    if (!*row) {
        return std::optional<Place>();
    }
    const auto& [found_key, value] = **row;
    SeqIndex index;
    const auto parsed = parse_seq_key(found_key);
    if (!parsed || decode_row(found_key, value, index).has_error()) {
        return make_error(
            ErrorCode::corrupt,
            fmt::format("view seqidx: bad row for entry {} of program {}", seq.value, program.value)
        );
    }
    return std::optional(Place{parsed->seq.value, index.group.value, index.part});
}

Result<std::vector<std::string>> Log::find_many(ProgramId program, std::span<const Seq> seqs)
    const {
    std::vector<std::string> found;
    found.reserve(seqs.size());
    std::unique_ptr<ViewSnapshot> snapshot;
    // The value read last: a page of history lies in few of them.
    std::string value;
    std::optional<ValueView> view;
    std::pair<std::uint64_t, std::uint16_t> at{};
    for (const Seq seq : seqs) {
        if (const auto ref = find_in_ring(program, seq)) {
            found.emplace_back(ref->bytes);
            continue;
        }
        if (view) {
            if (const auto bytes = view->find(program, seq)) {
                found.emplace_back(*bytes);
                continue;
            }
        }
        std::optional<Place> place;
        std::uint64_t ingested = 0;
        {
            const std::shared_lock lock(mutex_);
            place = recent_place(program, seq);
            ingested = ingested_;
        }
        if (!place) {
            // A place leaves RAM only after its row was ingested, so a snapshot not older than that
            // has it.
            if (!snapshot || snapshot->applied_group().value < ingested) {
                snapshot = views_.snapshot();
            }
            auto stored = stored_place(*snapshot, program, seq);
            if (!stored) {
                return stored.error();
            }
            place = *stored;
        }
        if (!place || place->group > durable_group().value) {
            return no_entry(program, seq);
        }
        if (!view || at != std::pair(place->group, place->part)) {
            view.reset();
            auto read = store_.value(options_.shard, GroupId{place->group}, place->part);
            if (!read) {
                return read.error().code == ErrorCode::not_found
                           ? make_error(
                                 ErrorCode::corrupt,
                                 "seqidx names a missing value: " + read.error().detail
                             )
                           : read.error();
            }
            value = std::move(*read);
            at = {place->group, place->part};
            auto decoded = decode_value(options_.shard, GroupId{place->group}, place->part, value);
            if (!decoded) {
                return decoded.error();
            }
            view = *decoded;
        }
        const auto bytes = view->find(program, seq);
        if (!bytes) {
            return no_entry(program, seq);
        }
        found.emplace_back(*bytes);
    }
    return found;
}

Result<void> Log::read_stored(
    GroupId from, GroupId to, const GroupVisitor& visit, GroupId& visited, bool& stopped
) const {
    /// Ends the scan without a fault; never leaves this function.
    const auto enough = [] { return make_error(ErrorCode::ok); };
    GroupReader reader(options_.shard, from);
    const auto scanned = store_.scan(
        options_.shard,
        from,
        [&](GroupId group, std::uint16_t part, std::string_view value) -> Result<void> {
            if (group > to) {
                return enough();
            }
            const auto whole = reader.add(group, part, value);
            if (!whole) {
                return whole.error();
            }
            if (!*whole) {
                return {};
            }
            const auto more = visit(*whole);
            if (!more) {
                return more.error();
            }
            visited = group;
            stopped = !*more;
            return stopped ? Result<void>(enough()) : Result<void>();
        }
    );
    if (!scanned && scanned.error().code != ErrorCode::ok) {
        return scanned;
    }
    if (!stopped) {
        if (auto whole = reader.finish(); !whole) {
            return whole;
        }
        if (visited < to) {
            return make_error(
                ErrorCode::corrupt,
                fmt::format(
                    "the log of shard {} ends at group {}, not {}",
                    options_.shard.value,
                    visited.value,
                    to.value
                )
            );
        }
    }
    return {};
}

Result<void> Log::groups_from(GroupId from, const GroupVisitor& visit) const {
    std::uint64_t next = std::max<std::uint64_t>(from.value, 1);
    while (next <= durable_group().value) {
        std::shared_ptr<const Group> group;
        std::uint64_t stored_end = durable_group().value;
        {
            const std::shared_lock lock(mutex_);
            group = in_ring(next);
            if (!ring_.empty()) {
                stored_end = std::min(stored_end, ring_.front()->id().value - 1);
            }
        }
        if (group) {
            const auto more = visit(group);
            if (!more) {
                return more.error();
            }
            if (!*more) {
                return {};
            }
            ++next;
            continue;
        }
        // From the store up to where the ring began a moment ago; the ring moves on meanwhile, then
        // we come here again.
        GroupId visited{next - 1};
        bool stopped = false;
        const GroupId to{std::max(stored_end, next)};
        if (auto read = read_stored(GroupId{next}, to, visit, visited, stopped); !read || stopped) {
            return read;
        }
        next = visited.value + 1;
    }
    return {};
}

std::size_t Log::ring_bytes() const {
    const std::shared_lock lock(mutex_);
    return ring_bytes_;
}

}  // namespace ledger
