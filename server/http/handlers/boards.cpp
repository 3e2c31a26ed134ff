#include "server/boards/boards.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "ledger/sha256.hpp"
#include "rules/rule_set.hpp"
#include "server/http/handlers/assets.hpp"
#include "server/http/handlers/call.hpp"
#include "server/http/member_wallets.hpp"
#include "server/http/onlooker.hpp"
#include "server/live/live.hpp"

// Boards as pages read them: docs/live.md, "Reading". Rows come from the boards, never from views.
namespace server::http {

using boards::ChannelKey;
using ledger::ErrorCode;

namespace {

constexpr ledger::Timestamp kVisibleWait = 2 * ledger::kMicrosPerSecond;
constexpr std::chrono::milliseconds kVisiblePoll{5};

/// What GET of a board asked for.
struct Look {
    ChannelKey channel;
    std::size_t limit = 10;
    std::uint64_t after_rank = 0;
    bool paged = false;   ///< after_rank was given
    bool around = false;  ///< rows around `centre`
    std::uint64_t min_seq = 0;
    ledger::MemberId centre;  ///< of around; none: nobody
    ledger::MemberId me;      ///< whose row is marked; none: nobody's
    std::string if_none_match;
};

/// What is answered.
struct Found {
    boards::WindowTurn window;
    std::uint64_t total = 0;
    ledger::Seq as_of;
    std::vector<boards::Row> rows;
    std::string epoch;  ///< empty: no position to follow from
    std::uint64_t off = 0;
};

const rules::RuleSet* boards_of(const engine::ProgramInfo& program, ledger::Timestamp now) {
    const auto found = program.rule_sets.find(program.row.version_at(now));
    return found == program.rule_sets.end() ? nullptr : found->second.get();
}

bool not_ready(Services& services, Call& call) {
    if (services.options.boards->ready()) return false;
    call.refuse(ledger::make_error(
        ErrorCode::not_ready, "The boards are being counted; try again in a moment."
    ));
    return true;
}

ledger::Error no_board() {
    return ledger::make_error(ErrorCode::not_found, "There is no such board or window.");
}

/// The document has it, the boards do not yet: it was declared a moment ago.
ledger::Error not_counted_yet() {
    return ledger::make_error(
        ErrorCode::not_ready, "The board is being counted; try again in a moment."
    );
}

ledger::Result<ChannelKey> channel_of(const Call& call, const rules::RuleSet& rule_set) {
    const auto boards = rule_set.boards();
    const auto board = std::ranges::find(boards, call.path[1], &rules::Board::id);
    if (board == boards.end()) return no_board();
    auto text = query_parameter(call.request.query, "window");
    if (text.has_error()) return text.error();
    ChannelKey key{call.program->id, board->id, board->windows.front()};
    if (!*text) return key;
    const auto window = std::ranges::find(board->windows, **text, [](rules::BoardWindow w) {
        return rules::name(w);
    });
    if (window == board->windows.end()) return no_board();
    key.window = *window;
    return key;
}

std::string etag_of(std::string_view text) {
    const ledger::Hash32 hash = ledger::sha256(text);
    return "W/\"" + hex({reinterpret_cast<const char*>(hash.data()), 9}) + "\"";
}

void write_rows(JsonWriter& json, const Look& look, const Found& found) {
    json.key("rows").begin_array();
    for (const boards::Row& row : found.rows) {
        json.begin_object()
            .field("rank", row.rank)
            .field("place", row.place)
            .field("id", row.id)
            .field("name", row.name)
            .field("score", row.score);
        json.key("from");
        if (row.from) {
            json.unsigned_integer(*row.from);
        } else {
            json.null();
        }
        if (!look.me.none() && row.member == look.me) json.field("me", true);
        json.end_object();
    }
    json.end_array();
}

net::Response render(const Look& look, const Found& found) {
    // What the tag covers: rows, window and total, but not how far the ledger has come.
    std::string seen;
    JsonWriter part(seen);
    part.begin_object().field("total", found.total).field("win", found.window.id);
    write_rows(part, look, found);
    part.end_object();
    net::Response response;
    const std::string tag = etag_of(seen);
    response.add_header("ETag", tag);
    response.add_header("Guerdon-As-Of", std::to_string(found.as_of.value));
    response.add_header("Cache-Control", "private, no-cache");
    if (names_tag(look.if_none_match, std::string_view(tag).substr(2))) {
        response.status = 304;
        response.content_type = {};
        return response;
    }
    const bool has_end = found.window.ends_at != ledger::kNever;
    JsonWriter json(response.body);
    json.begin_object()
        .field("board", look.channel.board)
        .field("window", rules::name(look.channel.window));
    json.key("win").begin_object().field("id", found.window.id);
    json.key("starts");
    has_end ? json.time(found.window.starts_at) : json.null();
    json.key("ends");
    has_end ? json.time(found.window.ends_at) : json.null();
    json.end_object();
    if (!found.epoch.empty()) json.field("epoch", found.epoch).field("off", found.off);
    json.field("as_of", found.as_of.value).field("total", found.total);
    write_rows(json, look, found);
    json.key("next_after_rank");
    if (found.rows.empty() || found.rows.back().rank >= found.total) {
        json.null();
    } else {
        json.unsigned_integer(found.rows.back().rank);
    }
    json.end_object();
    return response;
}

void answer_slice(
    const std::shared_ptr<net::Respond>& respond,
    const Look& look,
    std::optional<boards::Slice> slice
) {
    if (!slice) return (*respond)(error_response(not_counted_yet()));
    (*respond)(render(
        look, {std::move(slice->window), slice->total, slice->as_of, std::move(slice->rows), {}, 0}
    ));
}

bool is_feed_size(std::size_t limit) {
    return limit == 10 || limit == 25 || limit == 50 || limit == 100;
}

void fetch(Services& services, Look look, net::Respond respond) {
    boards::Boards& all = *services.options.boards;
    auto reply = std::make_shared<net::Respond>(std::move(respond));
    if (look.around) {
        const std::size_t above = (look.limit - 1) / 2;
        return all.around(look.channel, look.centre, above, look.limit, [reply, look](auto slice) {
            answer_slice(reply, look, std::move(slice));
        });
    }
    if (!look.paged && is_feed_size(look.limit) && services.options.live != nullptr) {
        const auto reading =
            services.options.live->read(look.channel, look.limit, ledger::Seq{look.min_seq});
        if (!reading) return (*reply)(error_response(not_counted_yet()));
        const boards::Page& page = reading->publication->page();
        Found found{
            page.window,
            page.total,
            reading->as_of,
            {},
            reading->publication->epoch(),
            reading->publication->off()};
        const std::size_t count = std::min(look.limit, page.rows.size());
        found.rows.assign(
            page.rows.begin(), page.rows.begin() + static_cast<std::ptrdiff_t>(count)
        );
        return (*reply)(render(look, found));
    }
    all.rows(look.channel, look.after_rank, look.limit, [reply, look](auto slice) {
        answer_slice(reply, look, std::move(slice));
    });
}

/// Calls `then` once the boards have seen `seq`, or with false after kVisibleWait.
void when_seen(
    const Services& services,
    ledger::ProgramId program,
    std::uint64_t seq,
    ledger::Timestamp deadline,
    std::shared_ptr<const std::function<void(bool)>> then
) {
    if (services.options.boards->as_of(program).value >= seq) return (*then)(true);
    if (services.options.clock->monotonic() >= deadline) return (*then)(false);
    auto again = [parts = services, program, seq, deadline, then = std::move(then)]() mutable {
        when_seen(parts, program, seq, deadline, std::move(then));
    };
    (void)services.pool.post(std::move(again), kVisiblePoll);
}

ledger::Error not_seen() {
    return ledger::make_error(
        ErrorCode::not_yet_visible, "The boards have not reached min_seq within 2 seconds."
    );
}

void fetch_when_seen(Services& services, Look look, net::Respond respond) {
    const ledger::ProgramId program = look.channel.program;
    const std::uint64_t seq = look.min_seq;
    auto reply = std::make_shared<net::Respond>(std::move(respond));
    auto then = [parts = services, look = std::move(look), reply](bool seen) {
        if (!seen) return (*reply)(error_response(not_seen()));
        Services own = parts;
        fetch(own, look, std::move(*reply));
    };
    when_seen(
        services,
        program,
        seq,
        services.options.clock->monotonic() + kVisibleWait,
        std::make_shared<const std::function<void(bool)>>(std::move(then))
    );
}

ledger::Result<Look> read_look(const Call& call, const rules::RuleSet& rule_set) {
    Look look;
    auto channel = channel_of(call, rule_set);
    if (channel.has_error()) return channel.error();
    look.channel = std::move(*channel);
    const std::string_view query = call.request.query;
    const auto limit = number_parameter(query, "limit", 1, boards::kPageRows, 10);
    if (limit.has_error()) return limit.error();
    look.limit = *limit;
    const auto after = number_parameter(query, "after_rank", 0, UINT32_MAX, 0);
    if (after.has_error()) return after.error();
    look.after_rank = *after;
    const auto paged = query_parameter(query, "after_rank");
    look.paged = paged->has_value();
    const auto min_seq =
        number_parameter(query, "min_seq", 0, static_cast<std::uint64_t>(ledger::kWireMax), 0);
    if (min_seq.has_error()) return min_seq.error();
    look.min_seq = *min_seq;
    look.if_none_match = std::string(call.request.header("If-None-Match"));
    return look;
}

/// The blind hash of the member in the middle. Errors: invalid_parameter, missing_scope.
ledger::Result<std::optional<ledger::Hash16>> centre_of(const Call& call, const Look& look) {
    auto around = query_parameter(call.request.query, "around");
    if (around.has_error()) return around.error();
    if (!*around) return std::optional<ledger::Hash16>{};
    if (look.paged) {
        return ledger::field_error(
            ErrorCode::invalid_parameter, "around", "cannot be used together with after_rank"
        );
    }
    switch (call.onlooker->kind) {
        case Onlooker::Kind::guest:
            return ledger::make_error(
                ErrorCode::missing_scope,
                "A publishable key sees boards only; give a shopper token."
            );
        case Onlooker::Kind::member:
            if (**around == "me") return std::optional(call.onlooker->member_hash);
            return ledger::field_error(
                ErrorCode::invalid_parameter, "around", "must be `me` with a shopper token"
            );
        case Onlooker::Kind::server: break;
    }
    auto hash = member_hash(*call.program, **around);
    if (hash.has_error()) return hash.error();
    return std::optional(*hash);
}

}  // namespace

void get_boards(Services& services, Call call) {
    const rules::RuleSet* rule_set = boards_of(*call.program, services.now());
    net::Response response;
    response.add_header("Cache-Control", "private, no-cache");
    JsonWriter json(response.body);
    json.begin_object().key("data").begin_array();
    if (rule_set != nullptr) {
        for (const rules::Board& board : rule_set->boards()) {
            json.begin_object().field("id", board.id);
            json.key("score")
                .begin_object()
                .field(
                    board.counter ? "counter" : "currency",
                    board.counter ? rule_set->counters()[*board.counter].id
                                  : rule_set->currencies()[board.currency].id
                )
                .end_object();
            json.key("windows").begin_array();
            for (const rules::BoardWindow window : board.windows)
                json.string(rules::name(window));
            json.end_array().end_object();
        }
    }
    json.end_array().key("next_cursor").null().end_object();
    call.answer(std::move(response));
}

void get_board(Services& services, Call call) {
    if (not_ready(services, call)) return;
    const rules::RuleSet* rule_set = boards_of(*call.program, services.now());
    if (rule_set == nullptr) return call.refuse(no_board());
    auto look = read_look(call, *rule_set);
    if (look.has_error()) return call.refuse(look.error());
    auto centre = centre_of(call, *look);
    if (centre.has_error()) return call.refuse(centre.error());
    look->around = centre->has_value();
    const bool is_member = call.onlooker->kind == Onlooker::Kind::member;
    if (!look->around && !is_member)
        return fetch_when_seen(services, std::move(*look), std::move(call.respond));

    // Numbers of members stand in the ledger, not in the request.
    auto job = make_read(call);
    auto shared = std::make_shared<Look>(std::move(*look));
    const std::optional<ledger::Hash16> me =
        is_member ? std::optional(call.onlooker->member_hash) : std::nullopt;
    job->look = [shared, centre = *centre, me](HttpRead& read, const engine::ReadContext& context) {
        bool ready = true;
        const auto find = [&](const std::optional<ledger::Hash16>& hash, ledger::MemberId& found) {
            if (!hash) return;
            const auto member = context.view.member_by_external_id(read.program, *hash);
            ready &= !member.missing();
            if (member.found()) found = member.value;
        };
        find(centre, shared->centre);
        find(me, shared->me);
        return ready;
    };
    Services parts = services;
    job->finish = [parts, shared](std::unique_ptr<HttpRead> done) mutable {
        fetch_when_seen(parts, std::move(*shared), std::move(done->respond));
    };
    job->respond = std::move(call.respond);
    services.submit(std::move(job));
}

namespace {

/// Everything that GET /me says, collected on its way.
struct Me {
    MemberWallets wallets;
    std::string name;
    bool shown = false;
    ledger::Seq as_of;
    std::vector<ChannelKey> channels;
};

net::Response render_me(
    const engine::ProgramInfo& program,
    const Me& me,
    const std::vector<std::optional<boards::Standing>>& standings
) {
    net::Response response;
    response.add_header("Cache-Control", "private, no-cache");
    response.add_header("Guerdon-As-Of", std::to_string(me.as_of.value));
    JsonWriter json(response.body);
    json.begin_object()
        .field("as_of", me.as_of.value)
        .field("name", me.name)
        .field("shown", me.shown);
    json.key("balances").begin_array();
    for (const ledger::Wallet& wallet : me.wallets.wallets) {
        json.begin_object()
            .field("currency", currency_id(program, wallet.currency))
            .field("available", wallet.available)
            .field("pending", wallet.pending)
            .field("held", wallet.held)
            .field("debt", wallet.debt)
            .end_object();
    }
    json.end_array().key("boards").begin_array();
    for (std::size_t i = 0; i < standings.size(); ++i) {
        if (!standings[i] || !standings[i]->on_board) continue;
        const boards::Standing& standing = *standings[i];
        json.begin_object()
            .field("board", me.channels[i].board)
            .field("window", rules::name(me.channels[i].window))
            .field("win", standing.window.id)
            .field("id", standing.row.id)
            .field("rank", standing.row.rank)
            .field("place", standing.row.place)
            .field("score", standing.row.score)
            .field("total", standing.total);
        json.key("next");
        if (standing.next) {
            json.begin_object()
                .field("place", standing.next->place)
                .field("points", standing.next->points)
                .end_object();
        } else {
            json.null();
        }
        json.end_object();
    }
    json.end_array().end_object();
    return response;
}

}  // namespace

void get_me(Services& services, Call call) {
    if (not_ready(services, call)) return;
    if (call.onlooker->kind != Onlooker::Kind::member) {
        return call.refuse(ledger::make_error(
            ErrorCode::missing_scope, "Only a shopper token says whose data this is."
        ));
    }
    auto me = std::make_shared<Me>();
    auto job = make_read(call);
    job->look = [me, hash = call.onlooker->member_hash](
                    HttpRead& read, const engine::ReadContext& context
                ) { return read_wallets_of(context, read.program, read.as_of, hash, me->wallets); };
    const auto min_seq = number_parameter(
        call.request.query, "min_seq", 0, static_cast<std::uint64_t>(ledger::kWireMax), 0
    );
    if (min_seq.has_error()) return call.refuse(min_seq.error());
    job->finish = [me, parts = services, seq = *min_seq](std::unique_ptr<HttpRead> done) {
        if (!me->wallets.found) {
            return done->respond(error_response(
                ledger::make_error(ErrorCode::member_not_found, "There is no such member.")
            ));
        }
        me->as_of = done->as_of;
        const ledger::ProgramId program = done->program;
        auto shared = std::shared_ptr<HttpRead>(std::move(done));
        boards::Boards& boards = *parts.options.boards;
        auto then = [me, &boards, program, shared](bool seen) {
            if (!seen) return shared->respond(error_response(not_seen()));
            me->channels = boards.channels(program);
            boards.face(program, me->wallets.id, [me, &boards, shared](auto name, bool shown) {
                me->name = std::move(name);
                me->shown = shown;
                boards.standings(me->channels, me->wallets.id, [me, shared](auto standings) {
                    // Wallets and ranks come from two places: the answer is as old as the older.
                    for (const auto& standing : standings) {
                        if (standing) me->as_of = std::min(me->as_of, standing->as_of);
                    }
                    shared->respond(render_me(*shared->info, *me, standings));
                });
            });
        };
        when_seen(
            parts,
            program,
            seq,
            parts.options.clock->monotonic() + kVisibleWait,
            std::make_shared<const std::function<void(bool)>>(std::move(then))
        );
    };
    submit_read(services, call, std::move(job));
}

}  // namespace server::http
