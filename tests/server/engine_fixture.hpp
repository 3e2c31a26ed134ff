#pragma once

#include <condition_variable>
#include <cstdint>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ledger/entry.hpp"
#include "ledger/verify.hpp"
#include "server/engine/shard.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/switch_disk.hpp"
#include "tests/support/temporary_folder.hpp"

namespace server_test {

using server::engine::Outcome;
using server::engine::Status;

/// A finished job and what woke its maker.
class Waited {
public:
    std::promise<void> done;
    virtual ~Waited() = default;
};

class WaitedWrite final : public server::engine::WriteJob, public Waited {};

/// What one read saw of a program.
struct Seen {
    ledger::Seq last_seq;
    ledger::Hash32 root{};
    std::uint64_t tree_size = 0;
    friend bool operator==(const Seen&, const Seen&) = default;
};

/// Collects finished jobs in the order in which they were let go.
class OrderedSink final : public server::engine::CompletionSink {
public:
    void deliver(std::vector<std::unique_ptr<server::engine::Job>> done) override;
    /// Names of delivered writes, in order.
    std::vector<std::string> order();

private:
    std::mutex mutex_;
    std::vector<std::unique_ptr<server::engine::Job>> kept_;
    std::vector<std::string> order_;
};

/// A write that was handed over; `wait` answers its outcomes.
class Pending {
public:
    Pending(WaitedWrite& job, std::future<void> done) : job_(&job), done_(std::move(done)) {}
    std::vector<Outcome>& wait() {
        if (done_.valid()) done_.get();
        return job_->outcomes;
    }
    Outcome& outcome() { return wait().front(); }
    [[nodiscard]] bool answered() const {
        return !done_.valid() ||
               done_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    }

private:
    WaitedWrite* job_;
    std::future<void> done_;
};

struct OrderOf {
    std::string order;
    std::string member;  ///< empty: a guest
    std::vector<ledger::Points> lines{1'000};
    std::string id = {};  ///< default: "<order>-paid"
    std::optional<ledger::Timestamp> time = {};
    bool backfill = false;
    std::string email = {};
    std::string name = {};
};

struct RefundOf {
    std::string order;
    std::vector<std::pair<int, ledger::Points>> lines;  ///< line number from 1, amount
    std::string refund = "r1";
    std::string id = {};  ///< default: "<order>-<refund>"
    bool cancel = false;
    bool final = false;
};

class EngineFolder;

/// One write under construction: commands whose texts live in the job's arena.
class Batch {
public:
    explicit Batch(EngineFolder& folder, std::string_view program = "shop");
    Batch& paid(const OrderOf& order);
    Batch& refunded(const RefundOf& refund);
    /// `if_version`: If-Match.
    Batch& adjusted(
        const std::string& member,
        ledger::Points amount,
        const std::string& key,
        const std::string& note = {}
    );
    Batch& attached(ledger::Seq orphan, const std::string& order, const std::string& key);
    Batch& bulk();
    [[nodiscard]] WaitedWrite& job() { return static_cast<WaitedWrite&>(*job_); }
    /// What is handed to the shard; null after it was taken.
    [[nodiscard]] std::unique_ptr<server::engine::Job>& handed() { return job_; }

private:
    server::engine::EventCommand event(
        std::string_view type, std::string_view id, std::optional<ledger::Timestamp> time
    );
    std::string_view keep(std::string_view text) { return job().arena.copy(text); }

    EngineFolder& folder_;
    std::shared_ptr<const server::engine::ProgramInfo> program_;
    std::unique_ptr<server::engine::Job> job_ = std::make_unique<WaitedWrite>();
};

/// A real shard on a fresh folder, under a clock and a disk with switches.
class EngineFolder {
public:
    /// One point a whole unit, kept for ever.
    static const char* const kPlain;
    /// Held 14 days, expire 30 days after the event.
    static const char* const kHeld;
    /// kPlain with a board `top` of this month and of all time.
    static const char* const kBoards;

    EngineFolder();
    ~EngineFolder() { stop(); }
    EngineFolder(const EngineFolder&) = delete;
    EngineFolder& operator=(const EngineFolder&) = delete;

    /// Changed by a test before start().
    server::engine::Shard::Options options;
    /// What the shard said at start-up.
    std::vector<std::string> said;

    [[nodiscard]] std::string path() const { return folder_.file("data"); }
    [[nodiscard]] test_support::FakeClock& clock() { return *clock_; }
    [[nodiscard]] test_support::SwitchDisk& disk() { return *disk_; }
    [[nodiscard]] server::engine::Shard& shard() { return *shard_; }
    [[nodiscard]] OrderedSink& sink() { return sink_; }

    [[nodiscard]] ledger::Result<void> try_open();
    /// Opens and starts.
    void start();
    /// Drains, with a last checkpoint (if there are any).
    void stop();
    void restart() {
        stop();
        start();
    }
    void delete_views();

    void put_program(const std::string& name, std::string_view document = kPlain);

    ledger::Result<Pending> try_submit(Batch& batch);
    Pending submit(Batch& batch);
    std::vector<Outcome> run(Batch& batch) { return submit(batch).wait(); }
    Outcome pay(const OrderOf& order);
    Outcome refund(const RefundOf& refund);
    Outcome adjust(const std::string& member, ledger::Points amount, const std::string& key);
    Outcome attach(ledger::Seq orphan, const std::string& order, const std::string& key);

    /// The first `limit` orphans after `after`, by seq.
    std::vector<ledger::Seq> orphans(ledger::Seq after = {}, std::size_t limit = 100);
    /// A stored entry; null if there is none with this seq.
    std::unique_ptr<ledger::OwnedEntry> entry(ledger::Seq seq);
    Seen look(std::string_view program = "shop");
    /// available, pending, debt of currency 0; zeros for an unknown member.
    ledger::Balance balance(const std::string& member, std::string_view program = "shop");
    [[nodiscard]] std::shared_ptr<const server::engine::ProgramInfo> program(std::string_view name
    ) const;

    /// Waits for what another thread is about to bring about; fails after a minute.
    void await(const std::string& what, const std::function<bool()>& condition) const;

    /// Of the stopped folder; REQUIREs that it is whole.
    ledger::VerifyReport verified();
    [[nodiscard]] ledger::Hash32 content();

private:
    test_support::TemporaryFolder folder_;
    const std::shared_ptr<test_support::FakeClock> clock_ =
        std::make_shared<test_support::FakeClock>();
    const std::shared_ptr<test_support::SwitchDisk> disk_ = test_support::SwitchDisk::create();
    OrderedSink sink_;
    std::unique_ptr<server::engine::Shard> shard_;
};

/// Decodes the entry of an outcome.
[[nodiscard]] std::unique_ptr<ledger::OwnedEntry> entry_of(const Outcome& outcome);
/// Points that an outcome's entry awarded or took back.
[[nodiscard]] ledger::Points points_of(const Outcome& outcome);

}  // namespace server_test
