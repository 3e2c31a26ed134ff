#pragma once

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "server/boards/boards.hpp"
#include "server/live/feed.hpp"

namespace server::live {

/// What happened to a feed, for the threads that have viewers of it.
struct Notice {
    enum class Kind : std::uint8_t {
        news,       ///< `publication` is the next state
        heartbeat,  ///< nothing new for a while: `body` at `off`
        over,       ///< the program no longer has the channel
        reset,      ///< the boards went back: the epoch is another one
    };
    Kind kind = Kind::news;
    FeedPtr feed;
    PublicationPtr publication;
    Bytes body;
    std::uint64_t off = 0;
};

/// All feeds of this process: gives every visible change of a watched channel the next offset of
/// its epoch. One thread calls `advance`; everything else may be called from any.
///
/// A feed is made when it is first watched or read, and rests when nobody did for 30 s; it wakes
/// with its epoch and a higher offset, so that within one process an epoch never means two things.
class Feeds {
public:
    static constexpr SteadyMs kLingerMs = 30'000;
    static constexpr SteadyMs kHeartbeatMs = 10'000;
    /// How often every feed is looked at without being told of a change.
    static constexpr SteadyMs kSweepMs = 250;
    static constexpr unsigned kWatchersMax = 64;

    /// `incarnation`: up to 8 of a-z 0-9, drawn anew at every start. `boards` must outlive this.
    /// `interval`: as `least` of conflation_ms.
    Feeds(const boards::Boards& boards, std::string incarnation, SteadyMs interval = kConflationMs);

    struct Watched {
        FeedPtr feed;
        History history;
    };
    /// From now on `watcher` (below kWatchersMax) gets the notices of the feed; the history is what
    /// they follow on. Nullopt: no such channel. Watching twice is watching once.
    [[nodiscard]] std::optional<Watched> watch(
        unsigned watcher, const boards::ChannelKey& channel, std::size_t rows, SteadyMs now
    );
    void unwatch(unsigned watcher, const FeedPtr& feed, SteadyMs now);

    struct Reading {
        PublicationPtr publication;
        ledger::Seq as_of;  ///< what the rows of the publication have seen, or more
    };
    /// What GET answers: the state whose position can be given to `sub`. It may be as old as the
    /// conflation, but has seen `at_least` if the boards have. Nullopt: no such channel.
    [[nodiscard]] std::optional<Reading> read(
        const boards::ChannelKey& channel, std::size_t rows, ledger::Seq at_least, SteadyMs now
    );

    /// These channels have new pages.
    void changed(const std::vector<boards::ChannelKey>& channels);

    /// Publishes what is due; notices by watcher. Answers when it wants to be called again.
    SteadyMs advance(SteadyMs now, std::vector<std::vector<Notice>>& notices);

    struct Stats {
        std::uint64_t feeds = 0;
        std::uint64_t publications = 0;
    };
    [[nodiscard]] Stats stats() const;

private:
    struct State {
        FeedPtr feed;
        std::shared_ptr<const std::string> epoch;
        History history;
        std::uint64_t watchers = 0;  ///< bit by number
        std::uint64_t off = 0;       ///< the last that was used
        std::uint64_t version = 0;   ///< of the page last looked at
        ledger::Seq as_of;           ///< what that page had seen
        SteadyMs published_at = -kLingerMs;
        SteadyMs told_at = 0;    ///< the last frame for viewers
        SteadyMs wanted_at = 0;  ///< last watched or read
        bool dirty = false;      ///< the page may be new
        bool resting = true;
    };
    static constexpr std::size_t kSizes = 4;
    using Channel = std::array<std::unique_ptr<State>, kSizes>;

    State* find_or_make(const boards::ChannelKey& channel, std::size_t rows, SteadyMs now);
    [[nodiscard]] std::string new_epoch();
    /// The page and what it has certainly seen.
    struct Look {
        std::shared_ptr<const boards::Page> page;
        ledger::Seq as_of;
    };
    [[nodiscard]] Look look(const boards::ChannelKey& channel) const;
    /// The program has it, with or without a page.
    [[nodiscard]] bool is_listed(const boards::ChannelKey& channel) const;
    [[nodiscard]] std::int64_t viewers(const Channel& channel) const;
    void wake(State& state, const Look& seen, SteadyMs now);
    void publish(State& state, const Look& seen, SteadyMs now);
    void reset(State& state, const Look& seen, SteadyMs now);
    void tell(const State& state, const Notice& notice);
    void sweep(SteadyMs now);
    bool sweep_one(State& state, std::int64_t viewers, SteadyMs now);

    const boards::Boards& boards_;
    const std::string incarnation_;
    const SteadyMs interval_;

    mutable std::mutex mutex_;
    // Guarded by mutex_.
    std::map<boards::ChannelKey, Channel> channels_;
    std::uint64_t epochs_ = 0;
    std::uint64_t publications_ = 0;
    std::vector<std::pair<boards::ChannelKey, std::size_t>> dirty_;  ///< with the size's index
    SteadyMs sweep_at_ = 0;
    std::vector<std::vector<Notice>> outbox_;
};

}  // namespace server::live
