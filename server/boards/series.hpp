#pragma once

#include <cstdint>
#include <map>
#include <unordered_map>

#include "ledger/base/ids.hpp"
#include "ledger/boards/board.hpp"
#include "ledger/boards/scored_entry.hpp"
#include "server/boards/boards.hpp"

namespace server::boards {

/// Sets of seqs that come in long runs. Seqs are added in ascending order.
class SeqRuns {
public:
    /// `broken`: something that is not in the set came since the last one.
    void add(ledger::Seq seq, bool broken) {
        if (!runs_.empty() && !broken) {
            runs_.rbegin()->second = seq.value;
            return;
        }
        runs_[seq.value] = seq.value;
    }
    [[nodiscard]] bool contains(ledger::Seq seq) const {
        auto run = runs_.upper_bound(seq.value);
        if (run == runs_.begin()) return false;
        --run;
        return seq.value <= run->second;
    }

private:
    std::map<std::uint64_t, std::uint64_t> runs_;  ///< first → last
};

/// The scores of one currency in one kind of window. Boards that score the same share it.
///
/// What counts in a month or a week: entries recorded while it is open, except history that is
/// told late (evaluated more than 7 days before the window began, which takes events:backfill). A
/// refund counts where its order counted: in an earlier window it changes `all` only. One thread.
class Series {
public:
    Series(ledger::boards::ScoreStore::Layout layout, WindowTurn turn, ledger::Seq opened)
        : board_(layout), turn_(std::move(turn)), opened_(opened) {}

    /// The member's earned points changed by `delta` with entry `seq`. True: the board changed.
    bool apply(
        const ledger::boards::ScoredEntry& entry,
        ledger::Seq seq,
        ledger::MemberId member,
        ledger::Points delta
    );
    /// A new day of the program begins: ranks are compared with those of now.
    void begin_day();

    [[nodiscard]] const ledger::boards::Board& board() const { return board_; }
    [[nodiscard]] const WindowTurn& turn() const { return turn_; }
    [[nodiscard]] std::optional<std::uint32_t> from(ledger::boards::Member member) const;

    bool dirty = true;  ///< pages made of it are out of date

private:
    static constexpr ledger::Timestamp kLate = 7 * ledger::kMicrosPerDay;
    [[nodiscard]] bool counts(const ledger::boards::ScoredEntry& entry, ledger::Seq seq);

    ledger::boards::Board board_;
    WindowTurn turn_;
    ledger::Seq opened_;  ///< of `all`: none
    SeqRuns uncounted_;
    bool counted_since_ = true;
    bool day_begun_ = false;
    std::unordered_map<ledger::boards::Member, std::uint32_t> from_;
};

}  // namespace server::boards
