#include "ledger/rows.hpp"

#include <algorithm>

namespace ledger {

const Wallet* Member::wallet(std::uint16_t currency) const {
    for (const Wallet& candidate : wallets) {
        if (candidate.currency == currency) return &candidate;
    }
    return nullptr;
}

void Member::refresh_due() {
    due = spilled.next_due;
    for (const Lot& lot : lots)
        due = std::min(due, lot.next_due());
}

const Lot* Member::inline_lot(std::uint32_t no) const {
    if (no <= spilled.count || no >= next_lot) return nullptr;
    return &lots[no - spilled.count - 1];
}

const WaitingRefunds::Refund* WaitingRefunds::find(Seq parked) const {
    const auto at = std::ranges::find(refunds, parked, &Refund::parked);
    return at == refunds.end() ? nullptr : &*at;
}

Timestamp Program::next_window_end() const {
    Timestamp next = kNever;
    for (const OpenWindow& window : windows) {
        if (!window.opened.none()) next = std::min(next, window.ends_at);
    }
    return next;
}

std::uint32_t Program::version_at(Timestamp now) const {
    if (versions.empty()) return 0;
    std::uint32_t version = 1;
    for (const ActivationRecord& record : activations) {
        if (record.effective_at > now) break;
        version = record.version;
    }
    return version;
}

}  // namespace ledger
