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

}  // namespace server::engine
