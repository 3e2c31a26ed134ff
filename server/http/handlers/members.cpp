#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "ledger/blind.hpp"
#include "ledger/statement.hpp"
#include "ledger/wallet_plan.hpp"
#include "server/http/handlers/call.hpp"
#include "server/http/member_names.hpp"
#include "server/http/member_wallets.hpp"
#include "server/http/request_json.hpp"
#include "server/http/rfc3339.hpp"

namespace server::http {

using ledger::ErrorCode;

namespace {

ledger::Error no_member() {
    return ledger::make_error(ErrorCode::member_not_found, "There is no such member.");
}

bool lacks(Call& call, Scope scope) {
    if (call.caller.may(scope)) return false;
    call.refuse(ledger::make_error(
        ErrorCode::missing_scope, "This key lacks the scope " + std::string(name(scope)) + "."
    ));
    return true;
}

/// A member as one read saw it.
struct Seen : MemberWallets {
    std::string external_id;
};

enum class Ready : bool { no, yes };

Ready settled_wallets(
    const HttpRead& read, const engine::ReadContext& context, ledger::MemberId id, Seen& seen
) {
    return read_wallets(context, read.program, read.as_of, id, seen) ? Ready::yes : Ready::no;
}

Ready look_up(
    const HttpRead& read, const engine::ReadContext& context, const ledger::Hash16& hash, Seen& seen
) {
    return read_wallets_of(context, read.program, read.as_of, hash, seen) ? Ready::yes : Ready::no;
}

void write_wallet(
    JsonWriter& json, const engine::ProgramInfo& program, const ledger::Wallet& wallet
) {
    json.begin_object()
        .field("currency", currency_id(program, wallet.currency))
        .field("available", wallet.available);
    json.field("pending", wallet.pending).field("held", wallet.held).field("debt", wallet.debt);
    json.field("lifetime_earned", wallet.lifetime_earned)
        .field("version", wallet.version)
        .end_object();
}

void write_member(
    JsonWriter& json, const engine::ProgramInfo& program, std::string_view member, const Seen& seen
) {
    json.begin_object().field("member", member).field("member_number", seen.id.value);
    json.key("balances").begin_array();
    for (const ledger::Wallet& wallet : seen.wallets)
        write_wallet(json, program, wallet);
    json.end_array().time_field("created_at", seen.created_at);
}

}  // namespace

void put_member(Services& services, Call call) {
    if (lacks(call, Scope::members_write)) return;
    auto hash = member_hash(*call.program, call.path[1]);
    if (hash.has_error()) return call.refuse(hash.error());
    auto job = make_write(call);
    auto personal = read_member(call.request.body, job->arena);
    if (personal.has_error()) return call.refuse(personal.error());
    engine::PutMemberCommand command;
    command.personal = *personal;
    command.personal.external_id = job->arena.copy(call.path[1]);
    command.blind = ledger::blind_hashes(*call.program->hmac, command.personal);
    const std::string_view member = command.personal.external_id;
    job->commands.emplace_back(command);
    job->respond = std::move(call.respond);
    job->render = [member](HttpWrite& done) {
        const engine::Outcome& outcome = done.outcomes[0];
        if (outcome.status == engine::Status::refused) return error_response(outcome.error);
        net::Response response;
        response.status = outcome.created ? 201 : 200;
        JsonWriter json(response.body);
        json.begin_object()
            .field("member", member)
            .field("member_number", outcome.member.value)
            .field("created", outcome.created);
        if (outcome.seq.value != 0) json.field("seq", outcome.seq.value);
        json.end_object();
        return response;
    };
    services.submit(std::move(job));
}

void get_member(Services& services, Call call) {
    if (lacks(call, Scope::members_read)) return;
    auto hash = member_hash(*call.program, call.path[1]);
    if (hash.has_error()) return call.refuse(hash.error());
    auto job = make_read(call);
    auto seen = std::make_shared<Seen>();
    job->look = [seen, hash = *hash](HttpRead& read, const engine::ReadContext& context) {
        return look_up(read, context, hash, *seen) == Ready::yes;
    };
    job->render = [seen, member = call.path[1]](HttpRead& read) {
        if (!seen->found) return error_response(no_member());
        net::Response response;
        JsonWriter json(response.body);
        write_member(json, *read.info, member, *seen);
        json.field("as_of", read.as_of.value).end_object();
        return response;
    };
    submit_read(services, call, std::move(job));
}

namespace {

/// The members an exact query names: by id, e-mail, phone or order id, in this order, each once.
/// What engine::Reads::members_by stops at; that many share one e-mail by mistake only.
constexpr std::size_t kFoundMax = 100;

class Query {
public:
    Query(const engine::ProgramInfo& program, const std::string& text) {
        const ledger::HmacKey& hmac = *program.hmac;
        external_ = ledger::blind_hash(hmac, ledger::BlindKind::external_id, text);
        email_ = ledger::blind_hash(hmac, ledger::BlindKind::email, ledger::normalise_email(text));
        phone_ = ledger::blind_hash(hmac, ledger::BlindKind::phone, text);
        text_ = text;
    }

    Ready run(const HttpRead& read, const engine::ReadContext& context, std::vector<Seen>& found)
        const {
        // Everything missing is named before the round ends: one fetch serves all of it.
        Ready ready = Ready::yes;
        std::vector<ledger::MemberId> ids;
        const auto external = context.view.member_by_external_id(read.program, external_);
        if (external.missing()) ready = Ready::no;
        if (external.found()) ids.push_back(external.value);
        for (const auto& [kind, hash] :
             {std::pair{ledger::BlindKind::email, email_},
              std::pair{ledger::BlindKind::phone, phone_}}) {
            for (const ledger::MemberId id : context.members_by(kind, hash)) {
                // An old address leaves its row behind until the next checkpoint: only the profile
                // says what is true now.
                const auto profile = context.view.profile(read.program, id);
                if (profile.missing()) ready = Ready::no;
                if (!profile.found()) continue;
                ledger::BlindHashes one;
                (kind == ledger::BlindKind::email ? one.email : one.phone) = hash;
                const ledger::ProfileHashes wanted = ledger::profile_hashes(one);
                const bool same = kind == ledger::BlindKind::email
                                      ? profile.value.email == wanted.email
                                      : profile.value.phone == wanted.phone;
                if (same) ids.push_back(id);
            }
        }
        if (by_order(read, context, ids) == Ready::no) ready = Ready::no;
        found.clear();
        for (const ledger::MemberId id : ids) {
            if (std::any_of(found.begin(), found.end(), [&](const Seen& seen) {
                    return seen.id == id;
                }))
                continue;
            Seen seen;
            if (settled_wallets(read, context, id, seen) == Ready::no) ready = Ready::no;
            if (!seen.found) continue;
            if (!read_member_name(context, read.program, id, seen.external_id)) ready = Ready::no;
            found.push_back(std::move(seen));
        }
        return ready;
    }

private:
    Ready by_order(
        const HttpRead& read, const engine::ReadContext& context, std::vector<ledger::MemberId>& ids
    ) const {
        const ledger::Program* program = context.view.program(read.program);
        if (program == nullptr) return Ready::yes;
        Ready ready = Ready::yes;
        for (const std::string& shop : program->shops) {
            const auto key =
                ledger::natural_key_hash(*read.info->hmac, shop, "order.paid", text_, {}, 0);
            const auto seen = context.view.seen(read.program, key);
            if (seen.missing()) ready = Ready::no;
            if (!seen.found()) continue;
            const auto entry = context.view.entry(read.program, seen.value);
            if (entry.missing()) ready = Ready::no;
            if (entry.found() && !entry.row->entry.member.none())
                ids.push_back(entry.row->entry.member);
        }
        return ready;
    }

    ledger::Hash16 external_{}, email_{}, phone_{};
    std::string text_;
};

}  // namespace

void find_members(Services& services, Call call) {
    if (lacks(call, Scope::members_read)) return;
    auto text = query_parameter(call.request.query, "query");
    if (text.has_error()) return call.refuse(text.error());
    if (!*text || (*text)->empty() || (*text)->size() > 320) {
        return call.refuse(ledger::field_error(
            ErrorCode::invalid_parameter,
            "query",
            "must have 1 to 320 bytes: a member's id, e-mail, phone or an order id"
        ));
    }
    auto job = make_read(call);
    auto found = std::make_shared<std::vector<Seen>>();
    job->look = [found, query = Query(*call.program, **text)](
                    HttpRead& read, const engine::ReadContext& context
                ) { return query.run(read, context, *found) == Ready::yes; };
    job->render = [found](HttpRead& read) {
        if (found->size() >= kFoundMax) {
            return error_response(ledger::field_error(
                ErrorCode::invalid_parameter,
                "query",
                "names " + std::to_string(kFoundMax) + " members or more: ask for one by its id"
            ));
        }
        net::Response response;
        JsonWriter json(response.body);
        json.begin_object().key("data").begin_array();
        for (const Seen& seen : *found) {
            write_member(json, *read.info, seen.external_id, seen);
            json.end_object();
        }
        json.end_array().key("next_cursor").null().field("as_of", read.as_of.value).end_object();
        return response;
    };
    submit_read(services, call, std::move(job));
}

namespace {

/// A read that goes on with stored rows: the history as the writer handed it over, with a snapshot
/// of the views.
struct HistoryRead {
    bool found = false;
    ledger::MemberHistory history;
    std::shared_ptr<const ledger::ViewSnapshot> snapshot;
    ledger::Timestamp now = 0;

    [[nodiscard]] ledger::RowReader reader() const {
        return [snapshot = snapshot](ledger::ViewFamily family, std::string_view key) {
            return snapshot->get(family, key);
        };
    }
};

bool look_history(
    HttpRead& read, const engine::ReadContext& context, const ledger::Hash16& hash, HistoryRead& out
) {
    const auto id = context.view.member_by_external_id(read.program, hash);
    if (id.missing()) return false;
    if (!id.found()) return true;
    const auto row = context.view.member(read.program, id.value);
    if (row.missing()) return false;
    out.history = context.history(id.value);
    out.snapshot = context.snapshot();
    out.now = context.now;
    out.found = true;
    return true;
}

std::unique_ptr<HttpRead> history_job(
    Services& services, Call& call, const ledger::Hash16& hash, std::shared_ptr<HistoryRead> history
) {
    auto job = make_read(call);
    job->look = [history = std::move(history), hash](
                    HttpRead& read, const engine::ReadContext& context
                ) { return look_history(read, context, hash, *history); };
    (void)services;
    return job;
}

/// The currency a query asks for; absent: none was asked. Errors: invalid_parameter.
ledger::Result<std::optional<std::uint16_t>> currency_parameter(
    const engine::ProgramInfo& program, std::string_view query
) {
    auto text = query_parameter(query, "currency");
    if (text.has_error()) return text.error();
    if (!*text) return std::optional<std::uint16_t>{};
    for (std::uint16_t number = 0; !currency_id(program, number).empty(); ++number)
        if (currency_id(program, number) == **text) return std::optional<std::uint16_t>{number};
    return ledger::field_error(
        ErrorCode::invalid_parameter, "currency", "is no currency of this program"
    );
}

void get_past_balances(
    Services& services,
    Call& call,
    const ledger::Hash16& hash,
    std::optional<std::uint16_t> wanted,
    std::optional<std::uint64_t> seq,
    std::optional<ledger::Timestamp> at
) {
    auto history = std::make_shared<HistoryRead>();
    auto job = history_job(services, call, hash, history);
    job->render = [history, wanted, seq, at, member = call.path[1]](HttpRead& read) {
        if (!history->found) return error_response(no_member());
        const ledger::RowReader reader = history->reader();
        const ledger::Statement statement(history->history, reader);
        net::Response response;
        JsonWriter json(response.body);
        json.begin_object().field("member", member).key("balances").begin_array();
        for (const ledger::Wallet& wallet : history->history.member.wallets) {
            if (wanted && wallet.currency != *wanted) continue;
            const auto balance = seq ? statement.balance_at_seq(wallet.currency, ledger::Seq{*seq})
                                     : statement.balance_at_time(wallet.currency, *at);
            if (balance.has_error()) return error_response(balance.error());
            ledger::Balance shown = *balance;
            shown.currency = wallet.currency;
            json.begin_object()
                .field("currency", currency_id(*read.info, wallet.currency))
                .field("available", shown.available);
            json.field("pending", shown.pending)
                .field("held", shown.held)
                .field("debt", shown.debt);
            json.field("lifetime_earned", shown.lifetime_earned).end_object();
        }
        json.end_array();
        if (seq) json.field("at_seq", *seq);
        if (at) json.time_field("at", *at);
        json.field("as_of", read.as_of.value).end_object();
        return response;
    };
    render_on_pool(services, *job);
    submit_read(services, call, std::move(job));
}

}  // namespace

void get_balances(Services& services, Call call) {
    if (lacks(call, Scope::members_read)) return;
    auto hash = member_hash(*call.program, call.path[1]);
    if (hash.has_error()) return call.refuse(hash.error());
    auto at = query_parameter(call.request.query, "at");
    if (at.has_error()) return call.refuse(at.error());
    auto seq_text = query_parameter(call.request.query, "seq");
    if (seq_text.has_error()) return call.refuse(seq_text.error());
    if (*at && *seq_text) {
        return call.refuse(
            ledger::field_error(ErrorCode::invalid_parameter, "at", "cannot stand beside seq")
        );
    }
    auto currency = currency_parameter(*call.program, call.request.query);
    if (currency.has_error()) return call.refuse(currency.error());
    if (*seq_text) {
        const auto seq = number_parameter(
            call.request.query, "seq", 0, static_cast<std::uint64_t>(ledger::kWireMax), 0
        );
        if (seq.has_error()) return call.refuse(seq.error());
        return get_past_balances(services, call, *hash, *currency, *seq, std::nullopt);
    }
    if (*at) {
        const auto time = parse_rfc3339(**at);
        if (!time || !has_four_digit_year(*time)) {
            return call.refuse(
                ledger::field_error(ErrorCode::invalid_parameter, "at", "is not an RFC 3339 time")
            );
        }
        return get_past_balances(services, call, *hash, *currency, std::nullopt, *time);
    }
    auto job = make_read(call);
    auto seen = std::make_shared<Seen>();
    job->look = [seen, hash = *hash](HttpRead& read, const engine::ReadContext& context) {
        return look_up(read, context, hash, *seen) == Ready::yes;
    };
    job->render = [seen, wanted = *currency, member = call.path[1]](HttpRead& read) {
        if (!seen->found) return error_response(no_member());
        net::Response response;
        JsonWriter json(response.body);
        json.begin_object().field("member", member).key("balances").begin_array();
        std::uint64_t version = 0;
        bool first = true;
        for (const ledger::Wallet& wallet : seen->wallets) {
            if (wanted && wallet.currency != *wanted) continue;
            if (first) version = wallet.version;
            first = false;
            write_wallet(json, *read.info, wallet);
        }
        json.end_array().field("as_of", read.as_of.value).end_object();
        response.add_header("ETag", "\"" + std::to_string(version) + "\"");
        return response;
    };
    submit_read(services, call, std::move(job));
}

void get_member_entries(Services& services, Call call) {
    if (lacks(call, Scope::members_read)) return;
    auto hash = member_hash(*call.program, call.path[1]);
    if (hash.has_error()) return call.refuse(hash.error());
    const auto limit = number_parameter(call.request.query, "limit", 1, 100, 50);
    if (limit.has_error()) return call.refuse(limit.error());
    auto currency = currency_parameter(*call.program, call.request.query);
    if (currency.has_error()) return call.refuse(currency.error());
    auto cursor = query_parameter(call.request.query, "cursor");
    if (cursor.has_error()) return call.refuse(cursor.error());
    std::optional<std::uint32_t> before;
    if (*cursor) {
        std::uint32_t line = 0;
        const char* end = (*cursor)->data() + (*cursor)->size();
        const bool shaped = (*cursor)->size() > 1 && (*cursor)->front() == 'l';
        const auto parsed = std::from_chars((*cursor)->data() + (shaped ? 1 : 0), end, line);
        if (!shaped || parsed.ec != std::errc() || parsed.ptr != end) {
            return call.refuse(ledger::field_error(
                ErrorCode::invalid_parameter, "cursor", "is not a cursor of this list"
            ));
        }
        before = line;
    }
    auto history = std::make_shared<HistoryRead>();
    auto job = history_job(services, call, *hash, history);
    job->render = [history, before, limit = *limit, wanted = *currency](HttpRead& read) {
        if (!history->found) return error_response(no_member());
        const ledger::RowReader reader = history->reader();
        const auto page = ledger::Statement(history->history, reader).page(before, limit, wanted);
        if (page.has_error()) return error_response(page.error());
        net::Response response;
        JsonWriter json(response.body);
        json.begin_object().key("data").begin_array();
        for (const auto& [number, line] : page->lines) {
            (void)number;
            json.begin_object().field("seq", line.seq.value).field("kind", ledger::name(line.kind));
            json.field("currency", currency_id(*read.info, line.currency))
                .field("amount", line.delta);
            json.key("balance_after")
                .begin_object()
                .field("available", line.after.available)
                .field("pending", line.after.pending);
            json.field("held", line.after.held).field("debt", line.after.debt).end_object();
            if (!line.reason.empty()) json.field("reason", line.reason);
            if (!line.rule.empty()) json.field("rule", line.rule);
            if (!line.reference.empty()) json.field("reference", line.reference);
            json.time_field("recorded_at", line.recorded_at)
                .time_field("occurred_at", line.occurred_at)
                .end_object();
        }
        json.end_array().key("next_cursor");
        if (page->next) {
            json.string("l" + std::to_string(*page->next));
        } else {
            json.null();
        }
        json.field("as_of", read.as_of.value).end_object();
        return response;
    };
    render_on_pool(services, *job);
    submit_read(services, call, std::move(job));
}

namespace {

/// How a lot stands at `now`, due changes included.
std::string_view lot_state(const ledger::Lot& lot, ledger::Timestamp now) {
    if (lot.expires_at <= now) return "expired";
    return lot.active() || lot.activates_at <= now ? "available" : "pending";
}

}  // namespace

void get_lots(Services& services, Call call) {
    if (lacks(call, Scope::members_read)) return;
    auto hash = member_hash(*call.program, call.path[1]);
    if (hash.has_error()) return call.refuse(hash.error());
    const auto limit = number_parameter(call.request.query, "limit", 1, 100, 100);
    if (limit.has_error()) return call.refuse(limit.error());
    const auto after = number_parameter(call.request.query, "cursor", 0, UINT32_MAX, 0);
    if (after.has_error()) return call.refuse(after.error());
    auto history = std::make_shared<HistoryRead>();
    auto job = history_job(services, call, *hash, history);
    job->render = [history, limit = *limit, after = *after](HttpRead& read) {
        if (!history->found) return error_response(no_member());
        const ledger::RowReader reader = history->reader();
        const auto lots = ledger::Statement(history->history, reader).live_lots();
        if (lots.has_error()) return error_response(lots.error());
        net::Response response;
        JsonWriter json(response.body);
        json.begin_object().key("data").begin_array();
        std::size_t shown = 0;
        std::uint32_t last = 0;
        bool more = false;
        for (const ledger::Lot& lot : *lots) {
            if (lot.no <= after || lot_state(lot, history->now) == "expired") continue;
            if (shown == limit) {
                more = true;
                break;
            }
            ++shown;
            last = lot.no;
            json.begin_object()
                .field("lot", lot.no)
                .field("currency", currency_id(*read.info, lot.currency));
            json.field("amount", lot.amount)
                .field("remaining", lot.remaining)
                .field("state", lot_state(lot, history->now));
            if (!lot.active()) json.time_field("activates_at", lot.activates_at);
            json.time_field("expires_at", lot.expires_at)
                .field("seq", lot.source.value)
                .end_object();
        }
        json.end_array().key("next_cursor");
        if (more) {
            json.string(std::to_string(last));
        } else {
            json.null();
        }
        json.field("as_of", read.as_of.value).end_object();
        return response;
    };
    render_on_pool(services, *job);
    submit_read(services, call, std::move(job));
}

}  // namespace server::http
