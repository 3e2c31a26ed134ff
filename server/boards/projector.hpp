#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <thread>

#include "ledger/keyring.hpp"
#include "ledger/log.hpp"
#include "server/boards/boards.hpp"
#include "server/boards/program_boards.hpp"

namespace server::boards {

/// Reads committed groups by position and keeps the boards of every program. It begins with the
/// first group of the log at every start: boards are derived and stored nowhere.
class Projector final : public Boards {
public:
    struct Options {
        const ledger::Log* log = nullptr;   ///< outlives the projector
        ledger::KeyVault* vault = nullptr;  ///< outlives the projector
        std::shared_ptr<const ledger::Clock> clock;
        /// A line for the operator when the boards stop because the log cannot be read.
        std::function<void(const std::string&)> complain;
    };
    explicit Projector(Options options);
    ~Projector() override;

    void start();
    /// Ends the thread; questions that wait are dropped unanswered.
    void stop();
    /// More of the log is durable. Any thread; cheap.
    void wake();

    [[nodiscard]] bool ready() const override { return ready_.load(std::memory_order_acquire); }
    [[nodiscard]] std::shared_ptr<const Page> page(const ChannelKey& channel) const override;
    [[nodiscard]] ledger::Seq as_of(ledger::ProgramId program) const override;
    void listen(Listener listener) override { listener_ = std::move(listener); }
    void rows(
        ChannelKey channel,
        std::uint64_t after_rank,
        std::size_t limit,
        std::function<void(std::optional<Slice>)> answer
    ) override;
    void around(
        ChannelKey channel,
        ledger::MemberId member,
        std::size_t above,
        std::size_t limit,
        std::function<void(std::optional<Slice>)> answer
    ) override;
    void standings(
        std::vector<ChannelKey> channels,
        ledger::MemberId member,
        std::function<void(std::vector<std::optional<Standing>>)> answer
    ) override;
    void face(
        ledger::ProgramId program,
        ledger::MemberId member,
        std::function<void(std::string name, bool shown)> answer
    ) override;
    [[nodiscard]] std::vector<ChannelKey> channels(ledger::ProgramId program) const override;

    /// How long the oldest durable group has waited for the boards, in microseconds, give or take
    /// 100 ms. 0 until they are ready, and after they stopped. Any thread.
    [[nodiscard]] ledger::Timestamp lag() const;

    struct Stats {
        ledger::Timestamp lag = 0;  ///< as lag()
        std::uint64_t group = 0;    ///< the last one that the boards have seen
        std::uint64_t entries = 0;
        std::uint64_t pages = 0;  ///< published
        std::uint64_t questions = 0;
    };
    [[nodiscard]] Stats stats() const;
    /// Of one program, for tests; 0 if there is none. Answered by the projector's thread.
    void content_hash(ledger::ProgramId program, std::function<void(std::uint64_t)> answer);

private:
    void run();
    /// The log cannot be read on: no question is taken or kept any more.
    [[nodiscard]] bool far_behind() const;
    void note_durable();
    /// With unread_mutex_ held.
    void forget_read() const;
    void give_up();
    [[nodiscard]] bool read_groups();
    [[nodiscard]] ledger::Result<void> read_group(const ledger::Group& group);
    [[nodiscard]] ledger::Result<void> read_system(std::string_view bytes);
    void activate(ledger::ProgramId program, std::uint32_t version);
    [[nodiscard]] std::optional<Faces::Opened> open_face(ledger::ProgramId program, ledger::Seq seq)
        const;
    void publish();
    void ask(std::function<void()> question);
    void answer_questions();
    [[nodiscard]] ProgramBoards* find(ledger::ProgramId program);

    const Options options_;
    Listener listener_;
    std::thread thread_;

    // Of the projector's thread.
    ledger::GroupId next_{1};
    struct Document {
        std::string name;
        std::string json;
    };
    std::map<std::pair<ledger::ProgramId, std::uint32_t>, Document> documents_;
    std::map<ledger::ProgramId, std::unique_ptr<ProgramBoards>> programs_;
    std::set<ledger::ProgramId> activated_;  ///< since the last publication
    std::chrono::steady_clock::time_point published_at_{};

    std::atomic<bool> ready_{false};
    std::atomic<bool> sleeping_{false};
    std::atomic<std::uint64_t> group_{0}, entries_{0}, pages_made_{0}, questions_asked_{0};

    /// The log was durable up to `group` at `at`.
    struct Mark {
        std::uint64_t group = 0;
        ledger::Timestamp at = 0;
    };
    mutable std::mutex unread_mutex_;
    mutable std::deque<Mark> unread_;  ///< guarded by unread_mutex_

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    // Guarded by mutex_.
    bool stopping_ = false;
    std::deque<std::function<void()>> questions_;

    mutable std::shared_mutex pages_mutex_;
    // Guarded by pages_mutex_.
    std::map<ChannelKey, std::shared_ptr<const Page>> pages_;
    std::map<ledger::ProgramId, std::vector<ChannelKey>> channels_;  ///< in the document's order
    std::map<ledger::ProgramId, ledger::Seq> seen_;
};

}  // namespace server::boards
