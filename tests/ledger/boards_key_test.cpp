#include <vector>

#include "ledger/boards/rank_key.hpp"
#include "tests/support/catch.hpp"

using namespace ledger;
using namespace ledger::boards;

TEST_CASE("rank key: order is score down then seq up then member up", "[boards]") {
    const std::vector<RankKey> ordered = {
        RankKey::make(kScoreMax, 0, 1),
        RankKey::make(kScoreMax - 1, 5, 1),
        RankKey::make(2, 1, 9),
        RankKey::make(1, 7, 3),
        RankKey::make(1, 7, 4),
        RankKey::make(1, 8, 1),
        RankKey::make(1, (std::uint64_t{1} << 32) - 1, 1),
        RankKey::make(1, std::uint64_t{1} << 32, 1),
        RankKey::make(1, kReachSeqMax, 1),
        RankKey::make(1, kReachSeqMax, UINT32_MAX),
        RankKey::make(0, 0, 1),
        RankKey::make(-1, 0, 1),
        RankKey::make(-2, 0, 1),
        RankKey::make(kScoreMin, 0, 1),
        RankKey::make(kScoreMin, kReachSeqMax, UINT32_MAX),
    };
    for (std::size_t i = 0; i < ordered.size(); ++i) {
        for (std::size_t j = 0; j < ordered.size(); ++j) {
            CAPTURE(i, j);
            CHECK((ordered[i] < ordered[j]) == (i < j));
            CHECK((ordered[i] == ordered[j]) == (i == j));
        }
    }
}

TEST_CASE("rank key: what went in comes out", "[boards]") {
    for (const Points score :
         {kScoreMin, kScoreMin + 1, Points{-1}, Points{0}, Points{1}, kScoreMax - 1, kScoreMax}) {
        for (const std::uint64_t seq :
             {std::uint64_t{0}, std::uint64_t{0x1234'5678'9abc}, kReachSeqMax}) {
            for (const Member member : {Member{1}, Member{UINT32_MAX}}) {
                const RankKey key = RankKey::make(score, seq, member);
                CAPTURE(score, seq, member);
                CHECK(key.score() == score);
                CHECK(key.reach_seq() == seq);
                CHECK(key.member() == member);
            }
        }
    }
}

TEST_CASE("rank key: the first of a score is before all with it and after all better", "[boards]") {
    for (const Points score : {kScoreMin + 1, Points{-5}, Points{0}, Points{7}, kScoreMax - 1}) {
        CAPTURE(score);
        const RankKey first = RankKey::first_of(score);
        CHECK(first < RankKey::make(score, 0, 1));
        CHECK(RankKey::make(score + 1, kReachSeqMax, UINT32_MAX) < first);
    }
}

TEST_CASE("rank key: a score out of range is ordered as the nearest end", "[boards]") {
    CHECK(RankKey::make(kScoreMax + 1, 3, 4) == RankKey::make(kScoreMax, 3, 4));
    CHECK(RankKey::make(INT64_MAX, 3, 4) == RankKey::make(kScoreMax, 3, 4));
    CHECK(RankKey::make(kScoreMin - 1, 3, 4) == RankKey::make(kScoreMin, 3, 4));
    CHECK(RankKey::make(INT64_MIN, 3, 4) == RankKey::make(kScoreMin, 3, 4));
    CHECK(RankKey::make(kScoreMax, 0, 1).same_score(RankKey::make(INT64_MAX, 9, 9)));
    CHECK_FALSE(RankKey::make(1, 0, 1).same_score(RankKey::make(2, 0, 1)));
}
