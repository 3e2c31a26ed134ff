#include "ledger/state_apply.hpp"

#include <algorithm>

#include "ledger/base/invariant.hpp"
#include "ledger/blind.hpp"
#include "ledger/row_codec.hpp"

namespace ledger {

Seq linked(const Entry& entry, LinkKind kind) {
    for (const Link& link : entry.links) {
        if (link.kind == kind) return link.seq;
    }
    return {};
}

namespace {

bool is_refund(const Entry& entry) {
    return entry.kind == EntryKind::event && entry.has_event &&
           entry.event.facts == FactsKind::refund;
}

/// True if an entry that touches `member` changes or needs the summary of its spilled lots.
bool touches_spilled(const Entry& entry, const Member& member) {
    if (!member.spilled.any_live()) return false;
    if (member.spilled.next_due <= entry.recorded_at) return true;
    for (const Allocation& allocation : entry.allocations) {
        if (allocation.member == member.id && allocation.lot <= member.spilled.count) return true;
    }
    for (const Activation& activation : entry.activations) {
        if (activation.member == member.id && activation.lot <= member.spilled.count) return true;
    }
    return false;
}

/// True for the first of the entry's balances that belongs to its member.
bool first_of_member(const Entry& entry, std::size_t index) {
    for (std::size_t i = 0; i < index; ++i) {
        if (entry.balances_after[i].member == entry.balances_after[index].member) return false;
    }
    return true;
}

bool claims_natural_key(EntryKind kind) {
    return kind == EntryKind::event || kind == EntryKind::parked || kind == EntryKind::orphaned;
}

/// A refund that begins to wait for its order.
bool begins_waiting(const Entry& entry) {
    return entry.kind == EntryKind::parked && entry.has_parking &&
           linked(entry, LinkKind::parked).none();
}

/// A refund that has waited, whatever became of it.
bool ends_waiting(const Entry& entry) {
    return entry.has_parking && !linked(entry, LinkKind::parked).none();
}

/// An orphan that gets its order.
bool attaches(const Entry& entry) {
    return !entry.has_parking && !linked(entry, LinkKind::parked).none();
}

class Application {
public:
    Application(const View& view, RowWriter& rows, const Entry& entry, const BlindHashes* blind)
        : view_(view), rows_(rows), entry_(entry), blind_(blind) {}

    void run() {
        touch_program();
        claim_keys();
        switch (entry_.kind) {
            case EntryKind::member:
                if (entry_.member > view_.program(entry_.program)->last_member) create_member();
                break;
            case EntryKind::program_version: add_version(); break;
            case EntryKind::program_activate: add_activation(); break;
            case EntryKind::key: put_key(); break;
            case EntryKind::board_window: open_window(); break;
            default: break;
        }
        if (is_refund(entry_)) update_order();
        if (begins_waiting(entry_)) park();
        if (ends_waiting(entry_)) unpark();
        if (entry_.kind == EntryKind::orphaned) orphan();
        if (attaches(entry_)) attach();
        for (const CounterChange& change : entry_.counters) {
            rows_.change_counter(entry_.program, change.counter, change.slot).count += change.delta;
        }
        for (std::size_t i = 0; i < entry_.balances_after.size(); ++i) {
            if (first_of_member(entry_, i)) touch_member(entry_.balances_after[i].member);
        }
        if (blind_ != nullptr && !entry_.member.none()) update_profile();
    }

private:
    void touch_program() {
        Program& program = rows_.change_program(entry_.program);
        program.last_seq = entry_.seq;
        program.last_recorded = entry_.recorded_at;
        for (const Posting& posting : entry_.postings) {
            if (posting.member.none()) {
                program.accounts[{posting.currency, posting.account}] += posting.amount;
            }
        }
    }

    void claim_keys() {
        if (entry_.has_key_hash) rows_.claim(entry_.program, entry_.key_hash, entry_.seq);
        if (entry_.has_natural_hash && claims_natural_key(entry_.kind)) {
            rows_.claim(entry_.program, entry_.natural_hash, entry_.seq);
            if (entry_.has_event) rows_.note_shop(entry_.program, shop_of(entry_.event.source));
        }
    }

    void create_member() {
        rows_.change_program(entry_.program).last_member = entry_.member;
        Member& member = rows_.create_member(entry_.program, entry_.member);
        member.id = entry_.member;
        member.created = entry_.seq;
        member.created_at = entry_.recorded_at;
        member.version = 1;
        member.last = entry_.seq;
        rows_.member_changed(entry_.program, member);
    }

    void add_version() {
        const ProgramVersionPart& part = entry_.program_version;
        const bool first = part.version == 1;
        Program& program = rows_.change_program(part.program);
        if (first) program.name = part.program_id;
        program.versions.push_back({part.version, entry_.seq, part.content_hash, entry_.recorded_at}
        );
        if (first) rows_.name_program(part.program, part.program_id);
    }

    void add_activation() {
        const ProgramActivatePart& part = entry_.program_activate;
        auto& list = rows_.change_program(part.program).activations;
        const auto after = std::upper_bound(
            list.begin(),
            list.end(),
            part.effective_at,
            [](Timestamp at, const Program::ActivationRecord& record) {
                return at < record.effective_at;
            }
        );
        list.insert(after, {part.effective_at, part.version});
    }

    void open_window() {
        const BoardWindowPart& part = entry_.board_window;
        Program& program = rows_.change_program(entry_.program);
        program.windows[static_cast<std::size_t>(part.kind) - 1] = {
            entry_.seq, std::string(part.id), part.starts_at, part.ends_at};
    }

    void put_key() {
        const KeyPart& part = entry_.key;
        ApiKey& key = rows_.change_api_key(part.key_id);
        const bool known = key.created_at != 0;
        key.revoked = part.revoked;
        if (known) return;  // a later entry of a key can only revoke it
        key.id = part.key_id;
        key.program = part.program;
        key.secret_hash = part.secret_hash;
        key.scopes.assign(part.scopes.begin(), part.scopes.end());
        key.origins.assign(part.origins.begin(), part.origins.end());
        key.label = part.label;
        key.kind = part.kind;
        key.public_key = part.public_key;
        key.created_at = entry_.recorded_at;
    }

    void update_order() {
        const RefundFacts& refund = entry_.event.refund;
        OrderState& order = rows_.change_order(entry_.program, linked(entry_, LinkKind::original));
        if (refund.cancel) order.closed = true;
        if (order.refunded.size() < refund.taken.size()) order.refunded.resize(refund.taken.size());
        for (std::size_t i = 0; i < refund.taken.size(); ++i)
            order.refunded[i] += refund.taken[i];
        std::size_t award = 0;
        for (const RuleOutcome& outcome : entry_.event.rules) {
            if (outcome.code != RuleCode::refunded) continue;
            if (order.taken_back.size() <= award) order.taken_back.resize(award + 1);
            order.taken_back[award++] -= outcome.posted;
        }
    }

    void park() {
        const ParkingPart& part = entry_.parking;
        rows_.change_waiting(entry_.program, part.order_hash)
            .refunds.push_back({entry_.seq, part.until});
        rows_.put_parked_due(entry_.program, part.until, entry_.seq, false);
        ++rows_.change_program(entry_.program).waiting;
    }

    void unpark() {
        const Seq parked = linked(entry_, LinkKind::parked);
        const Hash16& order = entry_.parking.order_hash;
        auto& refunds = rows_.change_waiting(entry_.program, order).refunds;
        const auto at = std::ranges::find(refunds, parked, &WaitingRefunds::Refund::parked);
        INVARIANT(at != refunds.end());
        const Timestamp until = at->until;
        refunds.erase(at);
        if (refunds.empty()) rows_.drop_waiting(entry_.program, order);
        rows_.put_parked_due(entry_.program, until, parked, true);
        --rows_.change_program(entry_.program).waiting;
    }

    void orphan() {
        const Seq parked = linked(entry_, LinkKind::parked);
        rows_.add_orphan(entry_.program, entry_.seq, {parked.none() ? entry_.seq : parked});
        ++rows_.change_program(entry_.program).orphans;
    }

    void attach() {
        rows_.drop_orphan(entry_.program, linked(entry_, LinkKind::parked));
        --rows_.change_program(entry_.program).orphans;
    }

    void touch_member(MemberId id) {
        Member& member = rows_.change_member(entry_.program, id);
        ++member.version;
        member.last = entry_.seq;
        bool moved = false;
        settled_.clear();
        const bool spilled = touches_spilled(entry_, member);
        for (const LotGrant& grant : entry_.lots) {
            if (grant.member == id) add_lot(member, grant);
        }
        for (const Activation& activation : entry_.activations) {
            if (activation.member != id) continue;
            Lot& lot = change_lot(member, activation.lot);
            lot.activates_at = 0;
            Settled& settled = settled_in(lot.currency);
            settled.pending -= activation.amount;
            settled.available += activation.amount;
            moved = true;
        }
        for (const Allocation& allocation : entry_.allocations) {
            if (allocation.member != id) continue;
            Lot& lot = change_lot(member, allocation.lot);
            lot.remaining -= allocation.amount;
            note_settled(lot, allocation);
            moved = true;
        }
        if (spilled) refresh_spilled(member);
        if (moved || spilled) member.refresh_due();
        for (const Balance& balance : entry_.balances_after) {
            if (balance.member == id) set_wallet(member, balance);
        }
        if (member.lots.size() >= 2 * kChunk) spill_lots(member);
        if (member.statement_lines - member.statement_spilled >= 2 * kChunk) spill_lines(member);
        rows_.member_changed(entry_.program, member);
    }

    /// What fell due of one wallet before the entry's own doing: changes of its amounts.
    struct Settled {
        std::uint16_t currency = 0;
        Points available = 0, pending = 0, debt = 0;
        bool expired = false;
    };

    Settled& settled_in(std::uint16_t currency) {
        for (Settled& candidate : settled_) {
            if (candidate.currency == currency) return candidate;
        }
        return settled_.emplace_back(Settled{currency, 0, 0, 0, false});
    }

    /// Old lots expire, and those that became active repay a debt, because their time came.
    void note_settled(const Lot& lot, const Allocation& allocation) {
        if (lot.source == entry_.seq) return;
        const auto activated = [&](const Activation& activation) {
            return activation.member == allocation.member && activation.lot == lot.no;
        };
        const bool expired = allocation.purpose == Purpose::expire;
        const bool repaid =
            allocation.purpose == Purpose::repay &&
            std::any_of(entry_.activations.begin(), entry_.activations.end(), activated);
        if (!expired && !repaid) return;
        Settled& settled = settled_in(lot.currency);
        (lot.active() ? settled.available : settled.pending) -= allocation.amount;
        if (repaid) settled.debt -= allocation.amount;
        settled.expired |= expired;
    }

    void add_lot(Member& member, const LotGrant& grant) {
        Lot& lot = member.lots.emplace_back();
        lot.no = grant.lot;
        lot.currency = grant.currency;
        lot.amount = lot.remaining = grant.amount;
        lot.activates_at = grant.activates_at;
        lot.expires_at = grant.expires_at;
        lot.source = entry_.seq;
        member.next_lot = grant.lot + 1;
        member.due = std::min(member.due, lot.next_due());
    }

    Lot& change_lot(Member& member, std::uint32_t no) {
        if (no > member.spilled.count) return member.lots[no - member.spilled.count - 1];
        LotChunk& chunk = rows_.change_lot_chunk(entry_.program, member.id, (no - 1) / kChunk);
        return chunk.lots[(no - 1) % kChunk];
    }

    /// Looks at every chunk that may hold points; drops those that do not any more.
    void refresh_spilled(Member& member) {
        SpilledLots& spilled = member.spilled;
        const std::uint32_t from = (spilled.first_live - 1) / kChunk;
        const std::uint32_t end = spilled.count / kChunk;
        spilled.first_live = spilled.count + 1;
        spilled.next_due = kNever;
        for (std::uint32_t n = from; n < end; ++n) {
            const Lookup<LotChunk> chunk = view_.lot_chunk(entry_.program, member.id, n);
            INVARIANT(!chunk.missing());
            if (!chunk.found()) continue;
            if (!summarise(spilled, *chunk.row)) rows_.drop_lot_chunk(entry_.program, member.id, n);
        }
    }

    /// Adds a chunk to the summary; false if nothing of it is left.
    static bool summarise(SpilledLots& spilled, const LotChunk& chunk) {
        bool live = false;
        for (const Lot& lot : chunk.lots) {
            if (!lot.live()) continue;
            live = true;
            spilled.first_live = std::min(spilled.first_live, lot.no);
            spilled.next_due = std::min(spilled.next_due, lot.next_due());
        }
        return live;
    }

    void set_wallet(Member& member, const Balance& after) {
        Wallet* wallet = nullptr;
        for (Wallet& candidate : member.wallets) {
            if (candidate.currency == after.currency) wallet = &candidate;
        }
        if (wallet == nullptr) {
            wallet = &member.wallets.emplace_back();
            wallet->currency = after.currency;
        }
        ++wallet->version;
        const bool moved = wallet->available != after.available ||
                           wallet->pending != after.pending || wallet->held != after.held ||
                           wallet->debt != after.debt ||
                           wallet->lifetime_earned != after.lifetime_earned;
        if (!moved) return;
        Points before = wallet->available + wallet->pending + wallet->held - wallet->debt;
        bool has_own_line = true;
        for (const Settled& settled : settled_) {
            if (settled.currency != after.currency || !acts_by_itself()) continue;
            Balance between = after;
            between.available = wallet->available + settled.available;
            between.pending = wallet->pending + settled.pending;
            between.held = wallet->held;
            between.debt = wallet->debt + settled.debt;
            between.lifetime_earned = wallet->lifetime_earned;
            const Points balance =
                between.available + between.pending + between.held - between.debt;
            add_settled_line(member, between, balance - before, settled.expired);
            before = balance;
            has_own_line = between.available != after.available ||
                           between.pending != after.pending || between.held != after.held ||
                           between.debt != after.debt ||
                           between.lifetime_earned != after.lifetime_earned;
        }
        wallet->available = after.available;
        wallet->pending = after.pending;
        wallet->held = after.held;
        wallet->debt = after.debt;
        wallet->lifetime_earned = after.lifetime_earned;
        const Points balance = after.available + after.pending + after.held - after.debt;
        if (has_own_line) add_line(member, after, balance - before);
    }

    /// False: the entry is about what fell due, or was refused, and moved nothing else.
    [[nodiscard]] bool acts_by_itself() const {
        return entry_.kind != EntryKind::activate && entry_.kind != EntryKind::expire &&
               entry_.kind != EntryKind::rejected;
    }

    /// What fell due is no part of what the event or the command did: it gets a line of its own,
    /// before theirs.
    void add_settled_line(Member& member, const Balance& after, Points delta, bool expired) {
        StatementLine line;
        line.seq = entry_.seq;
        line.recorded_at = entry_.recorded_at;
        line.occurred_at = entry_.recorded_at;
        line.kind = expired ? EntryKind::expire : EntryKind::activate;
        line.currency = after.currency;
        line.delta = delta;
        line.after = after;
        pack_line(line, member.statement_tail);
        ++member.statement_lines;
    }

    void add_line(Member& member, const Balance& after, Points delta) {
        StatementLine line;
        line.seq = entry_.seq;
        line.recorded_at = entry_.recorded_at;
        line.occurred_at = entry_.occurred_at;
        line.kind = entry_.kind;
        line.currency = after.currency;
        line.delta = delta;
        line.after = after;
        describe(line);
        pack_line(line, member.statement_tail);
        ++member.statement_lines;
    }

    void describe(StatementLine& line) const {
        if (entry_.kind == EntryKind::rejected) {
            // Only what was due when the refused command came has moved anything.
            line.kind = EntryKind::activate;
            for (const Allocation& allocation : entry_.allocations) {
                if (allocation.purpose == Purpose::expire) line.kind = EntryKind::expire;
            }
            return;
        }
        if (entry_.kind == EntryKind::adjust) line.reason = entry_.adjustment.reason_code;
        if (!entry_.has_event) return;
        const EventPart& event = entry_.event;
        if (event.facts == FactsKind::order) line.reference = event.order.order_id;
        if (event.facts == FactsKind::refund) line.reference = event.refund.order_id;
        for (const RuleOutcome& outcome : event.rules) {
            if (outcome.currency != line.currency || outcome.posted == 0) continue;
            line.reason = outcome.reason;
            line.rule = outcome.rule;
            return;
        }
    }

    void spill_lots(Member& member) {
        SpilledLots& spilled = member.spilled;
        LotChunk oldest;
        oldest.lots.assign(member.lots.begin(), member.lots.begin() + kChunk);
        const std::uint32_t number = spilled.count / kChunk;
        const bool any_before = spilled.any_live();
        spilled.count += kChunk;
        if (!any_before) spilled.first_live = spilled.count + 1;
        if (summarise(spilled, oldest)) {
            rows_.change_lot_chunk(entry_.program, member.id, number) = std::move(oldest);
        }
        member.lots.erase(member.lots.begin(), member.lots.begin() + kChunk);
    }

    void spill_lines(Member& member) {
        const std::optional<std::size_t> size = packed_length(member.statement_tail, kChunk);
        INVARIANT(size.has_value());
        rows_.add_statement_chunk(
            entry_.program,
            member.id,
            member.statement_spilled / kChunk,
            std::string_view(member.statement_tail).substr(0, *size)
        );
        member.statement_tail.erase(0, *size);
        member.statement_spilled += kChunk;
    }

    void update_profile() {
        const ProfileHashes given = profile_hashes(*blind_);
        if (given == ProfileHashes{}) return;  // no personal field: no row
        ProfileHashes& profile = rows_.change_profile(entry_.program, entry_.member);
        const ProfileHashes before = profile;
        if (given.external_id != 0) profile.external_id = given.external_id;
        if (given.email != 0) profile.email = given.email;
        if (given.phone != 0) profile.phone = given.phone;
        if (given.name != 0) profile.name = given.name;
        if (given.address != 0) profile.address = given.address;
        if (given.board != 0) profile.board = given.board;
        const ProfileHashes after = profile;
        replace_contact(BlindKind::email, before.email, after.email);
        replace_contact(BlindKind::phone, before.phone, after.phone);
        if (blind_->external_id) {
            rows_.put_external_id(entry_.program, *blind_->external_id, entry_.member);
        }
    }

    void replace_contact(BlindKind kind, std::uint64_t before, std::uint64_t after) {
        if (before == after) return;
        if (before != 0) rows_.put_contact(entry_.program, kind, before, entry_.member, true);
        rows_.put_contact(entry_.program, kind, after, entry_.member, false);
    }

    const View& view_;
    RowWriter& rows_;
    const Entry& entry_;
    const BlindHashes* blind_;
    boost::container::small_vector<Settled, 2> settled_;  ///< of the member being touched
};

}  // namespace

void apply_entry(const View& view, RowWriter& rows, const Entry& entry, const BlindHashes* blind) {
    Application(view, rows, entry, blind).run();
}

bool entry_prepared(const View& view, const Entry& entry) {
    bool complete = true;
    for (std::size_t i = 0; i < entry.balances_after.size(); ++i) {
        if (!first_of_member(entry, i)) continue;
        const MemberId id = entry.balances_after[i].member;
        const Lookup<Member> member = view.member(entry.program, id);
        complete &= !member.missing();
        if (!member.found() || !touches_spilled(entry, *member.row)) continue;
        const SpilledLots& spilled = member.row->spilled;
        for (std::uint32_t n = (spilled.first_live - 1) / kChunk; n < spilled.count / kChunk; ++n) {
            complete &= !view.lot_chunk(entry.program, id, n).missing();
        }
    }
    for (const CounterChange& change : entry.counters)
        complete &= !view.counter(entry.program, change.counter, change.slot).missing();
    if (is_refund(entry)) {
        const Seq order = linked(entry, LinkKind::original);
        complete &= !view.order_state(entry.program, order).missing();
    }
    if (entry.has_parking) {
        complete &= !view.waiting(entry.program, entry.parking.order_hash).missing();
    } else if (const Seq orphan = linked(entry, LinkKind::parked); !orphan.none()) {
        complete &= !view.orphan(entry.program, orphan).missing();
    }
    const Program* program = view.program(entry.program);
    const bool existing = program != nullptr && entry.member <= program->last_member;
    if (!entry.personal.empty() && !entry.member.none() && existing) {
        complete &= !view.profile(entry.program, entry.member).missing();
    }
    return complete;
}

}  // namespace ledger
