#include "server/engine/writer.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <utility>

#include <unistd.h>

#include "ledger/base/invariant.hpp"
#include "ledger/entry_codec.hpp"
#include "ledger/replay.hpp"
#include "ledger/row_codec.hpp"
#include "ledger/seal.hpp"
#include "ledger/state_apply.hpp"
#include "server/engine/reads.hpp"

namespace server::engine {

using ledger::EntryKind;
using ledger::ErrorCode;

namespace {

constexpr std::uint32_t kGroupCommandsMax = 4'096;
constexpr std::size_t kGroupBytesMax = std::size_t{1} << 20;
/// Reads taken between two groups, so that they never hold up more than about a quarter of the
/// writer's time.
constexpr std::uint32_t kReadsMax = 256;
/// Fetches one read may need; a read that wants more is refused.
constexpr int kReadRoundsMax = 64;
constexpr ledger::Timestamp kIdleWait = 200'000;
constexpr ledger::Timestamp kBusyWait = 20'000;
constexpr std::size_t kSliceRows = 256;
/// Views that are this old when a copy is ready are written at full priority.
constexpr ledger::Timestamp kUrgentLag = 2 * ledger::kMicrosPerSecond;

/// Tells the probe when a decision begins and ends, however it ends.
class ProbeScope {
public:
    explicit ProbeScope(DecideProbe* probe) : probe_(probe) {
        if (probe_ != nullptr) probe_->begin();
    }
    ~ProbeScope() {
        if (probe_ != nullptr) probe_->end();
    }
    ProbeScope(const ProbeScope&) = delete;
    ProbeScope& operator=(const ProbeScope&) = delete;

private:
    DecideProbe* const probe_;
};
/// Commands whose rows are touched together before the first of them is decided.
constexpr std::size_t kLookAhead = 128;
/// Different complaints about stored rows that are printed; all are counted.
constexpr std::size_t kUnreadableLinesMax = 1'000;
constexpr const char* kUnreadableDetail =
    "A stored row that the command needs cannot be read; it changed nothing.";

}  // namespace

Writer::Writer(Parts parts, Start start)
    : parts_(std::move(parts)),
      trees_(std::move(start.trees)),
      rule_sets_(std::move(start.rule_sets)),
      overlay_(parts_.state),
      last_group_(start.last_group),
      checkpoint_period_(start.checkpoint_period),
      checkpoints_(start.checkpoints),
      probe_(start.probe) {
    last_recorded_.store(start.last_recorded);
    open_bytes_.reserve(2 * kGroupBytesMax);
    open_entries_.reserve(2 * kGroupCommandsMax);
    for (const auto& [program, tree] : trees_)
        if (tree.size() > 0) grown_.push_back(program);
    to_roll_ = parts_.state.programs();
    count_waiting();
}

void Writer::run() {
    bool closed = false;
    while (!closed) {
        const bool copying = parts_.state.checkpoint_running() && !checkpoint_handed_over_;
        const ledger::Timestamp wait = copying                         ? 0
                                       : parts_.state.dirty_rows() > 0 ? kBusyWait
                                                                       : kIdleWait;
        JobQueue::Drained drained = parts_.queue.drain(kGroupCommandsMax, kReadsMax, wait);
        std::size_t commands = 0;
        for (const auto& job : drained.writes)
            commands += weight(*job);
        closed = drained.empty() && parts_.queue.closed();
        if (!drained.empty()) process(std::move(drained));
        advance_checkpoint(commands, false);
    }
    parts_.committer.wait_durable(last_group_);
    // The last checkpoint: finish the running one, then cut what is left.
    while (checkpoints_ && (parts_.state.checkpoint_running() || parts_.state.dirty_rows() > 0)) {
        advance_checkpoint(1u << 20, true);
        if (checkpoint_handed_over_) parts_.checkpointer.wait();
    }
}

void Writer::look_ahead() {
    if (next_event_ != looked_at_) return;
    const std::size_t end = std::min(events_.size(), looked_at_ + kLookAhead);
    ahead_.clear();
    for (; looked_at_ < end; ++looked_at_) {
        const auto& [program, event] = events_[looked_at_];
        ledger::State::LookAhead ahead;
        ahead.program = program;
        ahead.keys[0] = &event->key_hash;
        if (event->type != EventType::other) ahead.keys[1] = &event->natural_hash;
        if (event->type == EventType::order_refunded || event->type == EventType::order_cancelled)
            ahead.keys[2] = &event->order_natural_hash;
        if (event->blind.external_id) ahead.external_id = &*event->blind.external_id;
        ahead.profile = event->blind.email || event->blind.phone || event->blind.name;
        ahead_.push_back(ahead);
    }
    // A fetched row can name the next one (a key its member): two rounds settle all that a paid
    // order needs.
    for (int round = 0; round < 2; ++round) {
        parts_.state.look_ahead(ahead_);
        if (parts_.state.misses().empty()) return;
        // Who needs the row that cannot be read will hear of it; the others go on.
        if (!fetch_missing()) return;
    }
}

void Writer::process(JobQueue::Drained drained) {
    const ledger::Timestamp monotonic = parts_.clock.monotonic();
    events_.clear();
    looked_at_ = next_event_ = 0;
    for (const auto& job : drained.writes) {
        for (const Command& command : static_cast<const WriteJob&>(*job).commands) {
            if (const auto* event = std::get_if<EventCommand>(&command))
                events_.emplace_back(job->program, event);
        }
    }
    for (auto& job : drained.writes) {
        parts_.metrics.queue_micros.record(
            static_cast<std::uint64_t>(std::max<ledger::Timestamp>(0, monotonic - job->queued_at))
        );
        run_job(static_cast<WriteJob&>(*job));
        if (job->lane != Lane::internal) finished_.push_back(std::move(job));
        if (group_open_ && builder_.bytes() >= kGroupBytesMax) finish_group(false);
    }
    run_reads(std::move(drained.reads));
    finish_group(true);
}

void Writer::begin_group() {
    const ledger::Timestamp now = parts_.clock.now();
    // Asked here too: a jump between two looks of the tending thread must not be recorded.
    clock_held_ = parts_.clock_guard.check(now);
    recorded_at_ = std::max(last_recorded_.load(std::memory_order_relaxed), now);
}

void Writer::run_job(WriteJob& job) {
    job.outcomes.resize(job.commands.size());
    if (!group_open_) begin_group();
    ledger::Timestamp begin = parts_.clock.monotonic();
    ledger::Timestamp applied = apply_micros_;
    // What a job takes beside sealing and applying is deciding; measured a job, not a command, for
    // its cost.
    const auto note_decided = [&] {
        decide_micros_ += std::max<ledger::Timestamp>(
            0, parts_.clock.monotonic() - begin - (apply_micros_ - applied)
        );
    };
    for (std::size_t i = 0; i < job.commands.size(); ++i) {
        if (std::holds_alternative<EventCommand>(job.commands[i])) {
            look_ahead();
            ++next_event_;
        }
        decide_command(job, i);
        if (group_open_ && (builder_.bytes() >= kGroupBytesMax || builder_.full())) {
            note_decided();
            finish_group(false);
            begin_group();
            begin = parts_.clock.monotonic();
            applied = apply_micros_;
        }
    }
    note_decided();
    group_commands_ += static_cast<std::uint32_t>(job.commands.size());
    parts_.metrics.commands.add(job.commands.size());
}

bool Writer::decide_guarded(
    const DecideContext& context, const Command& command, Outcome& outcome
) {
    const auto fail = [&](ErrorCode code, const char* detail) {
        overlay_.reset();
        parts_.state.misses().clear();
        outcome.status = Status::refused;
        outcome.error = ledger::make_error(code, detail);
        return false;
    };
    const ledger::Hash16* hash = request_hash(command);
    try {
        for (int attempt = 0;; ++attempt) {
            decision_.reset();
            {
                const ProbeScope probe(probe_);
                std::visit([&](const auto& c) { decide(context, c, decision_); }, command);
            }
            if (decision_.kind != Decision::Kind::needs_rows) return true;
            if (attempt > 64) throw std::runtime_error("rows stay missing");
            parts_.metrics.retries.add();
            // Rot: what followed from that row would be wrong for ever, so nothing follows.
            if (!fetch_missing()) return fail(ErrorCode::internal, kUnreadableDetail);
        }
    } catch (const std::bad_alloc&) {
        return fail(ErrorCode::overloaded, "The server is short of memory.");
    } catch (const std::exception& error) {
        parts_.metrics.poison.add();
        if (hash != nullptr)
            parts_.poison.add(command, *hash, error.what(), parts_.clock.monotonic());
        return fail(ErrorCode::internal, "The command could not be decided; it changed nothing.");
    }
}

void Writer::decide_command(WriteJob& job, std::size_t index) {
    const Command& command = job.commands[index];
    Outcome& outcome = job.outcomes[index];
    if (clock_held_) {
        outcome.status = Status::refused;
        outcome.error = ledger::make_error(ErrorCode::not_ready, kClockHeldDetail);
        parts_.metrics.refused(outcome.error.code);
        return;
    }
    if (const ledger::Hash16* hash = request_hash(command);
        hash != nullptr && parts_.poison.refuses(*hash, parts_.clock.monotonic())) {
        outcome.status = Status::refused;
        outcome.error = ledger::make_error(
            ErrorCode::internal,
            "The command could not be decided a moment ago; it changed nothing."
        );
        parts_.metrics.refused(outcome.error.code);
        return;
    }
    const bool system = std::holds_alternative<PutProgramCommand>(command) ||
                        std::holds_alternative<CreateKeyCommand>(command) ||
                        std::holds_alternative<RevokeKeyCommand>(command);
    DecideContext context{
        parts_.state,
        rule_sets_,
        system ? ledger::kSystemProgram : job.program,
        job.actor,
        recorded_at_};
    if (!system && parts_.state.program(job.program) == nullptr) {
        outcome.error =
            ledger::make_error(ErrorCode::program_not_found, "There is no such program.");
        return;
    }
    if (!system) roll_windows(context);
    if (!decide_settled(context, command, outcome)) {
        parts_.metrics.refused(outcome.error.code);
        return;
    }
    outcome.status = decision_.status;
    outcome.member = decision_.member;
    outcome.replayed = decision_.replayed;
    outcome.other_member = decision_.other_member;
    outcome.created = decision_.created;
    outcome.wallet_version = decision_.wallet_version;
    outcome.number = decision_.number;
    switch (decision_.kind) {
        case Decision::Kind::entries:
            if (decision_.dry_run) {
                answer_dry_run(outcome);
            } else if (append_set(command, outcome)) {
                if (outcome.status == Status::applied) parts_.metrics.events_applied.add();
            }
            break;
        case Decision::Kind::known: answer_known(context.program, outcome); break;
        case Decision::Kind::refused: outcome.error = std::move(decision_.error); break;
        case Decision::Kind::unchanged: break;
        case Decision::Kind::needs_rows: INVARIANT(false); break;
    }
    if (outcome.status == Status::rejected) outcome.error = std::move(decision_.error);
    if (outcome.status == Status::duplicate) {
        parts_.metrics.events_duplicate.add();
        if (decision_.kind == Decision::Kind::entries) {
            outcome.seq = decision_.known;
            answer_known(context.program, outcome);
        }
    }
    if (outcome.status == Status::rejected || outcome.status == Status::refused)
        parts_.metrics.refused(outcome.error.code);
    const auto* event = std::get_if<EventCommand>(&command);
    const bool order_came =
        event != nullptr && event->type == EventType::order_paid &&
        (outcome.status == Status::applied || outcome.status == Status::pending_identity);
    if (order_came) net_waiting(context, event->natural_hash);
}

void Writer::net_waiting(const DecideContext& context, const ledger::Hash16& order) {
    DecideContext by_itself = context;
    by_itself.actor = {};
    for (;;) {
        const auto waiting = parts_.state.waiting(context.program, order);
        if (waiting.missing()) {
            if (!fetch_missing()) return;
            continue;
        }
        if (!waiting.found()) return;
        const Command net = NetCommand{waiting.row->refunds.front().parked, order};
        Outcome outcome;
        // What cannot be decided goes on waiting, and ends as an orphan.
        if (!decide_guarded(by_itself, net, outcome) || decision_.kind != Decision::Kind::entries ||
            !append_set(net, outcome))
            return;
        // Nobody waits for these bytes, and `outcome` is gone when the group is finished.
        patches_.pop_back();
        if (decision_.status == Status::applied) parts_.metrics.events_applied.add();
        if (decision_.status == Status::rejected) parts_.metrics.refused(decision_.error.code);
    }
}

void Writer::count_waiting() {
    if (!waiting_changed_) return;
    waiting_changed_ = false;
    std::uint64_t waiting = 0;
    std::uint64_t orphans = 0;
    for (const ledger::ProgramId id : parts_.state.programs()) {
        const ledger::Program* program = parts_.state.program(id);
        waiting += program->waiting;
        orphans += program->orphans;
    }
    waiting_refunds_.store(waiting, std::memory_order_relaxed);
    orphans_.store(orphans, std::memory_order_relaxed);
}

bool Writer::decide_settled(DecideContext& context, const Command& command, Outcome& outcome) {
    while (decide_guarded(context, command, outcome)) {
        if (decision_.settle_first.none()) return true;
        if (settle_some(context, decision_.settle_first)) continue;
        outcome.status = Status::refused;
        outcome.error = ledger::make_error(
            ErrorCode::overloaded, "What is due of the member could not be settled; try again."
        );
        return false;
    }
    return false;
}

bool Writer::settle_some(DecideContext& context, ledger::MemberId member) {
    DecideContext by_itself = context;
    by_itself.actor = {};
    const Command settle = SettleCommand{member};
    Outcome outcome;
    const bool decided = decide_guarded(by_itself, settle, outcome);
    if (!decided || decision_.kind != Decision::Kind::entries || !append_set(settle, outcome))
        return false;
    patches_.pop_back();  // nobody waits for these bytes
    if (builder_.bytes() >= kGroupBytesMax || builder_.full()) {
        finish_group(false);
        begin_group();
        context.recorded_at = recorded_at_;
    }
    return true;
}

void Writer::roll_windows(const DecideContext& context) {
    const auto asked = std::find(to_roll_.begin(), to_roll_.end(), context.program);
    const bool due = recorded_at_ >= parts_.state.program(context.program)->next_window_end();
    if (asked == to_roll_.end() && !due) return;
    if (asked != to_roll_.end()) to_roll_.erase(asked);
    DecideContext by_itself = context;
    by_itself.actor = {};
    const Command roll = RollCommand{};
    Outcome outcome;
    if (!decide_guarded(by_itself, roll, outcome) || decision_.kind != Decision::Kind::entries)
        return;
    // Nobody waits for these bytes, and `outcome` is gone when the group is finished.
    if (append_set(roll, outcome)) patches_.pop_back();
}

bool Writer::fetch_missing() {
    parts_.metrics.fetched_rows.add(parts_.state.misses().rows.size());
    const auto fetched = ledger::Replay::fetch(
        parts_.state,
        &parts_.views,
        [this](ledger::ProgramId program, ledger::Seq seq) { return find_entry(program, seq); }
    );
    if (!fetched.has_error()) return true;
    parts_.state.misses().clear();
    note_unreadable(fetched.error());
    return false;
}

void Writer::note_unreadable(const ledger::Error& why) {
    parts_.metrics.unreadable_rows.add();
    // The same rot is met again and again: a line each is enough.
    if (unreadable_.size() >= kUnreadableLinesMax || !unreadable_.insert(why.detail).second) return;
    std::fprintf(stderr, "guerdon: a stored row cannot be read: %s\n", why.detail.c_str());
    std::fflush(stderr);
}

ledger::Result<std::string> Writer::find_entry(ledger::ProgramId program, ledger::Seq seq) const {
    for (auto it = open_entries_.rbegin(); it != open_entries_.rend(); ++it) {
        if (it->program == program && it->seq == seq)
            return open_bytes_.substr(it->offset, it->size);
    }
    if (const auto recent = parts_.log.find_in_ring(program, seq))
        return std::string(recent->bytes);
    return parts_.log.find(program, seq);
}

bool Writer::append_set(const Command& command, Outcome& outcome) {
    const ledger::Timestamp begin = parts_.clock.monotonic();
    const auto fail = [&](const ledger::Error& why) {
        overlay_.reset();
        parts_.metrics.poison.add();
        if (const ledger::Hash16* hash = request_hash(command))
            parts_.poison.add(command, *hash, why.detail, parts_.clock.monotonic());
        outcome.status = Status::refused;
        decision_.error = ledger::make_error(
            ErrorCode::internal, "The decision did not pass its own check; it changed nothing."
        );
        outcome.error = decision_.error;
        decision_.kind = Decision::Kind::refused;
        return false;
    };
    if (const ledger::Entry* entry = too_large_entry(); entry != nullptr) {
        outcome.status = Status::refused;
        decision_.error = ledger::make_error(
            ErrorCode::too_large,
            "What this leads to does not fit one entry of the ledger (2 MiB): fewer lines, rules "
            "or "
            "lots at once."
        );
        outcome.error = decision_.error;
        decision_.kind = Decision::Kind::refused;
        return false;
    }
    // The set is checked as a whole before its first entry changes anything.
    const std::size_t size = decision_.size();
    for (std::size_t i = 0; i < size; ++i) {
        ledger::Entry& entry = decision_.entry(i);
        if (!can_seal(entry)) {
            overlay_.reset();
            outcome.status = Status::refused;
            decision_.error = ledger::make_error(ErrorCode::internal, kUnreadableDetail);
            outcome.error = decision_.error;
            decision_.kind = Decision::Kind::refused;
            return false;
        }
        const auto legal = size == 1 ? parts_.state.check(entry) : overlay_.check(entry);
        if (legal.has_error()) return fail(legal.error());
        if (size > 1 && i + 1 < size)
            overlay_.apply(entry, entry.personal.empty() ? nullptr : &decision_.blind);
    }
    if (size > 1) overlay_.reset();
    if (!group_open_) {
        group_open_ = true;
        builder_.begin(ledger::GroupId{last_group_.value + 1}, recorded_at_);
        const auto began = std::max<ledger::Timestamp>(1, parts_.clock.monotonic());
        if (first_after_cut_ == 0) first_after_cut_ = began;
        if (oldest_unviewed() == 0) oldest_unviewed_.store(began, std::memory_order_relaxed);
        newest_unviewed_.store(began, std::memory_order_relaxed);
    }
    for (std::size_t i = 0; i < size; ++i) {
        ledger::Entry& entry = decision_.entry(i);
        const bool names = entry.kind == EntryKind::member || entry.kind == EntryKind::event;
        append_entry(entry, names && !entry.personal.empty() ? &decision_.blind : nullptr);
        system_effects(entry, command);
    }
    outcome.seq = decision_.answer().seq;
    patches_.push_back({&outcome, open_entries_.size() - 1});
    apply_micros_ += parts_.clock.monotonic() - begin;
    return true;
}

const ledger::Entry* Writer::too_large_entry() {
    // What sealing adds: personal fields are bounded far below.
    constexpr std::size_t kSealedMax = std::size_t{64} << 10;
    constexpr std::size_t kPlainMax = ledger::kEntryBytesMax - kSealedMax;
    for (std::size_t i = 0; i < decision_.size(); ++i) {
        const ledger::Entry& entry = decision_.entry(i);
        if (ledger::encoded_size_max(entry) <= kPlainMax) continue;
        measured_.clear();
        ledger::encode(entry, measured_);
        if (measured_.size() > kPlainMax) return &entry;
    }
    return nullptr;
}

bool Writer::can_seal(const ledger::Entry& entry) {
    if (entry.personal.empty()) return true;
    // A member that this set creates gets a key of its own, which nobody has to read.
    const ledger::MemberId last = parts_.state.program(entry.program)->last_member;
    if (entry.sealed_for > last.value || (entry.kind == EntryKind::member && entry.member > last))
        return true;
    const auto key = parts_.vault.key_for(entry.program, entry.sealed_for);
    if (!key.has_error()) return true;
    note_unreadable(ledger::make_error(
        key.error().code,
        "the key of program " + std::to_string(entry.program.value) + " member " +
            std::to_string(entry.sealed_for) + ": " + key.error().detail
    ));
    return false;
}

void Writer::seal_entry(ledger::Entry& entry) {
    if (entry.personal.empty()) return;
    const auto fail = [](const ledger::Error& why) {
        std::fprintf(stderr, "guerdon: a key cannot be read: %s\n", why.detail.c_str());
        std::fflush(stderr);
        _exit(70);
    };
    if (entry.kind == EntryKind::member &&
        parts_.state.program(entry.program)->last_member.value < entry.member.value) {
        ledger::seal(
            entry.personal,
            parts_.vault.new_member_key(entry.program, entry.member, key_rows_),
            sealed_
        );
    } else {
        auto key = parts_.vault.key_for(entry.program, entry.sealed_for);
        if (key.has_error()) return fail(key.error());
        if (!*key) {
            // Erased: nothing personal is kept for this member any more.
            entry.personal = {};
            entry.sealed_for = 0;
            return;
        }
        ledger::seal(entry.personal, **key, sealed_);
    }
    entry.sealed = sealed_;
}

void Writer::append_entry(ledger::Entry& entry, const ledger::BlindHashes* blind) {
    seal_entry(entry);
    const std::size_t offset = open_bytes_.size();
    ledger::encode(entry, open_bytes_);
    const std::string_view bytes(open_bytes_.data() + offset, open_bytes_.size() - offset);
    builder_.append(entry.program, entry.seq, bytes);
    open_entries_.push_back({entry.program, entry.seq, offset, bytes.size()});
    completed_.clear();
    ledger::MerkleTree& tree = trees_[entry.program];
    tree.append(bytes, &completed_);
    for (const ledger::TreeNode& node : completed_)
        parts_.state.append(ledger::tree_row(entry.program, node));
    if (std::find(grown_.begin(), grown_.end(), entry.program) == grown_.end())
        grown_.push_back(entry.program);
    parts_.state.apply(entry, blind);
    if (entry.has_key_hash) parts_.key_filter.add(entry.key_hash);
    if (entry.has_natural_hash) parts_.key_filter.add(entry.natural_hash);
    if (entry.kind == EntryKind::parked && entry.has_parking)
        parts_.key_filter.add(ledger::waiting_filter_hash(entry.parking.order_hash));
    waiting_changed_ |= entry.has_parking || entry.kind == EntryKind::orphaned ||
                        !ledger::linked(entry, ledger::LinkKind::parked).none();
    parts_.metrics.entries.add();
    for (const ledger::RuleOutcome& outcome : entry.event.rules) {
        if (outcome.code == ledger::RuleCode::error) parts_.metrics.rule_errors.add();
    }
}

void Writer::system_effects(const ledger::Entry& entry, const Command& command) {
    if (entry.program != ledger::kSystemProgram) return;
    registry_changed_ = true;
    if (entry.kind == EntryKind::program_activate)
        to_roll_.push_back(entry.program_activate.program);
    if (entry.kind != EntryKind::program_version) return;
    const ledger::ProgramVersionPart& version = entry.program_version;
    if (version.version == 1) parts_.vault.new_program(version.program, key_rows_);
    rule_sets_.set(
        version.program,
        version.version,
        version.content_hash,
        std::get<PutProgramCommand>(command).rule_set
    );
}

void Writer::answer_known(ledger::ProgramId program, Outcome& outcome) {
    const ledger::Seq seq = decision_.known;
    outcome.seq = seq;
    auto bytes = find_entry(program, seq);
    if (bytes.has_error()) {
        note_unreadable(bytes.error());
        outcome.status = Status::refused;
        outcome.error = ledger::make_error(ErrorCode::internal, kUnreadableDetail);
        return;
    }
    auto kept = std::make_shared<const std::string>(std::move(*bytes));
    outcome.entry = *kept;
    outcome.keep = std::move(kept);
}

void Writer::answer_dry_run(Outcome& outcome) {
    ledger::Entry& entry = decision_.answer();
    entry.seq = {};
    auto kept = std::make_shared<std::string>();
    ledger::encode(entry, *kept);
    outcome.entry = *kept;
    outcome.keep = std::move(kept);
}

void Writer::finish_group(bool last) {
    CommitBatch batch;
    count_waiting();
    if (group_open_) {
        std::shared_ptr<const ledger::Group> group = builder_.finish();
        for (const Patch& patch : patches_) {
            // A duplicate is answered by its first entry, not by the alias that was appended.
            if (patch.outcome->status == Status::duplicate) continue;
            patch.outcome->entry = group->bytes(group->entries()[patch.entry]);
            patch.outcome->keep = group;
        }
        for (ledger::ViewRecord& row : ledger::seqidx_records(*group))
            parts_.state.append(std::move(row));
        parts_.log.append(group);
        last_group_ = group->id();
        last_recorded_.store(recorded_at_, std::memory_order_relaxed);
        for (const std::string_view value : group->values())
            parts_.metrics.log_value_bytes.add(value.size());

        const ledger::EntryLocation& end = group->entries().back();
        const ledger::WitnessPosition position{
            group->shard(), group->id(), end.program, end.seq, trees_[end.program].root()};
        std::shared_ptr<const Registry> registry;
        if (registry_changed_) registry = make_registry(parts_.state, parts_.vault, rule_sets_);
        registry_changed_ = false;
        batch.after = [this, position, registry = std::move(registry)] {
            parts_.witness.durable(position);
            if (registry) parts_.registry.publish(registry);
        };
        batch.group = std::move(group);
        batch.keys = std::move(key_rows_);
        group_open_ = false;
    }
    key_rows_.clear();
    patches_.clear();
    open_entries_.clear();
    open_bytes_.clear();
    batch.required = last_group_;
    batch.jobs = std::move(finished_);
    finished_.clear();
    if (batch.group) {
        parts_.metrics.group_commands.record(group_commands_);
        parts_.metrics.decide_micros.record(static_cast<std::uint64_t>(decide_micros_));
        parts_.metrics.apply_micros.record(static_cast<std::uint64_t>(apply_micros_));
    }
    group_commands_ = 0;
    apply_micros_ = decide_micros_ = 0;
    if (!batch.group && batch.jobs.empty()) return;
    const bool idle = last && parts_.queue.idle();
    parts_.committer.submit(std::move(batch), idle);
}

void Writer::run_reads(std::vector<std::unique_ptr<Job>> reads) {
    if (reads.empty()) return;
    const ledger::Timestamp now = std::max(last_recorded(), parts_.clock.now());
    for (auto& job : reads) {
        auto& read = static_cast<ReadJob&>(*job);
        const auto tree = trees_.find(read.program);
        const Reads context(
            parts_.state,
            parts_.vault,
            parts_.views,
            read.program,
            now,
            tree == trees_.end() ? nullptr : &tree->second
        );
        if (const ledger::Program* program = parts_.state.program(read.program))
            read.as_of = program->last_seq;
        // Each round asks for all it can name, so even a hundred cold members take few of them.
        bool done = read.read(context);
        for (int round = 0; round < kReadRoundsMax && !done && !read.unreadable; ++round) {
            read.unreadable = !fetch_missing();
            if (!read.unreadable) done = read.read(context);
        }
        read.unfinished = !done;
        parts_.state.misses().clear();
        parts_.metrics.reads.add();
        finished_.push_back(std::move(job));
    }
}

void Writer::advance_checkpoint(std::size_t commands, bool at_once) {
    ledger::State& state = parts_.state;
    if (checkpoint_handed_over_ && parts_.checkpointer.take_done()) {
        state.checkpoint_ingested();
        checkpoint_handed_over_ = false;
        checkpoint_ended_ = parts_.clock.monotonic();
        parts_.metrics.checkpoint_micros.record(
            static_cast<std::uint64_t>(checkpoint_ended_ - checkpoint_cut_at_)
        );
        oldest_unviewed_.store(first_after_cut_, std::memory_order_relaxed);
    }
    if (!checkpoints_) return;
    const ledger::Timestamp now = parts_.clock.monotonic();
    // The pause is for quiet times: views that are two periods old are written on at once.
    const bool due = at_once || now - checkpoint_ended_ >= checkpoint_period_ ||
                     (oldest_unviewed() != 0 && now - oldest_unviewed() >= 2 * checkpoint_period_);
    if (state.checkpoint_running()) {
        if (!checkpoint_handed_over_ && state.copy_slice(std::max(kSliceRows, commands))) {
            const bool behind = now - oldest_unviewed() > kUrgentLag;
            parts_.checkpointer.submit(
                state.take_checkpoint(),
                behind ? Checkpointer::Pace::urgent : Checkpointer::Pace::calm
            );
            checkpoint_handed_over_ = true;
        }
    } else if (due && state.dirty_rows() > 0) {
        for (const ledger::ProgramId program : grown_)
            state.append(ledger::frontier_row(program, trees_[program]));
        grown_.clear();
        checkpoint_group_ = last_group_;
        state.cut(last_group_);
        checkpoint_cut_at_ = now;
        first_after_cut_ = 0;
    }
    if (!state.checkpoint_running()) state.evict(kSliceRows);
    state_bytes_.store(state.memory_bytes(), std::memory_order_relaxed);
}

std::shared_ptr<const Registry> Writer::make_registry(
    const ledger::State& state, ledger::KeyVault& vault, const CompiledVersions& rule_sets
) {
    auto registry = std::make_shared<Registry>();
    for (const ledger::ProgramId id : state.programs()) {
        if (id == ledger::kSystemProgram) continue;
        const ledger::Program* row = state.program(id);
        auto keys = vault.program_keys(id);
        if (keys.has_error()) continue;
        auto info = std::make_shared<ProgramInfo>();
        info->id = id;
        info->name = row->name;
        // The keys live as long as the shared object that holds both.
        info->hmac = std::shared_ptr<const ledger::HmacKey>(*keys, &(*keys)->hmac);
        info->row = *row;
        info->rule_sets = rule_sets.of(id);
        registry->add_program(std::move(info));
    }
    for (const std::uint64_t id : state.api_keys())
        registry->add_key(*state.api_key(id));
    return registry;
}

}  // namespace server::engine
