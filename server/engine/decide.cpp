#include "server/engine/decide.hpp"

#include <utility>

#include "ledger/base/invariant.hpp"
#include "server/engine/decide_parts.hpp"

namespace server::engine {

using ledger::EntryKind;
using ledger::ErrorCode;

void Decision::reset() {
    kind = Kind::refused;
    status = Status::refused;
    error.code = ErrorCode::internal;
    error.detail.clear();
    error.fields.clear();
    known = {};
    member = {};
    settle_first = {};
    replayed = other_member = created = dry_run = false;
    wallet_version = number = 0;
    blind = {};
    scratch.reset();
    used_ = 0;
}

ledger::Entry& Decision::add(const DecideContext& context, EntryKind kind_of_entry) {
    if (used_ == entries_.size()) entries_.emplace_back();
    ledger::Entry& entry = entries_[used_++];
    entry.clear();
    const ledger::Program* program = context.view.program(context.program);
    INVARIANT(program != nullptr);
    entry.program = context.program;
    entry.seq = ledger::Seq{program->last_seq.value + used_};
    entry.kind = kind_of_entry;
    entry.recorded_at = context.recorded_at;
    entry.occurred_at = context.recorded_at;
    entry.evaluated_at = context.recorded_at;
    entry.actor_kind = context.actor.kind;
    entry.actor_id = context.actor.id;
    return entry;
}

Decision::Kind Decision::refuse(ledger::Error why) {
    used_ = 0;
    kind = Kind::refused;
    status = Status::refused;
    error = std::move(why);
    return kind;
}

Decision::Kind Decision::miss() {
    used_ = 0;
    kind = Kind::needs_rows;
    return kind;
}

ledger::Entry& Decision::reject(const DecideContext& context, ledger::Error why) {
    used_ = 0;
    ledger::Entry& entry = add(context, EntryKind::rejected);
    entry.outcome = why.code;
    entry.refusal.detail = scratch.copy(why.detail);
    for (const ledger::FieldError& fault : why.fields) {
        entry.refusal.faults.push_back({scratch.copy(fault.pointer), scratch.copy(fault.detail)});
    }
    kind = Kind::entries;
    status = Status::rejected;
    error = std::move(why);
    return entry;
}

namespace {

/// The fact behind a key: an alias points to the entry that holds it.
struct Fact {
    ledger::Presence presence = ledger::Presence::missing;
    const ledger::OwnedEntry* claimed = nullptr;  ///< the entry that claimed the key
    ledger::Seq seq;                              ///< the fact's own entry
};

Fact find_fact(const DecideContext& context, const ledger::Hash16& hash) {
    const auto seen = context.view.seen(context.program, hash);
    if (!seen.found()) return {seen.presence, nullptr, {}};
    const auto claimed = context.view.entry(context.program, seen.value);
    if (claimed.missing()) return {ledger::Presence::missing, nullptr, {}};
    INVARIANT(claimed.found());
    Fact fact{ledger::Presence::found, claimed.row, claimed.row->entry.seq};
    if (claimed.row->entry.kind == EntryKind::alias) {
        INVARIANT(!claimed.row->entry.links.empty());
        fact.seq = claimed.row->entry.links.front().seq;
    }
    return fact;
}

}  // namespace

bool settle_known_key(
    const DecideContext& context,
    const ledger::Hash16& key_hash,
    const ledger::Hash16& request_hash,
    Decision& decision
) {
    const Fact fact = find_fact(context, key_hash);
    if (fact.presence == ledger::Presence::absent) return false;
    if (fact.presence == ledger::Presence::missing) {
        decision.miss();
        return true;
    }
    INVARIANT(fact.claimed != nullptr);
    const ledger::Entry& claimed = fact.claimed->entry;
    if (claimed.request_hash != request_hash) {
        decision.refuse(ledger::make_error(
            ErrorCode::idempotency_conflict, "The same id was used before with another content."
        ));
        return true;
    }
    const ledger::Entry* original = &claimed;
    if (fact.seq != claimed.seq) {
        const auto row = context.view.entry(context.program, fact.seq);
        if (row.missing()) {
            decision.miss();
            return true;
        }
        INVARIANT(row.found());
        original = &row.row->entry;
    }
    decision.kind = Decision::Kind::known;
    decision.known = fact.seq;
    decision.member = original->member;
    decision.replayed = true;
    if (original->kind == EntryKind::rejected) {
        decision.status = Status::rejected;
        decision.error = ledger::refusal_of(*original);
    } else {
        decision.status = Status::duplicate;
    }
    return true;
}

ledger::Error read_only_program() {
    return ledger::make_error(
        ErrorCode::not_ready,
        "A stored version of this program no longer compiles: it is read-only."
    );
}

std::string_view name(Status status) {
    switch (status) {
        case Status::applied: return "applied";
        case Status::duplicate: return "duplicate";
        case Status::pending_identity: return "pending_identity";
        case Status::pending_order: return "pending_order";
        case Status::orphaned: return "orphaned";
        case Status::ignored: return "ignored";
        case Status::rejected: return "rejected";
        case Status::refused: return "rejected";
        case Status::unchanged: return "unchanged";
    }
    return "rejected";
}

}  // namespace server::engine
