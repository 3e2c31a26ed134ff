#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ledger/base/clock.hpp"
#include "ledger/digest.hpp"
#include "ledger/overlay.hpp"
#include "ledger/row_codec.hpp"
#include "ledger/state.hpp"
#include "ledger/statement.hpp"
#include "ledger/wallet_plan.hpp"
#include "tests/support/catch.hpp"

/// Inside ledger, so that a fixture of its tests speaks its words.
namespace ledger::test_ledger {

inline constexpr ProgramId kProgram{1};
inline constexpr Timestamp kStart = 1'700'000'000 * kMicrosPerSecond;
inline constexpr std::uint64_t kAllRows = 1'000'000;

/// A 16-byte hash that says `number`.
inline Hash16 hash_of(std::uint64_t number) {
    Hash16 hash{};
    for (std::size_t i = 0; i < 8; ++i) {
        hash[i] = static_cast<std::uint8_t>((number * 0x9e3779b97f4a7c15ULL) >> (8 * i));
        hash[8 + i] = static_cast<std::uint8_t>(number >> (8 * i));
    }
    return hash;
}

/// A ledger without a log: a State, its views as a map, and the entries since the views' group.
/// Strings given to entries must outlive it (literals, or `keep`).
class TestLedger {
public:
    explicit TestLedger(std::size_t memory_bytes_max = std::size_t{1} << 30)
        : memory_bytes_max_(memory_bytes_max) {
        start(true);
        Entry version = next(kSystemProgram, EntryKind::program_version);
        version.program_version.program = kProgram;
        version.program_version.program_id = "shop";
        version.program_version.version = 1;
        version.program_version.content_hash[0] = 7;
        commit(version);
    }

    State& state() { return *state_; }
    RowMap& views() { return views_; }
    Timestamp now() const { return now_; }
    void pass(Timestamp duration) { now_ += duration; }
    std::string_view keep(std::string text) { return strings_.emplace_back(std::move(text)); }

    Entry next(ProgramId program, EntryKind kind) {
        Entry entry;
        entry.program = program;
        const Program* row = state_->program(program);
        entry.seq = Seq{(row == nullptr ? 0 : row->last_seq.value) + 1};
        entry.kind = kind;
        entry.recorded_at = entry.occurred_at = entry.evaluated_at = now_;
        return entry;
    }

    /// Checks and applies; the entry joins the log.
    void commit(const Entry& entry, const BlindHashes* blind = nullptr) {
        while (!state_->prepared(entry))
            fetch();
        const Result<void> legal = state_->check(entry);
        INFO((legal ? std::string() : legal.error().detail));
        REQUIRE(legal);
        state_->apply(entry, blind);
        now_ = std::max(now_, entry.recorded_at);
        log_.emplace_back(entry, blind == nullptr ? BlindHashes{} : *blind);
        if (keep_history_) history_.push_back(log_.back());
    }

    MemberId new_member() {
        Entry entry = next(kProgram, EntryKind::member);
        entry.member = MemberId{state_->program(kProgram)->last_member.value + 1};
        commit(entry);
        return entry.member;
    }

    /// Settles, runs `operate` and commits what came of it as an entry of `kind` (as `rejected` if
    /// points are short). Fetches rows and decides again as often as RAM lacks some. Nothing
    /// recorded: no entry.
    PlanOutcome plan(
        EntryKind kind,
        MemberId member,
        const std::function<PlanOutcome(WalletPlan&, Entry&)>& operate
    ) {
        for (;;) {
            Entry entry = next(kProgram, kind);
            entry.member = member;
            WalletPlan plan(*state_, kProgram, member, now_, entry);
            PlanOutcome outcome = plan.settle();
            if (outcome == PlanOutcome::done) outcome = operate(plan, entry);
            if (outcome == PlanOutcome::needs_rows) {
                REQUIRE(!state_->misses().empty());
                fetch();
                continue;
            }
            if (outcome != PlanOutcome::done) {
                entry.kind = EntryKind::rejected;
                entry.outcome = ErrorCode::insufficient_points;
            }
            plan.finish();
            last_ = entry;
            if (plan.touched()) commit(entry);
            return outcome;
        }
    }

    std::uint32_t earn(
        MemberId member,
        Points amount,
        Timestamp activates_at = 0,
        Timestamp expires_at = kNever,
        std::uint16_t currency = 0
    ) {
        std::uint32_t lot = 0;
        const PlanOutcome outcome =
            plan(EntryKind::event, member, [&](WalletPlan& wallet, Entry& entry) {
                entry.has_event = true;
                entry.event.source = "//shop/test";
                entry.event.id = keep("event-" + std::to_string(entry.seq.value));
                entry.event.facts = FactsKind::order;
                entry.event.order.order_id = entry.event.id;
                const PlanOutcome granted =
                    wallet.grant(currency, amount, Account::issued, activates_at, expires_at);
                lot = wallet.granted_lot();
                RuleOutcome rule;
                rule.rule = "core/purchase";
                rule.code = RuleCode::awarded;
                rule.amount = rule.posted = amount;
                rule.currency = currency;
                rule.reason = "purchase";
                rule.lot = lot;
                entry.event.rules.push_back(rule);
                return granted;
            });
        REQUIRE(outcome == PlanOutcome::done);
        return lot;
    }

    PlanOutcome burn(MemberId member, Points amount, std::uint16_t currency = 0) {
        return plan(EntryKind::adjust, member, [&](WalletPlan& wallet, Entry& entry) {
            entry.adjustment = {currency, -amount, "correction", true, false};
            return wallet.burn(currency, amount, Account::adjusted);
        });
    }

    PlanOutcome take_back(
        MemberId member,
        Points amount,
        std::uint32_t lot,
        NegativePolicy policy,
        std::uint16_t currency = 0
    ) {
        return plan(EntryKind::reverse, member, [&](WalletPlan& wallet, Entry&) {
            return wallet.take_back(currency, amount, lot, policy);
        });
    }

    void settle(MemberId member) {
        REQUIRE(plan(EntryKind::expire, member, [](WalletPlan&, Entry&) {
                    return PlanOutcome::done;
                }) == PlanOutcome::done);
    }

    /// The last entry that `plan` made.
    const Entry& last() const { return last_; }

    Member member(MemberId id) {
        while (state_->member(kProgram, id).missing())
            fetch();
        const Lookup<Member> found = state_->member(kProgram, id);
        REQUIRE(found.found());
        return *found.row;
    }

    Wallet wallet(MemberId id, std::uint16_t currency = 0) {
        const Member row = member(id);
        const Wallet* found = row.wallet(currency);
        return found == nullptr ? Wallet{} : *found;
    }

    /// Reads as a pool thread does: the writer's copy and the views.
    MemberHistory history(MemberId id) {
        member(id);
        return state_->history(kProgram, id);
    }
    RowReader reader() const {
        return [this](ViewFamily family, std::string_view key) { return views_.get(family, key); };
    }
    std::vector<Lot> lots(MemberId id) {
        const MemberHistory copy = history(id);
        const RowReader read = reader();
        const Result<std::vector<Lot>> found = Statement(copy, read).live_lots();
        REQUIRE(found);
        return *found;
    }

    /// Hands over everything that was missed.
    void fetch() {
        Misses missed = std::move(state_->misses());
        state_->misses().clear();
        for (const RowRef& row : missed.rows) {
            const Result<std::optional<std::string>> value = views_.get(row.family, row.key);
            REQUIRE(value);
            std::optional<std::string_view> bytes;
            if (*value) bytes = **value;
            REQUIRE(state_->insert(row, bytes));
        }
    }

    // A checkpoint in its steps, and whole.
    void cut() {
        state_->cut(GroupId{++group_});
        cut_entries_ = log_.size();
    }
    void finish_checkpoint() {
        while (!state_->copy_slice(7)) {
        }
        views_.apply(state_->take_checkpoint());
        state_->checkpoint_ingested();
        log_.erase(log_.begin(), log_.begin() + static_cast<std::ptrdiff_t>(cut_entries_));
    }
    void checkpoint() {
        cut();
        finish_checkpoint();
    }

    /// Drops the State, as a crash does, and recovers: views, then the entries after them.
    void restart() {
        start(false);
        for (const ViewFamily family : {ViewFamily::program, ViewFamily::api_key}) {
            REQUIRE(views_.scan(family, [&](std::string_view key, std::string_view value) {
                REQUIRE(state_->insert({family, std::string(key)}, value));
                return true;
            }));
        }
        const auto entries = std::move(log_);
        log_.clear();
        const bool kept = std::exchange(keep_history_, false);
        for (const auto& [entry, blind] : entries)
            commit(entry, &blind);
        keep_history_ = kept;
    }

    /// The digest of the state now; completes a checkpoint to see all rows.
    Hash32 digest() {
        if (state_->checkpoint_running()) finish_checkpoint();
        checkpoint();
        const Result<Hash32> hash = state_digest(views_);
        INFO((hash ? std::string() : hash.error().detail));
        REQUIRE(hash);
        return *hash;
    }

    /// Every entry ever committed, with its blind hashes.
    const std::vector<std::pair<Entry, BlindHashes>>& entries() const { return history_; }
    /// Long tests do not keep them.
    void keep_entries(bool keep) { keep_history_ = keep; }

private:
    void start(bool empty) {
        State::Options options;
        options.memory_bytes_max = memory_bytes_max_;
        options.views_empty = empty;
        state_ = std::make_unique<State>(options);
    }

    std::size_t memory_bytes_max_;
    std::unique_ptr<State> state_;
    RowMap views_;
    std::vector<std::pair<Entry, BlindHashes>> log_;
    std::vector<std::pair<Entry, BlindHashes>> history_;
    std::deque<std::string> strings_;
    Entry last_;
    Timestamp now_ = kStart;
    std::uint64_t group_ = 0;
    std::size_t cut_entries_ = 0;
    bool keep_history_ = true;
};

}  // namespace ledger::test_ledger
