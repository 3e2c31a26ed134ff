#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ledger/base/result.hpp"
#include "ledger/rows.hpp"
#include "ledger/view_record.hpp"

namespace ledger {

/// Everything about one member that may not be in views/ yet: taken on the writer (State::history)
/// together with a snapshot of the views, then read on any thread.
struct MemberHistory {
    ProgramId program;
    Member member;
    /// Chunks that are not in views/ yet, as row values, by chunk number ascending.
    std::vector<std::pair<std::uint32_t, std::string>> statement_chunks;
    /// The same of lots; an empty value: the chunk was dropped, its lots are all used up.
    std::vector<std::pair<std::uint32_t, std::string>> lot_chunks;
};

/// Reads one row of the snapshot that belongs to the history, e.g. ViewSnapshot::get.
using RowReader =
    std::function<Result<std::optional<std::string>>(ViewFamily family, std::string_view key)>;

/// Some lines, newest first. Their views point into `bytes`.
struct StatementPage {
    struct NumberedLine {
        std::uint32_t number = 0;  ///< from 0, oldest first, over all currencies of the member
        StatementLine line;
    };
    std::vector<NumberedLine> lines;
    /// Hand it to the next `page` call; nullopt: there is nothing older.
    std::optional<std::uint32_t> next;
    std::deque<std::string> bytes;
};

/// A member's statement. Reads O(log n) chunks for a balance, about limit / 16 for a page. Keeps
/// references to its arguments. Errors of all calls: the reader's, corrupt.
class Statement {
public:
    Statement(const MemberHistory& history, const RowReader& reader)
        : history_(history), reader_(reader) {}

    /// Lines older than line `before` (nullopt: all), newest first, at most `limit`, of one
    /// currency or of all.
    [[nodiscard]] Result<StatementPage> page(
        std::optional<std::uint32_t> before,
        std::size_t limit,
        std::optional<std::uint16_t> currency = std::nullopt
    ) const;

    /// The wallet right after entry `seq` of the program: of the last line with Seq <= seq. Zeros
    /// before the first line.
    [[nodiscard]] Result<Balance> balance_at_seq(std::uint16_t currency, Seq seq) const;
    /// The same by ledger time: of the last line with recorded_at <= at.
    [[nodiscard]] Result<Balance> balance_at_time(std::uint16_t currency, Timestamp at) const;

    /// Lots with points left, by number.
    [[nodiscard]] Result<std::vector<Lot>> live_lots() const;

private:
    Result<std::string> chunk(std::uint32_t number) const;
    Result<Balance> balance_before(
        std::uint16_t currency, const std::function<bool(const StatementLine&)>& included
    ) const;

    const MemberHistory& history_;
    const RowReader& reader_;
};

}  // namespace ledger
