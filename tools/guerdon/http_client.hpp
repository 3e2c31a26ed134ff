#pragma once

#include <string>
#include <string_view>

namespace tools {

/// An address as in `--server http://127.0.0.1:8080`.
struct ServerUrl {
    bool tls = false;
    std::string host;
    std::string port;
    /// Throws std::runtime_error if `text` is no http or https URL of a server.
    [[nodiscard]] static ServerUrl parse(std::string_view text);
};

struct HttpAnswer {
    int status = 0;
    std::string body;
};

/// One blocking request on a connection of its own. `key` is sent as bearer token; https verifies
/// the server against the system's certificates. Throws std::runtime_error, saying what failed,
/// when there is no whole answer.
[[nodiscard]] HttpAnswer http_request(
    const ServerUrl& server,
    std::string_view method,
    std::string_view target,
    std::string_view key,
    std::string_view body
);

}  // namespace tools
