#include "ledger/entry.hpp"

namespace ledger {

std::string_view name(EntryKind kind) {
    switch (kind) {
        case EntryKind::none: return "none";
        case EntryKind::event: return "event";
        case EntryKind::adjust: return "adjust";
        case EntryKind::burn: return "burn";
        case EntryKind::hold: return "hold";
        case EntryKind::capture: return "capture";
        case EntryKind::release: return "release";
        case EntryKind::activate: return "activate";
        case EntryKind::expire: return "expire";
        case EntryKind::reverse: return "reverse";
        case EntryKind::transfer: return "transfer";
        case EntryKind::merge: return "merge";
        case EntryKind::member: return "member";
        case EntryKind::referral: return "referral";
        case EntryKind::rejected: return "rejected";
        case EntryKind::ignored: return "ignored";
        case EntryKind::parked: return "parked";
        case EntryKind::orphaned: return "orphaned";
        case EntryKind::alias: return "alias";
        case EntryKind::program_version: return "program_version";
        case EntryKind::program_activate: return "program_activate";
        case EntryKind::key: return "key";
        case EntryKind::staff: return "staff";
        case EntryKind::approval: return "approval";
        case EntryKind::review_decision: return "review_decision";
        case EntryKind::erase: return "erase";
        case EntryKind::board_window: return "board_window";
    }
    return "unknown";
}

std::string_view name(Account account) {
    switch (account) {
        case Account::member_points: return "member_points";
        case Account::member_debt: return "member_debt";
        case Account::issued: return "issued";
        case Account::redeemed: return "redeemed";
        case Account::breakage: return "breakage";
        case Account::adjusted: return "adjusted";
        case Account::written_off: return "written_off";
        case Account::external: return "external";
    }
    return "unknown";
}

std::string_view name(RuleCode code) {
    switch (code) {
        case RuleCode::awarded: return "awarded";
        case RuleCode::not_matched: return "not_matched";
        case RuleCode::error: return "error";
        case RuleCode::zero: return "zero";
        case RuleCode::capped: return "capped";
        case RuleCode::refunded: return "refunded";
    }
    return "unknown";
}

void Entry::clear() {
    program = {};
    seq = {};
    kind = EntryKind::none;
    recorded_at = occurred_at = evaluated_at = 0;
    actor_kind = ActorKind::system;
    actor_id = 0;
    has_key_hash = has_natural_hash = has_request_hash = false;
    key_hash = natural_hash = request_hash = {};
    member = {};
    outcome = ErrorCode::ok;
    activations.clear();
    lots.clear();
    allocations.clear();
    postings.clear();
    counters.clear();
    links.clear();
    balances_after.clear();
    sealed = {};
    sealed_for = 0;
    personal = {};
    has_event = false;
    event.source = event.id = event.type = event.subject = event.tz_version = {};
    event.facts = FactsKind::none;
    event.order = {};
    event.refund = {};
    event.inputs.clear();
    event.rules.clear();
    event.program_version = event.engine_abi = 0;
    adjustment = {};
    program_version = {};
    program_activate = {};
    key.key_id = 0;
    key.program = {};
    key.secret_hash = {};
    key.scopes.clear();
    key.revoked = false;
    key.kind = ApiKeyKind::secret;
    key.origins.clear();
    key.label = {};
    key.public_key = {};
    board_window = {};
    has_parking = false;
    parking = {};
    refusal.detail = {};
    refusal.faults.clear();
}

Error refusal_of(const Entry& entry) {
    Error error = make_error(entry.outcome, std::string(entry.refusal.detail));
    for (const FieldFault& fault : entry.refusal.faults) {
        error.fields.push_back({std::string(fault.pointer), std::string(fault.detail)});
    }
    return error;
}

}  // namespace ledger
