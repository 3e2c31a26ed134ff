#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "server/net/server.hpp"

/// A real server on a free port of 127.0.0.1, a handler whose answers the test controls, and a
/// client that can send what no proper client would.
namespace net_test {

/// What a waiting test gives up after; a pass never takes nearly as long.
inline constexpr std::chrono::seconds kPatience{20};

struct Reply {
    int status = 0;
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
};

/// One blocking connection. Reads fail the test (throw) after kPatience.
class Client {
public:
    explicit Client(std::uint16_t port);
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    void send(std::string_view bytes);
    /// As much as the socket takes without blocking; 0 if it is full or closed.
    std::size_t send_some(std::string_view bytes);
    /// One answer with Content-Length, or chunked, or up to the end if it has neither.
    Reply reply();
    /// The head of a reply without body (HEAD).
    Reply reply_head();
    Reply call(std::string_view request) {
        send(request);
        return reply();
    }
    /// Reads up to and including `mark`.
    std::string read_until(std::string_view mark);
    /// True if the server closes without sending anything more.
    bool closed_without_a_word();
    /// Everything up to the end of the connection.
    std::string read_to_end();
    /// Waits for a byte or the end, or for room to send; false after `patience`.
    bool readable_within(std::chrono::milliseconds patience);
    bool writable_within(std::chrono::milliseconds patience);
    void close_sending();
    void close();
    void shrink_receive_buffer(int bytes);

private:
    bool fill();
    int socket_ = -1;
    std::string received_;
};

[[nodiscard]] std::string get(std::string_view path, std::string_view more_headers = {});
[[nodiscard]] std::string post(
    std::string_view path, std::string_view body, std::string_view more_headers = {}
);

/// A streamed request as the handler sees it; the test releases its lines.
class LineStream final : public server::net::BodyStream {
public:
    LineStream(server::net::StreamWriter writer, bool answer_at_once)
        : writer_(std::move(writer)), answer_at_once_(answer_at_once) {}

    void on_data(std::string_view part) override;
    void on_end() override;
    void on_abort(ledger::ErrorCode reason) override;
    [[nodiscard]] std::size_t lines_in_flight() const override { return in_flight_; }

    /// From any thread: answers up to `count` waiting lines.
    void release(std::size_t count);

    std::atomic<std::size_t> lines_seen{0};
    std::atomic<std::size_t> in_flight_peak{0};
    std::atomic<int> aborted{-1};

private:
    void answer_one();
    std::mutex mutex_;
    server::net::StreamWriter writer_;
    const bool answer_at_once_;
    std::atomic<std::size_t> in_flight_{0};
    std::size_t answered_ = 0;
    bool ended_ = false;
};

/// /echo answers at once, /later from another thread, /hold when told, /drop never, /throw throws,
/// /refused in the plan, /big with 32 MiB, /parts as a stream, /lines and /held-lines line by line.
class TestHandler final : public server::net::Handler {
public:
    TestHandler();
    ~TestHandler() override;

    server::net::BodyPlan plan(const server::net::RequestHead& head) override;
    server::net::Response error(ledger::ErrorCode code) override;
    void handle(const server::net::Request& request, server::net::Respond respond) override;
    std::shared_ptr<server::net::BodyStream> open_stream(
        const server::net::RequestHead& head, server::net::Respond respond
    ) override;

    /// Waits until `count` requests to /hold wait.
    void wait_for_held(std::size_t count);
    /// Answers all of them in one batch, with `body`.
    void release_held(std::string body);
    /// Waits for the last stream to be opened.
    std::shared_ptr<LineStream> stream();

    std::atomic<std::size_t> body_limit{1 << 20};
    std::atomic<bool> wrong_thread{false};

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<server::net::Respond> held_;
    std::vector<std::thread> threads_;
    std::shared_ptr<LineStream> stream_;
};

class TestServer {
public:
    explicit TestServer(server::net::ServerOptions options = {});
    Client connect() { return Client(server->port()); }
    /// Waits until `condition` holds; false after kPatience.
    static bool eventually(const std::function<bool()>& condition);

    TestHandler handler;
    std::unique_ptr<server::net::Server> server;
};

}  // namespace net_test
