#include "server/engine/reads.hpp"

#include <algorithm>

namespace server::engine {

std::vector<ledger::MemberId> Reads::members_by(ledger::BlindKind kind, const ledger::Hash16& hash)
    const {
    std::vector<ledger::MemberId> members = state_.recent_by_blind(program_, kind, hash);
    const std::string prefix = ledger::contact_row_prefix(program_, kind, ledger::short_hash(hash));
    const auto scanned = views_.snapshot()->scan(
        ledger::ViewFamily::blind,
        prefix,
        prefix,
        [&](std::string_view key, std::string_view) {
            if (const auto parsed = ledger::parse_blind_key(key)) members.push_back(parsed->member);
            return members.size() < 100;
        }
    );
    if (scanned.has_error()) return {};
    std::sort(members.begin(), members.end());
    members.erase(std::unique(members.begin(), members.end()), members.end());
    return members;
}

std::vector<ledger::Seq> Reads::orphans(ledger::Seq after, std::size_t limit) const {
    const auto recent = state_.recent_orphans(program_, after, limit);
    std::vector<ledger::Seq> found;
    const auto scanned = views_.snapshot()->scan(
        ledger::ViewFamily::orphan,
        ledger::program_row_key(program_),
        ledger::orphan_row_key(program_, ledger::Seq{after.value + 1}),
        [&](std::string_view key, std::string_view) {
            const auto parsed = ledger::parse_seq_key(key);
            if (!parsed) return true;
            const auto known = std::ranges::lower_bound(
                recent, parsed->seq, {}, &std::pair<ledger::Seq, bool>::first
            );
            // `recent` may end before the rows do; then there are enough of it already.
            const bool attached =
                known != recent.end() && known->first == parsed->seq && known->second;
            if (!attached) found.push_back(parsed->seq);
            return found.size() < limit;
        }
    );
    if (scanned.has_error()) return {};
    for (const auto& [seq, attached] : recent)
        if (!attached) found.push_back(seq);
    std::ranges::sort(found);
    found.erase(std::unique(found.begin(), found.end()), found.end());
    if (found.size() > limit) found.resize(limit);
    return found;
}

}  // namespace server::engine
