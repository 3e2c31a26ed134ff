#include "server/live/protocol.hpp"

#include <algorithm>
#include <unordered_map>

#include "server/http/json_writer.hpp"

namespace server::live {

namespace {

using boards::Page;
using boards::Row;
using http::JsonWriter;

constexpr std::string_view kHeadBegin = R"({"ch":")";
constexpr std::string_view kHeadEnd = "\",";
/// The pings' period, as `connect` announces it.
constexpr std::int64_t kPingSeconds = 25;

std::string_view message(Complaint complaint) {
    switch (complaint) {
        case Complaint::unknown_command: return "unknown command";
        case Complaint::no_such_channel: return "no such channel";
        case Complaint::out_of_range: return "a parameter is out of its range";
        case Complaint::not_allowed: return "this needs a token";
        case Complaint::too_many_channels: return "more than 16 channels";
        case Complaint::channel_over: return "the program no longer has this board";
        case Complaint::not_ready: return "the boards are being rebuilt";
        case Complaint::no_member_yet: return "no member yet: the first order makes one";
    }
    return "";
}

void write_error(JsonWriter& json, Complaint complaint) {
    json.begin_object();
    json.field("code", static_cast<std::int64_t>(code_of(complaint)));
    json.field("msg", message(complaint));
    json.field("retry", complaint == Complaint::not_ready || complaint == Complaint::no_member_yet);
    json.end_object();
}

/// {"id":N,"command":{…}}, the inner object by `write`.
template <typename Write>
std::string answer(std::uint32_t id, std::string_view command, Write write) {
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("id", id).key(command);
    write(json);
    json.end_object();
    return out;
}

/// `"kind":{…}}`: the rest of an object whose head named the channel.
template <typename Write>
std::string body(std::string_view kind, Write write) {
    std::string out;
    JsonWriter json(out);
    json.key(kind).begin_object();
    write(json);
    json.end_object();
    out.push_back('}');
    return out;
}

void write_row(JsonWriter& json, const Row& row) {
    json.begin_array();
    json.unsigned_integer(row.rank).string(row.id).integer(row.score).unsigned_integer(row.place);
    json.end_array();
}

void write_name(JsonWriter& json, const Row& row) {
    json.any_key(row.id).begin_array().string(row.name);
    if (row.from) {
        json.unsigned_integer(*row.from);
    } else {
        json.null();
    }
    json.end_array();
}

void write_milliseconds(JsonWriter& json, std::string_view key, ledger::Timestamp at, bool never) {
    json.key(key);
    if (never) {
        json.null();
    } else {
        json.integer(at / 1000);
    }
}

void write_window(JsonWriter& json, const boards::WindowTurn& window) {
    const bool endless = window.ends_at == ledger::kNever;
    json.key("win").begin_object().field("id", window.id);
    write_milliseconds(json, "starts", window.starts_at, endless);
    write_milliseconds(json, "ends", window.ends_at, endless);
    json.end_object();
}

std::span<const Row> first_rows(const Page& page, std::size_t rows) {
    return std::span(page.rows).first(std::min(rows, page.rows.size()));
}

bool is_board_id(std::string_view id) {
    const auto alphanumeric = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    };
    if (id.empty() || id.size() > 64 || !alphanumeric(id.front())) return false;
    return std::all_of(id.begin(), id.end(), [&](char c) {
        return alphanumeric(c) || c == '-' || c == '_';
    });
}

std::optional<rules::BoardWindow> parse_window(std::string_view name) {
    for (const auto window :
         {rules::BoardWindow::all, rules::BoardWindow::month, rules::BoardWindow::week}) {
        if (rules::name(window) == name) return window;
    }
    return std::nullopt;
}

}  // namespace

std::uint16_t code_of(Complaint complaint) {
    return static_cast<std::uint16_t>(
        complaint == Complaint::no_member_yet ? Complaint::not_allowed : complaint
    );
}

std::size_t rounded_rows(std::size_t n) {
    return n <= 10 ? 10 : n <= 25 ? 25 : n <= 50 ? 50 : 100;
}

std::optional<ChannelName> parse_board_channel(std::string_view channel) {
    if (!channel.starts_with("b:")) return std::nullopt;
    channel.remove_prefix(2);
    const std::size_t at = channel.find('@');
    ChannelName name{channel.substr(0, at), std::nullopt};
    if (!is_board_id(name.board)) return std::nullopt;
    if (at == std::string_view::npos) return name;
    name.window = parse_window(channel.substr(at + 1));
    if (!name.window) return std::nullopt;
    return name;
}

std::string connect_answer(
    std::uint32_t id,
    std::string_view sid,
    std::int64_t now_ms,
    std::string_view ticket,
    std::int64_t exp_ms,
    const std::vector<Subscribed>& subs
) {
    return answer(id, "connect", [&](JsonWriter& json) {
        json.begin_object().field("sid", sid).field("ping", kPingSeconds).field("now", now_ms);
        if (!ticket.empty()) json.field("ticket", ticket).field("exp", exp_ms);
        json.key("subs").begin_array();
        for (const Subscribed& sub : subs) {
            json.begin_object().field("ch", sub.channel);
            if (const bool* recovered = std::get_if<bool>(&sub.outcome)) {
                json.field("recovered", *recovered);
            } else {
                json.key("err");
                write_error(json, std::get<Complaint>(sub.outcome));
            }
            json.end_object();
        }
        json.end_array().end_object();
    });
}

std::string sub_answer(std::uint32_t id, std::string_view channel, bool recovered) {
    return answer(id, "sub", [&](JsonWriter& json) {
        json.begin_object().field("ch", channel).field("recovered", recovered).end_object();
    });
}

std::string unsub_answer(std::uint32_t id, std::string_view channel) {
    return answer(id, "unsub", [&](JsonWriter& json) {
        json.begin_object().field("ch", channel).end_object();
    });
}

std::string refresh_answer(std::uint32_t id, std::string_view ticket, std::int64_t exp_ms) {
    return answer(id, "refresh", [&](JsonWriter& json) {
        json.begin_object().field("ticket", ticket).field("exp", exp_ms).end_object();
    });
}

std::string error_answer(std::uint32_t id, Complaint complaint) {
    return answer(id, "err", [&](JsonWriter& json) { write_error(json, complaint); });
}

std::string around_answer(
    std::uint32_t id,
    std::string_view channel,
    const boards::Slice& slice,
    ledger::MemberId member,
    std::size_t k
) {
    std::span<const Row> rows = slice.rows;
    const auto mine = std::find_if(rows.begin(), rows.end(), [&](const Row& row) {
        return row.member == member;
    });
    if (mine == rows.end() || !slice.me_on_board) {
        rows = {};
    } else {
        const auto at = static_cast<std::size_t>(mine - rows.begin());
        const std::size_t begin = at - std::min(at, k);
        rows = rows.subspan(begin, std::min(at + k + 1, rows.size()) - begin);
    }
    return answer(id, "around", [&](JsonWriter& json) {
        json.begin_object().field("ch", channel).field("as_of", slice.as_of.value);
        json.field("win", slice.window.id).field("total", slice.total).key("me");
        if (rows.empty()) {
            json.null();
        } else {
            json.string(mine->id);
        }
        json.key("rows").begin_array();
        for (const Row& row : rows)
            write_row(json, row);
        json.end_array().key("who").begin_object();
        for (const Row& row : rows)
            write_name(json, row);
        json.end_object().end_object();
    });
}

std::string error_push(std::string_view channel, Complaint complaint) {
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("ch", channel).key("err");
    write_error(json, complaint);
    json.end_object();
    return out;
}

std::string bye(CloseCode code, std::optional<std::int64_t> after_ms) {
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("bye").begin_object();
    json.field("code", static_cast<std::int64_t>(code));
    if (after_ms) json.field("after", *after_ms);
    json.end_object().end_object();
    return out;
}

std::string channel_head(std::string_view channel) {
    std::string out(kHeadBegin);
    out += channel;
    out += kHeadEnd;
    return out;
}

std::string_view channel_of(std::string_view head) {
    return head.substr(kHeadBegin.size(), head.size() - kHeadBegin.size() - kHeadEnd.size());
}

std::string snap_body(
    std::string_view epoch, std::uint64_t off, std::size_t rows, const Page& page
) {
    const std::span<const Row> shown = first_rows(page, rows);
    return body("snap", [&](JsonWriter& json) {
        json.field("epoch", epoch).field("off", off).field("as_of", page.as_of.value);
        json.field("n", static_cast<std::uint64_t>(rows)).field("total", page.total);
        write_window(json, page.window);
        json.key("rows").begin_array();
        for (const Row& row : shown)
            write_row(json, row);
        json.end_array().key("who").begin_object();
        for (const Row& row : shown)
            write_name(json, row);
        json.end_object();
    });
}

std::string heartbeat_body(std::uint64_t off, ledger::Seq as_of, std::int64_t viewers) {
    return body("hb", [&](JsonWriter& json) {
        json.field("off", off).field("as_of", as_of.value).field("n", viewers);
    });
}

std::string end_body(std::string_view window, std::string_view next) {
    return body("end", [&](JsonWriter& json) { json.field("win", window).field("next", next); });
}

std::optional<std::string> delta_body(
    std::uint64_t off, std::size_t rows, const Page& before, const Page& after
) {
    const std::span<const Row> old_rows = first_rows(before, rows);
    const std::span<const Row> new_rows = first_rows(after, rows);
    // Known rows by id; what is left over at the end has left the page.
    std::unordered_map<std::string_view, const Row*> known;
    for (const Row& row : old_rows)
        known.emplace(row.id, &row);
    std::vector<const Row*> set;
    std::vector<const Row*> who;
    for (const Row& row : new_rows) {
        const auto found = known.find(row.id);
        const Row* was = found == known.end() ? nullptr : found->second;
        if (was != nullptr) known.erase(found);
        if (was == nullptr || was->rank != row.rank || was->score != row.score ||
            was->place != row.place) {
            set.push_back(&row);
        }
        if (was == nullptr || was->name != row.name || was->from != row.from) who.push_back(&row);
    }
    if (set.empty() && who.empty() && known.empty() && before.total == after.total) {
        return std::nullopt;
    }
    return body("d", [&](JsonWriter& json) {
        json.field("off", off).field("as_of", after.as_of.value).field("total", after.total);
        json.key("set").begin_array();
        for (const Row* row : set)
            write_row(json, *row);
        json.end_array().key("out").begin_array();
        for (const Row& row : old_rows) {
            if (known.contains(row.id)) json.string(row.id);
        }
        json.end_array().key("who").begin_object();
        for (const Row* row : who)
            write_name(json, *row);
        json.end_object();
    });
}

std::string me_push(
    ledger::Seq as_of, const Wallets& wallets, const std::vector<ShownStanding>& standings
) {
    std::string out = channel_head(kMeChannel);
    out += body("me", [&](JsonWriter& json) {
        json.field("as_of", as_of.value).field("name", wallets.name);
        json.field("shown", wallets.shown).key("bal").begin_array();
        for (const Wallets::Balance& balance : wallets.balances) {
            json.begin_object().field("currency", balance.currency);
            json.field("available", balance.available).field("pending", balance.pending);
            json.field("held", balance.held).field("debt", balance.debt).end_object();
        }
        json.end_array().key("boards").begin_object();
        for (const auto& [channel, standing] : standings) {
            json.any_key(channel).begin_object().field("win", standing->window.id);
            json.field("id", standing->row.id).field("rank", standing->row.rank);
            json.field("place", standing->row.place).field("score", standing->row.score);
            json.field("total", standing->total).key("next");
            if (standing->next) {
                json.begin_object().field("place", standing->next->place);
                json.field("points", standing->next->points).end_object();
            } else {
                json.null();
            }
            json.end_object();
        }
        json.end_object();
    });
    return out;
}

std::string me_heartbeat(ledger::Seq as_of) {
    return channel_head(kMeChannel) +
           body("hb", [&](JsonWriter& json) { json.field("as_of", as_of.value); });
}

}  // namespace server::live
