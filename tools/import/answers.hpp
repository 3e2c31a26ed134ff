#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/import/sender.hpp"

namespace importer {

/// The outcomes in the answer to a batch; nullopt if it is no list of `count` of them. The class of
/// an outcome is its status, but `earned_nothing` for an applied event without awards and
/// `guest_held` for `pending_identity`.
[[nodiscard]] std::optional<std::vector<Outcome>> read_outcomes(
    std::string_view body, std::size_t count
);

/// A refused request of a single event, as that event's outcome.
[[nodiscard]] Outcome refusal_of(const Answer& answer);

/// "missing_scope: This key lacks …", or the status if the body is no problem document.
[[nodiscard]] std::string problem_text(const Answer& answer);

}  // namespace importer
