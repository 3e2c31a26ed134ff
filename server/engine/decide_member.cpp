#include "ledger/base/invariant.hpp"
#include "ledger/blind.hpp"
#include "ledger/wallet_plan.hpp"
#include "rules/rule_set.hpp"
#include "server/engine/decide_parts.hpp"

// Commands about one member that are no storefront events.
namespace server::engine {

using ledger::EntryKind;
using ledger::ErrorCode;
using ledger::PlanOutcome;

void decide(const DecideContext& context, const PutMemberCommand& command, Decision& decision) {
    const MemberAnswer who =
        find_or_make_member(context, command.personal, command.blind, decision);
    if (!who.ready) return;
    decision.member = who.member;
    if (!decision.created) {
        if (who.changed.empty()) {
            decision.kind = Decision::Kind::unchanged;
            decision.status = Status::unchanged;
            return;
        }
        ledger::Entry& entry = decision.add(context, EntryKind::member);
        entry.member = who.member;
        entry.personal = who.changed;
        entry.sealed_for = who.member.value;
        decision.blind = command.blind;
    }
    decision.kind = Decision::Kind::entries;
    decision.status = Status::applied;
}

void decide(const DecideContext& context, const AdjustCommand& command, Decision& decision) {
    if (!command.dry_run &&
        settle_known_key(context, command.key_hash, command.request_hash, decision))
        return;
    const ledger::Program* program = context.view.program(context.program);
    const rules::RuleSet* rule_set =
        rules_or_refuse(context, program->version_at(context.recorded_at), decision);
    if (rule_set == nullptr) return;
    const auto numbered = rule_set->currency(command.currency);
    if (!numbered) {
        decision.refuse(ledger::field_error(
            ErrorCode::invalid_parameter, "/currency", "is no currency of this program"
        ));
        return;
    }
    const std::uint16_t currency = *numbered;
    INVARIANT(command.blind.external_id.has_value());
    const auto found =
        context.view.member_by_external_id(context.program, *command.blind.external_id);
    if (found.missing()) {
        decision.miss();
        return;
    }
    if (!found.found()) {
        decision.refuse(ledger::make_error(ErrorCode::member_not_found, "There is no such member.")
        );
        return;
    }
    const ledger::MemberId member = found.value;
    const auto fill = [&](ledger::Entry& entry) {
        entry.member = member;
        entry.has_key_hash = entry.has_request_hash = !command.dry_run;
        entry.key_hash = command.key_hash;
        entry.request_hash = command.request_hash;
        entry.adjustment.currency = currency;
        entry.adjustment.amount = command.amount;
        entry.adjustment.reason_code = command.reason_code;
        entry.adjustment.visible_to_member = command.visible_to_member;
        entry.adjustment.counts_for_tier = command.counts_for_tier;
        entry.personal.note = command.note;
        entry.sealed_for = entry.personal.empty() ? 0 : member.value;
    };
    ledger::Entry& entry = decision.add(context, EntryKind::adjust);
    fill(entry);
    ledger::WalletPlan plan(context.view, context.program, member, context.recorded_at, entry);
    if (!settle(plan, member, decision)) return;
    const std::uint64_t version = plan.wallet(currency).version;
    if (command.if_version && *command.if_version != version) {
        decision.refuse(ledger::make_error(
            ErrorCode::precondition_failed, "The wallet changed: read its balance again."
        ));
        return;
    }
    const PlanOutcome outcome =
        command.amount > 0
            ? plan.grant(currency, command.amount, ledger::Account::adjusted, 0, ledger::kNever)
            : plan.burn(currency, -command.amount, ledger::Account::adjusted);
    if (outcome == PlanOutcome::insufficient_points) {
        if (command.dry_run) {
            decision.refuse(
                ledger::make_error(ErrorCode::insufficient_points, "The member has too few points.")
            );
            return;
        }
        ledger::Entry& rejected = decision.reject(
            context,
            ledger::make_error(ErrorCode::insufficient_points, "The member has too few points.")
        );
        fill(rejected);
        decision.member = member;
        return;
    }
    if (plan_failed(outcome, decision)) return;
    plan.finish();
    decision.kind = Decision::Kind::entries;
    decision.status = Status::applied;
    decision.member = member;
    decision.dry_run = command.dry_run;
    decision.wallet_version = version + 1;
}

void decide(const DecideContext& context, const SettleCommand& command, Decision& decision) {
    ledger::Entry& entry = decision.add(context, EntryKind::expire);
    entry.member = command.member;
    ledger::WalletPlan plan(
        context.view, context.program, command.member, context.recorded_at, entry
    );
    const ledger::PlanOutcome settled = plan.settle(ledger::kDuesMax);
    if (settled != ledger::PlanOutcome::more_due && plan_failed(settled, decision)) return;
    if (!plan.touched()) {
        decision.kind = Decision::Kind::unchanged;
        decision.status = Status::unchanged;
        return;
    }
    plan.finish();
    if (entry.allocations.empty()) entry.kind = EntryKind::activate;
    decision.kind = Decision::Kind::entries;
    decision.status = Status::applied;
    decision.member = command.member;
}

}  // namespace server::engine
