#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "ledger/boards/rank_key.hpp"

namespace boards_test {

using ledger::Points;
using ledger::boards::Member;
using ledger::boards::RankKey;

/// How many random histories a differential test runs: GUERDON_BOARD_HISTORIES, else 10,000.
inline std::uint64_t history_count() {
    const char* const given = std::getenv("GUERDON_BOARD_HISTORIES");
    return given != nullptr ? std::strtoull(given, nullptr, 10) : 10'000;
}

/// One step of a history: a member gets a new key, or leaves.
struct Step {
    std::optional<RankKey> old_key;
    std::optional<RankKey> new_key;
};

/// A random life of a board: grows, shrinks, moves by small and by large steps, with as many ties
/// as `score_range` makes, negative scores among them. Most boards are small, some go over the
/// limit of the flat array and back, a few hold thousands.
class History {
public:
    explicit History(std::uint64_t seed) : random_(seed) {
        const std::uint64_t kind = below(100);
        if (kind < 80) {
            shape(1 + below(30), 40);
        } else if (kind < 99) {
            shape(200 + below(200), 700);
        } else {
            shape(2'000 + below(2'000), 6'000);
        }
        constexpr Points kRanges[] = {1, 3, 50, 1'000'000, ledger::boards::kScoreMax};
        score_range_ = kRanges[below(std::size(kRanges))];
    }

    [[nodiscard]] std::size_t steps() const { return steps_; }

    Step next() {
        // The share of erasures swings, so that a board grows and shrinks in turns.
        if (below(steps_ / 4 + 1) == 0) erase_percent_ = below(3) == 0 ? 75 : below(50);
        const auto member = static_cast<Member>(1 + below(keys_.size() - 1));
        std::optional<RankKey>& key = keys_[member];
        Step step{.old_key = key, .new_key = std::nullopt};
        seq_ += below(3);  // one entry may move several members
        if (!key || below(100) >= erase_percent_) step.new_key = new_key(member, key);
        key = step.new_key;
        return step;
    }

    /// The naive answer: everybody's key, sorted.
    [[nodiscard]] std::vector<RankKey> sorted() const {
        std::vector<RankKey> keys;
        for (const auto& key : keys_) {
            if (key) keys.push_back(*key);
        }
        std::sort(keys.begin(), keys.end());
        return keys;
    }

    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

private:
    void shape(std::size_t members, std::size_t steps) {
        keys_.resize(members + 1);
        steps_ = steps;
    }

    RankKey new_key(Member member, const std::optional<RankKey>& old_key) {
        Points score =
            static_cast<Points>(below(static_cast<std::uint64_t>(score_range_))) - score_range_ / 3;
        if (old_key && below(2) == 0) {
            score = old_key->score() + static_cast<Points>(below(5)) - 2;
        }
        return RankKey::make(score, seq_, member);
    }

    std::mt19937_64 random_;
    std::vector<std::optional<RankKey>> keys_;  ///< by member; 0 is nobody
    std::size_t steps_ = 0;
    Points score_range_ = 1;
    std::uint64_t erase_percent_ = 20;
    std::uint64_t seq_ = 1;
};

}  // namespace boards_test
