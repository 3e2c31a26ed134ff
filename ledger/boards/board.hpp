#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ledger/base/ids.hpp"
#include "ledger/boards/hidden_members.hpp"
#include "ledger/boards/rank_index.hpp"
#include "ledger/boards/score_store.hpp"

namespace ledger::boards {

/// One member's standing.
struct Row {
    std::uint32_t rank = 0;   ///< 1, 2, 3, 4: unique; highest score first, then first to reach it
    std::uint32_t place = 0;  ///< 1, 2, 2, 4: equal scores share one
    Member member = 0;
    Score score;
    bool shown = true;  ///< false: a hidden member, whom only themselves may see
    friend bool operator==(const Row&, const Row&) = default;
};

/// A member and their score, in any order: what a board is loaded from.
struct MemberScore {
    Member member = 0;
    Score score;
};

/// One window of one board: the scores of its members and their order. Scores come from committed
/// entries only, in order of seq, so the same entries give the same board, ties included.
///
/// One thread at a time; what is const may run in several. apply and load throw std::bad_alloc and
/// have then changed nothing.
class Board {
public:
    /// The most rows one page has.
    static constexpr std::uint32_t kRowsMax = 100;

    explicit Board(ScoreStore::Layout layout) noexcept : scores_(layout) {}

    /// Entry `seq` changed the member's score by `delta`. A delta of 0 is no change. Whose score
    /// comes (back) to 0 leaves the board: nobody is on it who has nothing. Sums stop at the ends
    /// of 64 bits.
    void apply(Member member, Points delta, Seq seq);
    /// Replaces everything. A member is there at most once, and never with 0 points. Fastest in
    /// order of rank.
    void load(std::span<const MemberScore> scores);

    /// Members on the board.
    [[nodiscard]] std::uint32_t size() const noexcept { return index_.size(); }
    [[nodiscard]] std::optional<Score> score(Member member) const noexcept {
        return scores_.find(member);
    }
    /// Ordinal rank from 1; 0 if the member is not on the board.
    [[nodiscard]] std::uint32_t rank(Member member) const noexcept;
    /// The member's own row, hidden or not; none if the member is not on the board.
    [[nodiscard]] std::optional<Row> row(Member member, const HiddenMembers& hidden) const noexcept;

    /// What is missing to the nearest better score.
    struct Gap {
        std::uint32_t place = 0;  ///< of that score
        Points points = 0;        ///< missing to equal it
        friend bool operator==(const Gap&, const Gap&) = default;
    };
    /// None at the top, and for who is not on the board.
    [[nodiscard]] std::optional<Gap> next_better(Member member) const noexcept;

    /// Rows of the ranks `after_rank` + 1 …, at most `limit` and at most kRowsMax. Hidden members
    /// are among them, marked: their rank belongs to them.
    [[nodiscard]] std::vector<Row> page(
        std::uint32_t after_rank, std::uint32_t limit, const HiddenMembers& hidden
    ) const;
    [[nodiscard]] std::vector<Row> top(std::uint32_t limit, const HiddenMembers& hidden) const {
        return page(0, limit, hidden);
    }
    /// A page of `limit` rows with the member in the middle: (limit - 1) / 2 rows above, rounded
    /// down, where there are as many, the rest below. Empty if the member is not on the board.
    [[nodiscard]] std::vector<Row> around(
        Member member, std::uint32_t limit, const HiddenMembers& hidden
    ) const;
    /// The member with up to `each_side` rows above and as many below. Empty if the member is not
    /// on the board.
    [[nodiscard]] std::vector<Row> neighbours(
        Member member, std::uint32_t each_side, const HiddenMembers& hidden
    ) const;

    /// Equal for equal members, scores and seqs, whatever way they came about. Kept along with
    /// every change, so it costs nothing to ask. 0 for an empty board. No protection against
    /// somebody who looks for collisions.
    [[nodiscard]] std::uint64_t content_hash() const noexcept { return content_hash_; }
    [[nodiscard]] std::size_t memory_bytes() const noexcept {
        return sizeof(Board) - sizeof index_ - sizeof scores_ + index_.memory_bytes() +
               scores_.memory_bytes();
    }
    [[nodiscard]] const RankIndex& index() const noexcept { return index_; }
    /// Stops the process if index and scores disagree. O(n log n), for tests.
    void check() const;

private:
    void leave(Member member, const Score& old_score) noexcept;
    [[nodiscard]] Row make_row(
        const RankKey& key, std::uint32_t rank, std::uint32_t place, const HiddenMembers& hidden
    ) const noexcept;

    ScoreStore scores_;
    RankIndex index_;
    std::uint64_t content_hash_ = 0;
};

}  // namespace ledger::boards
