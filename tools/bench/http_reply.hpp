#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace bench {

/// One HTTP/1.1 answer inside a receive buffer.
struct Reply {
    int status = 0;
    std::string_view body;  ///< points into the buffer; of a chunked answer: with its chunk headers
    std::size_t length = 0;  ///< bytes of head and body together
    bool close = false;      ///< the server ends the connection after it
};

/// The answer at the start of `buffer`, or nothing while it is incomplete. `status` -1 means the
/// bytes are no HTTP answer.
[[nodiscard]] std::optional<Reply> parse_reply(std::string_view buffer);

/// How often `needle` occurs in `text`, overlaps aside.
[[nodiscard]] std::size_t count_of(std::string_view text, std::string_view needle);

}  // namespace bench
