#include <cstdio>

#include "ledger/boards/rank_index.hpp"
#include "tests/ledger/boards_history.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/seed.hpp"

using namespace ledger;
using namespace ledger::boards;
using namespace boards_test;
using test_support::RedisClient;
using test_support::RedisReply;
using test_support::RedisServer;

namespace {

/// Redis orders by score, then by the bytes of the member, both ascending. So its score is our
/// score negated (a double holds 48 bits exactly), its member our reach_seq and member in hex of a
/// fixed width: ZRANGE then is the board from rank 1 on.
std::string redis_score(Points score) {
    return std::to_string(-score);
}

std::string redis_member(const RankKey& key) {
    char text[21];
    std::snprintf(
        text,
        sizeof text,
        "%012llx%08x",
        static_cast<unsigned long long>(key.reach_seq()),
        static_cast<unsigned>(key.member())
    );
    return text;
}

/// The same steps to both; answers are compared when Redis has them all.
class Pair {
public:
    Pair(RedisClient& redis, std::string name) : redis_(redis), name_(std::move(name)) {}

    void take(const Step& step) {
        if (step.old_key) {
            redis_.send({"ZREM", name_, redis_member(*step.old_key)});
            expected_.push_back({.number = 1});
        }
        if (step.new_key) {
            const std::string score = redis_score(step.new_key->score());
            redis_.send({"ZADD", name_, score, redis_member(*step.new_key)});
            expected_.push_back({.number = 1});
            index_.upsert(step.old_key, *step.new_key);
        } else if (step.old_key) {
            REQUIRE(index_.erase(*step.old_key));
        }
    }

    /// Asks Redis for rank and place of the key at `rank`, and for one page around it.
    void ask(std::uint32_t rank) {
        const RankKey key = index_.at(rank).value();
        redis_.send({"ZRANK", name_, redis_member(key)});
        expected_.push_back({.number = index_.rank(key) - 1});
        redis_.send({"ZCOUNT", name_, "-inf", "(" + redis_score(key.score())});
        expected_.push_back({.number = index_.place(key.score()) - 1});
        const std::uint32_t from = rank > 3 ? rank - 3 : 1;
        ask_range(from, 7);
    }

    void ask_everything() { ask_range(1, index_.size() + 1); }

    void compare() {
        for (const Expected& expected : expected_) {
            const RedisReply reply = redis_.receive();
            REQUIRE(reply.number == expected.number);
            REQUIRE(reply.items.size() == expected.members.size());
            for (std::size_t i = 0; i < reply.items.size(); ++i) {
                REQUIRE(reply.items[i].text == expected.members[i]);
            }
        }
        expected_.clear();
        REQUIRE(redis_.waiting() == 0);
    }

    [[nodiscard]] std::uint32_t size() const { return index_.size(); }

private:
    struct Expected {
        std::int64_t number = 0;
        std::vector<std::string> members = {};
    };

    void ask_range(std::uint32_t from, std::uint32_t count) {
        std::vector<RankKey> keys(count);
        keys.resize(index_.range(from, keys));
        Expected expected;
        for (const RankKey& key : keys) {
            expected.members.push_back(redis_member(key));
        }
        redis_.send({"ZRANGE", name_, std::to_string(from - 1), std::to_string(from + count - 2)});
        expected_.push_back(std::move(expected));
    }

    RedisClient& redis_;
    std::string name_;
    RankIndex index_;
    std::vector<Expected> expected_;
};

}  // namespace

TEST_CASE(
    "rank index: random histories are what a Redis sorted set says", "[boards][differential]"
) {
    RedisServer server;
    RedisClient redis(server.socket_path());
    const std::uint64_t count = history_count();
    for (std::uint64_t i = 0; i < count; ++i) {
        CAPTURE(i);
        History history(test_support::seed() * 3 + i);
        Pair pair(redis, "board" + std::to_string(i));
        const std::size_t asked_every = 1 + history.steps() / 4;
        for (std::size_t step = 0; step < history.steps(); ++step) {
            pair.take(history.next());
            if (step % asked_every != 0 || pair.size() == 0) continue;
            for (int asked = 0; asked < 4; ++asked) {
                pair.ask(static_cast<std::uint32_t>(1 + history.below(pair.size())));
            }
        }
        pair.ask_everything();
        pair.compare();
        redis.call({"FLUSHALL"});
    }
}
