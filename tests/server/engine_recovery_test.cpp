// Views, log and RAM say the same, whatever was checkpointed, evicted, deleted or lost.
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "ledger/witness.hpp"
#include "tests/server/engine_fixture.hpp"
#include "tests/support/seed.hpp"

using ledger::ErrorCode;
using ledger::kMicrosPerHour;
using ledger::kMicrosPerSecond;
using server_test::Batch;
using server_test::EngineFolder;
using server_test::Outcome;
using server_test::Status;

namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

void start_shop(EngineFolder& folder, const char* document = EngineFolder::kPlain) {
    folder.start();
    folder.put_program("shop", document);
}

/// What a caller can tell of an outcome.
struct Told {
    Status status = Status::refused;
    ErrorCode code = ErrorCode::ok;
    std::uint64_t seq = 0;
    ledger::Points points = 0;
    std::vector<ledger::Balance> balances;
    friend bool operator==(const Told&, const Told&) = default;
};

Told told(const Outcome& outcome) {
    Told told{outcome.status, outcome.error.code, outcome.seq.value, 0, {}};
    if (outcome.status != Status::rejected && outcome.status != Status::refused)
        told.code = ErrorCode::ok;
    if (outcome.entry.empty()) return told;
    const auto entry = server_test::entry_of(outcome);
    told.points = server_test::points_of(outcome);
    told.balances.assign(entry->entry.balances_after.begin(), entry->entry.balances_after.end());
    return told;
}

/// A reproducible history of batches: orders, refunds, cancellations, adjustments, repeated keys,
/// guests, aliases.
class History {
public:
    History(std::uint64_t seed, int members) : random_(seed), members_(members) {}

    std::vector<Told> play(EngineFolder& folder, int batches) {
        std::vector<Told> answers;
        for (int i = 0; i < batches; ++i) {
            Batch batch(folder);
            for (int commands = number(1, 12); commands > 0; --commands)
                add(batch);
            for (const Outcome& outcome : folder.run(batch))
                answers.push_back(told(outcome));
            folder.clock().advance(number(0, 3) * kMicrosPerHour);
        }
        return answers;
    }

private:
    int number(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }
    std::string member() { return "m" + std::to_string(number(1, members_)); }

    void add(Batch& batch) {
        const int choice = number(0, 99);
        if (choice < 50 || orders_.empty()) {
            server_test::OrderOf order{
                "o" + std::to_string(orders_.size()), choice == 1 ? "" : member(), {}};
            for (int lines = number(1, 4); lines > 0; --lines)
                order.lines.push_back(number(0, 20'000));
            orders_.push_back(order);
            batch.paid(order);
        } else if (choice < 56) {
            // Before its order, which comes with one of the next batches.
            const std::string order = "o" + std::to_string(orders_.size() + number(0, 3));
            if (number(0, 3) == 0) {
                batch.refunded({order, {}, "early-cancel", "", true});
            } else {
                batch.refunded({order, {{1, number(1, 9'000)}}, "r" + std::to_string(++refunds_)});
            }
        } else if (choice < 58) {
            batch.refunded({"absent" + std::to_string(++refunds_), {{1, 100}}, "r", "", false, true}
            );
        } else if (choice < 70) {
            const auto& order = some_order();
            const int line = number(1, static_cast<int>(order.lines.size()));
            const auto most = static_cast<int>(order.lines[static_cast<std::size_t>(line) - 1]);
            batch.refunded(
                {order.order, {{line, number(1, most + 1)}}, "r" + std::to_string(++refunds_)}
            );
        } else if (choice < 75) {
            batch.refunded({some_order().order, {}, "cancelled", "", true});
        } else if (choice < 85) {
            batch.adjusted(
                member(),
                number(0, 1) == 0 ? number(1, 500) : -number(1, 3'000),
                "k" + std::to_string(++keys_)
            );
        } else if (choice < 95) {
            batch.paid(some_order());
        } else {
            auto alias = some_order();
            alias.id = alias.order + "-again-" + std::to_string(number(1, 3));
            batch.paid(alias);
        }
    }
    const server_test::OrderOf& some_order() {
        return orders_[static_cast<std::size_t>(number(0, static_cast<int>(orders_.size()) - 1))];
    }

    std::mt19937_64 random_;
    const int members_;
    std::vector<server_test::OrderOf> orders_;
    int refunds_ = 0;
    int keys_ = 0;
};

constexpr int kBatches = 150;

}  // namespace

TEST_CASE("engine: checkpoints while rows change equal a replay of the log", "[engine]") {
    const std::uint64_t seed = test_support::seed();
    for (const char* document : {EngineFolder::kPlain, EngineFolder::kHeld}) {
        EngineFolder folder;
        start_shop(folder, document);
        History(seed, 15).play(folder, kBatches);
        CHECK(folder.shard().metrics().checkpoints.get() > 5);
        folder.stop();
        folder.verified();
    }
}

TEST_CASE("engine: little memory gives the same answers as much", "[engine]") {
    const std::uint64_t seed = test_support::seed();
    EngineFolder much;
    start_shop(much);
    const auto expected = History(seed, 400).play(much, kBatches);
    much.stop();

    EngineFolder little;
    little.options.memory_bytes_max = std::uint64_t{128} << 10;
    start_shop(little);
    const auto answers = History(seed, 400).play(little, kBatches);
    CHECK(little.shard().metrics().fetched_rows.get() > 100);
    little.stop();

    REQUIRE(answers.size() == expected.size());
    for (std::size_t i = 0; i < answers.size(); ++i) {
        INFO("answer " << i);
        REQUIRE(answers[i] == expected[i]);
    }
    CHECK(little.content() == much.content());
}

TEST_CASE("engine: restarts between batches change no answer", "[engine]") {
    const std::uint64_t seed = test_support::seed();
    EngineFolder steady;
    start_shop(steady);
    History one(seed, 30);
    std::vector<Told> expected;
    EngineFolder restarted;
    start_shop(restarted);
    History two(seed, 30);
    std::vector<Told> answers;
    for (int round = 0; round < 6; ++round) {
        for (Told& answer : one.play(steady, 20))
            expected.push_back(std::move(answer));
        for (Told& answer : two.play(restarted, 20))
            answers.push_back(std::move(answer));
        // Sometimes without a last checkpoint, sometimes with nothing but the log.
        restarted.stop();
        restarted.options.checkpoints = round % 3 != 1;
        if (round % 3 == 2) restarted.delete_views();
        restarted.start();
    }
    restarted.stop();
    steady.stop();
    CHECK(answers == expected);
    CHECK(restarted.content() == steady.content());
}

TEST_CASE("engine: deleted views are rebuilt as they were", "[engine]") {
    EngineFolder folder;
    start_shop(folder, EngineFolder::kHeld);
    History(test_support::seed(), 20).play(folder, kBatches);
    const server_test::Seen seen = folder.look();
    folder.stop();
    const auto before = folder.verified();
    folder.delete_views();
    folder.said.clear();
    folder.start();
    REQUIRE_FALSE(folder.said.empty());
    CHECK(folder.said.front().find("rebuilt") != std::string::npos);
    CHECK(folder.look() == seen);
    folder.stop();
    CHECK(folder.verified().state == before.state);
}

TEST_CASE("engine: a long replay is put into the views in several checkpoints", "[engine]") {
    EngineFolder folder;
    folder.options.checkpoints = false;
    start_shop(folder);
    History(test_support::seed(), 200).play(folder, kBatches);
    const server_test::Seen seen = folder.look();
    folder.stop();
    const auto before = folder.verified();

    folder.options.replay_dirty_rows_max = 100;
    folder.options.memory_bytes_max = std::uint64_t{128} << 10;
    REQUIRE(folder.try_open());
    const auto reached = folder.shard().stats().views_group;
    CHECK(reached > 0);
    CHECK(reached <= folder.shard().stats().durable_group);
    folder.stop();  // never started: like a crash right after recovery

    folder.said.clear();
    folder.start();
    for (const std::string& line : folder.said)
        CHECK(line.find("rebuilt") == std::string::npos);
    CHECK(folder.look() == seen);
    folder.stop();
    CHECK(folder.verified().state == before.state);
}

TEST_CASE("engine: an older copy of the log is refused until its loss is accepted", "[engine]") {
    EngineFolder folder;
    start_shop(folder);
    REQUIRE(folder.pay({"kept", "anna"}).status == Status::applied);
    folder.stop();
    fs::copy(folder.path() + "/log", folder.path() + "/copy", fs::copy_options::recursive);
    folder.start();
    const Outcome lost = folder.pay({"lost", "anna"});
    folder.stop();
    fs::remove_all(folder.path() + "/log");
    fs::rename(folder.path() + "/copy", folder.path() + "/log");

    const auto refused = folder.try_open();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::behind_witness);
    CHECK(refused.error().detail.find("witness") != std::string::npos);
    CHECK(
        refused.error().detail.find("seq " + std::to_string(lost.seq.value)) != std::string::npos
    );

    folder.options.accept_loss = true;
    folder.start();
    CHECK(folder.pay({"kept", "anna"}).status == Status::duplicate);
    CHECK(folder.balance("anna").available == 10);
    const Outcome again = folder.pay({"lost", "bert"});
    CHECK(again.status == Status::applied);
    CHECK(folder.balance("anna").available == 10);
    folder.stop();
    folder.verified();

    // Accepted once: the next start needs no word.
    folder.options.accept_loss = false;
    folder.start();
    CHECK(folder.balance("bert").available == 10);
}

TEST_CASE("engine: rot inside the write-ahead log is refused and left as it was", "[engine]") {
    EngineFolder folder;
    start_shop(folder);
    for (int i = 0; i < 50; ++i)
        REQUIRE(folder.pay({"o" + std::to_string(i), "anna"}).status == Status::applied);
    folder.stop();
    fs::path wal;
    for (const auto& file : fs::directory_iterator(folder.path() + "/log")) {
        if (file.path().extension() != ".log") continue;
        if (wal.empty() || file.file_size() > fs::file_size(wal)) wal = file.path();
    }
    REQUIRE_FALSE(wal.empty());
    std::string bytes = text_of(wal);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    std::ofstream(wal, std::ios::binary) << bytes;

    for (int attempt = 0; attempt < 2; ++attempt) {
        const auto refused = folder.try_open();
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == ErrorCode::behind_witness);
        CHECK(text_of(wal) == bytes);
    }
}

TEST_CASE("engine: versions with the same content are compiled once", "[engine]") {
    EngineFolder folder;
    start_shop(folder);
    folder.put_program("shop", EngineFolder::kHeld);
    folder.put_program("shop");
    for (int starts = 0; starts < 2; ++starts) {
        const auto program = folder.program("shop");
        REQUIRE(program->rule_sets.size() == 3);
        CHECK(program->rule_sets.at(1) != nullptr);
        CHECK(program->rule_sets.at(1) == program->rule_sets.at(3));
        CHECK(program->rule_sets.at(1) != program->rule_sets.at(2));
        folder.restart();
    }
}

TEST_CASE("engine: a log without its keyring is refused", "[engine]") {
    EngineFolder folder;
    start_shop(folder);
    folder.stop();
    fs::rename(folder.path() + "/keyring", folder.path() + "/elsewhere");
    const auto refused = folder.try_open();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::no_keyring);
    CHECK_FALSE(fs::exists(folder.path() + "/keyring"));
    fs::rename(folder.path() + "/elsewhere", folder.path() + "/keyring");
    CHECK(folder.try_open());
}
