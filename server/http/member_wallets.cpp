#include "server/http/member_wallets.hpp"

#include "ledger/wallet_plan.hpp"

namespace server::http {

bool read_wallets(
    const engine::ReadContext& context,
    ledger::ProgramId program,
    ledger::Seq as_of,
    ledger::MemberId member,
    MemberWallets& wallets
) {
    const auto row = context.view.member(program, member);
    if (row.missing()) return false;
    if (!row.found()) return true;
    ledger::Entry scratch;
    scratch.program = program;
    scratch.member = member;
    scratch.seq = ledger::Seq{as_of.value + 1};
    scratch.recorded_at = context.now;
    ledger::WalletPlan plan(context.view, program, member, context.now, scratch);
    if (plan.settle() == ledger::PlanOutcome::needs_rows) return false;
    wallets.found = true;
    wallets.id = member;
    wallets.created_at = row.row->created_at;
    wallets.wallets.clear();
    for (const ledger::Wallet& wallet : row.row->wallets)
        wallets.wallets.push_back(plan.wallet(wallet.currency));
    return true;
}

bool read_wallets_of(
    const engine::ReadContext& context,
    ledger::ProgramId program,
    ledger::Seq as_of,
    const ledger::Hash16& external_id,
    MemberWallets& wallets
) {
    const auto id = context.view.member_by_external_id(program, external_id);
    if (id.missing()) return false;
    return !id.found() || read_wallets(context, program, as_of, id.value, wallets);
}

}  // namespace server::http
