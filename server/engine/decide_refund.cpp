#include <algorithm>
#include <utility>

#include "ledger/base/invariant.hpp"
#include "rules/refund.hpp"
#include "rules/rule_set.hpp"
#include "server/engine/decide_parts.hpp"
#include "server/engine/order_counts.hpp"

namespace server::engine {

using ledger::EntryKind;
using ledger::ErrorCode;
using ledger::Points;

namespace {

ledger::NegativePolicy policy_of(const rules::RuleSet& rule_set, std::uint16_t currency) {
    switch (rule_set.currencies()[currency].negative) {
        case rules::NegativePolicy::forbid: return ledger::NegativePolicy::forbid;
        case rules::NegativePolicy::to_debt: return ledger::NegativePolicy::to_debt;
        case rules::NegativePolicy::take_available: return ledger::NegativePolicy::take_available;
        case rules::NegativePolicy::write_off: return ledger::NegativePolicy::write_off;
    }
    return ledger::NegativePolicy::to_debt;
}

/// Refused for ever. The natural key stays free, so a corrected refund under a new event id can
/// still come; but not that of a refund that waited, which parking claimed. An orphan stays one.
void reject_refund(
    const DecideContext& context,
    const EventCommand& command,
    const RefundArrival& arrival,
    ledger::Timestamp now,
    const ledger::Entry& order,
    ledger::Error why,
    Decision& decision
) {
    ledger::Entry& entry = decision.reject(context, std::move(why));
    fill_refund(command, arrival, now, entry);
    entry.has_natural_hash = false;
    if (arrival.kind == RefundArrival::Kind::attached) entry.links.clear();
    entry.member = order.member;
    entry.links.push_back({ledger::LinkKind::original, order.seq});
    entry.personal.note = command.personal.note;
    entry.sealed_for = entry.personal.empty() ? 0 : order.member.value;
    decision.member = order.member;
}

void park_refund(
    const DecideContext& context,
    const EventCommand& command,
    const RefundArrival& arrival,
    ledger::Timestamp now,
    const ledger::Entry& order,
    Decision& decision
) {
    ledger::Entry& entry = decision.add(context, EntryKind::parked);
    fill_refund(command, arrival, now, entry);
    entry.links.push_back({ledger::LinkKind::original, order.seq});
    entry.personal = command.personal;
    entry.sealed_for = 0;
    decision.kind = Decision::Kind::entries;
    decision.status = Status::pending_identity;
}

/// What earlier refunds took back of the order's `award`-th awarded outcome.
Points taken_back(const ledger::OrderState* state, std::size_t award) {
    return state != nullptr && award < state->taken_back.size() ? state->taken_back[award] : 0;
}

}  // namespace

void fill_refund(
    const EventCommand& command,
    const RefundArrival& arrival,
    ledger::Timestamp now,
    ledger::Entry& entry
) {
    fill_event(command, now, entry);
    entry.event.facts = ledger::FactsKind::refund;
    entry.event.refund = command.refund;
    switch (arrival.kind) {
        case RefundArrival::Kind::event:
            entry.has_natural_hash = true;
            entry.natural_hash = command.natural_hash;
            return;
        case RefundArrival::Kind::waited:
            entry.has_key_hash = entry.has_request_hash = false;
            entry.key_hash = entry.request_hash = {};
            entry.has_parking = true;
            entry.parking.order_hash = arrival.order_hash;
            break;
        case RefundArrival::Kind::attached: break;
    }
    entry.links.push_back({ledger::LinkKind::parked, arrival.parked});
}

void decide_refund(
    const DecideContext& context,
    const EventCommand& command,
    ledger::Timestamp now,
    Decision& decision
) {
    const auto seen = context.view.seen(context.program, command.order_natural_hash);
    if (seen.missing()) {
        decision.miss();
        return;
    }
    if (!seen.found()) return decide_waiting(context, command, now, decision);
    decide_refund_of(context, command, {}, now, seen.value, decision);
}

void decide_refund_of(
    const DecideContext& context,
    const EventCommand& command,
    const RefundArrival& arrival,
    ledger::Timestamp now,
    ledger::Seq order_seq,
    Decision& decision
) {
    const auto found = context.view.entry(context.program, order_seq);
    if (found.missing()) {
        decision.miss();
        return;
    }
    INVARIANT(found.found());
    const ledger::Entry& order = found.row->entry;
    if (order.kind == EntryKind::parked) {
        return park_refund(context, command, arrival, now, order, decision);
    }
    INVARIANT(order.kind == EntryKind::event && order.event.facts == ledger::FactsKind::order);
    const ledger::OrderFacts& facts = order.event.order;

    const auto state = context.view.order_state(context.program, order.seq);
    if (state.missing()) {
        decision.miss();
        return;
    }
    if (!command.refund.currency.empty() && command.refund.currency != facts.currency) {
        return reject_refund(
            context,
            command,
            arrival,
            now,
            order,
            ledger::field_error(
                ErrorCode::refund_exceeds_order, "/data/currency", "is not the order's currency"
            ),
            decision
        );
    }
    if (state.found() && state.row->closed) {
        return reject_refund(
            context,
            command,
            arrival,
            now,
            order,
            ledger::field_error(
                ErrorCode::refund_exceeds_order,
                "/data/order_id",
                "nothing of this order is left to refund"
            ),
            decision
        );
    }

    const std::size_t lines = rules::line_count(facts);
    const auto remaining = decision.scratch.make<Points>(lines);
    for (std::size_t i = 0; i < lines; ++i) {
        const Points refunded =
            state.found() && i < state.row->refunded.size() ? state.row->refunded[i] : 0;
        remaining[i] = rules::line_amount(facts, i) - refunded;
    }
    const auto before = decision.scratch.make<Points>(lines);
    std::copy(remaining.begin(), remaining.end(), before.begin());
    const auto taken = decision.scratch.make<Points>(lines);
    if (auto planned = rules::plan_refund(facts, command.refund, remaining, taken);
        planned.has_error())
        return reject_refund(context, command, arrival, now, order, planned.error(), decision);
    for (std::size_t i = 0; i < lines; ++i)
        remaining[i] -= taken[i];

    const rules::RuleSet* rule_set =
        rules_or_refuse(context, order.event.program_version, decision);
    if (rule_set == nullptr) return;
    ledger::Entry& entry = decision.add(context, EntryKind::event);
    fill_refund(command, arrival, now, entry);
    entry.member = order.member;
    entry.personal.note = command.personal.note;
    entry.sealed_for = entry.personal.empty() ? 0 : order.member.value;
    entry.links.push_back({ledger::LinkKind::original, order.seq});
    entry.event.refund.taken = taken;
    entry.event.program_version = order.event.program_version;
    entry.event.tz_version = rules::zone_database_version();

    ledger::WalletPlan plan(
        context.view, context.program, order.member, context.recorded_at, entry
    );
    if (!settle(plan, order.member, decision)) return;
    rules::OrderEvent event{
        facts,
        order.event.id,
        order.event.source,
        order.event.subject,
        order.occurred_at,
        order.evaluated_at};
    OrderCounts counts(context, *rule_set, event, order.member, decision);
    if (!counts.load()) return;
    event.counts = counts.recorded(order);
    const auto outcomes = rules::reevaluate(*rule_set, event, remaining, rule_scratch());
    std::size_t award = 0;
    for (const ledger::RuleOutcome& original : order.event.rules) {
        if (original.code != ledger::RuleCode::awarded) continue;
        const Points stands = original.posted - taken_back(state.row, award++);
        const auto now_earned =
            std::find_if(outcomes.begin(), outcomes.end(), [&](const rules::Outcome& outcome) {
                return outcome.rule == original.rule && outcome.effect == original.effect;
            });
        // A rule that no longer matches what remains gives nothing; a refund never raises an award.
        const Points keeps =
            now_earned == outcomes.end() ? 0 : std::min(now_earned->points, stands);
        const Points back = stands - keeps;
        ledger::RuleOutcome& stored = entry.event.rules.emplace_back();
        stored.rule = decision.scratch.copy(original.rule);
        stored.code = ledger::RuleCode::refunded;
        stored.amount = -back;
        stored.posted = -back;
        stored.currency = original.currency;
        stored.reason = decision.scratch.copy(original.reason);
        stored.effect = original.effect;
        stored.lot = original.lot;
        if (back == 0) continue;
        const auto outcome = plan.take_back(
            original.currency, back, original.lot, policy_of(*rule_set, original.currency)
        );
        if (outcome == ledger::PlanOutcome::insufficient_points) {
            return reject_refund(
                context,
                command,
                arrival,
                now,
                order,
                ledger::make_error(
                    ErrorCode::insufficient_points,
                    "The points were spent, and this currency forbids a debt."
                ),
                decision
            );
        }
        if (plan_failed(outcome, decision)) return;
    }
    counts.count_refund(before, remaining, entry);
    plan.finish();
    decision.kind = Decision::Kind::entries;
    decision.status = Status::applied;
    decision.member = order.member;
}

}  // namespace server::engine
