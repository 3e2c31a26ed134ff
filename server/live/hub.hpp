#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ledger/base/clock.hpp"
#include "server/boards/boards.hpp"
#include "server/live/census.hpp"
#include "server/live/doorman.hpp"
#include "server/live/feeds.hpp"
#include "server/live/member_balances.hpp"
#include "server/live/stats.hpp"
#include "server/live/wheel.hpp"
#include "server/net/io_queue.hpp"

namespace server::live {

class Session;
struct Subscription;

/// What all hubs share; outlives them.
struct HubParts {
    Feeds& feeds;
    boards::Boards& boards;
    Doorman& doorman;
    MemberBalances balances;
    Census& census;
    const ledger::Clock& clock;
};

/// A feed as one thread sees it.
struct Channel {
    FeedPtr feed;
    History history;
    Subscription* first = nullptr;
    std::size_t subscriptions = 0;
    /// The spellings that clients use ("b:week", "b:week@week"), each once.
    std::vector<Bytes> heads;
};

/// One session's view of a channel: what it was sent, never what it has yet to be sent.
struct Subscription {
    Session* session = nullptr;
    Channel* channel = nullptr;
    Bytes head;
    std::uint64_t sent_off = 0;
    bool positioned = false;  ///< the client holds, or is on its way to, sent_off
    bool dirty = true;        ///< there may be news
    Bytes heartbeat;          ///< waits to be sent
    /// Deltas that a recovery promised; they lead to sent_off.
    std::vector<Bytes> replay;
    Subscription* previous = nullptr;
    Subscription* next = nullptr;
};

/// The sessions of one io thread, and the feeds they watch. Only on that thread, unless said
/// otherwise.
class Hub {
public:
    /// How long between two looks at a member whose rank may drift.
    static constexpr SteadyMs kDriftMs = 2'000;

    Hub(const HubParts& parts,
        std::shared_ptr<net::IoQueue> queue,
        unsigned number,
        std::uint64_t seed);
    ~Hub();
    Hub(const Hub&) = delete;
    Hub& operator=(const Hub&) = delete;

    /// Any thread.
    [[nodiscard]] const std::shared_ptr<net::IoQueue>& queue() const { return queue_; }
    [[nodiscard]] unsigned number() const { return number_; }

    // From Live.
    void deliver(std::vector<Notice> notices);
    void tick();
    void members_changed(const std::vector<MemberKey>& members);
    /// These list other channels now, or the same ones with another meaning.
    void programs_changed(const std::set<ledger::ProgramId>& programs);
    /// Whoever came with the key is closed, and whose page no other key lists.
    void revoke_key(const std::string& key_id);
    void revoke_member(const MemberKey& member);
    /// Every session closes with 4400 within `spread`, and so does who comes later.
    void drain(SteadyMs spread);
    void cut();

    // For sessions.
    [[nodiscard]] const HubParts& parts() const { return parts_; }
    [[nodiscard]] SteadyMs now() const { return parts_.clock.monotonic() / 1000; }
    [[nodiscard]] std::int64_t wall_now_ms() const { return parts_.clock.now() / 1000; }
    [[nodiscard]] Wheel& wheel() { return wheel_; }
    [[nodiscard]] std::mt19937_64& random() { return random_; }
    [[nodiscard]] std::int64_t random_up_to(std::int64_t max);
    [[nodiscard]] bool draining() const { return draining_; }
    [[nodiscard]] SteadyMs drain_spread() const { return drain_spread_; }
    void enter(Session& session);
    void leave(Session& session);
    /// The board that a client means; nullopt: the program has none like that.
    [[nodiscard]] std::optional<boards::ChannelKey> resolve(
        ledger::ProgramId program, std::string_view channel
    ) const;
    /// Null: no such channel.
    [[nodiscard]] std::unique_ptr<Subscription> join(
        Session& session, const boards::ChannelKey& key, std::size_t rows, std::string_view spelling
    );
    void leave(Subscription& subscription);
    /// From now on the session's member is looked at.
    void follow_member(Session& session);
    void unfollow_member(Session& session);
    /// The session will be asked to send before this turn ends.
    void mark(Session& session);

    HubCounters counters;
    void count_close(CloseCode code);

private:
    using ChannelName = std::pair<boards::ChannelKey, std::size_t>;

    [[nodiscard]] Channel* find(const Feed& feed);
    void on_news(Notice& notice, Channel& channel);
    static void end_channel(const Notice& notice, const Channel& channel);
    void flush_marked();
    template <typename Visit>
    void visit_sessions(Visit visit);

    const HubParts parts_;
    const std::shared_ptr<net::IoQueue> queue_;
    const unsigned number_;
    Wheel wheel_;
    std::mt19937_64 random_;
    std::map<ChannelName, std::unique_ptr<Channel>> channels_;
    Session* first_ = nullptr;
    std::vector<Session*> marked_;
    std::vector<Session*> followed_;
    std::unordered_map<MemberKey, std::vector<Session*>, MemberKeyHash> by_member_;
    std::size_t drift_turn_ = 0;
    SteadyMs drift_at_ = 0;
    bool draining_ = false;
    SteadyMs drain_spread_ = 0;
};

}  // namespace server::live
