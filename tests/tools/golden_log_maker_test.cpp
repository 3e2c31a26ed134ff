#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/blind.hpp"
#include "ledger/group_codec.hpp"
#include "ledger/random.hpp"
#include "ledger/sha256.hpp"
#include "tests/server/engine_fixture.hpp"
#include "tests/support/golden_log.hpp"

// Makes the golden log of this release (tests/cases/log/README.md). The same build makes the same
// bytes each time: the clock is a FakeClock and what should be random is counted.

namespace {

/// Blocks of `random_bytes` since the shop was opened.
std::atomic<std::uint64_t> random_block{0};

}  // namespace

/// Instead of ledger/random.cpp in this binary.
void ledger::random_bytes(std::span<std::uint8_t> out) {
    std::size_t filled = 0;
    while (filled < out.size()) {
        const Hash32 block = sha256("golden log " + std::to_string(random_block++));
        const std::size_t part = std::min(block.size(), out.size() - filled);
        std::copy_n(block.begin(), part, out.begin() + static_cast<std::ptrdiff_t>(filled));
        filled += part;
    }
}

namespace {

namespace engine = server::engine;
using ledger::kMicrosPerDay;
using ledger::kMicrosPerHour;
using ledger::kMicrosPerMinute;
using server_test::Batch;
using server_test::EngineFolder;
using server_test::Outcome;
using server_test::Status;
using server_test::WaitedWrite;
using test_support::GoldenLog;

/// Held 14 days, expires 30 days after the order; stars for large orders, for ever.
constexpr const char* kFirstDocument = R"json({"tz":"Europe/Paris",
    "currencies":[{"id":"points","scale":0,"kind":"spendable","negative":"to_debt"},
                  {"id":"stars","scale":0,"kind":"status","negative":"write_off"}],
    "campaigns":[{"id":"core","rules":[
        {"id":"purchase","on":"order.paid","effects":[
            {"award":{"to":"member","currency":"points","points":"muldiv(order.net, 1, order.unit)",
                      "reason":"purchase","hold":{"for":"14d"},"expires":"30d"}}]},
        {"id":"large","on":"order.paid","if":"order.net >= 100 * order.unit","effects":[
            {"award":{"to":"member","currency":"stars","points":"1","reason":"large"}}]}]}]})json";

/// Points at once.
constexpr const char* kSecondDocument = R"json({"tz":"Europe/Paris",
    "currencies":[{"id":"points","scale":0,"kind":"spendable","negative":"to_debt"},
                  {"id":"stars","scale":0,"kind":"status","negative":"write_off"}],
    "campaigns":[{"id":"core","rules":[
        {"id":"purchase","on":"order.paid","effects":[
            {"award":{"to":"member","currency":"points","points":"muldiv(order.net, 1, order.unit)",
                      "reason":"purchase","expires":"end_of_month+12M"}}]},
        {"id":"large","on":"order.paid","if":"order.net >= 100 * order.unit","effects":[
            {"award":{"to":"member","currency":"stars","points":"1","reason":"large"}}]}]}]})json";

/// A shop whose days are told to a real shard.
class GoldenShop {
public:
    GoldenShop() {
        random_block = 0;
        folder_.start();
    }

    GoldenLog tell() {
        keys();
        folder_.put_program("shop", kFirstDocument);
        shop_keys();
        held_order();
        folder_.put_program("shop", kSecondDocument);
        folder_.clock().advance(kMicrosPerHour);  // fixtures' events are a minute old
        members();
        orders();
        refunds();
        adjustments();
        guests();
        repeated();
        large();
        folder_.stop();
        return log();
    }

private:
    Outcome run_system(engine::Command command) {
        auto job = std::make_unique<WaitedWrite>();
        job->program = ledger::kSystemProgram;
        job->actor = {ledger::ActorKind::key, 1};
        job->commands.push_back(std::move(command));
        WaitedWrite& waited = *job;
        auto done = waited.done.get_future();
        std::unique_ptr<engine::Job> handed = std::move(job);
        REQUIRE(folder_.shard().submit(handed));
        done.get();
        return waited.outcomes.front();
    }

    /// The key that a first start makes, and one that is revoked.
    void keys() {
        static constexpr std::string_view kAdmin[] = {"admin"};
        engine::CreateKeyCommand command;
        command.secret_hash = ledger::sha256("gk_golden_admin");
        command.scopes = kAdmin;
        REQUIRE(run_system(command).status == Status::applied);
    }

    void shop_keys() {
        static constexpr std::string_view kScopes[] = {"events:write", "members:read"};
        static constexpr std::string_view kOrigins[] = {"https://shop.example"};
        engine::CreateKeyCommand secret;
        secret.program = "shop";
        secret.secret_hash = ledger::sha256("gk_golden_shop");
        secret.scopes = kScopes;
        secret.label = "web shop";
        const Outcome made = run_system(secret);
        REQUIRE(made.status == Status::applied);
        engine::CreateKeyCommand publishable;
        publishable.program = "shop";
        publishable.secret_hash = ledger::sha256("pk_golden_shop");
        publishable.origins = kOrigins;
        publishable.kind = ledger::ApiKeyKind::publishable;
        REQUIRE(run_system(publishable).status == Status::applied);
        engine::RevokeKeyCommand revoke;
        revoke.program = "shop";
        revoke.key_id = made.number;
        REQUIRE(run_system(revoke).status == Status::applied);
    }

    void await_seq(std::uint64_t seq) {
        folder_.await("an entry of the scheduler", [&] {
            return folder_.look().last_seq.value == seq;
        });
    }
    void await_views() {
        folder_.await("the views", [&] {
            return folder_.shard().stats().views_group == folder_.shard().stats().durable_group;
        });
    }

    /// Its points are activated, and expire, while nobody does anything.
    void held_order() {
        const Outcome paid = folder_.pay({"held", "idle", {12'300}});
        REQUIRE(paid.status == Status::applied);
        await_views();
        folder_.clock().advance(14 * kMicrosPerDay);
        await_seq(paid.seq.value + 1);
        await_views();
        folder_.clock().advance(16 * kMicrosPerDay);
        await_seq(paid.seq.value + 2);
        await_views();
    }

    void put_member(const ledger::Personal& personal) {
        Batch batch(folder_);
        engine::PutMemberCommand command;
        command.personal = personal;
        command.blind = ledger::blind_hashes(*folder_.program("shop")->hmac, personal);
        batch.job().commands.emplace_back(command);
        REQUIRE(folder_.run(batch).front().status == Status::applied);
    }

    void members() {
        ledger::Personal anna;
        anna.external_id = "anna";
        anna.email = "anna@golden.example";
        anna.phone = "+33 1 00 00 00 01";
        anna.name = "Anna Golden";
        anna.address = "1 rue de la Preuve";
        put_member(anna);
        ledger::Personal moved;
        moved.external_id = "anna";
        moved.address = "2 rue de la Preuve";
        put_member(moved);
    }

    /// Everything an order can say.
    static void fill(engine::EventCommand& event) {
        event.subject = "order/full";
        event.order.channel = "app";
        event.order.subtotal = 13'000;
        event.order.discount = 500;
        event.order.shipping = 490;
        event.order.tax = 2'100;
        event.order.gift_card_amount = 200;
        event.order.points_amount = 300;
        event.order.present = 255;
    }

    void orders() {
        Batch full(folder_);
        full.paid(
            {"full",
             "anna",
             {6'000, 4'000, 2'500},
             "",
             folder_.clock().now() - 9 * kMicrosPerDay,
             false,
             "anna@elsewhere.example",
             "Anna Golden"}
        );
        fill(std::get<engine::EventCommand>(full.job().commands.front()));
        REQUIRE(folder_.run(full).front().status == Status::applied);
        // A group of several values.
        Batch many(folder_);
        for (int i = 1; i <= 30; ++i)
            many.paid({"many" + std::to_string(i), "bert", {100 * i, 50}});
        for (const Outcome& outcome : folder_.run(many))
            REQUIRE(outcome.status == Status::applied);
        folder_.clock().advance(kMicrosPerHour);
        REQUIRE(folder_.pay({"zero", "bert", {0}}).status == Status::applied);
        Batch other(folder_);
        other.paid({"ignored", "bert"});
        auto& event = std::get<engine::EventCommand>(other.job().commands.front());
        event.type = engine::EventType::other;
        event.type_name = "cart.viewed";
        REQUIRE(folder_.run(other).front().status == Status::ignored);
    }

    void refunds() {
        REQUIRE(folder_.refund({"full", {{1, 1'500}}}).status == Status::applied);
        Batch noted(folder_);
        noted.refunded({"full", {{2, 4'000}, {3, 2'500}}, "r2"});
        auto& event = std::get<engine::EventCommand>(noted.job().commands.front());
        event.personal.note = "arrived broken";
        event.refund.has_amount = true;
        event.refund.amount = 6'500;
        event.refund.shipping = 490;
        REQUIRE(folder_.run(noted).front().status == Status::applied);
        REQUIRE(folder_.refund({"full", {{1, 9'000}}, "r3"}).status == Status::rejected);
        REQUIRE(folder_.refund({"full", {{1, 4'500}}, "r4"}).status == Status::applied);
        REQUIRE(folder_.refund({"full", {{1, 1}}, "r5"}).status == Status::rejected);
        REQUIRE(
            folder_.refund({"many30", {}, "r6", "many30-cancelled", true}).status == Status::applied
        );
        folder_.clock().advance(kMicrosPerMinute);
    }

    void adjustments() {
        Batch plus(folder_);
        plus.adjusted("bert", 250, "plus", "sorry for the delay");
        auto& adjust = std::get<engine::AdjustCommand>(plus.job().commands.front());
        adjust.visible_to_member = adjust.counts_for_tier = true;
        REQUIRE(folder_.run(plus).front().status == Status::applied);
        REQUIRE(folder_.adjust("bert", -600, "minus").status == Status::applied);
        REQUIRE(folder_.adjust("bert", -1'000'000, "too much").status == Status::rejected);
        // What is taken back and was spent becomes debt, and the next order repays it.
        REQUIRE(
            folder_.adjust("bert", -folder_.balance("bert").available, "all").status ==
            Status::applied
        );
        REQUIRE(folder_.refund({"many29", {{1, 2'900}}}).status == Status::applied);
        REQUIRE(folder_.balance("bert").debt > 0);
        REQUIRE(folder_.pay({"repays", "bert", {5'000}}).status == Status::applied);
        REQUIRE(folder_.balance("bert").debt == 0);
    }

    void guests() {
        REQUIRE(
            folder_.pay({"guest", "", {2'000}, "", {}, false, "guest@golden.example", "A Guest"})
                .status == Status::pending_identity
        );
        REQUIRE(folder_.refund({"guest", {{1, 500}}}).status == Status::pending_identity);
    }

    void repeated() {
        REQUIRE(
            folder_.pay({"repays", "bert", {5'000}, "repays-again"}).status == Status::duplicate
        );
    }

    /// One entry larger than a shared value.
    void large() {
        const Outcome outcome = folder_.pay({"large", "anna", std::vector<ledger::Points>(450, 7)});
        REQUIRE(outcome.status == Status::applied);
        REQUIRE(outcome.entry.size() > ledger::kValueBytesMax);
    }

    GoldenLog log() {
        GoldenLog made;
        const auto keyring = ledger::Disk::real()->read_file(folder_.path() + "/keyring");
        REQUIRE(keyring);
        made.keyring = *keyring;
        auto store =
            ledger::LogStore::open({folder_.path() + "/log", ledger::Disk::real(), true, true, {}});
        REQUIRE(store);
        REQUIRE((*store)->scan_keys([&](std::string_view key, std::string_view value) {
            made.keys.emplace_back(key, value);
            return ledger::Result<void>();
        }));
        REQUIRE((*store)->scan(
            test_support::kGoldenShard,
            ledger::GroupId{1},
            [&](ledger::GroupId group, std::uint16_t part, std::string_view value) {
                made.values.push_back({group, part, std::string(value)});
                return ledger::Result<void>();
            }
        ));
        return made;
    }

    EngineFolder folder_;
};

GoldenLog stored(const std::string& folder) {
    std::ifstream in(
        std::string(test_support::kGoldenFolder) + "/" + folder + "/" + test_support::kGoldenLogFile
    );
    REQUIRE(in);
    std::ostringstream text;
    text << in.rdbuf();
    return test_support::golden_log(text.str());
}

/// Puts a golden log where a server finds it.
void restore(const GoldenLog& log, EngineFolder& folder) {
    const auto disk = ledger::Disk::real();
    REQUIRE(disk->create_directory(folder.path()));
    REQUIRE(disk->write_file(folder.path() + "/keyring", log.keyring, 0600));
    auto store = ledger::LogStore::open({folder.path() + "/log", disk, true, false, {}});
    REQUIRE(store);
    std::vector<ledger::LogStore::Row> keys;
    for (const auto& [key, value] : log.keys)
        keys.push_back({key, value});
    for (std::size_t i = 0; i < log.values.size();) {
        const ledger::GroupId group = log.values[i].group;
        std::vector<std::string_view> values;
        for (; i < log.values.size() && log.values[i].group == group; ++i)
            values.push_back(log.values[i].bytes);
        REQUIRE((*store)->commit(test_support::kGoldenShard, group, values, keys));
        keys.clear();
    }
}

}  // namespace

TEST_CASE("golden log maker: it makes the same log again", "[golden]") {
    const std::string once = test_support::golden_text(GoldenShop().tell());
    CHECK(test_support::golden_text(GoldenShop().tell()) == once);
    CHECK(test_support::golden_text(test_support::golden_log(once)) == once);
}

TEST_CASE("golden log: a server goes on with it", "[golden]") {
    EngineFolder folder;
    restore(stored("format-1"), folder);
    folder.clock().advance(60 * kMicrosPerDay);
    folder.options.accept_loss = true;  // a golden log has no witness
    folder.options.accept_clock = true;
    folder.start();
    const ledger::Seq last = folder.look().last_seq;
    // What was posted when the log was made is still known.
    const Outcome again = folder.pay({"repays", "bert", {5'000}});
    CHECK(again.status == Status::duplicate);
    CHECK(again.replayed);
    CHECK(server_test::points_of(again) == 50);
    CHECK(
        folder.pay({"repays", "bert", {1}}).error.code == ledger::ErrorCode::idempotency_conflict
    );
    const Outcome alias = folder.pay({"repays", "bert", {5'000}, "another id"});
    CHECK(alias.status == Status::duplicate);
    CHECK(alias.seq == again.seq);
    const Outcome next = folder.pay({"next", "anna", {1'000}});
    CHECK(next.status == Status::applied);
    CHECK(next.seq.value == last.value + 2);
    CHECK(server_test::entry_of(next)->entry.event.program_version == 2);
    CHECK(server_test::points_of(next) == 10);
    folder.stop();
    folder.verified();
}

// GUERDON_GOLDEN_OUT=FOLDER build/release/golden_log_tests "[.write]"
TEST_CASE("golden log maker: it writes the log and its facts", "[.write]") {
    const char* folder = std::getenv("GUERDON_GOLDEN_OUT");
    REQUIRE(folder != nullptr);
    const GoldenLog log = GoldenShop().tell();
    std::filesystem::create_directories(folder);
    std::ofstream(std::string(folder) + "/" + test_support::kGoldenLogFile)
        << test_support::golden_text(log);
    std::ofstream(std::string(folder) + "/" + test_support::kGoldenFactsFile)
        << test_support::facts_of(log);
}
