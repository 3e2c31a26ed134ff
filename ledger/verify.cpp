#include "ledger/verify.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "ledger/group_codec.hpp"
#include "ledger/keyring.hpp"
#include "ledger/replay.hpp"
#include "ledger/row_codec.hpp"
#include "ledger/state.hpp"
#include "ledger/tree.hpp"
#include "ledger/witness.hpp"

namespace ledger {

namespace {

constexpr ShardId kShard{0};
/// Rows a replay may leave dirty before they are taken out.
constexpr std::size_t kDirtyRowsMax = 200'000;
constexpr std::uint64_t kProgressEntries = 250'000;

std::string hex(std::string_view bytes) {
    std::string text;
    for (const char byte : bytes)
        text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    return text;
}

std::string hex(const Hash16& hash) {
    return hex(std::string_view(reinterpret_cast<const char*>(hash.data()), hash.size()));
}

std::string describe_blind(const BlindKey& key) {
    switch (key.kind) {
        case BlindKind::external_id: return fmt::format("external id {}", hex(key.hash));
        case BlindKind::email:
            return fmt::format("e-mail {:016x} member {}", key.contact_hash, key.member.value);
        case BlindKind::phone:
            return fmt::format("phone {:016x} member {}", key.contact_hash, key.member.value);
        case BlindKind::profile: return fmt::format("profile of member {}", key.member.value);
    }
    return {};
}

/// The key for a reader; hexadecimal if it is none of the family's.
std::string describe_key(ViewFamily family, std::string_view key) {
    switch (family) {
        case ViewFamily::program:
            if (const auto id = parse_program_key(key)) return fmt::format("program {}", id->value);
            break;
        case ViewFamily::api_key:
            if (const auto id = parse_api_key_key(key)) return fmt::format("key {}", *id);
            break;
        case ViewFamily::member:
            if (const auto at = parse_member_key(key))
                return fmt::format("program {} member {}", at->program.value, at->member.value);
            break;
        case ViewFamily::lot:
        case ViewFamily::stmt:
            if (const auto at = parse_chunk_key(key))
                return fmt::format(
                    "program {} member {} chunk {}", at->program.value, at->member.value, at->chunk
                );
            break;
        case ViewFamily::keys:
        case ViewFamily::waiting:
            if (const auto at = parse_seen_key(key))
                return fmt::format("program {} hash {}", at->program.value, hex(at->hash));
            break;
        case ViewFamily::rev:
        case ViewFamily::seqidx:
        case ViewFamily::orphan:
            if (const auto at = parse_seq_key(key))
                return fmt::format("program {} seq {}", at->program.value, at->seq.value);
            break;
        case ViewFamily::ctr:
            if (const auto at = parse_counter_key(key))
                return fmt::format(
                    "program {} counter {} slot {}", at->program.value, at->counter, hex(at->slot)
                );
            break;
        case ViewFamily::due:
            if (const auto at = parse_due_key(key); at && !at->parked.none())
                return fmt::format(
                    "program {} when {} parked {}", at->program.value, at->when, at->parked.value
                );
            if (const auto at = parse_due_key(key))
                return fmt::format(
                    "program {} when {} member {}", at->program.value, at->when, at->member.value
                );
            break;
        case ViewFamily::blind:
            if (const auto at = parse_blind_key(key))
                return fmt::format("program {} {}", at->program.value, describe_blind(*at));
            break;
        case ViewFamily::tree:
        case ViewFamily::meta:
        case ViewFamily::count_: break;
    }
    return "key " + hex(key);
}

/// Rows of views/ with what the rest of the log changes in them.
class StoredRows {
public:
    explicit StoredRows(const ViewSnapshot& views) : views_(views) {}

    void overlay(CheckpointBatch batch) {
        batch.expand();
        for (ViewRecord& record : batch.records) {
            auto& value = changed_[{record.family, std::move(record.key)}];
            if (record.erase) {
                value.reset();
            } else {
                value = std::move(record.value);
            }
        }
    }

    Result<void> scan(
        ViewFamily family,
        const std::function<void(std::string_view key, std::string_view value)>& visit
    ) const {
        auto changed = changed_.lower_bound({family, std::string()});
        const auto visit_changed = [&] {
            if (changed->second) visit(changed->first.second, *changed->second);
            ++changed;
        };
        const auto in_family = [&] {
            return changed != changed_.end() && changed->first.first == family;
        };
        auto scanned =
            views_.scan(family, {}, {}, [&](std::string_view key, std::string_view value) {
                while (in_family() && changed->first.second < key)
                    visit_changed();
                if (in_family() && changed->first.second == key) {
                    visit_changed();
                } else {
                    visit(key, value);
                }
                return true;
            });
        if (scanned.has_error()) return scanned;
        while (in_family())
            visit_changed();
        return {};
    }

private:
    const ViewSnapshot& views_;
    std::map<std::pair<ViewFamily, std::string>, std::optional<std::string>> changed_;
};

/// Where entries lie, so that a replay can go back to one (the order of a refund).
class EntryIndex {
public:
    EntryIndex(LogStore& log) : log_(log) {}

    void add(const Group& group) {
        for (const FirstInValue& first : group.firsts())
            places_[first.program].push_back({first.first.value, group.id().value, first.part});
    }

    [[nodiscard]] Result<std::string> find(ProgramId program, Seq seq) const {
        const auto none = make_error(
            ErrorCode::corrupt,
            fmt::format("program {} seq {} is referred to but not there", program.value, seq.value)
        );
        const auto places = places_.find(program);
        if (places == places_.end()) return none;
        auto after = std::ranges::upper_bound(places->second, seq.value, {}, &Place::first);
        if (after == places->second.begin()) return none;
        const Place& place = *--after;
        auto value = log_.value(kShard, GroupId{place.group}, place.part);
        if (value.has_error()) return value.error();
        auto view = decode_value(kShard, GroupId{place.group}, place.part, *value);
        if (view.has_error()) return view.error();
        const auto bytes = view->find(program, seq);
        if (!bytes) return none;
        return std::string(*bytes);
    }

private:
    struct Place {
        std::uint64_t first = 0;
        std::uint64_t group = 0;
        std::uint16_t part = 0;
    };
    LogStore& log_;
    std::unordered_map<ProgramId, std::vector<Place>> places_;
};

/// Takes everything that changed since the last time out of `state`.
CheckpointBatch take(State& state, const std::map<ProgramId, MerkleTree>& trees, GroupId group) {
    for (const auto& [program, tree] : trees)
        state.append(frontier_row(program, tree));
    state.cut(group);
    while (!state.copy_slice(kDirtyRowsMax)) {
    }
    CheckpointBatch batch = state.take_checkpoint();
    state.checkpoint_ingested();
    return batch;
}

class Verification {
public:
    explicit Verification(const VerifyOptions& options) : options_(options) {}

    Result<VerifyReport> run();

private:
    Result<void> open();
    Result<void> open_keyring();
    Result<void> open_views();
    Result<void> check_witness();
    Result<void> read_log();
    Result<void> visit_value(GroupId id, std::uint16_t part, std::string_view value);
    Result<void> visit_group(const Group& group);
    void check_root(GroupId group);
    void compare_views(const StoredRows& stored, GroupId group);
    void compare_family(const StoredRows& stored, ViewFamily family, GroupId group);
    Result<void> check_restart();
    Result<void> replay_rest(State& state, StoredRows& stored);
    void finish();

    void fault(std::string line) {
        if (report_.faults.size() < VerifyReport::kFaultsMax) {
            report_.faults.push_back(std::move(line));
        } else {
            ++report_.faults_left_out;
        }
    }
    void say(const std::string& line) const {
        if (options_.progress) options_.progress(line);
    }
    [[nodiscard]] std::string last_whole_entry() const;

    const VerifyOptions& options_;
    VerifyReport report_;
    std::shared_ptr<void> lock_;
    std::unique_ptr<LogStore> log_;
    std::unique_ptr<ViewStore> views_;  ///< null: there are none, or they cannot be compared
    std::unique_ptr<ViewSnapshot> snapshot_;
    std::unique_ptr<KeyVault> vault_;  ///< null: no keyring
    WitnessReading witness_;
    GroupId last_;

    std::unique_ptr<EntryIndex> index_;
    std::unique_ptr<State> state_;
    std::unique_ptr<Replay> replay_;
    std::unique_ptr<GroupReader> reader_;
    ContentDigests contents_;
    RowMap rows_;
    std::map<ProgramId, MerkleTree> trees_at_views_;
    std::optional<std::pair<ProgramId, Seq>> last_entry_;
    std::optional<std::pair<GroupId, std::uint16_t>> last_value_;
    bool broken_ = false;  ///< the log: from here on only checksums are looked at
    bool views_compared_ = false;
    std::uint64_t entries_ = 0;
};

Result<void> Verification::open() {
    const std::string& folder = options_.data_path;
    if (!options_.disk->exists(folder + "/log"))
        return make_error(ErrorCode::not_found, folder + " holds no log: it is not a data folder");
    // A folder that never had a server has no lock, and none is made.
    if (options_.disk->exists(folder + "/LOCK")) {
        auto locked = options_.disk->lock(folder + "/LOCK");
        if (locked.has_error()) return locked.error();
        lock_ = std::move(*locked);
    }
    auto log = LogStore::open({folder + "/log", options_.disk, true, true});
    if (log.has_error()) {
        if (log.error().code == ErrorCode::not_found) {
            auto witness = read_witness(*options_.disk, folder + "/witness");
            if (witness.has_error()) return witness.error();
            if (auto same = compare_with_no_log(*witness); same.has_error()) {
                fault("log: " + same.error().detail);
                return {};
            }
        }
        if (log.error().code != ErrorCode::corrupt) return log.error();
        fault("log: " + log.error().detail);
        return {};
    }
    log_ = std::move(*log);
    auto last = log_->last_group(kShard);
    if (last.has_error()) {
        fault("log: " + last.error().detail);
        log_.reset();
        return {};
    }
    last_ = *last;
    if (auto opened = open_keyring(); opened.has_error()) return opened;
    if (auto opened = open_views(); opened.has_error()) return opened;
    return check_witness();
}

Result<void> Verification::open_keyring() {
    auto keyring =
        Keyring::load_or_create(*options_.disk, options_.data_path, Keyring::IfMissing::refuse);
    if (keyring.has_error()) {
        if (keyring.error().code == ErrorCode::newer_format ||
            keyring.error().code == ErrorCode::io_error)
            return keyring.error();
        if (keyring.error().code != ErrorCode::no_keyring)
            fault("keyring: " + keyring.error().detail);
        report_.not_checked.emplace_back("blind");
        return {};
    }
    vault_ = std::make_unique<KeyVault>(
        std::move(*keyring),
        [log = log_.get()](std::string_view key) { return log->key_row(key); },
        KeyVault::Options{}
    );
    return {};
}

Result<void> Verification::open_views() {
    ViewStore::Options options;
    options.path = options_.data_path + "/views";
    options.disk = options_.disk;
    options.read_only = true;
    auto views = ViewStore::open(std::move(options));
    if (views.has_error()) {
        switch (views.error().code) {
            case ErrorCode::not_found: say("there are no views: nothing to compare"); return {};
            case ErrorCode::corrupt: fault("views: " + views.error().detail); return {};
            default: return views.error();
        }
    }
    if ((*views)->rebuilt()) {
        say("views/ was made by an older release and is rebuilt at the next start");
        report_.not_checked.emplace_back("views");
        return {};
    }
    views_ = std::move(*views);
    snapshot_ = views_->snapshot();
    if (views_->applied_group() > last_) {
        fault(fmt::format(
            "views: they are at group {}, but the log ends at group {}",
            views_->applied_group().value,
            last_.value
        ));
        views_compared_ = true;
    }
    return {};
}

Result<void> Verification::check_witness() {
    auto witness = read_witness(*options_.disk, options_.data_path + "/witness");
    if (witness.has_error()) return witness.error();
    witness_ = *witness;
    auto same = compare(witness_, *log_, kShard);
    if (same.has_error()) {
        if (same.error().code == ErrorCode::io_error) return same;
        fault("witness: " + same.error().detail);
    }
    return {};
}

std::string Verification::last_whole_entry() const {
    if (!last_entry_) return "no entry before it";
    return fmt::format(
        "the last entry before it is program {} seq {}",
        last_entry_->first.value,
        last_entry_->second.value
    );
}

Result<void> Verification::visit_group(const Group& group) {
    index_->add(group);
    if (auto applied = replay_->apply(group); applied.has_error()) {
        if (applied.error().code == ErrorCode::newer_format) return applied;
        broken_ = true;
        fault(fmt::format("log group {}: {}", group.id().value, applied.error().detail));
        return {};
    }
    const EntryLocation& end = group.entries().back();
    last_entry_ = {end.program, end.seq};
    const std::uint64_t before = entries_;
    entries_ += group.entries().size();
    if (before / kProgressEntries != entries_ / kProgressEntries)
        say(fmt::format("read {} entries, group {} of {}", entries_, group.id().value, last_.value)
        );
    check_root(group.id());
    if (views_ && group.id() == views_->applied_group() && !views_compared_) {
        rows_.apply(take(*state_, replay_->trees, group.id()));
        trees_at_views_ = replay_->trees;
        compare_views(StoredRows(*snapshot_), group.id());
    } else if (state_->dirty_rows() > kDirtyRowsMax) {
        rows_.apply(take(*state_, replay_->trees, group.id()));
    }
    return {};
}

Result<void> Verification::visit_value(GroupId id, std::uint16_t part, std::string_view value) {
    if (broken_) {
        if (auto view = decode_value(kShard, id, part, value); view.has_error())
            fault(fmt::format("log group {} part {}: {}", id.value, part, view.error().detail));
        last_value_ = {id, part};
        return {};
    }
    auto group = reader_->add(id, part, value);
    if (group.has_error()) {
        if (group.error().code == ErrorCode::newer_format) return group.error();
        broken_ = true;
        fault(fmt::format(
            "log group {} part {}: {} ({})",
            id.value,
            part,
            group.error().detail,
            last_whole_entry()
        ));
        last_value_ = {id, part};
        return {};
    }
    last_value_ = {id, part};
    return *group ? visit_group(**group) : Result<void>();
}

void Verification::check_root(GroupId group) {
    if (witness_.state != WitnessReading::State::valid || witness_.position.group != group) return;
    const auto tree = replay_->trees.find(witness_.position.program);
    // Another last entry of the group was a fault of check_witness() already.
    if (tree == replay_->trees.end() || tree->second.size() != witness_.position.seq.value) return;
    if (auto same = compare_root(witness_.position, tree->second.root()); same.has_error())
        fault("witness: " + same.error().detail);
}

Result<void> Verification::read_log() {
    index_ = std::make_unique<EntryIndex>(*log_);
    State::Options empty;
    // Nothing is evicted, so whatever the state does not know does not exist.
    empty.memory_bytes_max = std::numeric_limits<std::size_t>::max();
    empty.views_empty = true;
    state_ = std::make_unique<State>(std::move(empty));
    replay_ = std::make_unique<Replay>(Replay::Options{
        *state_,
        nullptr,
        vault_.get(),
        [this](ProgramId program, Seq seq) { return index_->find(program, seq); },
        [this](const OwnedEntry& entry) -> Result<void> {
            contents_.add(entry.entry);
            return {};
        },
        {}});
    reader_ = std::make_unique<GroupReader>(kShard, GroupId{1});
    if (views_ && views_->applied_group().none()) {
        compare_views(StoredRows(*snapshot_), GroupId{});
    }
    auto scanned = log_->scan(
        kShard,
        GroupId{1},
        [this](GroupId id, std::uint16_t part, std::string_view value) {
            return visit_value(id, part, value);
        }
    );
    if (scanned.has_error()) {
        if (scanned.error().code == ErrorCode::newer_format) return scanned;
        broken_ = true;
        fault(
            last_value_ ? fmt::format(
                              "log after group {} part {}: {}",
                              last_value_->first.value,
                              last_value_->second,
                              scanned.error().detail
                          )
                        : "log: " + scanned.error().detail
        );
    }
    if (broken_) return {};
    if (auto complete = reader_->finish(); complete.has_error()) {
        broken_ = true;
        fault("log: " + complete.error().detail);
    }
    return {};
}

void Verification::compare_family(const StoredRows& stored, ViewFamily family, GroupId group) {
    auto expected = rows_.rows.lower_bound(std::pair(family, std::string()));
    const auto in_family = [&] {
        return expected != rows_.rows.end() && expected->first.first == family;
    };
    const auto differs = [&](std::string_view key, std::string_view how) {
        fault(fmt::format(
            "view {} {}: {} (group {}, key {})",
            name(family),
            describe_key(family, key),
            how,
            group.value,
            hex(key)
        ));
    };
    auto scanned = stored.scan(family, [&](std::string_view key, std::string_view value) {
        while (in_family() && expected->first.second < key) {
            differs(expected->first.second, "the row is missing");
            ++expected;
        }
        if (!in_family() || expected->first.second != key) {
            differs(key, "the log makes no such row");
            return;
        }
        if (expected->second != value) differs(key, "the row differs from what the log makes");
        ++expected;
    });
    if (scanned.has_error()) {
        fault(fmt::format("view {}: {}", name(family), scanned.error().detail));
        return;
    }
    for (; in_family(); ++expected)
        differs(expected->first.second, "the row is missing");
}

void Verification::compare_views(const StoredRows& stored, GroupId group) {
    say(fmt::format("comparing the views at group {}", group.value));
    views_compared_ = true;
    for (int i = 0; i < static_cast<int>(ViewFamily::count_); ++i) {
        const auto family = static_cast<ViewFamily>(i);
        if (family == ViewFamily::meta || (family == ViewFamily::blind && !vault_)) continue;
        compare_family(stored, family, group);
    }
}

Result<void> Verification::replay_rest(State& state, StoredRows& stored) {
    for (const ViewFamily family : {ViewFamily::program, ViewFamily::api_key}) {
        Result<void> inserted;
        auto scanned =
            snapshot_->scan(family, {}, {}, [&](std::string_view key, std::string_view value) {
                inserted = state.insert(RowRef{family, std::string(key)}, value);
                return !inserted.has_error();
            });
        if (scanned.has_error()) return scanned;
        if (inserted.has_error()) return inserted;
    }
    Replay replay(Replay::Options{
        state,
        views_.get(),
        vault_.get(),
        [this](ProgramId program, Seq seq) { return index_->find(program, seq); },
        {},
        {}});
    replay.trees = trees_at_views_;
    const GroupId first{views_->applied_group().value + 1};
    GroupReader reader(kShard, first);
    auto scanned = log_->scan(
        kShard,
        first,
        [&](GroupId id, std::uint16_t part, std::string_view value) -> Result<void> {
            auto group = reader.add(id, part, value);
            if (group.has_error()) return group.error();
            if (!*group) return {};
            if (auto applied = replay.apply(**group); applied.has_error()) return applied;
            // No checkpoint on the way: what a look-up finds in views/ must stay what it was at
            // their group.
            return {};
        }
    );
    if (scanned.has_error()) return scanned;
    stored.overlay(take(state, replay.trees, last_));
    return {};
}

/// Views at their group and the rest of the log on top must give what the log alone gives: a
/// restart.
Result<void> Verification::check_restart() {
    if (!views_ || !views_compared_ || broken_ || !report_.faults.empty() ||
        views_->applied_group() >= last_)
        return {};
    State::Options options;
    options.memory_bytes_max = std::numeric_limits<std::size_t>::max();
    options.views_empty = views_->applied_group().none();
    State state(std::move(options));
    StoredRows stored(*snapshot_);
    if (auto replayed = replay_rest(state, stored); replayed.has_error()) {
        if (replayed.error().code == ErrorCode::io_error) return replayed;
        fault(fmt::format(
            "views at group {}: the rest of the log does not apply: {}",
            views_->applied_group().value,
            replayed.error().detail
        ));
        return {};
    }
    compare_views(stored, last_);
    return {};
}

void Verification::finish() {
    if (views_ && !views_compared_ && broken_) report_.not_checked.emplace_back("views");
    if (broken_) return;
    auto state = state_digest(rows_);
    if (state.has_error()) {
        fault("state: " + state.error().detail);
    } else {
        report_.state = *state;
    }
    report_.contents = contents_.digests();
}

Result<VerifyReport> Verification::run() {
    if (auto opened = open(); opened.has_error()) return opened.error();
    if (!log_) return std::move(report_);
    if (auto read = read_log(); read.has_error()) return read.error();
    if (!broken_) rows_.apply(take(*state_, replay_->trees, last_));
    if (auto same = check_restart(); same.has_error()) return same.error();
    finish();
    return std::move(report_);
}

}  // namespace

Result<VerifyReport> verify(const VerifyOptions& options) {
    Verification verification(options);
    return verification.run();
}

}  // namespace ledger
