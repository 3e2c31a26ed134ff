#include <charconv>
#include <utility>
#include <vector>

#include "ledger/blind.hpp"
#include "ledger/entry_codec.hpp"
#include "ledger/state_apply.hpp"
#include "rules/event.hpp"
#include "server/http/handlers/call.hpp"
#include "server/http/member_names.hpp"
#include "server/http/request_json.hpp"

// Refunds whose order never came: to be looked at, and to be given to an order by hand.
namespace server::http {

using ledger::ErrorCode;

namespace {

/// An orphan's entries as the writer found them.
struct FoundOrphan {
    ledger::Seq seq;
    std::string orphaned;  ///< stored bytes
    std::string facts;     ///< of the entry with the refund's facts, perhaps the same
};

/// False: a row was missing, ask again. `found` stays empty if the entry is no orphan's.
bool find_orphan(
    const engine::ReadContext& context,
    ledger::ProgramId program,
    ledger::Seq seq,
    FoundOrphan& found
) {
    const auto orphaned = context.view.entry(program, seq);
    if (orphaned.missing()) return false;
    const ledger::Entry& entry = orphaned.row->entry;
    if (entry.kind != ledger::EntryKind::orphaned) return true;
    const ledger::Seq parked = ledger::linked(entry, ledger::LinkKind::parked);
    const auto facts = parked.none() ? orphaned : context.view.entry(program, parked);
    if (facts.missing()) return false;
    found = {seq, orphaned.row->bytes, facts.row->bytes};
    return true;
}

/// One place of the list.
void write_orphan(JsonWriter& json, const FoundOrphan& found) {
    ledger::OwnedEntry orphaned;
    ledger::OwnedEntry facts;
    if (ledger::decode_into(found.orphaned, orphaned).has_error() ||
        ledger::decode_into(found.facts, facts).has_error())
        return;
    const ledger::EventPart& event = facts.entry.event;
    const ledger::RefundFacts& refund = event.refund;
    const bool timed_out = facts.entry.seq != found.seq;
    json.begin_object().field("seq", found.seq.value);
    json.field("reason", timed_out ? "timed_out" : "final");
    if (timed_out) json.field("parked_seq", facts.entry.seq.value);
    json.field("type", event.type).field("source", event.source).field("id", event.id);
    json.field("order_id", refund.order_id);
    if (!refund.refund_id.empty()) json.field("refund_id", refund.refund_id);
    if (!refund.currency.empty()) json.field("currency", refund.currency);
    if (refund.has_amount) json.field("amount", refund.amount);
    if (!refund.lines.empty()) {
        json.key("lines").begin_array();
        for (const ledger::OrderLine& line : refund.lines) {
            json.begin_object()
                .field("line_id", line.line_id)
                .field("amount", line.amount)
                .end_object();
        }
        json.end_array();
    }
    json.time_field("occurred_at", facts.entry.occurred_at)
        .time_field("recorded_at", orphaned.entry.recorded_at)
        .end_object();
}

/// "o17": after the orphan with seq 17.
ledger::Result<ledger::Seq> after_cursor(std::string_view query) {
    auto cursor = query_parameter(query, "cursor");
    if (cursor.has_error()) return cursor.error();
    if (!*cursor) return ledger::Seq{};
    std::uint64_t seq = 0;
    const char* end = (*cursor)->data() + (*cursor)->size();
    const bool shaped = (*cursor)->size() > 1 && (*cursor)->front() == 'o';
    const auto parsed = std::from_chars((*cursor)->data() + (shaped ? 1 : 0), end, seq);
    if (!shaped || parsed.ec != std::errc() || parsed.ptr != end) {
        return ledger::field_error(
            ErrorCode::invalid_parameter, "cursor", "is not a cursor of this list"
        );
    }
    return ledger::Seq{seq};
}

struct Page {
    std::vector<FoundOrphan> orphans;
    bool more = false;
};

}  // namespace

void get_orphans(Services& services, Call call) {
    if (!call.caller.may(Scope::members_read)) {
        return call.refuse(
            ledger::make_error(ErrorCode::missing_scope, "This key lacks the scope members:read.")
        );
    }
    const auto limit = number_parameter(call.request.query, "limit", 1, 100, 50);
    if (limit.has_error()) return call.refuse(limit.error());
    const auto after = after_cursor(call.request.query);
    if (after.has_error()) return call.refuse(after.error());
    auto job = make_read(call);
    auto page = std::make_shared<Page>();
    job->look =
        [page, after = *after, limit = *limit](HttpRead& read, const engine::ReadContext& context) {
            *page = {};
            std::vector<ledger::Seq> seqs = context.orphans(after, limit + 1);
            page->more = seqs.size() > limit;
            if (page->more) seqs.pop_back();
            bool complete = true;
            for (const ledger::Seq seq : seqs) {
                complete &= find_orphan(context, read.program, seq, page->orphans.emplace_back());
            }
            return complete;
        };
    job->render = [page](HttpRead& read) {
        net::Response response;
        JsonWriter json(response.body);
        json.begin_object().key("data").begin_array();
        for (const FoundOrphan& orphan : page->orphans)
            write_orphan(json, orphan);
        json.end_array().key("next_cursor");
        if (page->more) {
            json.string("o" + std::to_string(page->orphans.back().seq.value));
        } else {
            json.null();
        }
        json.field("as_of", read.as_of.value).end_object();
        return response;
    };
    submit_read(services, call, std::move(job));
}

namespace {

/// What an attachment asks for, while the orphan is looked up.
struct Attachment {
    ledger::Seq orphan;
    AttachRequest request;
    std::string key;
    FoundOrphan found;
};

std::string canonical(const Attachment& attachment) {
    std::string text = std::to_string(attachment.orphan.value);
    for (const std::string& part : {attachment.request.order_id, attachment.request.source})
        text += ':' + std::to_string(part.size()) + ':' + part;
    return text;
}

/// Answers with the member's own name, which one more read looks up.
void answer_attached(engine::Shard& shard, std::unique_ptr<HttpWrite> done) {
    const ledger::MemberId member = done->outcomes[0].member;
    if (member.none()) {
        net::Response response = entry_response(*done, {}, {});
        return done->respond(std::move(response));
    }
    const ledger::ProgramId program = done->program;
    net::IoQueue* const queue = done->queue();
    auto then = [owned = std::move(done), member](MemberNames names) mutable {
        net::Response response = entry_response(*owned, names[member.value], {});
        owned->respond(std::move(response));
    };
    look_up_names(shard, program, queue, {member}, std::move(then));
}

/// The order is looked up in the shop that the refund came from, unless the caller names another.
ledger::Hash16 order_hash(const ledger::HmacKey& hmac, const Attachment& attachment) {
    ledger::OwnedEntry facts;
    std::string source = attachment.request.source;
    if (source.empty() && !ledger::decode_into(attachment.found.facts, facts).has_error())
        source = facts.entry.event.source;
    return ledger::natural_key_hash(
        hmac, ledger::shop_of(source), rules::kOrderPaid, attachment.request.order_id, {}, 0
    );
}

}  // namespace

void attach_orphan(Services& services, Call call) {
    if (!call.caller.may(Scope::points_write)) {
        return call.refuse(
            ledger::make_error(ErrorCode::missing_scope, "This key lacks the scope points:write.")
        );
    }
    const auto seq = number_parameter(
        "seq=" + call.path[1], "seq", 1, static_cast<std::uint64_t>(ledger::kWireMax), 0
    );
    if (seq.has_error()) return call.refuse(seq.error());
    auto job = make_read(call);
    auto request = read_attach(call.request.body, job->arena);
    if (request.has_error()) return call.refuse(request.error());
    const auto key = idempotency_key(call.request);
    if (key.has_error()) return call.refuse(key.error());
    auto attachment = std::make_shared<Attachment>(Attachment{
        ledger::Seq{*seq}, std::move(*request), std::string(*key), {}});
    // The orphan names the shop; what it says never changes, so it may be read before the write.
    job->look = [attachment](HttpRead& read, const engine::ReadContext& context) {
        if (attachment->orphan > read.as_of) return true;
        return find_orphan(context, read.program, attachment->orphan, attachment->found);
    };
    job->finish = [parts = services, attachment](std::unique_ptr<HttpRead> read) mutable {
        if (attachment->found.seq.none()) {
            return read->respond(
                error_response(ledger::make_error(ErrorCode::not_found, "There is no such orphan."))
            );
        }
        const ledger::HmacKey& hmac = *read->info->hmac;
        engine::AttachCommand command;
        command.orphan = attachment->orphan;
        command.order_natural_hash = order_hash(hmac, *attachment);
        command.key_hash = ledger::idempotency_key_hash(hmac, "orphans", attachment->key);
        command.request_hash = ledger::request_hash(hmac, canonical(*attachment));
        auto write = std::make_unique<HttpWrite>();
        write->program = read->program;
        write->actor = read->actor;
        write->registry = read->registry;
        write->info = read->info;
        write->commands.emplace_back(command);
        write->respond = std::move(read->respond);
        write->finish = [&shard = parts.shard](std::unique_ptr<HttpWrite> done) {
            answer_attached(shard, std::move(done));
        };
        parts.submit(std::move(write));
    };
    job->respond = std::move(call.respond);
    services.submit(std::move(job));
}

}  // namespace server::http
