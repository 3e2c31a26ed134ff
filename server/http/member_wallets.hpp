#pragma once

#include <vector>

#include "ledger/base/ids.hpp"
#include "ledger/rows.hpp"
#include "server/engine/job.hpp"

namespace server::http {

/// A member as one read saw it.
struct MemberWallets {
    bool found = false;
    ledger::MemberId id;
    ledger::Timestamp created_at = 0;
    std::vector<ledger::Wallet> wallets;  ///< with everything due already settled
};

/// On the writer thread. False: a row was missing, ask again.

/// Wallets as they are at `context.now`: what is due is taken off without writing it.
[[nodiscard]] bool read_wallets(
    const engine::ReadContext& context,
    ledger::ProgramId program,
    ledger::Seq as_of,
    ledger::MemberId member,
    MemberWallets& wallets
);
/// The same of the member with this external id; nobody: `found` stays false.
[[nodiscard]] bool read_wallets_of(
    const engine::ReadContext& context,
    ledger::ProgramId program,
    ledger::Seq as_of,
    const ledger::Hash16& external_id,
    MemberWallets& wallets
);

}  // namespace server::http
