#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tools/import/group.hpp"

namespace importer {

/// What is refunded of one line of an order.
struct RefundedLine {
    std::size_t line = 0;  ///< index into the order's rows
    std::int64_t quantity = 0;
    std::int64_t amount = 0;  ///< minor units
};

/// The rows of one credit note that go back to one order, or to none.
struct Refund {
    static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

    std::size_t credit = 0;     ///< index into the groups
    std::size_t order = kNone;  ///< likewise; kNone: orphan
    std::vector<RefundedLine> lines;
    std::int64_t amount = 0;  ///< minor units, of all lines
    std::vector<Place> places;
};

/// Puts `groups` into the order of their times; at one time orders before credit notes, then by
/// key. Independent of the order in which they were read.
void sort_by_time(std::vector<Group>& groups);

/// Matches each row of each credit note with the latest line of an earlier order that has the same
/// customer, sku and unit price and at least that quantity left. `groups` are sorted; faulty and
/// skipped ones are not among them. The refunds of one credit note stand together, in the order of
/// its rows, the orphan last; credit notes are in the order of `groups`.
///
/// A refund takes quantity × price, never more than what is left of the line's amount, and all that
/// is left of it with its last piece.
[[nodiscard]] std::vector<Refund> match_credits(const std::vector<Group>& groups);

}  // namespace importer
