#include <new>

#include <ext/pb_ds/assoc_container.hpp>
#include <ext/pb_ds/tree_policy.hpp>

#include "ledger/boards/rank_index.hpp"
#include "tests/ledger/boards_history.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/tracked_new.hpp"

using namespace ledger;
using namespace ledger::boards;
using namespace boards_test;

namespace {

void take(RankIndex& index, const Step& step) {
    if (step.new_key) {
        index.upsert(step.old_key, *step.new_key);
    } else if (step.old_key) {
        REQUIRE(index.erase(*step.old_key));
    }
}

/// The tree alone, with nodes so small that a hundred keys are several levels.
using SmallTree = RankTree<4, 4>;

void take(SmallTree& tree, const Step& step) {
    if (step.old_key && step.new_key) {
        tree.replace(*step.old_key, *step.new_key);
    } else if (step.new_key) {
        tree.insert(*step.new_key);
    } else if (step.old_key) {
        REQUIRE(tree.erase(*step.old_key));
    }
}

std::uint32_t naive_place(const std::vector<RankKey>& sorted, Points score) {
    const auto first = std::find_if(sorted.begin(), sorted.end(), [&](const RankKey& key) {
        return key.score() <= score;
    });
    return static_cast<std::uint32_t>(first - sorted.begin()) + 1;
}

std::vector<RankKey> all_of(const RankIndex& index) {
    std::vector<RankKey> keys(index.size() + 1);
    keys.resize(index.range(1, keys));
    return keys;
}

void check_equal(const RankIndex& index, const std::vector<RankKey>& sorted, History& history) {
    index.check();
    REQUIRE(index.size() == sorted.size());
    REQUIRE(all_of(index) == sorted);
    REQUIRE_FALSE(index.at(0));
    REQUIRE_FALSE(index.at(index.size() + 1));
    if (sorted.empty()) return;
    for (int i = 0; i < 8; ++i) {
        const auto rank = static_cast<std::uint32_t>(1 + history.below(sorted.size()));
        const RankKey key = sorted[rank - 1];
        REQUIRE(index.at(rank) == key);
        REQUIRE(index.rank(key) == rank);
        REQUIRE(index.place(key.score()) == naive_place(sorted, key.score()));
        REQUIRE(index.place(key.score() - 1) == naive_place(sorted, key.score() - 1));
    }
}

void check_equal(const SmallTree& tree, const std::vector<RankKey>& sorted) {
    tree.check();
    REQUIRE(tree.size() == sorted.size());
    std::vector<RankKey> keys(sorted.size() + 1);
    keys.resize(tree.copy(0, keys));
    REQUIRE(keys == sorted);
    for (std::uint32_t i = 0; i < sorted.size(); ++i) {
        REQUIRE(tree.find(sorted[i]) == i);
    }
}

/// Distinct random keys, sorted.
std::vector<RankKey> random_keys(std::size_t count, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::vector<RankKey> keys;
    keys.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        const auto score = static_cast<Points>(random() % 1'000) - 300;
        keys.push_back(RankKey::make(score, random() % 100, static_cast<Member>(i + 1)));
    }
    std::sort(keys.begin(), keys.end());
    return keys;
}

}  // namespace

TEST_CASE("rank index: random histories are what a sort says", "[boards][differential]") {
    const std::uint64_t count = history_count();
    for (std::uint64_t i = 0; i < count; ++i) {
        History history(test_support::seed() + i);
        CAPTURE(i);
        RankIndex index;
        const std::size_t checked_every = 1 + history.steps() / 4;
        for (std::size_t step = 0; step < history.steps(); ++step) {
            take(index, history.next());
            if (step % checked_every == 0) check_equal(index, history.sorted(), history);
            if (history.below(history.steps()) == 0) index.bulk_build(history.sorted());
        }
        check_equal(index, history.sorted(), history);
    }
}

TEST_CASE("rank tree: random histories in tiny nodes are what a sort says", "[boards]") {
    const std::uint64_t count = history_count() / 5;
    for (std::uint64_t i = 0; i < count; ++i) {
        History history(~test_support::seed() + i);
        CAPTURE(i);
        SmallTree tree;
        const std::size_t checked_every = 1 + history.steps() / 8;
        for (std::size_t step = 0; step < history.steps(); ++step) {
            take(tree, history.next());
            if (step % checked_every == 0) check_equal(tree, history.sorted());
            if (history.below(history.steps()) == 0) tree.build(history.sorted());
        }
        for (const RankKey& key : history.sorted()) {
            REQUIRE(tree.erase(key));
        }
        check_equal(tree, {});
    }
}

TEST_CASE("rank index: a large one agrees with an order statistics tree", "[boards]") {
    using Oracle = __gnu_pbds::tree<
        RankKey,
        __gnu_pbds::null_type,
        std::less<>,
        __gnu_pbds::rb_tree_tag,
        __gnu_pbds::tree_order_statistics_node_update>;
    constexpr std::size_t kMembers = 100'000;
    std::mt19937_64 random(test_support::seed());
    std::vector<std::optional<RankKey>> keys(kMembers + 1);
    Oracle oracle;
    RankIndex index;
    // Grows to most members, then shrinks to few, then grows again.
    for (const std::uint64_t erase_percent : {10, 90, 30}) {
        for (std::size_t step = 0; step < 3 * kMembers; ++step) {
            const auto member = static_cast<Member>(1 + random() % kMembers);
            auto& key = keys[member];
            Step change{.old_key = key, .new_key = std::nullopt};
            if (random() % 100 >= erase_percent) {
                const Points step_up = static_cast<Points>(random() % 100);
                const auto score = key && random() % 2 == 0 ? key->score() + step_up
                                                            : static_cast<Points>(random() % 5'000);
                change.new_key = RankKey::make(score, step, member);
            }
            take(index, change);
            if (key) oracle.erase(*key);
            key = change.new_key;
            if (!key) continue;
            oracle.insert(*key);
            if (step % 8 != 0) continue;
            REQUIRE(index.rank(*key) == oracle.order_of_key(*key) + 1);
            const RankKey first = RankKey::first_of(key->score());
            REQUIRE(index.place(key->score()) == oracle.order_of_key(first) + 1);
            const auto rank = static_cast<std::uint32_t>(1 + random() % index.size());
            REQUIRE(index.at(rank) == *oracle.find_by_order(rank - 1));
        }
        index.check();
        REQUIRE(all_of(index) == std::vector<RankKey>(oracle.begin(), oracle.end()));
    }
}

TEST_CASE("rank index: empty answers nothing", "[boards]") {
    RankIndex index;
    CHECK(index.size() == 0);
    CHECK(index.rank(RankKey::make(1, 1, 1)) == 0);
    CHECK(index.place(5) == 1);
    CHECK_FALSE(index.at(1));
    CHECK_FALSE(index.erase(RankKey::make(1, 1, 1)));
    RankKey out;
    CHECK(index.range(1, {&out, 1}) == 0);
    CHECK(index.is_flat());
}

TEST_CASE("rank index: equal scores share a place but not a rank", "[boards]") {
    RankIndex index;
    const RankKey first = RankKey::make(9, 1, 10);
    const RankKey early = RankKey::make(5, 2, 30);
    const RankKey late = RankKey::make(5, 3, 20);
    const RankKey last = RankKey::make(-4, 0, 1);
    for (const RankKey& key : {last, late, first, early}) {
        index.insert(key);
    }
    CHECK(index.rank(first) == 1);
    CHECK(index.rank(early) == 2);
    CHECK(index.rank(late) == 3);
    CHECK(index.rank(last) == 4);
    CHECK(index.place(9) == 1);
    CHECK(index.place(5) == 2);
    CHECK(index.place(-4) == 4);
    CHECK(index.place(-5) == 5);
    CHECK(index.place(kScoreMax) == 1);
}

TEST_CASE("rank index: becomes a tree above 256 keys and flat again at 128", "[boards]") {
    const auto keys = random_keys(RankIndex::kFlatMax + 1, 1);
    RankIndex index;
    for (std::size_t i = 0; i < RankIndex::kFlatMax; ++i) {
        index.insert(keys[i]);
    }
    CHECK(index.is_flat());
    index.insert(keys.back());
    CHECK_FALSE(index.is_flat());
    for (std::size_t i = 0; index.size() > RankIndex::kFlatAgain + 1; ++i) {
        REQUIRE(index.erase(keys[i]));
    }
    CHECK_FALSE(index.is_flat());
    REQUIRE(index.erase(keys.back()));
    CHECK(index.is_flat());
    index.check();
    CHECK(index.size() == RankIndex::kFlatAgain);
    index.insert(keys.back());
    CHECK(index.is_flat());
}

TEST_CASE("rank index: keys that only grow or only shrink keep the nodes full", "[boards]") {
    constexpr std::uint64_t kCount = 200'000;
    for (const bool rising : {true, false}) {
        CAPTURE(rising);
        RankIndex index;
        for (std::uint64_t i = 1; i <= kCount; ++i) {
            const auto score = static_cast<Points>(rising ? i : kCount - i);
            index.insert(RankKey::make(score, i, static_cast<Member>(i)));
        }
        index.check();
        CHECK(index.size() == kCount);
        CHECK(index.memory_bytes() < kCount * 36);
    }
}

TEST_CASE("rank index: a rebuild by bulk equals the one grown key by key", "[boards]") {
    for (const std::size_t count : {0, 1, 112, 113, 255, 256, 257, 5'000, 60'000}) {
        CAPTURE(count);
        const auto keys = random_keys(count, test_support::seed());
        RankIndex grown;
        for (const RankKey& key : keys) {
            grown.insert(key);
        }
        RankIndex built;
        built.insert(RankKey::make(1, 1, 1));
        built.bulk_build(keys);
        built.check();
        REQUIRE(all_of(built) == all_of(grown));
        CHECK(built.is_flat() == (count <= RankIndex::kFlatMax));
        // It is as good for further changes.
        const RankKey best = RankKey::make(kScoreMax, 0, UINT32_MAX);
        built.insert(best);
        CHECK(built.rank(best) == 1);
        REQUIRE(built.erase(best));
        built.check();
        built.clear();
        CHECK(built.size() == 0);
        CHECK(built.is_flat());
    }
}

TEST_CASE("rank index: ranges end where the board ends", "[boards]") {
    for (const std::size_t count : {10, 1'000}) {
        const auto keys = random_keys(count, 3);
        RankIndex index;
        index.bulk_build(keys);
        for (const std::size_t from :
             {std::size_t{1}, std::size_t{2}, count / 2, count - 1, count}) {
            for (const std::size_t wanted :
                 {std::size_t{0}, std::size_t{1}, std::size_t{9}, count}) {
                CAPTURE(count, from, wanted);
                std::vector<RankKey> out(wanted);
                const std::size_t expected = std::min(wanted, count - from + 1);
                REQUIRE(index.range(static_cast<std::uint32_t>(from), out) == expected);
                const auto begin = keys.begin() + static_cast<std::ptrdiff_t>(from) - 1;
                CHECK(std::equal(begin, begin + static_cast<std::ptrdiff_t>(expected), out.begin())
                );
            }
        }
        std::vector<RankKey> out(3);
        CHECK(index.range(0, out) == 0);
        CHECK(index.range(static_cast<std::uint32_t>(count + 1), out) == 0);
        CHECK(index.range(UINT32_MAX, out) == 0);
    }
}

TEST_CASE("rank index: a moved one takes everything along", "[boards]") {
    for (const std::size_t count : {5, 1'000}) {
        const auto keys = random_keys(count, 4);
        RankIndex source;
        source.bulk_build(keys);
        RankIndex target = std::move(source);
        CHECK(target.size() == count);
        // NOLINTBEGIN(bugprone-use-after-move,clang-analyzer-cplusplus.Move): empty and usable
        CHECK(source.size() == 0);
        source.insert(keys[0]);
        CHECK(source.size() == 1);
        // NOLINTEND(bugprone-use-after-move,clang-analyzer-cplusplus.Move)
        source = std::move(target);
        CHECK(all_of(source) == keys);
    }
}

TEST_CASE("rank index: what it says it holds is what it allocated", "[boards]") {
    if (!test_support::can_track_allocations()) {
        WARN("SKIPPED: operator new is not replaced under the thread sanitizer");
        return;
    }
    std::mt19937_64 random(test_support::seed());
    const std::size_t before = test_support::held_bytes();
    {
        RankIndex index;
        const auto check_memory = [&] {
            const std::size_t held = test_support::held_bytes() - before;
            REQUIRE(index.memory_bytes() == held + sizeof index);
        };
        check_memory();
        constexpr std::size_t kMembers = 50'000;
        std::vector<RankKey> keys = [] {
            std::vector<RankKey> made;
            made.reserve(kMembers);
            return made;
        }();
        const std::size_t list_bytes = kMembers * sizeof(RankKey);
        const auto check_with_list = [&] {
            const std::size_t held = test_support::held_bytes() - before - list_bytes;
            REQUIRE(index.memory_bytes() == held + sizeof index);
        };
        for (std::size_t i = 0; i < kMembers; ++i) {
            keys.push_back(
                RankKey::make(static_cast<Points>(random() % 10'000), i, static_cast<Member>(i + 1))
            );
            index.insert(keys.back());
            if (i % 64 == 0) check_with_list();
        }
        CHECK(index.memory_bytes() < kMembers * 36);
        for (std::size_t i = 0; i < 4 * kMembers; ++i) {
            RankKey& key = keys[random() % kMembers];
            const RankKey moved =
                RankKey::make(static_cast<Points>(random() % 10'000), kMembers + i, key.member());
            index.upsert(key, moved);
            key = moved;
        }
        check_with_list();
        CHECK(index.memory_bytes() < kMembers * 36);
        for (const RankKey& key : keys) {
            REQUIRE(index.erase(key));
        }
        check_with_list();
        CHECK(index.memory_bytes() < 8'192);
    }
    CHECK(test_support::held_bytes() == before);
}

TEST_CASE("rank index: memory that runs out anywhere changes nothing", "[boards]") {
    if (!test_support::can_track_allocations()) {
        WARN("SKIPPED: operator new is not replaced under the thread sanitizer");
        return;
    }
    const std::size_t before = test_support::held_bytes();
    std::uint64_t failures = 0;
    {
        History history(test_support::seed());
        SmallTree tree;
        RankIndex index;
        constexpr std::size_t kCount = 2'000;
        for (std::uint64_t i = 1; i <= kCount; ++i) {
            const auto score = static_cast<Points>(history.below(50));
            const RankKey key = RankKey::make(score, i, static_cast<Member>(i));
            // The first allocation fails, then the second, until one insertion succeeds.
            for (std::uint64_t nth = 1;; ++nth) {
                test_support::fail_allocation(nth);
                try {
                    index.insert(key);
                } catch (const std::bad_alloc&) {
                    REQUIRE(test_support::allocation_failed());
                    REQUIRE(index.size() == i - 1);
                    REQUIRE(index.rank(key) == 0);
                    index.check();
                    ++failures;
                    continue;
                }
                break;
            }
            for (std::uint64_t nth = 1;; ++nth) {
                test_support::fail_allocation(nth);
                try {
                    tree.insert(key);
                } catch (const std::bad_alloc&) {
                    REQUIRE(tree.size() == i - 1);
                    tree.check();
                    ++failures;
                    continue;
                }
                break;
            }
            test_support::fail_allocation(0);
            REQUIRE(index.rank(key) == tree.find(key) + 1);
        }
        // An update needs memory too, when the leaf it goes to is full.
        for (std::uint64_t i = 1; i <= kCount; ++i) {
            const RankKey old_key =
                *index.at(static_cast<std::uint32_t>(1 + history.below(kCount)));
            const RankKey key = RankKey::make(7, kCount + i, old_key.member());
            for (std::uint64_t nth = 1;; ++nth) {
                test_support::fail_allocation(nth);
                try {
                    tree.replace(old_key, key);
                } catch (const std::bad_alloc&) {
                    tree.check();
                    REQUIRE(tree.find(old_key) < tree.size());
                    REQUIRE(tree.find(key) == tree.size());
                    ++failures;
                    continue;
                }
                break;
            }
            test_support::fail_allocation(0);
            index.upsert(old_key, key);
            REQUIRE(tree.find(key) + 1 == index.rank(key));
        }
        tree.check();
        index.check();
        // Becoming flat again wants memory as well, and does without.
        while (index.size() > 100) {
            test_support::fail_allocation(1);
            REQUIRE(index.erase(*index.at(index.size())));
        }
        CHECK_FALSE(index.is_flat());
        test_support::fail_allocation(0);
        REQUIRE(index.erase(*index.at(1)));
        CHECK(index.is_flat());
        index.check();
    }
    CHECK(failures > 100);
    CHECK(test_support::held_bytes() == before);
}
