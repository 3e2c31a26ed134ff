#pragma once

#include <memory>
#include <optional>
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
    std::optional<int> retry_after_s;
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

/// One connection that is kept between requests and made when it is needed. One thread.
class HttpConnection {
public:
    /// A silence of `silence_s` while an answer is due breaks the connection.
    HttpConnection(ServerUrl server, std::string key, int silence_s);
    ~HttpConnection();
    HttpConnection(const HttpConnection&) = delete;
    HttpConnection& operator=(const HttpConnection&) = delete;

    /// Throws std::runtime_error, and closes the connection, when there is no whole answer. Nothing
    /// is sent twice.
    [[nodiscard]] HttpAnswer request(
        std::string_view method,
        std::string_view target,
        std::string_view content_type,
        std::string_view body
    );

private:
    struct Open;
    [[nodiscard]] std::string receive_one();

    const ServerUrl server_;
    const std::string key_;
    const int silence_s_;
    std::unique_ptr<Open> open_;
};

}  // namespace tools
