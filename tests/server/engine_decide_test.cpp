// What decide answers, seen through a whole shard: keys, batches, refunds, time.
#include "tests/server/engine_fixture.hpp"

using ledger::ErrorCode;
using ledger::kMicrosPerDay;
using ledger::kMicrosPerMinute;
using server_test::Batch;
using server_test::EngineFolder;
using server_test::entry_of;
using server_test::Outcome;
using server_test::points_of;
using server_test::Status;

namespace {

void start_shop(EngineFolder& folder, std::string_view document = EngineFolder::kPlain) {
    folder.start();
    folder.put_program("shop", document);
}

}  // namespace

TEST_CASE("engine: an event twice in one group is a duplicate of the first", "[engine]") {
    EngineFolder folder;
    start_shop(folder);
    Batch batch(folder);
    batch.paid({"o1", "anna"}).paid({"o1", "anna"});
    const auto outcomes = folder.run(batch);
    REQUIRE(outcomes[0].status == Status::applied);
    CHECK(outcomes[1].status == Status::duplicate);
    CHECK(outcomes[1].replayed);
    CHECK(outcomes[1].seq == outcomes[0].seq);
    CHECK(outcomes[1].entry == outcomes[0].entry);
    CHECK(folder.balance("anna").available == 10);
    folder.stop();
    folder.verified();
}

TEST_CASE("engine: an id twice in one batch with another body is a conflict", "[engine]") {
    EngineFolder folder;
    start_shop(folder);
    Batch batch(folder);
    batch.paid({"o1", "anna"}).paid({"o1", "anna", {2'000}}).paid({"o2", "anna"});
    const auto outcomes = folder.run(batch);
    CHECK(outcomes[0].status == Status::applied);
    CHECK(outcomes[1].status == Status::refused);
    CHECK(outcomes[1].error.code == ErrorCode::idempotency_conflict);
    CHECK(outcomes[2].status == Status::applied);
    CHECK(folder.balance("anna").available == 20);
}

TEST_CASE("engine: an order and its refund in one group net what remains", "[engine]") {
    EngineFolder folder;
    start_shop(folder);
    Batch batch(folder);
    batch.paid({"o1", "anna", {1'000, 500}})
        .refunded({"o1", {{2, 500}}})
        .refunded({"o1", {{1, 1'000}}, "r2"});
    batch.refunded({"o1", {{1, 1}}, "r3"});
    const auto outcomes = folder.run(batch);
    CHECK(points_of(outcomes[0]) == 15);
    CHECK(points_of(outcomes[1]) == -5);
    CHECK(points_of(outcomes[2]) == -10);
    CHECK(outcomes[3].status == Status::rejected);
    CHECK(outcomes[3].error.code == ErrorCode::refund_exceeds_order);
    CHECK(folder.balance("anna").available == 0);
    folder.stop();
    folder.verified();
}

TEST_CASE("engine: an order under another id is an alias for ever", "[engine]") {
    EngineFolder folder;
    start_shop(folder);
    const Outcome first = folder.pay({"o1", "anna"});
    const Outcome alias = folder.pay({"o1", "anna", {1'000}, "another-id"});
    CHECK(alias.status == Status::duplicate);
    CHECK(alias.seq == first.seq);
    CHECK(alias.entry == first.entry);
    CHECK(folder.look().last_seq.value == first.seq.value + 1);
    const std::string entry(first.entry);
    for (const bool views_lost : {false, true}) {
        folder.stop();
        if (views_lost) folder.delete_views();
        folder.start();
        const Outcome again = folder.pay({"o1", "anna", {1'000}, "another-id"});
        CHECK(again.status == Status::duplicate);
        CHECK(again.seq == first.seq);
        CHECK(again.entry == entry);
        const Outcome conflict = folder.pay({"o1", "anna", {1'001}, "another-id"});
        CHECK(conflict.error.code == ErrorCode::idempotency_conflict);
        CHECK(folder.look().last_seq.value == first.seq.value + 1);
        CHECK(folder.balance("anna").available == 10);
    }
    folder.stop();
    folder.verified();
}

TEST_CASE("engine: old events are clamped to seven days unless they are backfilled", "[engine]") {
    EngineFolder folder;
    start_shop(folder);
    const ledger::Timestamp now = folder.clock().now();
    const ledger::Timestamp old = now - 30 * kMicrosPerDay;
    const auto late = entry_of(folder.pay({"o1", "anna", {1'000}, "", old}));
    CHECK(late->entry.occurred_at == old);
    CHECK(late->entry.evaluated_at == now - 7 * kMicrosPerDay);
    const auto backfilled = entry_of(folder.pay({"o2", "anna", {1'000}, "", old, true}));
    CHECK(backfilled->entry.occurred_at == old);
    CHECK(backfilled->entry.evaluated_at == old);
    const auto edge = entry_of(folder.pay({"o3", "anna", {1'000}, "", now - 7 * kMicrosPerDay}));
    CHECK(edge->entry.evaluated_at == now - 7 * kMicrosPerDay);
}

TEST_CASE("engine: events more than five minutes ahead are refused and not sequenced", "[engine]") {
    EngineFolder folder;
    start_shop(folder);
    const ledger::Timestamp edge = folder.clock().now() + 5 * kMicrosPerMinute;
    for (const bool backfill : {false, true}) {
        const Outcome ahead = folder.pay({"o1", "anna", {1'000}, "", edge + 1, backfill});
        CHECK(ahead.status == Status::refused);
        CHECK(ahead.error.code == ErrorCode::event_in_future);
    }
    CHECK(folder.look().last_seq.none());
    CHECK(folder.pay({"o1", "anna", {1'000}, "", edge}).status == Status::applied);
}

TEST_CASE("engine: an event is decided by the version active at its now", "[engine]") {
    EngineFolder folder;
    start_shop(folder);
    const ledger::Timestamp first = folder.clock().now();
    folder.clock().advance(kMicrosPerDay);
    std::string doubled = EngineFolder::kPlain;
    const std::string rate = "muldiv(order.net, 1, order.unit)";
    doubled.replace(doubled.find(rate), rate.size(), "muldiv(order.net, 2, order.unit)");
    folder.put_program("shop", doubled);
    const ledger::Timestamp second = folder.clock().now();
    const auto version_and_points = [&](const std::string& order, ledger::Timestamp time) {
        const Outcome outcome = folder.pay({order, "anna", {1'000}, "", time});
        return std::pair(entry_of(outcome)->entry.event.program_version, points_of(outcome));
    };
    CHECK(
        version_and_points("before-all", first - kMicrosPerDay) == std::pair(1u, ledger::Points{10})
    );
    CHECK(version_and_points("under-one", second - 1) == std::pair(1u, ledger::Points{10}));
    CHECK(version_and_points("under-two", second) == std::pair(2u, ledger::Points{20}));
    folder.restart();
    CHECK(version_and_points("one-again", second - 2) == std::pair(1u, ledger::Points{10}));
    // A refund is reckoned at its order's own version.
    CHECK(points_of(folder.refund({"under-two", {{1, 500}}})) == -10);
    CHECK(points_of(folder.refund({"under-one", {{1, 500}}})) == -5);
    folder.stop();
    folder.verified();
}

TEST_CASE("engine: due lots of idle members are settled once", "[engine]") {
    EngineFolder folder;
    start_shop(folder, EngineFolder::kHeld);
    REQUIRE(folder.pay({"o1", "anna"}).status == Status::applied);
    REQUIRE(folder.pay({"o2", "bert"}).status == Status::applied);
    CHECK(folder.balance("anna").pending == 10);
    const auto views_are_up = [&] {
        return folder.shard().stats().views_group == folder.shard().stats().durable_group;
    };
    folder.await("the views", views_are_up);
    const ledger::Seq before = folder.look().last_seq;

    const auto settled = [&](std::uint64_t entries) {
        return [&folder, before, entries] {
            return folder.look().last_seq.value == before.value + entries;
        };
    };
    folder.clock().advance(14 * kMicrosPerDay);
    folder.await("two activations", settled(2));
    CHECK(folder.balance("anna").available == 10);
    CHECK(folder.balance("bert").available == 10);

    folder.await("the views", views_are_up);
    folder.clock().advance(16 * kMicrosPerDay);
    folder.await("two expiries", settled(4));
    CHECK(folder.balance("anna").available == 0);
    CHECK(folder.balance("bert").available == 0);
    folder.stop();
    folder.verified();
}

TEST_CASE("engine: settling again what was settled writes nothing", "[engine]") {
    EngineFolder folder;
    folder.options.checkpoint_period = 1'000 * kMicrosPerDay;
    start_shop(folder, EngineFolder::kHeld);
    REQUIRE(folder.pay({"o1", "anna"}).status == Status::applied);
    // The restart puts the due row into views/, and no checkpoint follows until much later.
    folder.restart();
    const ledger::Seq before = folder.look().last_seq;
    folder.clock().advance(14 * kMicrosPerDay);
    folder.await("the activation", [&] {
        return folder.look().last_seq.value == before.value + 1;
    });
    const std::uint64_t settled = folder.shard().metrics().settled_members.get();
    folder.await("another run over the same due row", [&] {
        folder.clock().advance(ledger::kMicrosPerSecond);
        return folder.shard().metrics().settled_members.get() >= settled + 2;
    });
    // Decided after those runs, because the queue is served in order.
    const Outcome marker = folder.adjust("anna", 1, "marker");
    CHECK(marker.seq.value == before.value + 2);
}
