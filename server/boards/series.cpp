#include "server/boards/series.hpp"

#include "ledger/base/invariant.hpp"

namespace server::boards {

using ledger::boards::Member;
using ledger::boards::ScoredEntry;

bool Series::counts(const ScoredEntry& entry, ledger::Seq seq) {
    if (opened_.none()) return true;
    const bool refund = !entry.original.none();
    const bool counted = refund ? entry.original > opened_ && !uncounted_.contains(entry.original)
                                : entry.evaluated_at >= turn_.starts_at - kLate;
    if (counted) {
        counted_since_ = true;
    } else if (!refund) {
        uncounted_.add(seq, counted_since_);
        counted_since_ = false;
    }
    return counted;
}

bool Series::apply(
    const ScoredEntry& entry, ledger::Seq seq, ledger::MemberId member, ledger::Points delta
) {
    if (!counts(entry, seq)) return false;
    INVARIANT(member.value <= UINT32_MAX);
    board_.apply(static_cast<Member>(member.value), delta, seq);
    dirty = true;
    return true;
}

void Series::begin_day() {
    static const ledger::boards::HiddenMembers kNobody;
    from_.clear();
    day_begun_ = true;
    for (const ledger::boards::Row& row : board_.top(kPageRows, kNobody))
        from_.emplace(row.member, row.rank);
    dirty = true;
}

std::optional<std::uint32_t> Series::from(Member member) const {
    const auto at = from_.find(member);
    if (!day_begun_ || at == from_.end()) return std::nullopt;
    return at->second;
}

}  // namespace server::boards
