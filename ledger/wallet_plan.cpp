#include "ledger/wallet_plan.hpp"

#include <algorithm>
#include <tuple>

#include "ledger/base/invariant.hpp"

namespace ledger {

WalletPlan::WalletPlan(
    const View& view, ProgramId program, MemberId member, Timestamp recorded_at, Entry& entry
)
    : view_(view), program_(program), member_(member), now_(recorded_at), entry_(entry) {
    program_row_ = view.program(program);
    INVARIANT(program_row_ != nullptr);
    if (member > program_row_->last_member) return;
    const Lookup<Member> found = view.member(program, member);
    missing_ = found.missing();
    if (!found.found()) return;
    row_ = found.row;
    next_lot_ = row_->next_lot;
    for (const Wallet& wallet : row_->wallets)
        wallets_.push_back({wallet, false});
}

PlanOutcome WalletPlan::settle(std::size_t dues_max) {
    if (missing_) return PlanOutcome::needs_rows;
    if (row_ == nullptr || row_->next_due() > now_) return PlanOutcome::done;
    if (row_->spilled.next_due <= now_ && !load_spilled()) return PlanOutcome::needs_rows;
    load_inline();

    boost::container::small_vector<Due, 8> due;
    for (const ScratchLot& lot : lots_) {
        if (!lot.active && lot.activates_at <= now_) due.push_back({lot.activates_at, 0, lot.no});
        if (lot.expires_at <= now_) due.push_back({lot.expires_at, 1, lot.no});
    }
    std::sort(due.begin(), due.end(), [](const Due& a, const Due& b) {
        return std::tie(a.when, a.kind, a.lot) < std::tie(b.when, b.kind, b.lot);
    });
    for (const Due& item : due) {
        ScratchLot& lot = *find_lot(item.lot);
        if (lot.remaining == 0) continue;
        if (dues_max-- == 0) return PlanOutcome::more_due;
        if (item.kind == 0) {
            activate(lot);
        } else {
            expire(lot);
        }
    }
    return PlanOutcome::done;
}

PlanOutcome WalletPlan::grant(
    std::uint16_t currency,
    Points amount,
    Account source,
    Timestamp activates_at,
    Timestamp expires_at
) {
    INVARIANT(amount > 0);
    if (missing_) return PlanOutcome::needs_rows;
    if (activates_at <= now_) activates_at = 0;
    ScratchWallet& target = scratch(currency);
    Wallet& wallet = target.wallet;
    const Points held_in_lots = wallet.available + wallet.pending + wallet.held;
    const bool earned = source == Account::issued;
    if (!fits_wire(amount) || !fits_wire(held_in_lots + amount) ||
        (earned && !fits_wire(wallet.lifetime_earned + amount)) ||
        !system_fits(source, currency, -amount)) {
        return PlanOutcome::invalid_amount;
    }
    target.touched = true;
    ScratchLot lot{next_lot_++, currency, activates_at == 0, amount, activates_at, expires_at};
    entry_.lots.push_back({member_, lot.no, currency, amount, activates_at, expires_at});
    granted_lot_ = lot.no;
    post(Account::member_points, currency, amount);
    post(source, currency, -amount);
    (lot.active ? wallet.available : wallet.pending) += amount;
    if (earned) wallet.lifetime_earned += amount;
    if (lot.expires_at <= now_) {
        expire(lot);
    } else if (lot.active) {
        repay(lot);
    }
    if (inline_loaded_ && lot.remaining > 0) lots_.push_back(lot);
    return PlanOutcome::done;
}

PlanOutcome WalletPlan::burn(std::uint16_t currency, Points amount, Account sink) {
    INVARIANT(amount > 0);
    if (missing_) return PlanOutcome::needs_rows;
    if (wallet(currency).available < amount) return PlanOutcome::insufficient_points;
    if (!system_fits(sink, currency, amount)) return PlanOutcome::invalid_amount;
    if (!load_for_burn(currency, amount, 0)) return PlanOutcome::needs_rows;
    const Points taken = take_in_order(currency, amount, 0, Purpose::burn);
    INVARIANT(taken == amount);
    post(Account::member_points, currency, -amount);
    post(sink, currency, amount);
    return PlanOutcome::done;
}

PlanOutcome WalletPlan::take_back(
    std::uint16_t currency, Points amount, std::uint32_t lot_no, NegativePolicy policy
) {
    INVARIANT(amount > 0);
    if (missing_) return PlanOutcome::needs_rows;
    const bool own_spilled = row_ != nullptr && lot_no != 0 && lot_no <= row_->spilled.count &&
                             lot_no >= row_->spilled.first_live;
    if (own_spilled && !load_spilled()) return PlanOutcome::needs_rows;
    load_inline();

    ScratchLot* own = lot_no == 0 ? nullptr : find_lot(lot_no);
    INVARIANT(own == nullptr || own->currency == currency);
    const Points from_own = own == nullptr ? 0 : std::min(own->remaining, amount);
    const Points own_available = own != nullptr && own->active ? own->remaining : 0;
    const Wallet before = wallet(currency);
    Points from_others = 0;
    if (policy != NegativePolicy::write_off) {
        from_others = std::min(amount - from_own, before.available - own_available);
    }
    const Points rest = amount - from_own - from_others;
    if (rest > 0 && policy == NegativePolicy::forbid) return PlanOutcome::insufficient_points;
    const Points debt = policy == NegativePolicy::to_debt ? rest : 0;
    const Points written_off = rest - debt;
    const std::optional<Points> debt_after = checked_add(before.debt, debt);
    const std::optional<Points> lifetime_after = checked_sub(before.lifetime_earned, amount);
    if (!debt_after || !fits_wire(*debt_after) || !lifetime_after || !fits_wire(*lifetime_after) ||
        !system_fits(Account::issued, currency, amount) ||
        !system_fits(Account::written_off, currency, -written_off)) {
        return PlanOutcome::invalid_amount;
    }
    if (from_others > 0 && !load_for_burn(currency, from_others, lot_no)) {
        return PlanOutcome::needs_rows;
    }

    if (from_own > 0) take(*find_lot(lot_no), from_own, Purpose::take_back);
    const Points taken = take_in_order(currency, from_others, lot_no, Purpose::take_back);
    INVARIANT(taken == from_others);
    ScratchWallet& target = scratch(currency);
    target.touched = true;
    target.wallet.debt += debt;
    target.wallet.lifetime_earned -= amount;
    if (from_own + from_others > 0) {
        post(Account::member_points, currency, -(from_own + from_others));
    }
    if (debt > 0) post(Account::member_debt, currency, -debt);
    if (written_off > 0) post(Account::written_off, currency, -written_off);
    post(Account::issued, currency, amount);
    taken_back_ = {from_own + from_others, debt, written_off};
    return PlanOutcome::done;
}

void WalletPlan::finish() {
    std::sort(wallets_.begin(), wallets_.end(), [](const ScratchWallet& a, const ScratchWallet& b) {
        return a.wallet.currency < b.wallet.currency;
    });
    for (const ScratchWallet& scratch : wallets_) {
        if (!scratch.touched) continue;
        const Wallet& w = scratch.wallet;
        entry_.balances_after.push_back(
            {member_, w.currency, w.available, w.pending, w.held, w.debt, w.lifetime_earned}
        );
    }
}

Wallet WalletPlan::wallet(std::uint16_t currency) const {
    for (const ScratchWallet& candidate : wallets_) {
        if (candidate.wallet.currency == currency) return candidate.wallet;
    }
    Wallet empty;
    empty.currency = currency;
    return empty;
}

bool WalletPlan::touched() const {
    return std::any_of(wallets_.begin(), wallets_.end(), [](const ScratchWallet& candidate) {
        return candidate.touched;
    });
}

WalletPlan::ScratchWallet& WalletPlan::scratch(std::uint16_t currency) {
    for (ScratchWallet& candidate : wallets_) {
        if (candidate.wallet.currency == currency) return candidate;
    }
    ScratchWallet& made = wallets_.emplace_back();
    made.wallet.currency = currency;
    return made;
}

WalletPlan::ScratchLot* WalletPlan::find_lot(std::uint32_t no) {
    const auto at = std::lower_bound(
        lots_.begin(),
        lots_.end(),
        no,
        [](const ScratchLot& lot, std::uint32_t wanted) { return lot.no < wanted; }
    );
    return at == lots_.end() || at->no != no ? nullptr : &*at;
}

void WalletPlan::load_inline() {
    if (inline_loaded_) return;
    inline_loaded_ = true;
    if (row_ != nullptr) {
        for (const Lot& lot : row_->lots) {
            if (!lot.live()) continue;
            lots_.push_back(
                {lot.no,
                 lot.currency,
                 lot.active(),
                 lot.remaining,
                 lot.activates_at,
                 lot.expires_at}
            );
        }
    }
    // Lots that this entry granted before anybody looked at the list; allocations of the entry
    // have taken from some of them already.
    for (const LotGrant& grant : entry_.lots) {
        if (grant.member != member_) continue;
        Points remaining = grant.amount;
        for (const Allocation& allocation : entry_.allocations) {
            if (allocation.member == member_ && allocation.lot == grant.lot) {
                remaining -= allocation.amount;
            }
        }
        if (remaining == 0) continue;
        lots_.push_back(
            {grant.lot,
             grant.currency,
             grant.activates_at == 0,
             remaining,
             grant.activates_at,
             grant.expires_at}
        );
    }
}

bool WalletPlan::load_spilled() {
    if (spilled_loaded_ || row_ == nullptr || !row_->spilled.any_live()) return true;
    const std::uint32_t end = row_->spilled.count / kChunk;
    bool complete = true;
    boost::container::small_vector<ScratchLot, kChunk> older;
    for (std::uint32_t n = (row_->spilled.first_live - 1) / kChunk; n < end; ++n) {
        const Lookup<LotChunk> chunk = view_.lot_chunk(program_, member_, n);
        if (chunk.missing()) complete = false;
        if (!chunk.found()) continue;
        for (const Lot& lot : chunk.row->lots) {
            if (!lot.live()) continue;
            older.push_back(
                {lot.no,
                 lot.currency,
                 lot.active(),
                 lot.remaining,
                 lot.activates_at,
                 lot.expires_at}
            );
        }
    }
    if (!complete) return false;
    spilled_loaded_ = true;
    lots_.insert(lots_.begin(), older.begin(), older.end());
    return true;
}

bool WalletPlan::load_for_burn(std::uint16_t currency, Points amount, std::uint32_t except) {
    load_inline();
    if (spilled_loaded_ || row_ == nullptr || !row_->spilled.any_live()) return true;
    // Every active spilled lot expires at spilled.next_due or later, so younger lots that expire
    // before that go first anyway.
    Points sooner = 0;
    for (const ScratchLot& lot : lots_) {
        if (lot.currency == currency && lot.active && lot.no != except &&
            lot.expires_at < row_->spilled.next_due) {
            sooner += lot.remaining;
        }
    }
    return sooner >= amount || load_spilled();
}

void WalletPlan::choose(std::uint16_t currency, std::uint32_t except, Chosen& chosen) {
    for (std::uint32_t i = 0; i < lots_.size(); ++i) {
        const ScratchLot& lot = lots_[i];
        if (lot.currency == currency && lot.active && lot.remaining > 0 && lot.no != except) {
            chosen.push_back(i);
        }
    }
    std::sort(chosen.begin(), chosen.end(), [this](std::uint32_t a, std::uint32_t b) {
        return std::tie(lots_[a].expires_at, lots_[a].no) <
               std::tie(lots_[b].expires_at, lots_[b].no);
    });
}

void WalletPlan::activate(ScratchLot& lot) {
    entry_.activations.push_back({member_, lot.no, lot.remaining});
    ScratchWallet& target = scratch(lot.currency);
    target.touched = true;
    target.wallet.pending -= lot.remaining;
    target.wallet.available += lot.remaining;
    lot.active = true;
    repay(lot);
}

void WalletPlan::expire(ScratchLot& lot) {
    const Points amount = lot.remaining;
    take(lot, amount, Purpose::expire);
    post(Account::member_points, lot.currency, -amount);
    post(Account::breakage, lot.currency, amount);
}

void WalletPlan::take(ScratchLot& lot, Points amount, Purpose purpose) {
    ScratchWallet& target = scratch(lot.currency);
    target.touched = true;
    (lot.active ? target.wallet.available : target.wallet.pending) -= amount;
    lot.remaining -= amount;
    entry_.allocations.push_back({member_, lot.no, amount, purpose});
}

Points WalletPlan::take_in_order(
    std::uint16_t currency, Points amount, std::uint32_t except, Purpose purpose
) {
    if (amount == 0) return 0;
    Chosen chosen;
    choose(currency, except, chosen);
    Points taken = 0;
    for (const std::uint32_t index : chosen) {
        if (taken == amount) break;
        const Points part = std::min(lots_[index].remaining, amount - taken);
        take(lots_[index], part, purpose);
        taken += part;
    }
    return taken;
}

void WalletPlan::repay(ScratchLot& lot) {
    Wallet& wallet = scratch(lot.currency).wallet;
    const Points amount = std::min(wallet.debt, lot.remaining);
    if (amount == 0) return;
    take(lot, amount, Purpose::repay);
    wallet.debt -= amount;
    post(Account::member_points, lot.currency, -amount);
    post(Account::member_debt, lot.currency, amount);
}

void WalletPlan::post(Account account, std::uint16_t currency, Points amount) {
    const bool own = account == Account::member_points || account == Account::member_debt;
    entry_.postings.push_back({account, own ? member_ : MemberId{}, currency, amount});
}

bool WalletPlan::system_fits(Account account, std::uint16_t currency, Points amount) const {
    const auto at = program_row_->accounts.find({currency, account});
    const Points before = at == program_row_->accounts.end() ? 0 : at->second;
    const std::optional<Points> after = checked_add(before, amount);
    return after.has_value() && fits_wire(*after);
}

}  // namespace ledger
