#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ledger/base/clock.hpp"
#include "ledger/base/ids.hpp"
#include "rules/rule_set.hpp"

// What everybody else sees of the boards: pages to read, questions to ask. docs/live.md has the
// words (rank, place, from, as_of).
namespace server::boards {

/// One board in one kind of window; it stays the same when the window turns over.
struct ChannelKey {
    ledger::ProgramId program;
    std::string board;
    rules::BoardWindow window = rules::BoardWindow::all;
    friend auto operator<=>(const ChannelKey&, const ChannelKey&) = default;
};

/// Rows that a page keeps ready; more is a question.
inline constexpr std::size_t kPageRows = 100;

/// A member as others see it on one board.
struct Row {
    ledger::MemberId member;
    std::uint64_t rank = 0;   ///< 1, 2, 3, 4 …
    std::uint64_t place = 0;  ///< 1, 2, 2, 4 …
    std::int64_t score = 0;
    std::string id;    ///< the member's pseudonym on this board
    std::string name;  ///< chosen name, initial or empty
    std::optional<std::uint32_t>
        from;  ///< rank when the program's day began, if among the first 100
    friend bool operator==(const Row&, const Row&) = default;
};

struct WindowTurn {
    std::string id;  ///< "all", "2026-11", "2026-W47"
    ledger::Timestamp starts_at = 0;
    ledger::Timestamp ends_at = 0;  ///< kNever: no end
    friend bool operator==(const WindowTurn&, const WindowTurn&) = default;
};

/// The first rows of a channel as of one entry. Immutable.
struct Page {
    std::uint64_t version = 0;  ///< grows with every change of rows, total or window; 0 never
    WindowTurn window;
    ledger::Seq as_of;  ///< the program's last entry that the page has seen
    std::uint64_t total = 0;
    std::vector<Row> rows;  ///< at most kPageRows, rank i + 1 at i
};

/// What a channel says of one member.
struct Standing {
    bool on_board = false;
    Row row;
    std::uint64_t total = 0;
    WindowTurn window;
    ledger::Seq as_of;
    /// The nearest better score; absent at the top.
    struct Next {
        std::uint64_t place = 0;
        std::int64_t points = 0;  ///< missing to equal it
    };
    std::optional<Next> next;
};

/// Rows from anywhere in a channel.
struct Slice {
    std::vector<Row> rows;
    std::uint64_t total = 0;
    WindowTurn window;
    ledger::Seq as_of;
    bool me_on_board = false;  ///< of around()
};

/// The boards of one shard. All calls from any thread; callbacks run on the projector's thread and
/// must not block. A program's boards are those of its newest version.
class Boards {
public:
    virtual ~Boards() = default;

    /// False until the projector has reached the head of the log once; nothing is answered before.
    [[nodiscard]] virtual bool ready() const = 0;
    /// The newest page; null if there is no such board or window. Costs a lock and no copy.
    [[nodiscard]] virtual std::shared_ptr<const Page> page(const ChannelKey& channel) const = 0;
    /// The last entry of the program that the boards have seen.
    [[nodiscard]] virtual ledger::Seq as_of(ledger::ProgramId program) const = 0;

    /// Changes since the last call: channels whose page is new, members whose score, balance or
    /// face may have changed, and programs whose channels another version lists. Called at most
    /// every few milliseconds. Set once, before start.
    struct Changes {
        std::vector<ChannelKey> pages;
        std::vector<std::pair<ledger::ProgramId, ledger::MemberId>> members;
        std::vector<ledger::ProgramId> programs;
    };
    using Listener = std::function<void(const Changes&)>;
    virtual void listen(Listener listener) = 0;

    /// `limit` rows after rank `after_rank`. Null: no such channel.
    virtual void rows(
        ChannelKey channel,
        std::uint64_t after_rank,
        std::size_t limit,
        std::function<void(std::optional<Slice>)> answer
    ) = 0;
    /// Up to `above` rows before the member and as many as fit into `limit` with it and after it.
    /// Not on the board: no rows.
    virtual void around(
        ChannelKey channel,
        ledger::MemberId member,
        std::size_t above,
        std::size_t limit,
        std::function<void(std::optional<Slice>)> answer
    ) = 0;
    /// The member's standing in each channel, in the order asked; absent for unknown channels.
    virtual void standings(
        std::vector<ChannelKey> channels,
        ledger::MemberId member,
        std::function<void(std::vector<std::optional<Standing>>)> answer
    ) = 0;
    /// How a member appears to others; `shown`: they agreed to be.
    virtual void face(
        ledger::ProgramId program,
        ledger::MemberId member,
        std::function<void(std::string name, bool shown)> answer
    ) = 0;
    /// Every channel of the program in the order of its document: a board's own window comes
    /// first. A channel may be listed a moment before it has a page.
    [[nodiscard]] virtual std::vector<ChannelKey> channels(ledger::ProgramId program) const = 0;
};

}  // namespace server::boards
