#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <simdjson.h>

#include "server/live/feeds.hpp"
#include "server/live/hub.hpp"
#include "server/live/link.hpp"
#include "server/live/session.hpp"
#include "server/net/io_queue.hpp"
#include "tests/server/live_boards.hpp"
#include "tests/support/fake_clock.hpp"

/// The live side without sockets: hubs on a queue that the test runs, time that it moves, and
/// clients that follow docs/live.md.
namespace live_test {

using server::live::SteadyMs;

inline constexpr std::string_view kKey = "pk_test_shop";
inline constexpr std::string_view kKeyId = "key_1";
inline constexpr std::string_view kTokenKeyId = "key_2";

/// A token of `member` for `seconds`; the doorman below takes it.
[[nodiscard]] std::string token_of(std::uint64_t member, int seconds = 900);
[[nodiscard]] std::string ticket_of(std::uint64_t member, std::int64_t exp_ms);

/// Each frame goes into the file that GUERDON_LIVE_FRAMES names, if it is set, for the test that
/// holds them against the schema; up to a number of them.
void record_frame(char sender, std::string_view frame);

/// One object of a message.
class Object {
public:
    explicit Object(std::string_view text);
    [[nodiscard]] const std::string& text() const { return text_; }
    /// By JSON Pointer, "/snap/off".
    [[nodiscard]] bool has(std::string_view pointer) const;
    [[nodiscard]] std::int64_t number(std::string_view pointer) const;
    [[nodiscard]] std::string string(std::string_view pointer) const;
    [[nodiscard]] bool boolean(std::string_view pointer) const;
    [[nodiscard]] simdjson::dom::element at(std::string_view pointer) const;

private:
    std::string text_;
    std::shared_ptr<simdjson::dom::parser> parser_;
    simdjson::dom::element root_;
};

[[nodiscard]] std::vector<Object> objects_of(std::string_view message);

class TestDoorman final : public server::live::Doorman {
public:
    explicit TestDoorman(const ledger::Clock& clock) : clock_(clock) {}
    /// Keys: kKey. Tokens: token_of. Tickets: ticket_of, good until their time. An origin of
    /// https://evil.example is refused, and in `strangers` is who is no member yet.
    void admit(server::live::Knock knock, std::function<void(server::live::Verdict)> answer)
        override;
    void refresh(
        ledger::ProgramId program,
        server::live::Knock knock,
        std::function<void(server::live::Verdict)> answer
    ) override;
    [[nodiscard]] bool lists_origin(ledger::ProgramId, const std::string& origin) const override {
        return !unlisted.contains(origin);
    }

    std::set<std::uint64_t> strangers;
    std::set<std::string> unlisted;

private:
    [[nodiscard]] server::live::Verdict judge(const server::live::Knock& knock) const;
    const ledger::Clock& clock_;
};

/// Work waits until the test runs it.
class StepQueue final : public server::net::IoQueue {
public:
    void push(server::net::UniqueFunction<void()> work) override;
    void push_many(std::vector<server::net::UniqueFunction<void()>>& work) override;
    [[nodiscard]] bool on_this_thread() const override { return true; }
    /// False: there was nothing to do.
    bool run();

private:
    std::vector<server::net::UniqueFunction<void()>> work_;
};

/// A session and the client's end of its wire.
class TestLink final : public server::live::Link {
public:
    TestLink(server::live::Hub& hub, std::string origin, std::string peer);
    ~TestLink() override;
    void send(std::string_view text);
    /// Messages since the last call; the session may write again.
    std::vector<std::string> take_messages();
    /// True if the state changed: a message arrived, or the end.
    bool pump();

    // Link
    void write(std::vector<server::live::Frame> frames) override;
    void close(server::live::CloseCode code) override;
    void cut() override;

    std::shared_ptr<server::live::Session> session;
    bool stalled = false;  ///< the client reads nothing
    std::optional<server::live::CloseCode> closed;
    bool was_cut = false;
    bool gone = false;
    std::vector<Object> received;  ///< everything, in order

    /// Received objects that have this member, since the last call of `forget`.
    [[nodiscard]] std::vector<Object> all(std::string_view pointer) const;
    [[nodiscard]] Object last(std::string_view pointer) const;
    void forget() { received.clear(); }
    /// The code of `bye`, 0 if none came.
    [[nodiscard]] std::int64_t bye() const;

private:
    std::optional<std::string> on_wire_;
    bool ending_ = false;
    std::vector<std::string> messages_;
};

/// Everything behind the sockets, in one thread.
class Stage {
public:
    struct Options {
        server::live::Census::Limits limits;
        std::string incarnation = "k3x9";
    };
    explicit Stage(const Options& options);
    Stage() : Stage(Options{}) {}
    ~Stage();

    /// A connection that has sent nothing yet.
    TestLink& connect(std::string origin = {}, std::string peer = "192.0.2.1");
    /// One that was let in, with the answer received.
    TestLink& guest(std::string_view subs = "[]");
    TestLink& member(std::uint64_t id, std::string_view subs = "[]");

    /// Commits what the boards were told, then everything that is due happens.
    void settle();
    /// Time passes, in steps of 50 ms.
    void advance(SteadyMs ms);
    /// The server is gone and there is another one.
    void restart(const std::string& incarnation);
    /// What the next message would carry, without time passing.
    void pump();

    test_support::FakeClock clock;
    ModelBoards boards;
    TestDoorman doorman{clock};
    std::map<std::uint64_t, std::int64_t> points;  ///< balance by member
    std::optional<ledger::ErrorCode> wallet_error;
    server::live::Census census;
    std::shared_ptr<StepQueue> queue = std::make_shared<StepQueue>();
    std::unique_ptr<server::live::Feeds> feeds;
    std::unique_ptr<server::live::Hub> hub;
    std::deque<std::unique_ptr<TestLink>> links;
    /// Notices for watcher 63, which is nobody's hub.
    std::vector<server::live::Notice> spied;
    static constexpr unsigned kSpy = 63;

private:
    void start(const std::string& incarnation);
    void turn();

    server::live::HubParts parts();
    std::vector<server::boards::ChannelKey> changed_pages_;
    std::vector<server::live::MemberKey> changed_members_;
    std::set<ledger::ProgramId> changed_programs_;
    SteadyMs tick_at_ = 0;
};

/// What a board looks like: comparable text of rows, names, total and window.
[[nodiscard]] std::string picture(const server::boards::Page& page, std::size_t rows);

/// The client of docs/live.md: positions, gaps, asking.
class ClientModel {
public:
    struct Held {
        std::string epoch;
        std::int64_t off = 0;
        std::int64_t as_of = 0;
        std::int64_t total = 0;
        std::string window;
        struct Row {
            std::int64_t rank, score, place;
        };
        std::map<std::string, Row> rows;
        std::map<std::string, std::string> who;  ///< id → "name|from"
        [[nodiscard]] std::string picture() const;
    };
    struct Board {
        std::string channel;
        std::size_t rows = 10;
        std::optional<Held> held;
        bool asking = false;
        int asked = 0;
        SteadyMs asked_at = 0;
        std::uint32_t ask_id = 0;
    };

    explicit ClientModel(std::vector<Board> boards) : boards_(std::move(boards)) {}

    std::function<void(const std::string&)> send;
    /// The client gives the connection up.
    std::function<void()> give_up;

    void on_open(SteadyMs now, std::string_view credentials);
    void on_object(const Object& object, SteadyMs now);
    void on_time(SteadyMs now);
    [[nodiscard]] const std::vector<Board>& boards() const { return boards_; }
    /// Called after each change of what is held.
    std::function<void(const Board&)> on_held;

    std::uint64_t gaps_seen = 0;
    std::uint64_t recoveries = 0;

private:
    void ask(Board& board, SteadyMs now);
    void take_snap(Board& board, const Object& object);
    void take_delta(Board& board, const Object& object, SteadyMs now);
    void settle(Board& board);
    Board* find(std::string_view channel);

    std::vector<Board> boards_;
    std::uint32_t next_id_ = 1;
    std::uint32_t connect_id_ = 0;
    bool connected_ = false;
    SteadyMs opened_at_ = 0;
    SteadyMs heard_at_ = 0;
};

}  // namespace live_test
