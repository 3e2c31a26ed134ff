#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/boards/boards.hpp"
#include "server/live/doorman.hpp"
#include "server/live/hub.hpp"
#include "server/live/link.hpp"
#include "server/live/protocol.hpp"
#include "server/live/wheel.hpp"

namespace server::live {

/// Bounds of a session; docs/live.md.
inline constexpr SteadyMs kConnectMs = 5'000;
inline constexpr SteadyMs kPingMs = 25'000;
inline constexpr SteadyMs kPongMs = 8'000;
inline constexpr SteadyMs kWriteMs = 10'000;
/// From the begin of a write until the socket goes: as long as this a client may stop reading and
/// be told all the same why it was closed.
inline constexpr SteadyMs kStuckWriteMs = 60'000;
/// For the client to answer a close; then the socket goes.
inline constexpr SteadyMs kCloseMs = 3'000;
inline constexpr SteadyMs kReconnectSpreadMs = 30'000;
inline constexpr std::size_t kCommandsPerSecond = 20;
inline constexpr std::size_t kRepliesBytesMax = 32 * 1024;

/// One client of /live: what it asked for, and what it was sent. It holds no frames of boards for a
/// client that reads slowly; when the wire takes more, it sends what is newest then. Lives on its
/// hub's thread. Answers from elsewhere find it through a weak pointer.
class Session final : public Wheel::Entry, public std::enable_shared_from_this<Session> {
public:
    /// `link` is used until on_gone. The hub outlives the session.
    Session(Hub& hub, Link& link, std::string origin, std::string peer);
    ~Session() override;

    /// Waits for `connect`.
    void start();
    /// Closes at once with node_full.
    void refuse_full();

    // From the link.
    void on_message(std::string_view text);
    /// Not text, or larger than kInboundBytesMax.
    void on_bad_message();
    /// The peer's own ping or pong.
    void on_control_frame();
    /// It answers itself; on_gone follows, or the session cuts.
    void on_peer_closes();
    void on_written();
    void on_gone();

    // From the hub.
    void on_time(SteadyMs now) override;
    /// Sends what is newest, if the wire is free.
    void flush();
    /// The program no longer has the channel.
    void on_feed_over(const Feed& feed);
    void on_member_changed();
    /// Another version of the program is active.
    void on_program_changed();
    void on_drift_turn(SteadyMs now);
    void close(CloseCode code, std::optional<std::int64_t> after_ms = std::nullopt);
    void cut();
    void drain_within(SteadyMs spread);
    [[nodiscard]] const Guest* guest() const { return guest_.get(); }
    [[nodiscard]] bool let_in_by(const std::string& key_id) const;
    /// Came with a token alone, from a page that no publishable key lists any more.
    [[nodiscard]] bool is_from_nowhere() const;

    /// Bytes of answers that wait for the wire; frames of boards never wait.
    [[nodiscard]] std::size_t waiting_bytes() const { return replies_bytes_; }

private:
    friend class Hub;
    enum class Phase : std::uint8_t { waiting, knocking, open, closing, gone };
    using Outcome = std::variant<bool, Complaint>;
    struct Me;

    // Commands.
    void take(Command& command);
    [[nodiscard]] bool within_rate();
    void knock(Command& command);
    void on_verdict(Verdict verdict);
    void let_in(Guest guest);
    [[nodiscard]] bool enter_census();
    void leave_census();
    void answer_connect();
    void obey(Command& command);
    void obey_known(const Command& command);
    void obey_sub(std::uint32_t id, const Subscribe& sub);
    void obey_unsub(std::uint32_t id, const Unsubscribe& unsub);
    void obey_around(std::uint32_t id, const Around& around);
    void obey_refresh(std::uint32_t id, const Refresh& refresh);
    void on_around(
        std::uint32_t id,
        const std::string& channel,
        std::size_t k,
        const std::optional<boards::Slice>& slice
    );
    void on_refreshed(std::uint32_t id, Verdict verdict);
    /// Looks again for whom the token names, if the ledger did not know them; then obeys.
    [[nodiscard]] bool may_become_member() const;
    void look_again(Command command);
    [[nodiscard]] bool become(ledger::MemberId member);
    [[nodiscard]] Complaint why_no_member() const;
    [[nodiscard]] bool is_moved(const Subscription& subscription) const;
    [[nodiscard]] Outcome subscribe(const Subscribe& sub);
    [[nodiscard]] Outcome subscribe_me();
    [[nodiscard]] bool place(Subscription& subscription, const std::optional<Position>& position);
    [[nodiscard]] Subscription* find(std::string_view channel);
    void drop(Subscription& subscription);
    [[nodiscard]] std::size_t channels() const { return subscriptions_.size() + (me_ ? 1 : 0); }

    // Sending.
    void reply(std::string text);
    struct Draft;
    void take_replies(Draft& draft);
    void take_me(Draft& draft);
    [[nodiscard]] bool take_news(Subscription& subscription, Draft& draft);
    [[nodiscard]] bool take_state(Subscription& subscription, Draft& draft);
    void write(Draft draft);
    void say_bye();
    void stop();

    // The channel `me`.
    enum class Wanted : std::uint8_t { ranks, everything };
    enum class Send : std::uint8_t { if_changed, always };
    void ask_me(Wanted wanted, Send send);
    void on_standings(std::uint32_t round, std::vector<std::optional<boards::Standing>> standings);
    void on_wallets(std::uint32_t round, ledger::Result<Wallets> wallets);
    void finish_me();
    [[nodiscard]] bool me_differs() const;

    // Time.
    [[nodiscard]] SteadyMs next_time() const;
    void wake_at(SteadyMs at);
    void set_expiry(std::int64_t exp_ms);
    void ping(SteadyMs now);

    template <typename Action>
    [[nodiscard]] auto later(Action action);

    Hub& hub_;
    Link* link_;  ///< null once gone
    const std::string origin_;
    const std::string peer_;
    Phase phase_ = Phase::waiting;
    bool writing_ = false;
    bool said_bye_ = false;
    bool marked_ = false;
    bool entered_ = false;
    bool in_census_ = false;

    std::unique_ptr<Guest> guest_;
    /// From `connect` to the doorman's answer: the command, and what came after it.
    std::unique_ptr<Command> connect_;
    std::vector<Command> early_;

    std::vector<std::unique_ptr<Subscription>> subscriptions_;
    std::size_t turn_ = 0;  ///< which subscription sends first
    std::unique_ptr<Me> me_;
    std::uint32_t me_round_ = 0;
    std::vector<Bytes> replies_;
    std::size_t replies_bytes_ = 0;

    // When the last commands came, ms modulo 2^32.
    std::array<std::uint32_t, kCommandsPerSecond> command_times_{};
    std::uint32_t commands_ = 0;

    SteadyMs connect_by_ = kNoTime;
    SteadyMs ping_at_ = kNoTime;
    SteadyMs pong_by_ = kNoTime;
    SteadyMs write_by_ = kNoTime;
    SteadyMs expires_at_ = kNoTime;
    SteadyMs drain_at_ = kNoTime;
    SteadyMs close_by_ = kNoTime;

    CloseCode code_ = CloseCode::normal;
    std::optional<std::int64_t> after_ms_;

    // In the hub's lists.
    std::size_t followed_at_ = 0;
    Session* previous_ = nullptr;
    Session* next_ = nullptr;
};

}  // namespace server::live
