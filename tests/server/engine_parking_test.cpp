#include <algorithm>
#include <numeric>
#include <random>

#include "ledger/state_apply.hpp"
#include "tests/server/engine_fixture.hpp"
#include "tests/support/seed.hpp"

// Refunds that come before their order: order of arrival does not matter (docs/api.md).
namespace {

using ledger::EntryKind;
using ledger::ErrorCode;
using ledger::kMicrosPerHour;
using ledger::LinkKind;
using server_test::Batch;
using server_test::EngineFolder;
using server_test::Outcome;
using server_test::RefundOf;
using server_test::Status;

const char* const kForbid = R"json({"tz":"UTC",
    "currencies":[{"id":"points","negative":"forbid"}],
    "campaigns":[{"id":"core","rules":[{"id":"purchase","on":"order.paid","effects":[
        {"award":{"to":"member","currency":"points","points":"muldiv(order.net, 1, order.unit)",
                  "reason":"purchase"}}]}]}],
    "orders":{"park_for":"3h"}})json";

void start_shop(EngineFolder& folder, const char* document = EngineFolder::kPlain) {
    folder.start();
    folder.put_program("shop", document);
}

RefundOf cancel(const std::string& order) {
    return {order, {}, "cancelled", "", true};
}

/// Until the timers that are due now have been looked at, and what they made is in the views.
void let_timers_run(EngineFolder& folder, ledger::Timestamp micros) {
    const auto views_are_up = [&] {
        const auto stats = folder.shard().stats();
        return stats.views_group == stats.durable_group;
    };
    folder.await("the views", views_are_up);
    folder.clock().advance(micros);
}

}  // namespace

TEST_CASE("parking: a refund before its order is netted right behind it", "[engine][parking]") {
    EngineFolder folder;
    start_shop(folder);
    const Outcome early = folder.refund({"o1", {{1, 250}}});
    REQUIRE(early.status == Status::pending_order);
    const auto parked = server_test::entry_of(early);
    CHECK(parked->entry.kind == EntryKind::parked);
    CHECK(parked->entry.has_parking);
    CHECK(parked->entry.parking.until == parked->entry.recorded_at + 72 * kMicrosPerHour);
    CHECK(folder.shard().stats().waiting_refunds == 1);

    const Outcome paid = folder.pay({"o1", "anna"});
    REQUIRE(paid.status == Status::applied);
    // The answer is the order's own.
    CHECK(server_test::points_of(paid) == 10);
    CHECK(server_test::entry_of(paid)->entry.balances_after.front().available == 10);
    CHECK(folder.balance("anna").available == 7);

    const auto net = folder.entry(ledger::Seq{paid.seq.value + 1});
    REQUIRE(net != nullptr);
    CHECK(net->entry.kind == EntryKind::event);
    CHECK(net->entry.actor_kind == ledger::ActorKind::system);
    CHECK(net->entry.event.id == "o1-r1");
    CHECK_FALSE(net->entry.has_key_hash);
    CHECK_FALSE(net->entry.has_natural_hash);
    CHECK(ledger::linked(net->entry, LinkKind::original) == paid.seq);
    CHECK(ledger::linked(net->entry, LinkKind::parked) == early.seq);
    CHECK(folder.shard().stats().waiting_refunds == 0);

    // The same fact again, under its own and under another id.
    CHECK(folder.refund({"o1", {{1, 250}}}).status == Status::duplicate);
    CHECK(folder.refund({"o1", {{1, 250}}, "r1", "again"}).status == Status::duplicate);
    CHECK(folder.balance("anna").available == 7);
    folder.stop();
    folder.verified();
}

TEST_CASE("parking: a cancellation before its order nets exactly zero", "[engine][parking]") {
    EngineFolder folder;
    start_shop(folder, kForbid);
    REQUIRE(folder.refund(cancel("o1")).status == Status::pending_order);
    REQUIRE(folder.pay({"o1", "anna", {1'999, 35}}).status == Status::applied);
    const auto balance = folder.balance("anna");
    CHECK(balance.available == 0);
    CHECK(balance.debt == 0);
    CHECK(folder.refund({"o1", {{1, 1}}}).error.code == ErrorCode::refund_exceeds_order);
    folder.stop();
    folder.verified();
}

TEST_CASE("parking: an order and what came before it may share a batch", "[engine][parking]") {
    EngineFolder folder;
    start_shop(folder);
    Batch batch(folder);
    batch.refunded({"o1", {{1, 300}}, "r1"}).refunded({"o1", {{1, 200}}, "r2"});
    batch.paid({"o1", "anna"}).refunded({"o1", {{1, 100}}, "r3"}).refunded(cancel("o2"));
    batch.paid({"o2", "anna"}).paid({"o3", "anna"});
    const auto outcomes = folder.run(batch);
    const std::vector<Status> expected{
        Status::pending_order,
        Status::pending_order,
        Status::applied,
        Status::applied,
        Status::pending_order,
        Status::applied,
        Status::applied};
    for (std::size_t i = 0; i < expected.size(); ++i) {
        INFO(i);
        CHECK(outcomes[i].status == expected[i]);
    }
    // r1 and r2 were applied behind the order, in the order in which they were parked.
    const auto first = folder.entry(ledger::Seq{outcomes[2].seq.value + 1});
    const auto second = folder.entry(ledger::Seq{outcomes[2].seq.value + 2});
    CHECK(first->entry.event.refund.refund_id == "r1");
    CHECK(second->entry.event.refund.refund_id == "r2");
    CHECK(folder.balance("anna").available == 14);
    folder.stop();
    folder.verified();
}

TEST_CASE("parking: what exceeds the order ends as rejected", "[engine][parking]") {
    EngineFolder folder;
    start_shop(folder);
    REQUIRE(folder.refund({"o1", {{1, 700}}, "r1"}).status == Status::pending_order);
    REQUIRE(folder.refund({"o1", {{1, 400}}, "r2"}).status == Status::pending_order);
    REQUIRE(folder.refund({"o1", {{7, 100}}, "r3"}).status == Status::pending_order);
    const Outcome paid = folder.pay({"o1", "anna"});
    REQUIRE(paid.status == Status::applied);
    CHECK(folder.balance("anna").available == 3);
    for (const std::uint64_t behind : {2, 3}) {
        const auto rejected = folder.entry(ledger::Seq{paid.seq.value + behind});
        REQUIRE(rejected != nullptr);
        CHECK(rejected->entry.kind == EntryKind::rejected);
        CHECK(rejected->entry.outcome == ErrorCode::refund_exceeds_order);
        CHECK_FALSE(ledger::linked(rejected->entry, LinkKind::parked).none());
    }
    CHECK(folder.shard().stats().waiting_refunds == 0);
    CHECK(folder.orphans().empty());
    folder.stop();
    folder.verified();
}

TEST_CASE("parking: a guest order takes what waits for it along", "[engine][parking]") {
    EngineFolder folder;
    start_shop(folder);
    const Outcome early = folder.refund({"o1", {{1, 250}}});
    const Outcome guest = folder.pay({"o1", ""});
    REQUIRE(guest.status == Status::pending_identity);
    const auto moved = folder.entry(ledger::Seq{guest.seq.value + 1});
    REQUIRE(moved != nullptr);
    CHECK(moved->entry.kind == EntryKind::parked);
    CHECK(ledger::linked(moved->entry, LinkKind::original) == guest.seq);
    CHECK(ledger::linked(moved->entry, LinkKind::parked) == early.seq);
    CHECK(folder.shard().stats().waiting_refunds == 0);
    folder.stop();
    folder.verified();
}

TEST_CASE("parking: only so many refunds wait for one order", "[engine][parking]") {
    EngineFolder folder;
    start_shop(folder);
    Batch batch(folder);
    for (std::size_t i = 0; i <= ledger::kWaitingMax; ++i)
        batch.refunded({"o1", {{1, 100}}, "r" + std::to_string(i)});
    const auto outcomes = folder.run(batch);
    CHECK(outcomes[ledger::kWaitingMax - 1].status == Status::pending_order);
    const Outcome& refused = outcomes[ledger::kWaitingMax];
    CHECK(refused.status == Status::rejected);
    CHECK(refused.error.code == ErrorCode::limit_reached);
    CHECK(refused.seq.value != 0);
    REQUIRE(folder.pay({"o1", "anna", {100'000}}).status == Status::applied);
    CHECK(folder.balance("anna").available == 1'000 - static_cast<int>(ledger::kWaitingMax));
    folder.stop();
    folder.verified();
}

TEST_CASE("parking: a refund that waited long enough is an orphan once", "[engine][parking]") {
    EngineFolder folder;
    start_shop(folder, kForbid);
    const Outcome early = folder.refund({"o1", {{1, 250}}});
    REQUIRE(early.status == Status::pending_order);
    let_timers_run(folder, 3 * kMicrosPerHour - 1);
    CHECK(folder.orphans().empty());
    folder.clock().advance(1);
    folder.await("the orphan", [&] { return folder.orphans().size() == 1; });
    const ledger::Seq orphan = folder.orphans().front();
    const auto entry = folder.entry(orphan);
    CHECK(entry->entry.kind == EntryKind::orphaned);
    CHECK(ledger::linked(entry->entry, LinkKind::parked) == early.seq);
    CHECK(folder.shard().stats().waiting_refunds == 0);
    CHECK(folder.shard().stats().orphans == 1);

    // An order that comes too late finds nothing waiting.
    REQUIRE(folder.pay({"o1", "anna"}).status == Status::applied);
    CHECK(folder.balance("anna").available == 10);
    CHECK(folder.refund({"o1", {{1, 250}}}).status == Status::duplicate);
    const ledger::Seq before = folder.look().last_seq;
    let_timers_run(folder, kMicrosPerHour);
    const Outcome marker = folder.adjust("anna", 1, "marker");
    CHECK(marker.seq.value == before.value + 1);
    folder.restart();
    CHECK(folder.orphans() == std::vector<ledger::Seq>{orphan});
    folder.stop();
    folder.verified();
}

TEST_CASE("parking: timers run after a restart and for idle programs", "[engine][parking]") {
    EngineFolder folder;
    start_shop(folder, kForbid);
    REQUIRE(folder.refund({"o1", {{1, 250}}}).status == Status::pending_order);
    REQUIRE(folder.refund(cancel("o2")).status == Status::pending_order);
    folder.restart();
    CHECK(folder.shard().stats().waiting_refunds == 2);
    REQUIRE(folder.pay({"o2", "anna"}).status == Status::applied);
    CHECK(folder.balance("anna").available == 0);
    let_timers_run(folder, 3 * kMicrosPerHour);
    folder.await("the orphan", [&] { return folder.orphans().size() == 1; });
    folder.stop();
    folder.delete_views();
    folder.start();
    CHECK(folder.orphans().size() == 1);
    CHECK(folder.shard().stats().orphans == 1);
    folder.stop();
    folder.verified();
}

TEST_CASE("parking: final makes an orphan at once unless the order is there", "[engine][parking]") {
    EngineFolder folder;
    start_shop(folder);
    const Outcome orphan = folder.refund({"o1", {{1, 250}}, "r1", "", false, true});
    CHECK(orphan.status == Status::orphaned);
    CHECK(folder.orphans() == std::vector<ledger::Seq>{orphan.seq});
    CHECK(folder.refund({"o1", {{1, 250}}, "r1", "", false, true}).status == Status::duplicate);
    CHECK(folder.refund({"o1", {{1, 250}}, "r1", "other"}).status == Status::duplicate);
    REQUIRE(folder.pay({"o1", "anna"}).status == Status::applied);
    CHECK(folder.balance("anna").available == 10);
    CHECK(folder.refund({"o1", {{1, 300}}, "r2", "", false, true}).status == Status::applied);
    CHECK(folder.balance("anna").available == 7);
    folder.stop();
    folder.verified();
}

TEST_CASE("parking: an orphan is attached to one order", "[engine][parking]") {
    EngineFolder folder;
    start_shop(folder);
    const Outcome orphan = folder.refund({"misspelt", {{1, 250}}, "r1", "", false, true});
    const Outcome other = folder.refund({"misspelt", {{1, 999}}, "r2", "", false, true});
    const Outcome paid = folder.pay({"o1", "anna"});
    REQUIRE(paid.status == Status::applied);
    CHECK(folder.attach(orphan.seq, "absent", "k0").error.code == ErrorCode::order_not_found);
    CHECK(folder.attach(paid.seq, "o1", "k0").error.code == ErrorCode::not_found);
    CHECK(folder.attach(ledger::Seq{9'999}, "o1", "k0").error.code == ErrorCode::not_found);

    const Outcome attached = folder.attach(orphan.seq, "o1", "k1");
    REQUIRE(attached.status == Status::applied);
    CHECK(server_test::points_of(attached) == -3);
    const auto entry = server_test::entry_of(attached);
    CHECK(entry->entry.actor_kind == ledger::ActorKind::key);
    CHECK(ledger::linked(entry->entry, LinkKind::parked) == orphan.seq);
    CHECK(folder.balance("anna").available == 7);
    CHECK(folder.orphans() == std::vector<ledger::Seq>{other.seq});

    const Outcome again = folder.attach(orphan.seq, "o1", "k1");
    CHECK(again.replayed);
    CHECK(again.seq == attached.seq);
    CHECK(folder.attach(orphan.seq, "o1", "k2").error.code == ErrorCode::already_attached);
    CHECK(folder.attach(other.seq, "o1", "k1").error.code == ErrorCode::idempotency_conflict);

    // What the order cannot take stays an orphan, and the key is used up.
    const Outcome refused = folder.attach(other.seq, "o1", "k3");
    CHECK(refused.error.code == ErrorCode::refund_exceeds_order);
    CHECK(refused.status == Status::rejected);
    CHECK(folder.attach(other.seq, "o1", "k3").replayed);
    CHECK(folder.orphans() == std::vector<ledger::Seq>{other.seq});
    folder.restart();
    CHECK(folder.orphans() == std::vector<ledger::Seq>{other.seq});
    CHECK(folder.balance("anna").available == 7);
    folder.stop();
    folder.verified();
}

TEST_CASE(
    "parking: the list of orphans joins what is stored and what is new", "[engine][parking]"
) {
    EngineFolder folder;
    start_shop(folder);
    REQUIRE(folder.pay({"o1", "anna", {1'000'000}}).status == Status::applied);
    std::vector<ledger::Seq> expected;
    std::mt19937_64 random(test_support::seed());
    for (int round = 0; round < 12; ++round) {
        Batch batch(folder);
        for (int i = 0; i < 10; ++i)
            batch.refunded(
                {"absent", {{1, 100}}, "r" + std::to_string(10 * round + i), "", false, true}
            );
        for (const Outcome& outcome : folder.run(batch))
            expected.push_back(outcome.seq);
        for (int i = 0; i < 4; ++i) {
            const std::size_t at = random() % expected.size();
            const std::string key = "k" + std::to_string(4 * round + i);
            REQUIRE(folder.attach(expected[at], "o1", key).status == Status::applied);
            expected.erase(expected.begin() + static_cast<std::ptrdiff_t>(at));
        }
        if (round % 5 == 4) folder.restart();
        CHECK(folder.orphans({}, 1'000) == expected);
        const std::size_t skip = expected.size() / 2;
        const std::vector<ledger::Seq> page(
            expected.begin() + static_cast<std::ptrdiff_t>(skip),
            expected.begin() + static_cast<std::ptrdiff_t>(skip) + 3
        );
        CHECK(folder.orphans(expected[skip - 1], 3) == page);
    }
    folder.stop();
    folder.verified();
}

namespace {

/// One order with everything that happens to it, in the order of arrival.
struct Story {
    std::string order;
    std::string member;
    std::vector<ledger::Points> lines;
    struct Step {
        bool paid = false;
        RefundOf refund;
        std::string id;  ///< of a repeated order
    };
    std::vector<Step> steps;
};

class Stories {
public:
    explicit Stories(std::uint64_t seed) : random_(seed) {}

    Story make(int number) {
        Story story;
        story.order = "o" + std::to_string(number);
        story.member = "m" + std::to_string(number);
        for (int lines = pick(1, 3); lines > 0; --lines)
            story.lines.push_back(pick(1, 9'999));
        story.steps.push_back({true, {}, {}});
        for (int refunds = pick(0, 4); refunds > 0; --refunds) {
            RefundOf refund{story.order, {}, "r" + std::to_string(refunds)};
            const int line = pick(1, static_cast<int>(story.lines.size()));
            const ledger::Points whole = story.lines[static_cast<std::size_t>(line) - 1];
            const auto part = pick(0, 2) == 0 ? whole : pick(1, static_cast<int>(whole) + 50);
            refund.lines.emplace_back(line, part);
            repeat(story, {false, refund, {}});
        }
        if (pick(0, 2) == 0) repeat(story, {false, cancel(story.order), {}});
        if (pick(0, 3) == 0) story.steps.push_back({true, {}, story.order + "-again"});
        std::shuffle(story.steps.begin(), story.steps.end(), random_);
        return story;
    }

    int pick(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }

    /// Keeps each story's own order.
    std::vector<std::pair<const Story*, const Story::Step*>> interleaved(
        const std::vector<Story>& stories
    ) {
        std::vector<std::size_t> turns;
        for (std::size_t i = 0; i < stories.size(); ++i)
            turns.insert(turns.end(), stories[i].steps.size(), i);
        std::shuffle(turns.begin(), turns.end(), random_);
        std::vector<std::size_t> next(stories.size());
        std::vector<std::pair<const Story*, const Story::Step*>> all;
        for (const std::size_t turn : turns)
            all.emplace_back(&stories[turn], &stories[turn].steps[next[turn]++]);
        return all;
    }

private:
    void repeat(Story& story, const Story::Step& step) {
        story.steps.push_back(step);
        if (pick(0, 3) != 0) return;
        Story::Step again = step;
        if (pick(0, 1) == 0) again.refund.id = story.order + "-" + step.refund.refund + "-again";
        story.steps.push_back(again);
    }

    std::mt19937_64 random_;
};

void post(Batch& batch, const Story& story, const Story::Step& step) {
    if (step.paid) {
        batch.paid({story.order, story.member, story.lines, step.id});
    } else {
        batch.refunded(step.refund);
    }
}

/// What is left of the order had it come first.
ledger::Points left(const Story& story) {
    std::vector<ledger::Points> remaining = story.lines;
    std::vector<std::string> done;
    bool closed = false;
    for (const Story::Step& step : story.steps) {
        if (step.paid || closed) continue;
        if (step.refund.cancel) {
            closed = true;
            std::ranges::fill(remaining, 0);
            continue;
        }
        const auto& [line, amount] = step.refund.lines.front();
        ledger::Points& rest = remaining[static_cast<std::size_t>(line) - 1];
        if (std::ranges::find(done, step.refund.refund) != done.end() || amount > rest) continue;
        done.push_back(step.refund.refund);
        rest -= amount;
    }
    return std::accumulate(remaining.begin(), remaining.end(), ledger::Points{0});
}

}  // namespace

TEST_CASE(
    "parking: any order of arrival gives the balance of the right order", "[engine][parking]"
) {
    Stories maker(test_support::seed());
    EngineFolder folder;
    start_shop(folder);
    constexpr int kRounds = 50;
    constexpr int kStories = 80;
    int early = 0;
    for (int round = 0; round < kRounds; ++round) {
        std::vector<Story> stories;
        for (int i = 0; i < kStories; ++i)
            stories.push_back(maker.make(round * kStories + i));
        const auto steps = maker.interleaved(stories);
        for (std::size_t at = 0; at < steps.size();) {
            Batch batch(folder);
            const auto end =
                std::min(steps.size(), at + static_cast<std::size_t>(maker.pick(1, 60)));
            for (; at < end; ++at)
                post(batch, *steps[at].first, *steps[at].second);
            for (const Outcome& outcome : folder.run(batch)) {
                REQUIRE(outcome.status != Status::refused);
                early += outcome.status == Status::pending_order ? 1 : 0;
            }
        }
        if (round % 10 == 9) folder.restart();
        for (const Story& story : stories) {
            const ledger::Balance balance = folder.balance(story.member);
            INFO(story.order);
            REQUIRE(balance.available == left(story) / 100);
            REQUIRE(balance.lifetime_earned == left(story) / 100);
            REQUIRE(balance.debt == 0);
        }
    }
    CHECK(early > kRounds * kStories / 4);
    CHECK(folder.shard().stats().waiting_refunds == 0);
    folder.stop();
    folder.verified();
}
