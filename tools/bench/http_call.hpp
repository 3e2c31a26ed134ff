#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace bench {

struct Answer {
    int status = 0;  ///< 0: no connection or no whole answer in time
    std::string body;
};

/// One blocking request to 127.0.0.1:`port` on a connection of its own, at most `timeout_ms`. For
/// set-up and scrapes; loads use run_load. `key` empty: no Authorization header.
[[nodiscard]] Answer http_call(
    std::uint16_t port,
    std::string_view method,
    std::string_view path,
    std::string_view key = {},
    std::string_view body = {},
    int timeout_ms = 10'000
);

}  // namespace bench
