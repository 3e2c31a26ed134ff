#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/boards/boards.hpp"
#include "server/live/frame.hpp"
#include "server/live/member_balances.hpp"

// The objects of docs/live.md: commands as values, and the text of everything that is sent.
namespace server::live {

/// 44xx: the client reconnects; 45xx: it does not.
enum class CloseCode : std::uint16_t {
    normal = 1000,
    going_away = 1001,
    shutdown = 4400,
    expired = 4401,
    slow = 4402,
    no_pong = 4403,
    epoch_reset = 4404,
    rate_limited = 4405,
    node_full = 4406,
    bad_token = 4500,
    bad_frame = 4501,
    refused = 4502,
    revoked = 4503,
    too_many_connections = 4504,
    no_connect = 4505,
};

/// Why a command is answered with `err`; each is its code, but for one that shares it.
enum class Complaint : std::uint16_t {
    unknown_command = 100,
    no_such_channel = 101,
    out_of_range = 102,
    not_allowed = 103,
    too_many_channels = 104,
    channel_over = 105,
    not_ready = 106,
    /// The token names nobody whom the ledger knows yet: as not_allowed, but worth asking again.
    no_member_yet = 203,
};
/// The code of `err` on the wire.
[[nodiscard]] std::uint16_t code_of(Complaint complaint);

inline constexpr std::size_t kChannelsMax = 16;
inline constexpr std::size_t kInboundBytesMax = 4 * 1024;
/// Less than over HTTP, so that a `connect` with all its channels fits into a message.
inline constexpr std::size_t kTokenBytesMax = 3 * 1024;
inline constexpr std::string_view kMeChannel = "me";

/// The number of rows a feed has: `n` rounded up to 10, 25, 50 or 100.
[[nodiscard]] std::size_t rounded_rows(std::size_t n);

/// What a client holds of a board channel.
struct Position {
    std::string epoch;
    std::uint64_t off = 0;
};

struct Subscribe {
    std::string channel;
    std::size_t rows = 10;  ///< rounded
    std::optional<Position> position;
};

struct Connect {
    std::string key;
    std::string token;
    std::string resume;
    /// With the complaint where a parameter is out of range or the channel cannot be.
    std::vector<std::pair<Subscribe, std::optional<Complaint>>> subs;
};
struct Unsubscribe {
    std::string channel;
};
struct Around {
    std::string channel;
    std::size_t k = 3;
};
struct Refresh {
    std::string token;
};
struct Pong {};

/// One object from the client. A Complaint is a command that is answered with `err`.
struct Command {
    std::uint32_t id = 0;
    std::variant<Pong, Connect, Subscribe, Unsubscribe, Around, Refresh, Complaint> what;
};

/// "b:week@all" taken apart; `window` absent: the board's first. Nullopt: not a board channel.
struct ChannelName {
    std::string_view board;
    std::optional<rules::BoardWindow> window;
};
[[nodiscard]] std::optional<ChannelName> parse_board_channel(std::string_view channel);

/// An item of the answer to `connect`: recovered or not, or the complaint.
struct Subscribed {
    std::string channel;
    std::variant<bool, Complaint> outcome;
};

/// `ticket` and `exp_ms` only if the ticket is not empty.
[[nodiscard]] std::string connect_answer(
    std::uint32_t id,
    std::string_view sid,
    std::int64_t now_ms,
    std::string_view ticket,
    std::int64_t exp_ms,
    const std::vector<Subscribed>& subs
);
[[nodiscard]] std::string sub_answer(std::uint32_t id, std::string_view channel, bool recovered);
[[nodiscard]] std::string unsub_answer(std::uint32_t id, std::string_view channel);
[[nodiscard]] std::string refresh_answer(
    std::uint32_t id, std::string_view ticket, std::int64_t exp_ms
);
[[nodiscard]] std::string error_answer(std::uint32_t id, Complaint complaint);
/// Up to `k` rows on either side of `member`.
[[nodiscard]] std::string around_answer(
    std::uint32_t id,
    std::string_view channel,
    const boards::Slice& slice,
    ledger::MemberId member,
    std::size_t k
);

[[nodiscard]] std::string error_push(std::string_view channel, Complaint complaint);
[[nodiscard]] std::string bye(CloseCode code, std::optional<std::int64_t> after_ms);

/// `{"ch":"…",`: what comes before each body of a channel.
[[nodiscard]] std::string channel_head(std::string_view channel);
/// The channel of such a head.
[[nodiscard]] std::string_view channel_of(std::string_view head);

[[nodiscard]] std::string snap_body(
    std::string_view epoch, std::uint64_t off, std::size_t rows, const boards::Page& page
);
[[nodiscard]] std::string heartbeat_body(
    std::uint64_t off, ledger::Seq as_of, std::int64_t viewers
);
[[nodiscard]] std::string end_body(std::string_view window, std::string_view next);
/// What turns the first `rows` rows of `before` into those of `after`; nullopt if a viewer of so
/// many rows sees no difference. Both pages are of the same window.
[[nodiscard]] std::optional<std::string> delta_body(
    std::uint64_t off, std::size_t rows, const boards::Page& before, const boards::Page& after
);

/// A channel's standing as `me` shows it.
struct ShownStanding {
    std::string_view channel;
    const boards::Standing* standing;
};
[[nodiscard]] std::string me_push(
    ledger::Seq as_of, const Wallets& wallets, const std::vector<ShownStanding>& standings
);
[[nodiscard]] std::string me_heartbeat(ledger::Seq as_of);

}  // namespace server::live
