#pragma once

#include <functional>
#include <optional>

#include "ledger/base/clock.hpp"
#include "server/boards/boards.hpp"
#include "server/engine/shard.hpp"
#include "server/live/doorman.hpp"
#include "server/live/member_balances.hpp"

namespace server::http {

/// Lets people into the live socket by the same rules as into the pages (onlooker.hpp), and finds
/// the member that a token names. Somebody whom the ledger does not know yet sees boards, and has a
/// ticket with which they are looked for again.
class LiveDoorman final : public live::Doorman {
public:
    /// Both must outlive it.
    LiveDoorman(engine::Shard& shard, const ledger::Clock& clock) : shard_(shard), clock_(clock) {}

    void admit(live::Knock knock, std::function<void(live::Verdict)> answer) override;
    void refresh(
        ledger::ProgramId program, live::Knock knock, std::function<void(live::Verdict)> answer
    ) override;
    [[nodiscard]] bool lists_origin(ledger::ProgramId program, const std::string& origin)
        const override;

private:
    void admit_to(
        std::optional<ledger::ProgramId> program,
        const live::Knock& knock,
        std::function<void(live::Verdict)> answer
    );

    engine::Shard& shard_;
    const ledger::Clock& clock_;
};

/// Wallets from the engine, the face from the boards. Both must outlive it.
[[nodiscard]] live::MemberBalances member_balances(engine::Shard& shard, boards::Boards& boards);

}  // namespace server::http
