#include <string>

#include "ledger/wallet_plan.hpp"
#include "tests/server/engine_fixture.hpp"

using ledger::ErrorCode;
using ledger::kMicrosPerDay;
using ledger::Points;
using server::engine::Status;
using server_test::Batch;
using server_test::EngineFolder;

namespace {

/// Every award expires at the midnight that begins the month after next.
constexpr const char* kSameInstant =
    R"({"tz":"UTC","currencies":[{"id":"points"}],"campaigns":[{"id":"c","rules":[{"id":"r",)"
    R"("on":"order.paid","effects":[{"award":{"to":"member","currency":"points",)"
    R"("points":"order.net","reason":"purchase","expires":"end_of_month+1M"}}]}]}]})";

/// `rules` rules with eight awards each.
std::string many_awards(int rules) {
    std::string effects;
    for (int i = 0; i < 8; ++i) {
        effects += i == 0 ? "" : ",";
        effects += R"({"award":{"to":"member","currency":"points",)"
                   R"("points":"2000000000000","reason":"r"}})";
    }
    std::string list;
    for (int i = 0; i < rules; ++i) {
        list += i == 0 ? "" : ",";
        list += R"({"id":"r)" + std::to_string(i) + R"(","on":"order.paid","effects":[)" + effects +
                "]}";
    }
    return R"({"tz":"UTC","currencies":[{"id":"points"}],"campaigns":[{"id":"c","rules":[)" + list +
           "]}]}";
}

constexpr int kLots = 3 * static_cast<int>(ledger::kDuesMax) + 100;

void fill_walk_in(EngineFolder& folder) {
    for (int i = 0; i < kLots;) {
        Batch batch(folder);
        for (int n = 0; n < 1'000 && i < kLots; ++n, ++i)
            batch.paid({"o" + std::to_string(i), "walk-in"});
        for (const auto& outcome : folder.run(batch))
            REQUIRE(outcome.status == Status::applied);
    }
}

}  // namespace

TEST_CASE("engine: a member with very many lots due at once is settled in steps", "[engine]") {
    EngineFolder folder;
    folder.start();
    folder.put_program("shop", kSameInstant);
    fill_walk_in(folder);
    REQUIRE(folder.balance("walk-in").available == Points{kLots} * 1'000);
    folder.clock().advance(70 * kMicrosPerDay);
    const std::uint64_t before = folder.look().last_seq.value;

    SECTION("before the next command") {
        const auto paid = folder.pay({"later", "walk-in"});
        CHECK(paid.status == Status::applied);
        CHECK(folder.balance("walk-in").available == 1'000);
        // Three full steps and what was left of the fourth, which the order's own entry settled.
        CHECK(folder.look().last_seq.value >= before + 4);
    }
    SECTION("by the scheduler when nobody comes") {
        folder.await("all of it", [&] {
            folder.clock().advance(ledger::kMicrosPerSecond);
            return folder.look().last_seq.value >= before + 4;
        });
        CHECK(folder.balance("walk-in").available == 0);
    }
    folder.stop();
    folder.verified();
}

TEST_CASE("engine: what would not fit one entry is refused and changes nothing", "[engine]") {
    EngineFolder folder;
    folder.start();
    folder.put_program("shop", many_awards(64));
    REQUIRE(folder.pay({"small", "anna"}).status == Status::applied);
    const auto before = folder.look();
    const auto refused = folder.pay({"large", "anna", std::vector<Points>(1'000, 100)});
    CHECK(refused.status == Status::refused);
    CHECK(refused.error.code == ErrorCode::too_large);
    CHECK(folder.look() == before);
    // Again, and a smaller one of the same id: nothing was claimed.
    CHECK(
        folder.pay({"large", "anna", std::vector<Points>(1'000, 100)}).error.code ==
        ErrorCode::too_large
    );
    CHECK(folder.pay({"large", "anna", {100}}).status == Status::applied);
    folder.stop();
    folder.verified();
}
