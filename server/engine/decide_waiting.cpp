#include "ledger/base/invariant.hpp"
#include "rules/rule_set.hpp"
#include "server/engine/decide_parts.hpp"

// Refunds and cancellations that come before their order: they wait for it, are netted when it
// comes, and become orphans when it does not.
namespace server::engine {

using ledger::EntryKind;
using ledger::ErrorCode;

namespace {

/// A stored refund as the command that it came as. Views point into `stored`.
EventCommand command_of(const ledger::Entry& stored) {
    EventCommand command;
    command.refund = stored.event.refund;
    command.type = command.refund.cancel ? EventType::order_cancelled : EventType::order_refunded;
    command.type_name = stored.event.type;
    command.source = stored.event.source;
    command.id = stored.event.id;
    command.subject = stored.event.subject;
    command.occurred_at = stored.occurred_at;
    return command;
}

void nothing_to_do(Decision& decision) {
    decision.kind = Decision::Kind::unchanged;
    decision.status = Status::unchanged;
}

/// What belongs to no member yet is sealed under the program's own key.
void keep_personal(const EventCommand& command, ledger::Entry& entry) {
    entry.personal = command.personal;
    entry.sealed_for = 0;
}

}  // namespace

void decide_waiting(
    const DecideContext& context,
    const EventCommand& command,
    ledger::Timestamp now,
    Decision& decision
) {
    if (command.final) {
        ledger::Entry& entry = decision.add(context, EntryKind::orphaned);
        fill_refund(command, {}, now, entry);
        keep_personal(command, entry);
        decision.kind = Decision::Kind::entries;
        decision.status = Status::orphaned;
        return;
    }
    const auto row = context.view.waiting(context.program, command.order_natural_hash);
    if (row.missing()) {
        decision.miss();
        return;
    }
    if (row.found() && row.row->refunds.size() >= ledger::kWaitingMax) {
        ledger::Entry& entry = decision.reject(
            context,
            ledger::field_error(
                ErrorCode::limit_reached,
                "/data/order_id",
                "too many refunds wait for this order already"
            )
        );
        fill_refund(command, {}, now, entry);
        entry.has_natural_hash = false;
        keep_personal(command, entry);
        return;
    }
    const ledger::Program* program = context.view.program(context.program);
    const rules::RuleSet* rule_set =
        rules_or_refuse(context, program->version_at(context.recorded_at), decision);
    if (rule_set == nullptr) return;
    ledger::Entry& entry = decision.add(context, EntryKind::parked);
    fill_refund(command, {}, now, entry);
    keep_personal(command, entry);
    entry.has_parking = true;
    entry.parking.order_hash = command.order_natural_hash;
    entry.parking.until = context.recorded_at + rule_set->park_for();
    decision.kind = Decision::Kind::entries;
    decision.status = Status::pending_order;
}

void decide(const DecideContext& context, const NetCommand& command, Decision& decision) {
    const auto order = context.view.seen(context.program, command.order_natural_hash);
    const auto stored = context.view.entry(context.program, command.parked);
    const auto row = context.view.waiting(context.program, command.order_natural_hash);
    if (order.missing() || stored.missing() || row.missing()) {
        decision.miss();
        return;
    }
    if (!order.found() || !row.found() || row.row->find(command.parked) == nullptr) {
        return nothing_to_do(decision);
    }
    const ledger::Entry& refund = stored.row->entry;
    decide_refund_of(
        context,
        command_of(refund),
        {RefundArrival::Kind::waited, command.parked, command.order_natural_hash},
        refund.evaluated_at,
        order.value,
        decision
    );
}

void decide(const DecideContext& context, const GiveUpCommand& command, Decision& decision) {
    const auto stored = context.view.entry(context.program, command.parked);
    if (stored.missing()) {
        decision.miss();
        return;
    }
    const ledger::ParkingPart& parking = stored.row->entry.parking;
    const auto row = context.view.waiting(context.program, parking.order_hash);
    if (row.missing()) {
        decision.miss();
        return;
    }
    const auto* waiting = row.found() ? row.row->find(command.parked) : nullptr;
    if (waiting == nullptr || waiting->until > context.recorded_at) return nothing_to_do(decision);
    ledger::Entry& entry = decision.add(context, EntryKind::orphaned);
    entry.has_parking = true;
    entry.parking.order_hash = parking.order_hash;
    entry.links.push_back({ledger::LinkKind::parked, command.parked});
    decision.kind = Decision::Kind::entries;
    decision.status = Status::orphaned;
}

void decide(const DecideContext& context, const AttachCommand& command, Decision& decision) {
    if (settle_known_key(context, command.key_hash, command.request_hash, decision)) return;
    const auto refuse = [&](ErrorCode code, const char* detail) {
        decision.refuse(ledger::make_error(code, detail));
    };
    // An entry that is not there must not be looked for.
    if (command.orphan.none() || command.orphan > context.view.program(context.program)->last_seq) {
        return refuse(ErrorCode::not_found, "There is no such orphan.");
    }
    const auto orphaned = context.view.entry(context.program, command.orphan);
    const auto orphan = context.view.orphan(context.program, command.orphan);
    const auto order = context.view.seen(context.program, command.order_natural_hash);
    if (orphaned.missing() || orphan.missing() || order.missing()) {
        decision.miss();
        return;
    }
    if (orphaned.row->entry.kind != EntryKind::orphaned)
        return refuse(ErrorCode::not_found, "There is no such orphan.");
    if (!orphan.found()) {
        return refuse(ErrorCode::already_attached, "The refund was attached to an order before.");
    }
    if (!order.found()) {
        decision.refuse(ledger::field_error(
            ErrorCode::order_not_found, "/order_id", "no paid order of this shop has this id"
        ));
        return;
    }
    const auto facts = context.view.entry(context.program, orphan.row->facts);
    if (facts.missing()) {
        decision.miss();
        return;
    }
    EventCommand refund = command_of(facts.row->entry);
    refund.key_hash = command.key_hash;
    refund.request_hash = command.request_hash;
    decide_refund_of(
        context,
        refund,
        {RefundArrival::Kind::attached, command.orphan, {}},
        facts.row->entry.evaluated_at,
        order.value,
        decision
    );
}

}  // namespace server::engine
