#include "server/http/render.hpp"

#include "ledger/entry_codec.hpp"
#include "ledger/state_apply.hpp"
#include "rules/rule_set.hpp"
#include "server/http/error_response.hpp"

namespace server::http {

using ledger::EntryKind;

namespace {

/// Decoded entries of one thread at a time; the buffers stay.
ledger::OwnedEntry& decode_scratch() {
    static thread_local ledger::OwnedEntry scratch;
    return scratch;
}

std::string_view lot_state(const ledger::Entry& entry, const ledger::LotGrant& lot) {
    if (lot.expires_at <= entry.recorded_at) return "expired";
    return lot.activates_at > entry.recorded_at ? "pending" : "available";
}

const ledger::LotGrant* granted(const ledger::Entry& entry, std::uint32_t lot) {
    for (const ledger::LotGrant& grant : entry.lots)
        if (grant.lot == lot) return &grant;
    return nullptr;
}

}  // namespace

std::string_view currency_id(const engine::ProgramInfo& program, std::uint16_t number) {
    for (auto it = program.rule_sets.rbegin(); it != program.rule_sets.rend(); ++it) {
        if (it->second && number < it->second->currencies().size())
            return it->second->currencies()[number].id;
    }
    return {};
}

void write_awards(
    JsonWriter& json,
    const engine::ProgramInfo& program,
    const ledger::Entry& entry,
    std::string_view member
) {
    json.key("awards").begin_array();
    for (const ledger::RuleOutcome& outcome : entry.event.rules) {
        const bool awarded = outcome.code == ledger::RuleCode::awarded;
        if (!awarded && (outcome.code != ledger::RuleCode::refunded || outcome.posted == 0))
            continue;
        json.begin_object().field("rule", outcome.rule);
        if (!member.empty()) json.field("member", member);
        json.field("currency", currency_id(program, outcome.currency))
            .field("amount", outcome.posted);
        json.field("reason", outcome.reason);
        if (!awarded) {
            json.field("state", "taken_back");
        } else if (const ledger::LotGrant* lot = granted(entry, outcome.lot)) {
            json.field("state", lot_state(entry, *lot));
            if (lot->activates_at > entry.recorded_at)
                json.time_field("activates_at", lot->activates_at);
            if (lot->expires_at != ledger::kNever) json.time_field("expires_at", lot->expires_at);
        }
        json.end_object();
    }
    json.end_array();
}

void write_balance(
    JsonWriter& json,
    const engine::ProgramInfo& program,
    const ledger::Balance& balance,
    std::string_view member
) {
    json.begin_object();
    if (!member.empty()) json.field("member", member);
    json.field("currency", currency_id(program, balance.currency))
        .field("available", balance.available);
    json.field("pending", balance.pending).field("held", balance.held).field("debt", balance.debt);
    json.end_object();
}

engine::Status status_of(const ledger::Entry& entry) {
    switch (entry.kind) {
        case EntryKind::parked: {
            const bool waits =
                entry.has_parking && ledger::linked(entry, ledger::LinkKind::parked).none();
            return waits ? engine::Status::pending_order : engine::Status::pending_identity;
        }
        case EntryKind::orphaned: return engine::Status::orphaned;
        case EntryKind::ignored: return engine::Status::ignored;
        case EntryKind::rejected: return engine::Status::rejected;
        default: return engine::Status::applied;
    }
}

namespace {

void write_accepted(
    JsonWriter& json,
    const engine::ProgramInfo& program,
    const engine::Outcome& outcome,
    std::string_view member
) {
    json.begin_object()
        .field("status", engine::name(outcome.status))
        .field("seq", outcome.seq.value);
    ledger::OwnedEntry& owned = decode_scratch();
    if (outcome.entry.empty() || ledger::decode_into(outcome.entry, owned).has_error()) {
        json.end_object();
        return;
    }
    const ledger::Entry& entry = owned.entry;
    const std::string_view shown = entry.member.none() ? std::string_view{} : member;
    if (!shown.empty()) json.field("member", shown);
    if (outcome.status == engine::Status::duplicate)
        json.field("first_status", engine::name(status_of(entry)));
    if (entry.kind == EntryKind::event) {
        write_awards(json, program, entry, shown);
        json.key("balances").begin_array();
        for (const ledger::Balance& balance : entry.balances_after)
            write_balance(json, program, balance, shown);
        json.end_array();
    }
    json.end_object();
}

bool refusal(const engine::Outcome& outcome) {
    return outcome.status == engine::Status::rejected || outcome.status == engine::Status::refused;
}

ProblemExtras extras_of(const engine::Outcome& outcome) {
    ProblemExtras extras;
    if (outcome.seq.value != 0) extras.seq = outcome.seq.value;
    return extras;
}

}  // namespace

void write_event_outcome(
    JsonWriter& json,
    const engine::ProgramInfo& program,
    const engine::Outcome& outcome,
    std::string_view member
) {
    if (!refusal(outcome)) return write_accepted(json, program, outcome, member);
    json.begin_object().field("status", "rejected").key("problem");
    write_problem(json, outcome.error, extras_of(outcome));
    json.end_object();
}

net::Response event_response(
    const engine::ProgramInfo& program, const engine::Outcome& outcome, std::string_view member
) {
    net::Response response;
    if (refusal(outcome)) {
        response = error_response(outcome.error, extras_of(outcome));
    } else {
        response.body.reserve(384);
        JsonWriter json(response.body);
        write_accepted(json, program, outcome, member);
    }
    if (outcome.replayed) response.add_header("Replayed", "true");
    return response;
}

namespace {

std::string_view actor_kind(ledger::ActorKind kind) {
    switch (kind) {
        case ledger::ActorKind::system: return "system";
        case ledger::ActorKind::key: return "key";
        case ledger::ActorKind::staff: return "staff";
    }
    return "system";
}

std::string_view purpose(ledger::Purpose purpose) {
    switch (purpose) {
        case ledger::Purpose::burn: return "burn";
        case ledger::Purpose::expire: return "expire";
        case ledger::Purpose::take_back: return "take_back";
        case ledger::Purpose::repay: return "repay";
        case ledger::Purpose::restore: return "restore";
    }
    return "burn";
}

void write_lines(JsonWriter& json, std::span<const ledger::OrderLine> lines) {
    json.key("lines").begin_array();
    for (const ledger::OrderLine& line : lines) {
        json.begin_object().field("line_id", line.line_id);
        if (!line.sku.empty()) json.field("sku", line.sku);
        json.field("quantity", line.quantity).field("amount", line.amount);
        if (line.gift_card) json.field("gift_card", true);
        json.end_object();
    }
    json.end_array();
}

void write_event(
    JsonWriter& json, const engine::ProgramInfo& program, const ledger::EventPart& event
) {
    json.key("event").begin_object();
    json.field("type", event.type).field("source", event.source).field("id", event.id);
    if (!event.subject.empty()) json.field("subject", event.subject);
    if (event.program_version != 0) json.field("program_version", event.program_version);
    if (event.facts == ledger::FactsKind::order) {
        const ledger::OrderFacts& order = event.order;
        json.key("order")
            .begin_object()
            .field("order_id", order.order_id)
            .field("currency", order.currency);
        json.field("total", order.total).field("net", order.net);
        if (!order.channel.empty()) json.field("channel", order.channel);
        write_lines(json, order.lines);
        json.end_object();
    } else if (event.facts == ledger::FactsKind::refund) {
        const ledger::RefundFacts& refund = event.refund;
        json.key("refund").begin_object().field("order_id", refund.order_id);
        if (!refund.refund_id.empty()) json.field("refund_id", refund.refund_id);
        if (!refund.currency.empty()) json.field("currency", refund.currency);
        if (refund.has_amount) json.field("amount", refund.amount);
        json.field("cancel", refund.cancel);
        write_lines(json, refund.lines);
        json.key("taken").begin_array();
        for (const ledger::Points taken : refund.taken)
            json.integer(taken);
        json.end_array().end_object();
    }
    json.key("rules").begin_array();
    for (const ledger::RuleOutcome& rule : event.rules) {
        json.begin_object()
            .field("rule", rule.rule)
            .field("outcome", ledger::name(rule.code))
            .field("amount", rule.posted);
        if (rule.code == ledger::RuleCode::awarded || rule.code == ledger::RuleCode::refunded) {
            json.field("currency", currency_id(program, rule.currency))
                .field("reason", rule.reason);
        }
        if (rule.lot != 0) json.field("lot", rule.lot);
        json.key("per_line").begin_array();
        for (const ledger::Points share : rule.per_line)
            json.integer(share);
        json.end_array().end_object();
    }
    json.end_array().end_object();
}

void write_movements(
    JsonWriter& json, const engine::ProgramInfo& program, const ledger::Entry& entry
) {
    json.key("postings").begin_array();
    for (const ledger::Posting& posting : entry.postings) {
        json.begin_object()
            .field("account", ledger::name(posting.account))
            .field("currency", currency_id(program, posting.currency))
            .field("amount", posting.amount)
            .end_object();
    }
    json.end_array().key("lots").begin_array();
    for (const ledger::LotGrant& lot : entry.lots) {
        json.begin_object()
            .field("lot", lot.lot)
            .field("currency", currency_id(program, lot.currency))
            .field("amount", lot.amount);
        if (lot.activates_at != 0) json.time_field("activates_at", lot.activates_at);
        json.time_field("expires_at", lot.expires_at).end_object();
    }
    json.end_array().key("allocations").begin_array();
    for (const ledger::Allocation& allocation : entry.allocations) {
        json.begin_object()
            .field("lot", allocation.lot)
            .field("amount", allocation.amount)
            .field("purpose", purpose(allocation.purpose))
            .end_object();
    }
    json.end_array().key("activations").begin_array();
    for (const ledger::Activation& activation : entry.activations) {
        json.begin_object()
            .field("lot", activation.lot)
            .field("amount", activation.amount)
            .end_object();
    }
    json.end_array().key("balances_after").begin_array();
    for (const ledger::Balance& balance : entry.balances_after)
        write_balance(json, program, balance, {});
    json.end_array();
}

}  // namespace

void write_entry(
    JsonWriter& json,
    const engine::ProgramInfo& program,
    const ledger::Entry& entry,
    std::string_view member,
    std::string_view note
) {
    json.begin_object();
    if (entry.seq.value != 0) json.field("seq", entry.seq.value);
    json.field("kind", ledger::name(entry.kind));
    json.time_field("recorded_at", entry.recorded_at).time_field("occurred_at", entry.occurred_at);
    // The rules of another moment than the event's were asked: it came too late for its own.
    if (entry.evaluated_at != entry.occurred_at)
        json.time_field("evaluated_at", entry.evaluated_at);
    json.key("actor")
        .begin_object()
        .field("kind", actor_kind(entry.actor_kind))
        .field("id", entry.actor_id)
        .end_object();
    if (!member.empty()) json.field("member", member);
    if (!entry.member.none()) json.field("member_number", entry.member.value);
    if (entry.outcome != ledger::ErrorCode::ok) json.field("code", ledger::name(entry.outcome));
    if (!entry.refusal.detail.empty()) json.field("detail", entry.refusal.detail);
    if (entry.kind == EntryKind::adjust ||
        (entry.kind == EntryKind::rejected && !entry.has_event)) {
        const ledger::AdjustmentPart& adjustment = entry.adjustment;
        if (entry.kind == EntryKind::adjust) {
            json.field("currency", currency_id(program, adjustment.currency))
                .field("amount", adjustment.amount)
                .field("reason_code", adjustment.reason_code)
                .field("visible_to_member", adjustment.visible_to_member)
                .field("counts_for_tier", adjustment.counts_for_tier);
        }
    }
    if (entry.kind == EntryKind::board_window) {
        const ledger::BoardWindowPart& window = entry.board_window;
        json.key("window")
            .begin_object()
            .field("kind", window.kind == ledger::WindowKind::month ? "month" : "week")
            .field("id", window.id)
            .time_field("starts_at", window.starts_at)
            .time_field("ends_at", window.ends_at)
            .end_object();
    }
    if (entry.has_parking && entry.parking.until != 0)
        json.time_field("waits_until", entry.parking.until);
    if (!note.empty()) json.field("note", note);
    if (entry.has_event) write_event(json, program, entry.event);
    write_movements(json, program, entry);
    json.key("links").begin_array();
    for (const ledger::Link& link : entry.links) {
        json.begin_object()
            .field(
                "kind",
                link.kind == ledger::LinkKind::reverses       ? "reverses"
                : link.kind == ledger::LinkKind::member_entry ? "member"
                : link.kind == ledger::LinkKind::parked       ? "parked"
                                                              : "original"
            )
            .field("seq", link.seq.value)
            .end_object();
    }
    json.end_array().end_object();
}

net::Response json_response(int status, std::string body) {
    net::Response response;
    response.status = status;
    response.body = std::move(body);
    return response;
}

std::string hex(std::string_view bytes) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    text.reserve(bytes.size() * 2);
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        text.push_back(kDigits[byte >> 4]);
        text.push_back(kDigits[byte & 15]);
    }
    return text;
}

}  // namespace server::http
