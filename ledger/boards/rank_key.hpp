#pragma once

#include <algorithm>
#include <cstdint>

#include "ledger/base/invariant.hpp"
#include "ledger/base/points.hpp"

namespace ledger::boards {

/// The number of a member as boards keep it: MemberId cut to 32 bits. 0 means none.
using Member = std::uint32_t;

/// Scores that a key can tell apart: 48 bits, -140,737,488,355,328 to 140,737,488,355,327. A score
/// beyond is still summed exactly (ScoreStore), but ordered as the nearest of the two ends: such
/// members are equal in place and ordered by who reached their score first.
inline constexpr Points kScoreMin = -(Points{1} << 47);
inline constexpr Points kScoreMax = (Points{1} << 47) - 1;
inline constexpr std::uint64_t kReachSeqMax = (std::uint64_t{1} << 48) - 1;

/// One row of a board as it is ordered, 16 bytes:
///
///     high  inverted score : 48 | reach_seq, upper 16
///     low   reach_seq, lower 32 | member : 32
///
/// Ascending order is the order of the board: highest score first, then whoever reached it at the
/// lower seq, then the lower member number (one entry may move two members). Scores are signed:
/// adding 2^47 keeps their order and makes them 0 … 2^48 - 1; inverting those bits turns the order
/// round. So (kScoreMax, 0, 0) is the smallest key of all, and it stands for nobody.
struct RankKey {
    std::uint64_t high = 0;
    std::uint64_t low = 0;

    /// `score` is clamped to kScoreMin … kScoreMax; `reach_seq` is at most kReachSeqMax.
    [[nodiscard]] static RankKey make(Points score, std::uint64_t reach_seq, Member member) {
        INVARIANT(reach_seq <= kReachSeqMax);
        return {
            .high = inverted(score) << 16 | reach_seq >> 32,
            .low = reach_seq << 32 | member,
        };
    }
    /// Before every key with this score, and after every key with a better one.
    [[nodiscard]] static RankKey first_of(Points score) {
        return {.high = inverted(score) << 16, .low = 0};
    }

    [[nodiscard]] Points score() const {
        return static_cast<Points>(~(high >> 16) & kScoreMask) - kBias;
    }
    [[nodiscard]] std::uint64_t reach_seq() const { return (high & 0xffff) << 32 | low >> 32; }
    [[nodiscard]] Member member() const { return static_cast<Member>(low); }
    [[nodiscard]] bool same_score(const RankKey& other) const {
        return high >> 16 == other.high >> 16;
    }

    friend bool operator==(const RankKey&, const RankKey&) = default;
    /// As one number of 128 bits: two instructions and no branch, which a search depends on.
    friend bool operator<(const RankKey& a, const RankKey& b) { return a.wide() < b.wide(); }

private:
    __extension__ using Wide = unsigned __int128;
    static constexpr Points kBias = Points{1} << 47;
    static constexpr std::uint64_t kScoreMask = (std::uint64_t{1} << 48) - 1;

    [[nodiscard]] Wide wide() const { return static_cast<Wide>(high) << 64 | low; }
    [[nodiscard]] static std::uint64_t inverted(Points score) {
        const Points clamped = std::clamp(score, kScoreMin, kScoreMax);
        return ~static_cast<std::uint64_t>(clamped + kBias) & kScoreMask;
    }
};

static_assert(sizeof(RankKey) == 16);

}  // namespace ledger::boards
