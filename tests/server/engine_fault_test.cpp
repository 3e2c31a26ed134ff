// What a shard does when something fails: memory, a decision, the clock, the disk, a full queue.
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tests/server/engine_fixture.hpp"
#include "tests/support/tracked_new.hpp"

using ledger::ErrorCode;
using ledger::kMicrosPerDay;
using ledger::kMicrosPerHour;
using ledger::kMicrosPerMinute;
using ledger::kMicrosPerSecond;
using server_test::Batch;
using server_test::EngineFolder;
using server_test::Outcome;
using server_test::Pending;
using server_test::Seen;
using server_test::Status;

namespace {

void start_shop(EngineFolder& folder) {
    folder.start();
    folder.put_program("shop");
}

/// Fails one allocation of each decision while armed.
class FailingMemory final : public server::engine::DecideProbe {
public:
    void arm(std::uint64_t n) { n_ = n; }
    [[nodiscard]] bool failed() const { return failed_; }
    void begin() override { test_support::fail_allocation(n_); }
    void end() noexcept override {
        failed_ = test_support::allocation_failed();
        test_support::fail_allocation(0);
    }

private:
    std::atomic<std::uint64_t> n_{0};
    std::atomic<bool> failed_{false};
};

/// Throws in every decision while armed.
class ThrowingDecide final : public server::engine::DecideProbe {
public:
    std::atomic<bool> armed{false};
    std::atomic<int> decisions{0};
    void begin() override {
        ++decisions;
        if (armed) throw std::runtime_error("thrown by a test");
    }
    void end() noexcept override {}
};

/// Counts what decisions read from RocksDB.
class CountedReads final : public server::engine::DecideProbe {
public:
    std::atomic<std::uint64_t> reads{0};
    std::atomic<std::uint64_t> between{0};  ///< of the writer, outside of decisions
    void begin() override {
        if (counting_) between += test_support::ThreadReads::count();
        counting_ = true;
        test_support::ThreadReads::begin();
    }
    void end() noexcept override {
        reads += test_support::ThreadReads::count();
        test_support::ThreadReads::begin();
    }

private:
    bool counting_ = false;
};

std::string text_of(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

/// Fails each allocation of the decision of `batch()` in turn, then lets it through.
template <typename Make>
std::uint64_t fail_each_allocation(EngineFolder& folder, FailingMemory& memory, const Make& make) {
    const Seen before = folder.look();
    for (std::uint64_t n = 1;; ++n) {
        Batch batch(folder);
        make(batch);
        memory.arm(n);
        const Outcome outcome = folder.run(batch).front();
        memory.arm(0);
        INFO("allocation " << n << ": " << outcome.error.detail);
        if (!memory.failed()) {
            REQUIRE(outcome.status == Status::applied);
            return n - 1;
        }
        REQUIRE(outcome.status == Status::refused);
        REQUIRE(outcome.error.code == ErrorCode::overloaded);
        REQUIRE(folder.look() == before);
        REQUIRE(n < 10'000);
    }
}

}  // namespace

TEST_CASE("engine: a decision that runs out of memory changes nothing", "[engine]") {
    if (!test_support::can_track_allocations()) {
        WARN("SKIPPED: operator new is not replaced under the thread sanitizer");
        return;
    }
    FailingMemory memory;
    const auto serve = [&](EngineFolder& folder, bool failing) {
        folder.options.probe = failing ? &memory : nullptr;
        // So that decisions begin with nothing in RAM and notes of what they miss.
        folder.options.memory_bytes_max = std::uint64_t{1} << 20;
        start_shop(folder);
        std::uint64_t failures = 0;
        const auto decide = [&](const auto& make) {
            folder.restart();  // nothing in RAM, no buffer grown
            if (failing) {
                failures += fail_each_allocation(folder, memory, make);
            } else {
                Batch batch(folder);
                make(batch);
                REQUIRE(folder.run(batch).front().status == Status::applied);
            }
        };
        decide([](Batch& b) {
            b.paid(
                {"o1", "anna", {1'000, 333, 250, 1, 7}, "", {}, false, "anna@example.com", "Anna"}
            );
        });
        Batch many(folder);
        for (int i = 0; i < 40; ++i)
            many.paid({"many" + std::to_string(i), "anna", {100}});
        folder.run(many);
        decide([](Batch& b) { b.refunded({"o1", {{1, 400}}}); });
        decide([](Batch& b) { b.adjusted("anna", -45, "spend", "a note"); });
        decide([](Batch& b) { b.refunded({"o1", {{1, 600}, {2, 333}}, "r2"}); });
        decide([](Batch& b) {
            b.paid({"o2", "bert", {5'000}, "", {}, false, "bert@example.com", "Bert"});
        });
        folder.stop();
        return failures;
    };
    EngineFolder failing;
    EngineFolder plain;
    const std::uint64_t failures = serve(failing, true);
    serve(plain, false);
    INFO(failures << " failed allocations");
    CHECK(failures > 20);
    CHECK(failing.content() == plain.content());
    CHECK_FALSE(std::filesystem::exists(failing.path() + "/poison"));
}

TEST_CASE("engine: a command whose decision throws is refused for a minute", "[engine]") {
    ThrowingDecide probe;
    EngineFolder folder;
    folder.options.probe = &probe;
    start_shop(folder);
    REQUIRE(folder.pay({"o0", "anna"}).status == Status::applied);
    const Seen before = folder.look();

    const server_test::OrderOf bad{
        "o1", "external-canary", {1'000}, "", {}, false, "canary@example.com", "Canary Name"};
    probe.armed = true;
    const Outcome thrown = folder.pay(bad);
    CHECK(thrown.status == Status::refused);
    CHECK(thrown.error.code == ErrorCode::internal);
    probe.armed = false;
    CHECK(folder.look() == before);
    CHECK(folder.shard().metrics().poison.get() == 1);

    const int decided = probe.decisions;
    CHECK(folder.pay(bad).error.code == ErrorCode::internal);
    folder.clock().advance(59 * kMicrosPerSecond);
    CHECK(folder.pay(bad).error.code == ErrorCode::internal);
    CHECK(probe.decisions == decided);
    // Others are served meanwhile.
    CHECK(folder.pay({"o2", "bert"}).status == Status::applied);

    std::vector<std::string> files;
    for (const auto& file : std::filesystem::directory_iterator(folder.path() + "/poison"))
        files.push_back(text_of(file.path()));
    REQUIRE(files.size() == 1);
    CHECK(files[0].find("thrown by a test") != std::string::npos);
    CHECK(files[0].find("o1-paid") != std::string::npos);
    CHECK(files[0].find("anary") == std::string::npos);

    folder.clock().advance(2 * kMicrosPerSecond);
    // The time of the event is not part of the fixture's request hash: it is the same request.
    CHECK(folder.pay(bad).status == Status::applied);
    folder.stop();
    folder.verified();
}

TEST_CASE("engine: decisions read nothing from the stores", "[engine]") {
    CountedReads probe;
    EngineFolder folder;
    folder.options.probe = &probe;
    folder.options.memory_bytes_max = std::uint64_t{1} << 20;
    start_shop(folder);
    const auto member = [](int i) { return "m" + std::to_string(i % 300); };
    for (int i = 0; i < 600; ++i) {
        Batch batch(folder);
        batch.paid({"o" + std::to_string(i), member(i)});
        if (i >= 300) batch.refunded({"o" + std::to_string(i - 300), {{1, 500}}});
        for (const Outcome& outcome : folder.run(batch))
            REQUIRE(outcome.status == Status::applied);
    }
    folder.restart();
    for (int i = 0; i < 600; ++i)
        REQUIRE(folder.pay({"o" + std::to_string(i), member(i)}).status == Status::duplicate);
    CHECK(folder.shard().metrics().fetched_rows.get() > 100);
    CHECK(probe.between > 100);
    CHECK(probe.reads == 0);
}

TEST_CASE("engine: a clock that jumps ahead holds writes until it is accepted", "[engine]") {
    EngineFolder folder;
    start_shop(folder);
    REQUIRE(folder.pay({"o1", "anna"}).status == Status::applied);
    folder.clock().advance(kMicrosPerDay);
    folder.clock().jump(9 * kMicrosPerMinute);
    CHECK(folder.pay({"o2", "anna"}).status == Status::applied);
    folder.clock().jump(2 * kMicrosPerMinute);
    folder.await("the clock guard", [&] { return folder.shard().stats().clock_held; });
    CHECK(folder.shard().stats().clock_skew_seconds == 11 * 60);
    Batch held(folder);
    held.paid({"o3", "anna"});
    const auto refused = folder.try_submit(held);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::not_ready);
    CHECK(folder.balance("anna").available == 20);  // reads go on
    folder.shard().accept_clock();
    folder.await("the operator's word", [&] { return !folder.shard().stats().clock_held; });
    CHECK(folder.pay({"o3", "anna"}).status == Status::applied);
    // The jump does not count as time that the views are behind.
    CHECK(folder.pay({"o4", "anna"}).status == Status::applied);
    CHECK(folder.shard().stats().view_lag_seconds < 60);
}

TEST_CASE("engine: nothing is recorded under a jumped clock", "[engine]") {
    EngineFolder folder;
    start_shop(folder);
    const ledger::Timestamp before = folder.clock().now();
    REQUIRE(folder.pay({"o1", "anna"}).status == Status::applied);
    folder.clock().jump(kMicrosPerDay);
    // At once, whether or not the guard has looked already.
    Batch batch(folder);
    batch.paid({"o2", "anna", {1'000}, "", before});
    auto taken = folder.try_submit(batch);
    if (taken) {
        CHECK(taken->outcome().status == Status::refused);
        CHECK(taken->outcome().error.code == ErrorCode::not_ready);
    } else {
        CHECK(taken.error().code == ErrorCode::not_ready);
    }
    // The clock is set right again: the guard lets go of itself or on the operator's word.
    folder.clock().jump(-kMicrosPerDay);
    folder.shard().accept_clock();
    folder.await("the guard", [&] { return !folder.shard().stats().clock_held; });
    const Outcome after = folder.pay({"o2", "anna", {1'000}, "", before});
    REQUIRE(after.status == Status::applied);
    CHECK(server_test::entry_of(after)->entry.recorded_at < before + kMicrosPerHour);
}

TEST_CASE("engine: a clock far ahead at start-up holds writes until it is accepted", "[engine]") {
    EngineFolder folder;
    start_shop(folder);
    REQUIRE(folder.pay({"o1", "anna"}).status == Status::applied);
    folder.stop();
    folder.clock().advance(kMicrosPerDay);
    folder.start();
    CHECK_FALSE(folder.shard().stats().clock_held);
    folder.stop();
    folder.clock().advance(kMicrosPerSecond);
    folder.start();
    CHECK(folder.shard().stats().clock_held);
    Batch held(folder);
    held.paid({"o2", "anna"});
    const auto refused = folder.try_submit(held);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::not_ready);
    folder.stop();
    folder.options.accept_clock = true;
    folder.start();
    CHECK_FALSE(folder.shard().stats().clock_held);
    CHECK(folder.pay({"o2", "anna"}).status == Status::applied);
}

TEST_CASE("engine: a nearly full disk refuses writes and comes back", "[engine]") {
    EngineFolder folder;
    start_shop(folder);
    REQUIRE(folder.pay({"o1", "anna"}).status == Status::applied);
    folder.disk().set_free_bytes(999);
    folder.await("the watermark", [&] { return folder.shard().stats().disk_full; });
    Batch refused(folder);
    refused.paid({"o2", "anna"});
    const auto answer = folder.try_submit(refused);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == ErrorCode::disk_full);
    CHECK(folder.balance("anna").available == 10);  // reads go on
    folder.disk().set_free_bytes(2'000);
    folder.await("space", [&] { return !folder.shard().stats().disk_full; });
    CHECK(folder.pay({"o2", "anna"}).status == Status::applied);
}

TEST_CASE("engine: a sync that hangs for five seconds makes the shard not ready", "[engine]") {
    EngineFolder folder;
    start_shop(folder);
    folder.disk().hold_syncs();
    Batch first(folder);
    first.paid({"o1", "anna"});
    Pending waiting = folder.submit(first);
    folder.disk().await_held_sync();
    CHECK_FALSE(folder.shard().stats().sync_stalled);
    folder.clock().advance(6 * kMicrosPerSecond);
    folder.await("the stall", [&] { return folder.shard().stats().sync_stalled; });
    Batch second(folder);
    second.paid({"o2", "anna"});
    const auto refused = folder.try_submit(second);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::not_ready);
    CHECK_FALSE(waiting.answered());
    folder.disk().release_syncs();
    CHECK(waiting.outcome().status == Status::applied);
    folder.await("the disk", [&] { return !folder.shard().stats().sync_stalled; });
    CHECK(folder.pay({"o2", "anna"}).status == Status::applied);
}

TEST_CASE("engine: no answer leaves before its group is durable", "[engine]") {
    EngineFolder folder;
    start_shop(folder);
    REQUIRE(folder.pay({"o0", "anna"}).status == Status::applied);
    folder.disk().hold_syncs();
    Batch first(folder);
    first.paid({"o1", "anna"});
    Pending applied = folder.submit(first);
    folder.disk().await_held_sync();
    const std::uint64_t durable = folder.shard().stats().durable_group;
    // A duplicate of it, a rejection and a read, all of which see what is not durable.
    Batch second(folder);
    second.paid({"o1", "anna"});
    Pending duplicate = folder.submit(second);
    Batch third(folder);
    third.adjusted("anna", -1'000, "too much");
    Pending rejected = folder.submit(third);
    CHECK_FALSE(applied.answered());
    CHECK_FALSE(duplicate.answered());
    CHECK_FALSE(rejected.answered());
    CHECK(folder.shard().stats().durable_group == durable);
    CHECK(folder.shard().stats().views_group <= durable);
    folder.disk().release_syncs();
    CHECK(applied.outcome().status == Status::applied);
    CHECK(duplicate.outcome().status == Status::duplicate);
    CHECK(rejected.outcome().error.code == ErrorCode::insufficient_points);
}

TEST_CASE("engine: an answer that needs no group waits for those it saw", "[engine]") {
    EngineFolder folder;
    start_shop(folder);
    folder.disk().hold_syncs();
    Batch first(folder);
    first.paid({"o1", "anna", {1'000}, "first"});
    Pending applied = folder.submit(first);
    folder.disk().await_held_sync();
    // More than one drain holds: with work behind it the group goes to the commit thread, and the
    // writer goes on to the duplicate while that sync runs.
    constexpr int kOneDrain = 4'096;
    Batch many(folder);
    many.paid({"m0", "anna", {100}, "many"});
    for (int i = 1; i < kOneDrain; ++i)
        many.paid({"m0", "anna", {100}, "many"});
    Pending group = folder.submit(many);
    Batch known(folder);
    known.paid({"o1", "anna", {1'000}, "first"});
    Pending duplicate = folder.submit(known);
    const std::uint64_t before = folder.shard().metrics().commands.get();
    folder.disk().release_one_sync();
    CHECK(applied.outcome().status == Status::applied);
    folder.await("the duplicate's decision", [&] {
        return folder.shard().metrics().commands.get() == before + kOneDrain + 1;
    });
    folder.disk().await_held_sync();
    // The writer has cut a checkpoint of that group by now: it must not reach the views.
    const std::uint64_t looks = folder.disk().free_bytes_asked();
    folder.await("time for others", [&] { return folder.disk().free_bytes_asked() >= looks + 3; });
    CHECK(folder.shard().stats().views_group <= folder.shard().stats().durable_group);
    CHECK_FALSE(group.answered());
    CHECK_FALSE(duplicate.answered());
    folder.disk().release_syncs();
    CHECK(group.wait().size() == kOneDrain);
    CHECK(duplicate.outcome().status == Status::duplicate);
    CHECK(folder.sink().order() == std::vector<std::string>{"first", "many", "first"});
}

TEST_CASE("engine: a full queue refuses a batch whole", "[engine]") {
    EngineFolder folder;
    folder.options.queue_commands_max = 10;
    start_shop(folder);
    folder.put_program("other");
    folder.disk().hold_syncs();
    Batch first(folder);
    first.paid({"o0", "anna"});
    std::vector<Pending> waiting;
    waiting.push_back(folder.submit(first));
    folder.disk().await_held_sync();  // the writer waits in there: nothing is drained

    const auto batch_of = [&](const std::string& name, int orders, std::string_view program = "shop"
                          ) {
        Batch batch(folder, program);
        for (int i = 0; i < orders; ++i)
            batch.paid({name + std::to_string(i), "anna"});
        return batch;
    };
    // The first thing that waits may be larger than the queue, or it could never enter.
    Batch large = batch_of("large", 12);
    waiting.push_back(folder.submit(large));
    Batch one = batch_of("one", 1);
    const auto refused = folder.try_submit(one);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::overloaded);
    // Another program and the other lane have queues of their own.
    Batch other = batch_of("other", 8, "other");
    waiting.push_back(folder.submit(other));
    Batch whole = batch_of("whole", 3, "other");
    CHECK_FALSE(folder.try_submit(whole));
    Batch fits = batch_of("fits", 2, "other");
    waiting.push_back(folder.submit(fits));
    Batch bulk = batch_of("bulk", 5);
    bulk.bulk();
    waiting.push_back(folder.submit(bulk));
    CHECK(folder.shard().stats().queued_interactive == 22);
    CHECK(folder.shard().stats().queued_bulk == 5);
    folder.disk().release_syncs();
    for (Pending& pending : waiting)
        for (const Outcome& outcome : pending.wait())
            CHECK(outcome.status == Status::applied);
    CHECK(folder.balance("anna").available == 180);
    CHECK(folder.balance("anna", "other").available == 100);
    Batch again = batch_of("whole", 3, "other");
    CHECK(folder.run(again).front().status == Status::applied);
}

TEST_CASE("engine: programs take turns and bulk work comes last", "[engine]") {
    EngineFolder folder;
    start_shop(folder);
    folder.put_program("other");
    folder.disk().hold_syncs();
    std::vector<Pending> waiting;
    const auto submit = [&](const std::string& order, std::string_view program, bool bulk) {
        Batch batch(folder, program);
        batch.paid({order, "anna", {100}, order});
        if (bulk) batch.bulk();
        waiting.push_back(folder.submit(batch));
    };
    submit("first", "shop", false);
    folder.disk().await_held_sync();
    submit("bulk-1", "shop", true);
    submit("shop-1", "shop", false);
    submit("shop-2", "shop", false);
    submit("shop-3", "shop", false);
    submit("other-1", "other", false);
    submit("bulk-2", "other", true);
    folder.disk().release_syncs();
    for (Pending& pending : waiting)
        REQUIRE(pending.outcome().status == Status::applied);
    const std::vector<std::string> order = folder.sink().order();
    const auto at = [&](const std::string& name) {
        return std::find(order.begin(), order.end(), name) - order.begin();
    };
    CHECK(at("shop-1") < at("shop-2"));
    CHECK(at("shop-2") < at("shop-3"));
    CHECK(at("other-1") < at("shop-2"));
    CHECK(at("shop-3") < at("bulk-1"));
    CHECK(at("shop-3") < at("bulk-2"));
}
