#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "ledger/base/clock.hpp"
#include "server/boards/boards.hpp"
#include "server/live/census.hpp"
#include "server/live/doorman.hpp"
#include "server/live/feeds.hpp"
#include "server/live/hub.hpp"
#include "server/live/member_balances.hpp"
#include "server/live/stats.hpp"
#include "server/net/http.hpp"
#include "server/net/upgrade.hpp"

namespace server::live {

/// Everything behind `GET /live`: the feeds on one thread of its own, and a hub on each io thread
/// that somebody upgraded on. docs/live.md is what it speaks.
///
/// Order of the end: drain or destroy net::Server, which ends the sessions, then this, then the
/// boards.
class Live {
public:
    struct Options {
        /// Above these a new connection gets 503. 0: bounded by the sockets of the server alone.
        std::size_t connections_max = 0;
        /// A second, over all io threads; more get 503.
        std::size_t upgrades_per_second = 4'000;
        Census::Limits limits;
        /// Between two states of a channel up to 1,000 viewers; conflation_ms has the rest.
        std::chrono::milliseconds interval{kConflationMs};
        /// A drain closes the connections within this; keep it below the patience of the drain.
        std::chrono::milliseconds drain_spread{3'000};
    };

    /// `boards`, `doorman` and `clock` must outlive this.
    Live(
        Options options,
        boards::Boards& boards,
        Doorman& doorman,
        MemberBalances balances,
        const ledger::Clock& clock
    );
    ~Live();
    Live(const Live&) = delete;
    Live& operator=(const Live&) = delete;

    /// Starts the thread; without it nothing moves but by `step`.
    void start();

    /// To be called from Boards::listen. Cheap; any one thread.
    void on_changes(const boards::Boards::Changes& changes);

    // From the handler of HTTP, on io threads.

    /// For requests to /live: upgrade, or the refusal (405, 426, 400, 503 with Retry-After).
    [[nodiscard]] net::BodyPlan plan(const net::RequestHead& head);
    void upgrade(const net::RequestHead& head, std::unique_ptr<net::UpgradedConnection> connection);
    /// The rows for GET of a board with a `limit` that is a feed's size, with their position.
    /// Nullopt: no such channel. Any thread.
    [[nodiscard]] std::optional<Feeds::Reading> read(
        const boards::ChannelKey& channel, std::size_t rows, ledger::Seq at_least
    );

    // Any thread.

    /// Closes with 4503 whoever came with this key, or for this member, or from a page that no key
    /// lists any more.
    void revoke_key(const std::string& key_id);
    void revoke_member(ledger::ProgramId program, ledger::MemberId member);
    [[nodiscard]] LiveStats stats() const;
    [[nodiscard]] Feeds::Stats feed_stats() const { return feeds_.stats(); }

    /// One turn of the thread, for tests that have no thread: publishes what is due, hands it to
    /// the hubs and lets them look at the clock. Answers when it wants the next.
    SteadyMs step();

private:
    struct Desk;  // a hub and what ties it to its io thread

    Desk& desk_of(const std::shared_ptr<net::IoThread>& thread);
    [[nodiscard]] std::vector<Desk*> desks() const;
    template <typename Work>
    void on_every_hub(Work work);
    void run();
    [[nodiscard]] SteadyMs now() const { return clock_.monotonic() / 1000; }
    [[nodiscard]] bool take_admission();
    [[nodiscard]] std::uint64_t connections() const;

    const Options options_;
    const ledger::Clock& clock_;
    Feeds feeds_;
    Census census_;
    const HubParts parts_;

    mutable std::mutex desks_mutex_;
    std::vector<std::unique_ptr<Desk>> desks_;  ///< guarded; only grows

    std::mutex admission_mutex_;
    double admissions_;  ///< guarded
    SteadyMs admissions_at_;
    std::atomic<std::uint64_t> refused_{0};

    std::mutex inbox_mutex_;
    std::condition_variable inbox_filled_;
    // Guarded by inbox_mutex_.
    std::vector<boards::ChannelKey> changed_pages_;
    std::vector<MemberKey> changed_members_;
    std::set<ledger::ProgramId> changed_programs_;
    bool stopping_ = false;

    SteadyMs tick_at_ = 0;  ///< of the thread alone
    std::thread thread_;
};

}  // namespace server::live
