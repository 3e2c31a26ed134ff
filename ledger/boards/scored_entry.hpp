#pragma once

#include <string_view>

#include <boost/container/small_vector.hpp>

#include "ledger/base/result.hpp"
#include "ledger/entry.hpp"

namespace ledger::boards {

/// What boards need of an entry: a quarter of the work of decoding all of it, done for every entry
/// of the log.
struct ScoredEntry {
    EntryKind kind = EntryKind::none;
    Timestamp recorded_at = 0;
    Timestamp evaluated_at = 0;
    MemberId member;
    Seq original;         ///< what a refund refers to; none otherwise
    bool sealed = false;  ///< it carries personal fields of `member`
    struct Earned {
        MemberId member;
        std::uint16_t currency = 0;
        Points lifetime = 0;  ///< earned so far, net of what was taken back
    };
    boost::container::small_vector<Earned, 2> earned;
    struct Counted {
        MemberId member;
        std::uint16_t counter = 0;
        std::int64_t delta = 0;
    };
    boost::container::small_vector<Counted, 2> counted;  ///< of counters that tell members apart
    BoardWindowPart window;  ///< kind board_window; `id` points into the entry's bytes
};

/// Reads stored bytes of an entry. Error: corrupt.
[[nodiscard]] Result<void> scan_entry(std::string_view bytes, ScoredEntry& entry);

}  // namespace ledger::boards
