#include <algorithm>
#include <optional>
#include <string>

#include "ledger/counter_slot.hpp"
#include "ledger/state_apply.hpp"

namespace ledger {
namespace {

/// What an entry changes of one wallet, worked out from its effects alone.
struct WalletChange {
    MemberId member;
    std::uint16_t currency = 0;
    Points available = 0;
    Points pending = 0;
    Points posted = 0;  ///< sum of the postings to member_points
    Points debt = 0;
    bool balanced = false;  ///< balances_after has it
};

struct CurrencySum {
    std::uint16_t currency = 0;
    Points total = 0;
    Points issued = 0;
};

bool add_to(Points& sum, Points amount) {
    const std::optional<Points> next = checked_add(sum, amount);
    if (next) sum = *next;
    return next.has_value();
}

class Check {
public:
    Check(const View& view, const Entry& entry) : view_(view), entry_(entry) {}

    Result<void> run() {
        if (Result<void> r = order(); !r) return r;
        if (Result<void> r = kind_rules(); !r) return r;
        if (Result<void> r = waiting_rules(); !r) return r;
        if (Result<void> r = postings(); !r) return r;
        if (Result<void> r = counters(); !r) return r;
        if (Result<void> r = grants(); !r) return r;
        if (Result<void> r = activations(); !r) return r;
        if (Result<void> r = allocations(); !r) return r;
        return balances();
    }

private:
    Result<void> wrong(const char* what) const {
        return make_error(
            ErrorCode::internal,
            "entry " + std::to_string(entry_.program.value) + "/" +
                std::to_string(entry_.seq.value) + " (" + std::string(name(entry_.kind)) +
                ") does not follow: " + what
        );
    }

    Result<void> order() {
        program_ = view_.program(entry_.program);
        if (program_ == nullptr) return wrong("unknown program");
        if (entry_.kind == EntryKind::none) return wrong("no kind");
        if (entry_.seq.value != program_->last_seq.value + 1) return wrong("sequence number");
        if (entry_.recorded_at < program_->last_recorded) return wrong("recorded_at goes back");
        return {};
    }

    Result<void> kind_rules() {
        switch (entry_.kind) {
            case EntryKind::member:
                // A later `member` entry of the same number carries changed personal fields.
                if (entry_.member.none() || entry_.member.value > program_->last_member.value + 1) {
                    return wrong("member number");
                }
                return {};
            case EntryKind::alias:
                return earlier_original() ? Result<void>{} : wrong("alias of nothing");
            case EntryKind::program_version: return version_rules();
            case EntryKind::program_activate: {
                const Program* target = view_.program(entry_.program_activate.program);
                const std::uint32_t version = entry_.program_activate.version;
                if (target == nullptr || version == 0 || version > target->versions.size()) {
                    return wrong("unknown version");
                }
                return {};
            }
            case EntryKind::key:
                return entry_.key.key_id == 0 ? wrong("no key id") : Result<void>{};
            case EntryKind::event: return refund_rules();
            case EntryKind::board_window: {
                const BoardWindowPart& part = entry_.board_window;
                const bool later = part.starts_at < part.ends_at &&
                                   part.ends_at > program_->window(part.kind).ends_at;
                return later && !part.id.empty() ? Result<void>{} : wrong("window");
            }
            default: return {};
        }
    }

    Result<void> counters() {
        for (std::size_t i = 0; i < entry_.counters.size(); ++i) {
            const CounterChange& change = entry_.counters[i];
            if (change.delta == 0 || !parse_counter_slot(change.slot)) return wrong("counter");
            for (std::size_t j = 0; j < i; ++j) {
                const CounterChange& other = entry_.counters[j];
                if (other.counter == change.counter && other.slot == change.slot)
                    return wrong("a counter changes twice");
            }
            const ValueLookup<std::int64_t> now =
                view_.counter(entry_.program, change.counter, change.slot);
            if (!checked_add(now.value, change.delta)) return wrong("counter overflow");
        }
        return {};
    }

    Result<void> version_rules() {
        const ProgramVersionPart& part = entry_.program_version;
        const Program* target = view_.program(part.program);
        const std::size_t before = target == nullptr ? 0 : target->versions.size();
        if (part.program == kSystemProgram || part.version != before + 1)
            return wrong("version number");
        const Program* named = view_.program_by_name(part.program_id);
        if (part.program_id.empty() || named != target) return wrong("program id");
        return {};
    }

    Result<void> refund_rules() {
        if (!entry_.has_event || entry_.event.facts != FactsKind::refund) return {};
        if (!earlier_original()) return wrong("refund of nothing");
        const Lookup<OrderState> order =
            view_.order_state(entry_.program, linked(entry_, LinkKind::original));
        if (!order.found()) return {};
        const std::span<const Points> taken = entry_.event.refund.taken;
        if (order.row->closed) return wrong("refund of a cancelled order");
        if (order.row->refunded.size() != taken.size()) return wrong("refund of other lines");
        for (std::size_t i = 0; i < taken.size(); ++i) {
            if (!checked_add(order.row->refunded[i], taken[i])) return wrong("refund too large");
        }
        return {};
    }

    /// A parked refund waits once and ends once; an orphan gets at most one order.
    Result<void> waiting_rules() {
        const Seq ended = linked(entry_, LinkKind::parked);
        if (!entry_.has_parking) {
            if (ended.none()) {
                const bool whole = entry_.kind != EntryKind::orphaned || entry_.has_event;
                return whole ? Result<void>{} : wrong("orphan of nothing");
            }
            if (entry_.kind != EntryKind::event && entry_.kind != EntryKind::parked) {
                return wrong("attached by another kind");
            }
            return view_.orphan(entry_.program, ended).found() ? Result<void>{}
                                                               : wrong("attached twice");
        }
        const Lookup<WaitingRefunds> row = view_.waiting(entry_.program, entry_.parking.order_hash);
        if (!ended.none()) {
            return row.found() && row.row->find(ended) != nullptr ? Result<void>{}
                                                                  : wrong("nothing waits");
        }
        if (entry_.kind != EntryKind::parked || entry_.parking.until < entry_.recorded_at) {
            return wrong("parking");
        }
        const bool room = !row.found() || row.row->refunds.size() < kWaitingMax;
        return room ? Result<void>{} : wrong("too many wait");
    }

    [[nodiscard]] bool earlier_original() const {
        const Seq original = linked(entry_, LinkKind::original);
        return !original.none() && original < entry_.seq;
    }

    Result<void> postings() {
        for (const Posting& posting : entry_.postings) {
            CurrencySum& sum = sum_of(posting.currency);
            if (!add_to(sum.total, posting.amount)) return wrong("postings overflow");
            const bool own = posting.account == Account::member_points ||
                             posting.account == Account::member_debt;
            if (own == posting.member.none()) return wrong("posting of the wrong account");
            if (posting.account == Account::issued && !add_to(sum.issued, posting.amount)) {
                return wrong("postings overflow");
            }
            if (!own) {
                const auto at = program_->accounts.find({posting.currency, posting.account});
                const Points before = at == program_->accounts.end() ? 0 : at->second;
                if (!checked_add(before, posting.amount)) return wrong("account overflow");
                continue;
            }
            WalletChange& change = change_of(posting.member, posting.currency);
            const bool added = posting.account == Account::member_points
                                   ? add_to(change.posted, posting.amount)
                                   : add_to(change.debt, -posting.amount);
            if (!added) return wrong("postings overflow");
        }
        for (const CurrencySum& sum : sums_) {
            if (sum.total != 0) return wrong("postings do not sum to zero");
        }
        return {};
    }

    Result<void> grants() {
        for (std::size_t i = 0; i < entry_.lots.size(); ++i) {
            const LotGrant& grant = entry_.lots[i];
            std::uint32_t expected = next_lot(grant.member);
            for (std::size_t k = 0; k < i; ++k)
                expected += entry_.lots[k].member == grant.member;
            if (grant.lot != expected) return wrong("lot number");
            if (grant.amount <= 0 || !fits_wire(grant.amount)) return wrong("lot amount");
            WalletChange& change = change_of(grant.member, grant.currency);
            Points& bucket = grant.activates_at == 0 ? change.available : change.pending;
            if (!add_to(bucket, grant.amount)) return wrong("lots overflow");
        }
        return {};
    }

    Result<void> activations() {
        for (const Activation& activation : entry_.activations) {
            const std::optional<Lot> lot = stored_lot(activation.member, activation.lot);
            if (!lot || lot->active() || !lot->live() || lot->remaining != activation.amount) {
                return wrong("activation");
            }
            if (lot->activates_at > entry_.recorded_at) return wrong("activation before its time");
            WalletChange& change = change_of(activation.member, lot->currency);
            change.pending -= activation.amount;
            change.available += activation.amount;
            activated_.emplace_back(activation.member, activation.lot);
        }
        std::sort(activated_.begin(), activated_.end());
        if (std::adjacent_find(activated_.begin(), activated_.end()) != activated_.end()) {
            return wrong("lot activated twice");
        }
        return {};
    }

    Result<void> allocations() {
        boost::container::small_vector<Allocation, 8> sorted(
            entry_.allocations.begin(), entry_.allocations.end()
        );
        std::sort(sorted.begin(), sorted.end(), [](const Allocation& a, const Allocation& b) {
            return std::pair(a.member, a.lot) < std::pair(b.member, b.lot);
        });
        for (std::size_t i = 0; i < sorted.size();) {
            const Allocation& first = sorted[i];
            Points taken = 0;
            for (; i < sorted.size() && sorted[i].member == first.member &&
                   sorted[i].lot == first.lot;
                 ++i) {
                if (sorted[i].amount == 0 || !add_to(taken, sorted[i].amount))
                    return wrong("allocation");
            }
            if (Result<void> r = take(first.member, first.lot, taken); !r) return r;
        }
        return {};
    }

    Result<void> take(MemberId member, std::uint32_t no, Points taken) {
        std::optional<Lot> lot = granted_lot(member, no);
        if (!lot) lot = stored_lot(member, no);
        if (!lot) return wrong("allocation of an unknown lot");
        if (taken > lot->remaining || lot->remaining - taken > lot->amount) {
            return wrong("lot cannot give or hold that much");
        }
        WalletChange& change = change_of(member, lot->currency);
        const bool active =
            lot->active() ||
            std::binary_search(activated_.begin(), activated_.end(), std::pair(member, no));
        (active ? change.available : change.pending) -= taken;
        return {};
    }

    Result<void> balances() {
        for (const Balance& after : entry_.balances_after) {
            if (Result<void> r = balance(after); !r) return r;
        }
        for (const WalletChange& change : changes_) {
            if (!change.balanced) return wrong("a changed wallet has no balance");
        }
        return {};
    }

    Result<void> balance(const Balance& after) {
        if (!member_exists(after.member)) return wrong("unknown member");
        WalletChange& change = change_of(after.member, after.currency);
        if (change.balanced) return wrong("two balances of one wallet");
        change.balanced = true;
        if (change.available + change.pending != change.posted) {
            return wrong("lots and postings differ");
        }
        const Wallet before = wallet_of(after.member, after.currency);
        if (after.available != before.available + change.available ||
            after.pending != before.pending + change.pending || after.held != before.held ||
            after.debt != before.debt + change.debt) {
            return wrong("balance after");
        }
        if (after.available < 0 || after.pending < 0 || after.held < 0 || after.debt < 0 ||
            !fits_wire(after.available) || !fits_wire(after.pending) || !fits_wire(after.debt) ||
            !fits_wire(after.available + after.pending + after.held) ||
            !fits_wire(after.lifetime_earned)) {
            return wrong("balance out of range");
        }
        if (after.debt > 0 && after.available > 0) return wrong("debt beside available points");
        // With several members the entry does not say who was paid by `issued`.
        if (one_member() &&
            after.lifetime_earned != before.lifetime_earned - sum_of(after.currency).issued) {
            return wrong("lifetime earned");
        }
        return {};
    }

    [[nodiscard]] bool one_member() const {
        return std::all_of(changes_.begin(), changes_.end(), [this](const WalletChange& change) {
            return change.member == changes_.front().member;
        });
    }

    CurrencySum& sum_of(std::uint16_t currency) {
        for (CurrencySum& sum : sums_) {
            if (sum.currency == currency) return sum;
        }
        return sums_.emplace_back(CurrencySum{currency, 0, 0});
    }

    WalletChange& change_of(MemberId member, std::uint16_t currency) {
        for (WalletChange& change : changes_) {
            if (change.member == member && change.currency == currency) return change;
        }
        WalletChange& change = changes_.emplace_back();
        change.member = member;
        change.currency = currency;
        return change;
    }

    const Member* member_row(MemberId id) {
        if (cached_id_ != id || id.none()) {
            cached_id_ = id;
            cached_ = view_.member(entry_.program, id).row;
        }
        return cached_;
    }

    bool member_exists(MemberId id) { return member_row(id) != nullptr; }

    std::uint32_t next_lot(MemberId id) {
        const Member* member = member_row(id);
        return member == nullptr ? 1 : member->next_lot;
    }

    Wallet wallet_of(MemberId id, std::uint16_t currency) {
        const Member* member = member_row(id);
        const Wallet* wallet = member == nullptr ? nullptr : member->wallet(currency);
        return wallet == nullptr ? Wallet{} : *wallet;
    }

    [[nodiscard]] std::optional<Lot> granted_lot(MemberId member, std::uint32_t no) const {
        for (const LotGrant& grant : entry_.lots) {
            if (grant.member != member || grant.lot != no) continue;
            return Lot{
                no,
                grant.currency,
                grant.amount,
                grant.amount,
                grant.activates_at,
                grant.expires_at,
                entry_.seq};
        }
        return std::nullopt;
    }

    std::optional<Lot> stored_lot(MemberId id, std::uint32_t no) {
        const Member* member = member_row(id);
        if (member == nullptr || no == 0) return std::nullopt;
        if (const Lot* lot = member->inline_lot(no)) return *lot;
        if (no > member->spilled.count) return std::nullopt;
        const Lookup<LotChunk> chunk = view_.lot_chunk(entry_.program, id, (no - 1) / kChunk);
        if (!chunk.found()) return std::nullopt;
        return chunk.row->lots[(no - 1) % kChunk];
    }

    const View& view_;
    const Entry& entry_;
    const Program* program_ = nullptr;
    MemberId cached_id_;
    const Member* cached_ = nullptr;
    boost::container::small_vector<CurrencySum, 2> sums_;
    boost::container::small_vector<WalletChange, 2> changes_;
    boost::container::small_vector<std::pair<MemberId, std::uint32_t>, 4> activated_;
};

}  // namespace

Result<void> check_entry(const View& view, const Entry& entry) {
    return Check(view, entry).run();
}

}  // namespace ledger
