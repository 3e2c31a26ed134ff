#include "server/live/frame_json.hpp"

#include <simdjson.h>

namespace server::live {

namespace {

using simdjson::dom::element;
using simdjson::dom::object;

constexpr std::int64_t kIdMax = 2'147'483'647;
constexpr std::size_t kKeyBytesMax = 200;
constexpr std::size_t kTicketBytesMax = 512;
constexpr std::int64_t kOffMax = (std::int64_t{1} << 53) - 1;

enum class Presence : std::uint8_t { absent, good, bad };

Presence read_text(const object& from, std::string_view key, std::size_t max, std::string& to) {
    element value;
    if (from[key].get(value) != simdjson::SUCCESS) return Presence::absent;
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS || text.empty() || text.size() > max) {
        return Presence::bad;
    }
    to.assign(text);
    return Presence::good;
}

Presence read_number(
    const object& from, std::string_view key, std::int64_t min, std::int64_t max, std::int64_t& to
) {
    element value;
    if (from[key].get(value) != simdjson::SUCCESS) return Presence::absent;
    if (value.get(to) != simdjson::SUCCESS || to < min || to > max) return Presence::bad;
    return Presence::good;
}

bool is_epoch(std::string_view epoch) {
    for (const char c : epoch) {
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) return false;
    }
    return !epoch.empty() && epoch.size() <= 16;
}

/// A complaint about the parameters besides `ch`, which the caller has read.
std::optional<Complaint> read_subscription(const object& from, Subscribe& sub) {
    std::int64_t n = 10;
    if (read_number(from, "n", 1, 100, n) == Presence::bad) return Complaint::out_of_range;
    sub.rows = rounded_rows(static_cast<std::size_t>(n));
    Position position;
    std::int64_t off = 0;
    const Presence epoch = read_text(from, "epoch", 16, position.epoch);
    const Presence offset = read_number(from, "off", 0, kOffMax, off);
    if (epoch != offset || epoch == Presence::bad) return Complaint::out_of_range;
    if (epoch == Presence::absent) return std::nullopt;
    if (!is_epoch(position.epoch)) return Complaint::out_of_range;
    position.off = static_cast<std::uint64_t>(off);
    sub.position = std::move(position);
    return std::nullopt;
}

bool is_channel(std::string_view channel) {
    return channel == kMeChannel || parse_board_channel(channel).has_value();
}

/// False: a bad frame. Its items name something, or the answer could not repeat it.
bool read_subscriptions(const object& from, Connect& connect) {
    element list;
    if (from["subs"].get(list) != simdjson::SUCCESS) return true;
    simdjson::dom::array items;
    if (list.get(items) != simdjson::SUCCESS || items.size() > kChannelsMax) return false;
    for (const element item : items) {
        object fields;
        Subscribe sub;
        if (item.get(fields) != simdjson::SUCCESS) return false;
        if (read_text(fields, "ch", 128, sub.channel) != Presence::good) return false;
        const std::optional<Complaint> complaint =
            is_channel(sub.channel) ? read_subscription(fields, sub) : Complaint::no_such_channel;
        connect.subs.emplace_back(std::move(sub), complaint);
    }
    return true;
}

bool read_connect(const element& value, Command& command) {
    object fields;
    if (value.get(fields) != simdjson::SUCCESS) return false;
    std::int64_t version = 0;
    if (read_number(fields, "v", 1, 1, version) != Presence::good) return false;
    Connect connect;
    // Of a length that no credential has: as good as a wrong one.
    const auto credential = [&](std::string_view key, std::size_t max, std::string& to) {
        if (read_text(fields, key, max, to) == Presence::bad) to = "?";
    };
    credential("key", kKeyBytesMax, connect.key);
    credential("token", kTokenBytesMax, connect.token);
    credential("resume", kTicketBytesMax, connect.resume);
    if (!read_subscriptions(fields, connect)) return false;
    command.what = std::move(connect);
    return true;
}

void read_sub(const object& fields, Command& command) {
    Subscribe sub;
    if (read_text(fields, "ch", 128, sub.channel) != Presence::good) {
        command.what = Complaint::out_of_range;
    } else if (!is_channel(sub.channel)) {
        command.what = Complaint::no_such_channel;
    } else if (const auto complaint = read_subscription(fields, sub)) {
        command.what = *complaint;
    } else {
        command.what = std::move(sub);
    }
}

void read_unsub(const object& fields, Command& command) {
    Unsubscribe unsub;
    if (read_text(fields, "ch", 128, unsub.channel) != Presence::good) {
        command.what = Complaint::out_of_range;
    } else if (!is_channel(unsub.channel)) {
        command.what = Complaint::no_such_channel;
    } else {
        command.what = std::move(unsub);
    }
}

void read_around(const object& fields, Command& command) {
    Around around;
    std::int64_t k = 3;
    if (read_text(fields, "ch", 128, around.channel) != Presence::good ||
        read_number(fields, "k", 0, 25, k) == Presence::bad) {
        command.what = Complaint::out_of_range;
    } else if (!parse_board_channel(around.channel)) {
        command.what = Complaint::no_such_channel;
    } else {
        around.k = static_cast<std::size_t>(k);
        command.what = std::move(around);
    }
}

void read_refresh(const object& fields, Command& command) {
    Refresh refresh;
    if (read_text(fields, "token", kTokenBytesMax, refresh.token) != Presence::good) {
        command.what = Complaint::out_of_range;
    } else {
        command.what = std::move(refresh);
    }
}

struct Reader {
    std::string_view name;
    void (*read)(const object&, Command&);
};
constexpr Reader kReaders[] = {
    {"sub", read_sub}, {"unsub", read_unsub}, {"around", read_around}, {"refresh", read_refresh}};

/// The parameters of a command; what is not an object is out of range.
void read_parameters(const Reader& reader, const element& value, Command& command) {
    object fields;
    if (value.get(fields) == simdjson::SUCCESS) {
        reader.read(fields, command);
    } else {
        command.what = Complaint::out_of_range;
    }
}

/// False: a bad frame. Absent from `commands` if it has no known member.
bool read_object(const object& fields, std::vector<Command>& commands) {
    if (fields.size() == 0) {
        commands.push_back({0, Pong{}});
        return true;
    }
    std::int64_t id = 0;
    const Presence has_id = read_number(fields, "id", 1, kIdMax, id);
    if (has_id == Presence::bad) return false;
    Command command{static_cast<std::uint32_t>(id), Complaint::unknown_command};
    element value;
    bool known = false;
    if (fields["connect"].get(value) == simdjson::SUCCESS) {
        known = true;
        if (has_id == Presence::absent || !read_connect(value, command)) return false;
    } else {
        for (const Reader& reader : kReaders) {
            if (fields[reader.name].get(value) != simdjson::SUCCESS) continue;
            known = true;
            read_parameters(reader, value, command);
            break;
        }
    }
    if (has_id == Presence::absent) return !known;
    if (!known && fields.size() == 1) return false;  // an id and no command
    commands.push_back(std::move(command));
    return true;
}

/// One parser a thread: connections have nothing of it.
simdjson::dom::parser& parser() {
    thread_local simdjson::dom::parser shared;
    return shared;
}

bool read_document(std::string_view text, std::vector<Command>& commands, bool& is_json) {
    element document;
    is_json = parser().parse(text.data(), text.size()).get(document) == simdjson::SUCCESS;
    if (!is_json) return false;
    object fields;
    return document.get(fields) == simdjson::SUCCESS && read_object(fields, commands);
}

}  // namespace

bool read_commands(std::string_view message, std::vector<Command>& commands) {
    bool is_json = false;
    const bool good = read_document(message, commands, is_json);
    if (is_json || message.find('\n') == std::string_view::npos) return good;
    while (!message.empty()) {
        const std::string_view line = message.substr(0, message.find('\n'));
        message.remove_prefix(std::min(line.size() + 1, message.size()));
        if (!line.empty() && !read_document(line, commands, is_json)) return false;
    }
    return true;
}

}  // namespace server::live
