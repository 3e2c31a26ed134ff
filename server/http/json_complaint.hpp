#pragma once

#include <cstddef>
#include <string_view>

#include "ledger/base/result.hpp"

namespace server::http {

/// Why the fast parser refused `text` (valid UTF-8): too_deep beyond `depth_max` levels,
/// malformed_json with line and column, or invalid_amount with the JSON Pointer of a number that no
/// 64 bits hold. Slow and simple: only for texts that were refused.
[[nodiscard]] ledger::Error json_complaint(std::string_view text, std::size_t depth_max);

}  // namespace server::http
