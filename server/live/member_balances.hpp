#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ledger/base/ids.hpp"
#include "ledger/base/result.hpp"

namespace server::live {

/// What the channel `me` says of a member besides ranks.
struct Wallets {
    struct Balance {
        std::string currency;
        std::int64_t available = 0;
        std::int64_t pending = 0;
        std::int64_t held = 0;
        std::int64_t debt = 0;
        friend bool operator==(const Balance&, const Balance&) = default;
    };
    ledger::Seq as_of;  ///< the program's last entry that this has seen
    std::string name;   ///< as boards show the member
    bool shown = false;
    std::vector<Balance> balances;
};

/// Asks for a member's wallets. Called on io threads; must not block. The answer comes once, on any
/// thread. Errors: member_not_found (closes the member's connections with 4503); any other is
/// tried again after two seconds.
using MemberBalances = std::function<
    void(ledger::ProgramId, ledger::MemberId, std::function<void(ledger::Result<Wallets>)>)>;

}  // namespace server::live
