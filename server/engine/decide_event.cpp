#include <utility>

#include "ledger/base/invariant.hpp"
#include "ledger/blind.hpp"
#include "ledger/wallet_plan.hpp"
#include "rules/evaluate.hpp"
#include "rules/rule_set.hpp"
#include "server/engine/decide.hpp"
#include "server/engine/decide_parts.hpp"
#include "server/engine/order_counts.hpp"

namespace server::engine {

using ledger::EntryKind;
using ledger::ErrorCode;
using ledger::PlanOutcome;

/// One evaluation at a time on the writer; its buffers stay.
rules::Scratch& rule_scratch() {
    static thread_local rules::Scratch scratch;
    return scratch;
}

void fill_event(const EventCommand& command, ledger::Timestamp now, ledger::Entry& entry) {
    entry.occurred_at = command.occurred_at;
    entry.evaluated_at = now;
    entry.has_key_hash = true;
    entry.key_hash = command.key_hash;
    entry.has_request_hash = true;
    entry.request_hash = command.request_hash;
    entry.has_event = true;
    entry.event.source = command.source;
    entry.event.id = command.id;
    entry.event.type = command.type_name;
    entry.event.subject = command.subject;
    entry.event.engine_abi = kEngineAbi;
}

namespace {

/// The same fact came under another event id: remember that id, award nothing.
void decide_alias(
    const DecideContext& context, const EventCommand& command, ledger::Seq first, Decision& decision
) {
    const auto original = context.view.entry(context.program, first);
    if (original.missing()) {
        decision.miss();
        return;
    }
    INVARIANT(original.found());
    if (command.blind.external_id) {
        const auto member =
            context.view.member_by_external_id(context.program, *command.blind.external_id);
        if (member.missing()) {
            decision.miss();
            return;
        }
        decision.other_member = !member.found() || member.value != original.row->entry.member;
    }
    ledger::Entry& entry = decision.add(context, EntryKind::alias);
    entry.has_key_hash = true;
    entry.key_hash = command.key_hash;
    entry.has_request_hash = true;
    entry.request_hash = command.request_hash;
    entry.links.push_back({ledger::LinkKind::original, first});
    decision.kind = Decision::Kind::entries;
    decision.status = Status::duplicate;
    decision.known = first;
    decision.member = original.row->entry.member;
}

void decide_ignored(const DecideContext& context, const EventCommand& command, Decision& decision) {
    ledger::Entry& entry = decision.add(context, EntryKind::ignored);
    fill_event(command, command.occurred_at, entry);
    entry.event.engine_abi = 0;
    decision.kind = Decision::Kind::entries;
    decision.status = Status::ignored;
}

void decide_parked(
    const DecideContext& context,
    const EventCommand& command,
    ledger::Timestamp now,
    Decision& decision
) {
    ledger::Entry& entry = decision.add(context, EntryKind::parked);
    fill_event(command, now, entry);
    entry.has_natural_hash = true;
    entry.natural_hash = command.natural_hash;
    entry.event.facts = ledger::FactsKind::order;
    entry.event.order = command.order;
    entry.personal = command.personal;
    entry.sealed_for = 0;
    decision.kind = Decision::Kind::entries;
    decision.status = Status::pending_identity;
}

/// Fields of `given` whose hash differs from what is known of the member.
ledger::Personal changed_fields(
    const ledger::Personal& given,
    const ledger::ProfileHashes& hashes,
    const ledger::ProfileHashes& known
) {
    ledger::Personal changed;
    if (!given.email.empty() && hashes.email != known.email) changed.email = given.email;
    if (!given.phone.empty() && hashes.phone != known.phone) changed.phone = given.phone;
    if (!given.name.empty() && hashes.name != known.name) changed.name = given.name;
    if (!given.address.empty() && hashes.address != known.address) changed.address = given.address;
    if (!given.board.empty() && hashes.board != known.board) changed.board = given.board;
    changed.note = given.note;
    return changed;
}

bool has_profile(const ledger::Personal& personal) {
    return !personal.email.empty() || !personal.phone.empty() || !personal.name.empty() ||
           !personal.address.empty() || !personal.board.empty();
}

}  // namespace

MemberAnswer find_or_make_member(
    const DecideContext& context,
    const ledger::Personal& personal,
    const ledger::BlindHashes& blind,
    Decision& decision
) {
    INVARIANT(blind.external_id.has_value());
    const auto found = context.view.member_by_external_id(context.program, *blind.external_id);
    if (found.missing()) {
        decision.miss();
        return {};
    }
    MemberAnswer answer;
    answer.ready = true;
    if (found.found()) {
        answer.member = found.value;
        if (has_profile(personal)) {
            const auto profile = context.view.profile(context.program, answer.member);
            if (profile.missing()) {
                decision.miss();
                return {};
            }
            const ledger::ProfileHashes known =
                profile.found() ? profile.value : ledger::ProfileHashes{};
            answer.changed = changed_fields(personal, ledger::profile_hashes(blind), known);
        } else {
            answer.changed.note = personal.note;
        }
        return answer;
    }
    const ledger::Program* program = context.view.program(context.program);
    answer.member = ledger::MemberId{program->last_member.value + 1};
    ledger::Entry& entry = decision.add(context, EntryKind::member);
    entry.member = answer.member;
    entry.personal = personal;
    entry.personal.note = {};
    entry.sealed_for = answer.member.value;
    decision.blind = blind;
    decision.created = true;
    answer.changed.note = personal.note;
    return answer;
}

const rules::RuleSet* rules_or_refuse(
    const DecideContext& context, std::uint32_t version, Decision& decision
) {
    const rules::RuleSet* rule_set = context.rule_sets.find(context.program, version);
    if (rule_set == nullptr) decision.refuse(read_only_program());
    return rule_set;
}

bool settle(ledger::WalletPlan& plan, ledger::MemberId member, Decision& decision) {
    const PlanOutcome outcome = plan.settle(ledger::kDuesMax);
    if (outcome == PlanOutcome::more_due) {
        decision.refuse(ledger::make_error(
            ErrorCode::overloaded, "Much of this member is due at this instant; try again."
        ));
        decision.settle_first = member;
        return false;
    }
    return !plan_failed(outcome, decision);
}

bool plan_failed(PlanOutcome outcome, Decision& decision) {
    switch (outcome) {
        case PlanOutcome::more_due:
        case PlanOutcome::done: return false;
        case PlanOutcome::needs_rows: decision.miss(); return true;
        case PlanOutcome::insufficient_points:
            decision.refuse(
                ledger::make_error(ErrorCode::insufficient_points, "The member has too few points.")
            );
            return true;
        case PlanOutcome::invalid_amount:
            decision.refuse(ledger::make_error(
                ErrorCode::invalid_amount, "The balance would leave the range of ±(2^53−1)."
            ));
            return true;
    }
    return true;
}

void write_outcome(const rules::Outcome& outcome, Decision& decision, ledger::RuleOutcome& stored) {
    stored.rule = outcome.rule;
    stored.code = outcome.code;
    stored.amount = outcome.uncapped;
    stored.posted = outcome.points;
    stored.currency = outcome.currency;
    stored.reason = outcome.reason;
    stored.effect = outcome.effect;
    stored.per_line = decision.scratch.copy(outcome.per_line);
}

namespace {

void decide_paid(
    const DecideContext& context,
    const EventCommand& command,
    ledger::Timestamp now,
    Decision& decision
) {
    const ledger::Program* program = context.view.program(context.program);
    const std::uint32_t version = program->version_at(now);
    const rules::RuleSet* rule_set = rules_or_refuse(context, version, decision);
    if (rule_set == nullptr) return;
    const MemberAnswer who =
        find_or_make_member(context, command.personal, command.blind, decision);
    if (!who.ready) return;

    ledger::Entry& entry = decision.add(context, EntryKind::event);
    fill_event(command, now, entry);
    entry.has_natural_hash = true;
    entry.natural_hash = command.natural_hash;
    entry.member = who.member;
    entry.personal = who.changed;
    entry.sealed_for = who.changed.empty() ? 0 : who.member.value;
    if (!decision.created) decision.blind = command.blind;
    entry.event.facts = ledger::FactsKind::order;
    entry.event.order = command.order;
    entry.event.program_version = version;
    entry.event.tz_version = rules::zone_database_version();

    ledger::WalletPlan plan(context.view, context.program, who.member, context.recorded_at, entry);
    if (!settle(plan, who.member, decision)) return;
    rules::OrderEvent event{
        entry.event.order, command.id, command.source, command.subject, command.occurred_at, now};
    OrderCounts counts(context, *rule_set, event, who.member, decision);
    if (!counts.load()) return;
    event.counts = counts.values();
    counts.record_inputs(entry);
    for (const rules::Outcome& outcome : rules::evaluate(*rule_set, event, rule_scratch())) {
        ledger::RuleOutcome& stored = entry.event.rules.emplace_back();
        write_outcome(outcome, decision, stored);
        if (outcome.code != ledger::RuleCode::awarded) continue;
        const auto granted = plan.grant(
            outcome.currency,
            outcome.points,
            ledger::Account::issued,
            outcome.activates_at,
            outcome.expires_at
        );
        if (plan_failed(granted, decision)) return;
        stored.lot = plan.granted_lot();
    }
    counts.count_order(entry);
    plan.finish();
    decision.kind = Decision::Kind::entries;
    decision.status = Status::applied;
    decision.member = who.member;
}

}  // namespace

void decide(const DecideContext& context, const EventCommand& command, Decision& decision) {
    if (settle_known_key(context, command.key_hash, command.request_hash, decision)) return;
    if (command.occurred_at > context.recorded_at + kFutureMax) {
        decision.refuse(ledger::field_error(
            ErrorCode::event_in_future, "/time", "lies more than 5 minutes in the future"
        ));
        return;
    }
    if (command.type == EventType::other) return decide_ignored(context, command, decision);

    const auto natural = context.view.seen(context.program, command.natural_hash);
    if (natural.missing()) {
        decision.miss();
        return;
    }
    if (natural.found()) return decide_alias(context, command, natural.value, decision);

    const ledger::Timestamp late = context.recorded_at - kLateMax;
    const ledger::Timestamp now =
        !command.backfill && command.occurred_at < late ? late : command.occurred_at;
    if (command.type != EventType::order_paid)
        return decide_refund(context, command, now, decision);
    if (!command.blind.external_id) return decide_parked(context, command, now, decision);
    decide_paid(context, command, now, decision);
}

}  // namespace server::engine
