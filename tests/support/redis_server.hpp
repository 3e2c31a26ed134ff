#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "tests/support/temporary_folder.hpp"

namespace test_support {

/// A Redis of its own (Debian's redis-server), on a socket in a fresh folder, without persistence;
/// ended with the object. The constructor throws std::runtime_error if it does not start.
class RedisServer {
public:
    RedisServer();
    ~RedisServer();
    RedisServer(const RedisServer&) = delete;
    RedisServer& operator=(const RedisServer&) = delete;

    [[nodiscard]] std::string socket_path() const { return folder_.file("socket"); }

private:
    void start();
    void await_ready();
    void stop() noexcept;

    TemporaryFolder folder_;
    pid_t pid_ = -1;
    int output_ = -1;
};

/// One answer of Redis. Errors throw where they are read.
struct RedisReply {
    bool none = false;
    std::int64_t number = 0;
    std::string text;
    std::vector<RedisReply> items;
};

/// A pipelining client: send() only collects; receive() flushes first. Throws std::runtime_error.
class RedisClient {
public:
    explicit RedisClient(const std::string& socket_path);
    ~RedisClient();
    RedisClient(const RedisClient&) = delete;
    RedisClient& operator=(const RedisClient&) = delete;

    void send(const std::vector<std::string>& words);
    /// The answer of the oldest command that was sent and not yet received.
    RedisReply receive();
    /// Answers that were sent for and not yet received.
    [[nodiscard]] std::size_t waiting() const { return waiting_; }
    RedisReply call(const std::vector<std::string>& words) {
        send(words);
        return receive();
    }

private:
    void flush();
    std::string_view read_line();
    std::string read_bytes(std::size_t count);
    void fill();
    RedisReply read_reply();

    int socket_ = -1;
    std::string out_;
    std::string in_;
    std::size_t in_begin_ = 0;
    std::size_t waiting_ = 0;
};

}  // namespace test_support
