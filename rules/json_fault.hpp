#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace rules {

/// Where a text stops being JSON. Both 1-based; columns count code points.
struct JsonFault {
    std::size_t line = 1;
    std::size_t column = 1;
    std::string detail;  ///< e.g. "a value is missing"
};

/// The first place where `text` (valid UTF-8) breaks RFC 8259; nullopt if it is JSON. Slow and
/// simple: for the complaint after a fast parser refused. Looks no deeper than 1,024 levels.
[[nodiscard]] std::optional<JsonFault> find_json_fault(std::string_view text);

}  // namespace rules
