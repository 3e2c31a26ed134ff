#include "ledger/boards/board.hpp"

#include <map>
#include <new>
#include <random>

#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/tracked_new.hpp"

using namespace ledger;
using namespace ledger::boards;
using Layout = ScoreStore::Layout;

namespace {

const HiddenMembers kNobody;

struct Change {
    Member member = 0;
    Points delta = 0;
    Seq seq;
};

void take(Board& board, const std::vector<Change>& changes) {
    for (const auto& [member, delta, seq] : changes) {
        board.apply(member, delta, seq);
    }
}

/// Entries as a ledger gives them: seqs rise, some move two members, some take back what was given.
std::vector<Change> random_changes(std::size_t count, std::size_t members, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::vector<Change> changes;
    std::uint64_t seq = 0;
    for (std::size_t i = 0; i < count; ++i) {
        if (random() % 4 != 0) ++seq;
        Change change{
            .member = static_cast<Member>(1 + random() % members),
            .delta = static_cast<Points>(random() % 20) - 5,
            .seq = Seq(seq)};
        if (i > 10 && random() % 5 == 0) {
            const Change& reversed = changes[random() % i];
            change.member = reversed.member;
            change.delta = -reversed.delta;
        }
        changes.push_back(change);
    }
    return changes;
}

/// What the definition says, without any index.
std::vector<Row> naive_rows(const std::vector<Change>& changes) {
    std::map<Member, Score> scores;
    for (const auto& [member, delta, seq] : changes) {
        if (delta == 0) continue;
        Score& score = scores[member];
        score = {.points = score.points + delta, .reach_seq = seq.value};
    }
    std::vector<Row> rows;
    for (const auto& [member, score] : scores) {
        if (score.points != 0) rows.push_back({.member = member, .score = score});
    }
    std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
        return std::tuple(-a.score.points, a.score.reach_seq, a.member) <
               std::tuple(-b.score.points, b.score.reach_seq, b.member);
    });
    for (std::size_t i = 0; i < rows.size(); ++i) {
        rows[i].rank = static_cast<std::uint32_t>(i + 1);
        const bool tied = i > 0 && rows[i].score.points == rows[i - 1].score.points;
        rows[i].place = tied ? rows[i - 1].place : rows[i].rank;
    }
    return rows;
}

std::vector<Row> all_rows(const Board& board) {
    std::vector<Row> rows;
    while (rows.size() < board.size()) {
        const auto page =
            board.page(static_cast<std::uint32_t>(rows.size()), Board::kRowsMax, kNobody);
        REQUIRE_FALSE(page.empty());
        rows.insert(rows.end(), page.begin(), page.end());
    }
    return rows;
}

std::vector<Row> slice(const std::vector<Row>& rows, std::size_t begin, std::size_t end) {
    const auto first = rows.begin();
    return {
        first + static_cast<std::ptrdiff_t>(std::min(begin, rows.size())),
        first + static_cast<std::ptrdiff_t>(std::min(end, rows.size()))};
}

std::vector<Member> members_of(const std::vector<Row>& rows) {
    std::vector<Member> members;
    members.reserve(rows.size());
    for (const Row& row : rows) {
        members.push_back(row.member);
    }
    return members;
}

}  // namespace

TEST_CASE("board: a score is net and its owner leaves at zero", "[boards]") {
    for (const Layout layout : {Layout::dense, Layout::sparse}) {
        Board board(layout);
        board.apply(7, 0, Seq(1));
        CHECK(board.size() == 0);
        board.apply(7, 100, Seq(2));
        board.apply(7, -30, Seq(3));
        CHECK(board.score(7) == Score{.points = 70, .reach_seq = 3});
        board.apply(7, 0, Seq(4));
        CHECK(board.score(7) == Score{.points = 70, .reach_seq = 3});
        board.apply(7, -70, Seq(5));
        CHECK(board.size() == 0);
        CHECK(board.rank(7) == 0);
        CHECK_FALSE(board.row(7, kNobody));
        CHECK(board.content_hash() == 0);
        board.apply(7, -5, Seq(6));
        CHECK(board.score(7) == Score{.points = -5, .reach_seq = 6});
        CHECK(board.rank(7) == 1);
        board.check();
    }
}

TEST_CASE("board: a tie goes to who reached the score first", "[boards]") {
    Board board(Layout::sparse);
    take(board, {{1, 50, Seq(1)}, {2, 60, Seq(2)}, {3, 60, Seq(3)}, {1, 10, Seq(4)}});
    CHECK(members_of(board.top(10, kNobody)) == std::vector<Member>{2, 3, 1});
    // A refund and a new purchase: the score is old, the time it was reached is new.
    take(board, {{2, -10, Seq(5)}, {2, 10, Seq(6)}});
    CHECK(members_of(board.top(10, kNobody)) == std::vector<Member>{3, 1, 2});
    CHECK(board.row(2, kNobody)->rank == 3);
    CHECK(board.row(2, kNobody)->place == 1);
}

TEST_CASE("board: a hidden member keeps rank and place and is marked", "[boards]") {
    Board board(Layout::dense);
    take(board, {{1, 30, Seq(1)}, {2, 20, Seq(2)}, {3, 10, Seq(3)}});
    HiddenMembers hidden;
    hidden.hide(2);
    const auto rows = board.top(10, hidden);
    REQUIRE(rows.size() == 3);
    CHECK(rows[0].shown);
    CHECK_FALSE(rows[1].shown);
    CHECK(rows[2].shown);
    CHECK(rows[2].rank == 3);
    CHECK(board.row(2, hidden)->rank == 2);
    hidden.show(2);
    hidden.show(1'000'000);
    CHECK(board.top(10, hidden)[1].shown);
}

TEST_CASE("board: the nearest better score is named with what is missing", "[boards]") {
    Board board(Layout::sparse);
    take(
        board, {{1, 90, Seq(1)}, {2, 40, Seq(2)}, {3, 40, Seq(3)}, {4, 36, Seq(4)}, {5, 36, Seq(5)}}
    );
    CHECK_FALSE(board.next_better(1));
    CHECK(board.next_better(2) == Board::Gap{.place = 1, .points = 50});
    CHECK(board.next_better(3) == Board::Gap{.place = 1, .points = 50});
    CHECK(board.next_better(4) == Board::Gap{.place = 2, .points = 4});
    CHECK(board.next_better(5) == Board::Gap{.place = 2, .points = 4});
    CHECK_FALSE(board.next_better(6));
}

TEST_CASE("board: scores beyond 48 bits are summed exactly and ordered at the end", "[boards]") {
    for (const Layout layout : {Layout::dense, Layout::sparse}) {
        Board board(layout);
        take(
            board,
            {{1, kWireMax, Seq(1)},
             {2, kScoreMax, Seq(2)},
             {3, kScoreMax - 1, Seq(3)},
             {4, -kWireMax, Seq(4)},
             {5, kScoreMin, Seq(5)}}
        );
        board.check();
        CHECK(members_of(board.top(10, kNobody)) == std::vector<Member>{1, 2, 3, 4, 5});
        CHECK(board.score(1)->points == kWireMax);
        CHECK(board.score(4)->points == -kWireMax);
        CHECK(board.row(2, kNobody)->place == 1);
        CHECK(board.row(5, kNobody)->score.points == kScoreMin);
        CHECK(board.next_better(3)->points == 1);
        // Taken back, nothing of it stays.
        board.apply(1, -kWireMax + 12, Seq(6));
        CHECK(board.score(1) == Score{.points = 12, .reach_seq = 6});
        CHECK(board.rank(1) == 3);
        for (std::uint64_t i = 0; i < 2'000; ++i) {
            board.apply(2, kWireMax, Seq(7 + i));
            board.apply(4, -kWireMax, Seq(7 + i));
        }
        CHECK(board.score(2)->points == INT64_MAX);
        CHECK(board.score(4)->points == INT64_MIN);
        CHECK(board.next_better(4)->points == INT64_MAX);
        board.check();
    }
}

TEST_CASE("board: random entries give the rows of the definition", "[boards]") {
    std::uint64_t seed = test_support::seed();
    for (const Layout layout : {Layout::dense, Layout::sparse}) {
        for (const std::size_t members : {3, 40, 700, 5'000}) {
            CAPTURE(members);
            const auto changes = random_changes(members * 6, members, ++seed);
            Board board(layout);
            take(board, changes);
            board.check();
            const auto expected = naive_rows(changes);
            REQUIRE(all_rows(board) == expected);
            for (const Row& row : expected) {
                REQUIRE(board.rank(row.member) == row.rank);
                REQUIRE(board.row(row.member, kNobody) == row);
            }
        }
    }
}

TEST_CASE("board: every page and every neighbourhood is a slice of the board", "[boards]") {
    for (const std::size_t members : {1, 2, 3, 7, 8, 40, 400}) {
        const auto changes = random_changes(members * 4, members, test_support::seed() + members);
        Board board(Layout::sparse);
        take(board, changes);
        const auto rows = naive_rows(changes);
        for (std::uint32_t after = 0; after <= rows.size() + 1; ++after) {
            for (const std::uint32_t limit : {0U, 1U, 2U, 7U, 100U}) {
                CAPTURE(members, after, limit);
                REQUIRE(board.page(after, limit, kNobody) == slice(rows, after, after + limit));
            }
        }
        for (std::size_t own = 0; own < rows.size(); ++own) {
            const Member member = rows[own].member;
            for (const std::size_t limit : {0U, 1U, 2U, 3U, 6U, 7U, 100U}) {
                CAPTURE(members, own, limit);
                const std::size_t above = limit == 0 ? 0 : std::min((limit - 1) / 2, own);
                const std::size_t first = own - above;
                REQUIRE(
                    board.around(member, static_cast<std::uint32_t>(limit), kNobody) ==
                    slice(rows, first, first + limit)
                );
            }
            for (const std::size_t side : {0U, 1U, 3U, 25U}) {
                CAPTURE(members, own, side);
                REQUIRE(
                    board.neighbours(member, static_cast<std::uint32_t>(side), kNobody) ==
                    slice(rows, own - std::min(own, side), own + side + 1)
                );
            }
        }
        CHECK(board.around(9'999, 7, kNobody).empty());
        CHECK(board.neighbours(9'999, 3, kNobody).empty());
    }
}

TEST_CASE("board: pages are bounded whatever is asked", "[boards]") {
    Board board(Layout::dense);
    for (Member member = 1; member <= 500; ++member) {
        board.apply(member, member, Seq(member));
    }
    CHECK(board.page(0, UINT32_MAX, kNobody).size() == Board::kRowsMax);
    CHECK(board.page(UINT32_MAX, UINT32_MAX, kNobody).empty());
    CHECK(board.page(499, 100, kNobody).size() == 1);
    CHECK(board.around(250, UINT32_MAX, kNobody).size() == Board::kRowsMax);
    CHECK(board.neighbours(250, UINT32_MAX, kNobody).size() == Board::kRowsMax - 1);
}

TEST_CASE("board: paging down and up again shows everybody once", "[boards]") {
    const auto changes = random_changes(3'000, 600, test_support::seed());
    Board board(Layout::sparse);
    take(board, changes);
    const auto down = all_rows(board);
    std::vector<Row> up;
    for (std::uint32_t end = board.size(); end > 0;) {
        const std::uint32_t begin = end > 7 ? end - 7 : 0;
        const auto page = board.page(begin, end - begin, kNobody);
        up.insert(up.begin(), page.begin(), page.end());
        end = begin;
    }
    CHECK(up == down);
    for (std::size_t i = 0; i < down.size(); ++i) {
        REQUIRE(down[i].rank == i + 1);
    }
}

TEST_CASE("board: rebuilt in any way it is identical with ties", "[boards]") {
    constexpr std::size_t kMembers = 3'000;
    auto changes = random_changes(30'000, kMembers, test_support::seed());
    Board live(Layout::dense);
    take(live, changes);
    // From the log, in another layout.
    Board replayed(Layout::sparse);
    take(replayed, changes);
    // From totals, in the order of members.
    std::vector<MemberScore> totals;
    for (Member member = 1; member <= kMembers; ++member) {
        if (const auto score = live.score(member)) totals.push_back({member, *score});
    }
    Board loaded(Layout::sparse);
    loaded.apply(1, 1, Seq(1));
    loaded.load(totals);
    const auto rows = all_rows(live);
    for (const Board* other : {&replayed, &loaded}) {
        other->check();
        CHECK(other->content_hash() == live.content_hash());
        CHECK(all_rows(*other) == rows);
    }
    // And it goes on identically.
    const auto more = random_changes(5'000, kMembers, test_support::seed() + 1);
    for (Board* board : {&live, &replayed, &loaded}) {
        for (const auto& [member, delta, seq] : more) {
            board->apply(member, delta, Seq(100'000 + seq.value));
        }
    }
    CHECK(replayed.content_hash() == live.content_hash());
    CHECK(loaded.content_hash() == live.content_hash());
    CHECK(all_rows(loaded) == all_rows(live));
    loaded.load({});
    CHECK(loaded.size() == 0);
    CHECK(loaded.content_hash() == 0);
}

TEST_CASE("board: the content hash tells member and score and seq apart", "[boards]") {
    const auto hash_of = [](Member member, Points points, std::uint64_t seq) {
        Board board(Layout::sparse);
        board.apply(member, points, Seq(seq));
        return board.content_hash();
    };
    const std::uint64_t base = hash_of(1, 10, 100);
    CHECK(base != 0);
    CHECK(base != hash_of(2, 10, 100));
    CHECK(base != hash_of(1, 11, 100));
    CHECK(base != hash_of(1, -10, 100));
    CHECK(base != hash_of(1, 10, 101));
    CHECK(base != hash_of(10, 1, 100));
    Board swapped(Layout::sparse);
    take(swapped, {{1, 10, Seq(100)}, {2, 20, Seq(101)}});
    Board straight(Layout::sparse);
    take(straight, {{1, 20, Seq(100)}, {2, 10, Seq(101)}});
    CHECK(swapped.content_hash() != straight.content_hash());
}

TEST_CASE("board: what it says it holds is what it allocated", "[boards]") {
    if (!test_support::can_track_allocations()) {
        WARN("SKIPPED: operator new is not replaced under the thread sanitizer");
        return;
    }
    constexpr std::size_t kMembers = 200'000;
    for (const Layout layout : {Layout::dense, Layout::sparse}) {
        const std::size_t before = test_support::held_bytes();
        Board board(layout);
        for (std::size_t i = 0; i < kMembers; ++i) {
            const auto member = static_cast<Member>(1 + i * 7919 % kMembers);
            board.apply(member, static_cast<Points>(1 + i * 31 % 5'000), Seq(i));
        }
        CHECK(board.size() == kMembers);
        CHECK(board.memory_bytes() == test_support::held_bytes() - before + sizeof board);
        CHECK(board.memory_bytes() < kMembers * 56);
        board.apply(1, kWireMax, Seq(kMembers));
        CHECK(board.memory_bytes() == test_support::held_bytes() - before + sizeof board);
    }
}

TEST_CASE("board: memory that runs out anywhere changes nothing", "[boards]") {
    if (!test_support::can_track_allocations()) {
        WARN("SKIPPED: operator new is not replaced under the thread sanitizer");
        return;
    }
    std::mt19937_64 random(test_support::seed());
    for (const Layout layout : {Layout::dense, Layout::sparse}) {
        Board board(layout);
        Board lucky(layout);
        std::uint64_t failures = 0;
        for (std::uint64_t i = 1; i <= 4'000; ++i) {
            const auto member = static_cast<Member>(1 + random() % 5'000);
            const Points delta = random() % 50 == 0 ? kWireMax : static_cast<Points>(random() % 9);
            lucky.apply(member, delta, Seq(i));
            for (std::uint64_t nth = 1;; ++nth) {
                const std::uint64_t hash = board.content_hash();
                test_support::fail_allocation(nth);
                try {
                    board.apply(member, delta, Seq(i));
                } catch (const std::bad_alloc&) {
                    ++failures;
                    REQUIRE(board.content_hash() == hash);
                    if (failures % 16 == 0) board.check();
                    continue;
                }
                break;
            }
            test_support::fail_allocation(0);
        }
        board.check();
        CHECK(board.content_hash() == lucky.content_hash());
        CHECK(failures > 20);
    }
}
