#include "tests/support/redis_server.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <stdexcept>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace test_support {
namespace {

[[noreturn]] void fail(const std::string& what) {
    throw std::runtime_error("redis: " + what);
}

std::int64_t number_in(std::string_view text) {
    std::int64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

}  // namespace

RedisServer::RedisServer() {
    start();
    try {
        await_ready();
    } catch (...) {
        stop();
        throw;
    }
}

RedisServer::~RedisServer() {
    stop();
}

void RedisServer::start() {
    std::array<int, 2> pipe_ends{};
    if (::pipe2(pipe_ends.data(), O_CLOEXEC) != 0) fail("pipe2");
    const std::string socket = socket_path();
    const std::array<const char*, 14> words = {
        "redis-server",
        "--port",
        "0",
        "--unixsocket",
        socket.c_str(),
        "--save",
        "",
        "--appendonly",
        "no",
        "--dir",
        folder_.path().c_str(),
        "--daemonize",
        "no",
        nullptr};
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) fail("fork");
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent || ::dup2(pipe_ends[1], STDOUT_FILENO) < 0) ::_exit(126);
        ::execvp(words[0], const_cast<char* const*>(words.data()));
        ::_exit(127);
    }
    ::close(pipe_ends[1]);
    output_ = pipe_ends[0];
}

/// Redis says on its output when it listens; the end of the output says that it has ended.
void RedisServer::await_ready() {
    std::string said;
    std::array<char, 4096> piece;
    while (said.find("eady to accept connections") == std::string::npos) {
        const auto count = ::read(output_, piece.data(), piece.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) {
            fail("redis-server did not start (Debian package redis-server): " + said);
        }
        said.append(piece.data(), static_cast<std::size_t>(count));
    }
}

void RedisServer::stop() noexcept {
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    if (output_ >= 0) ::close(output_);
}

RedisClient::RedisClient(const std::string& socket_path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket_path.size() >= sizeof address.sun_path) fail("the socket's path is too long");
    std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size() + 1);
    socket_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket_ < 0 ||
        ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        fail("cannot connect to " + socket_path);
    }
}

RedisClient::~RedisClient() {
    if (socket_ >= 0) ::close(socket_);
}

void RedisClient::send(const std::vector<std::string>& words) {
    out_ += '*' + std::to_string(words.size()) + "\r\n";
    for (const std::string& word : words) {
        out_ += '$' + std::to_string(word.size()) + "\r\n" + word + "\r\n";
    }
    ++waiting_;
}

RedisReply RedisClient::receive() {
    flush();
    --waiting_;
    return read_reply();
}

void RedisClient::flush() {
    std::size_t sent = 0;
    while (sent < out_.size()) {
        const auto count = ::send(socket_, out_.data() + sent, out_.size() - sent, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) fail("send");
        sent += static_cast<std::size_t>(count);
    }
    out_.clear();
}

void RedisClient::fill() {
    in_.erase(0, in_begin_);
    in_begin_ = 0;
    std::array<char, 65536> piece;
    while (true) {
        const auto count = ::recv(socket_, piece.data(), piece.size(), 0);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) fail("the connection has ended");
        in_.append(piece.data(), static_cast<std::size_t>(count));
        return;
    }
}

std::string_view RedisClient::read_line() {
    while (true) {
        const std::size_t end = in_.find("\r\n", in_begin_);
        if (end != std::string::npos) {
            const std::string_view line(in_.data() + in_begin_, end - in_begin_);
            in_begin_ = end + 2;
            return line;
        }
        fill();
    }
}

std::string RedisClient::read_bytes(std::size_t count) {
    while (in_.size() - in_begin_ < count + 2) {
        fill();
    }
    std::string bytes = in_.substr(in_begin_, count);
    in_begin_ += count + 2;
    return bytes;
}

RedisReply RedisClient::read_reply() {
    const std::string line(read_line());
    const std::int64_t number = number_in(std::string_view(line).substr(1));
    RedisReply reply;
    switch (line.at(0)) {
        case '+': reply.text = line.substr(1); break;
        case ':': reply.number = number; break;
        case '$':
            reply.none = number < 0;
            if (!reply.none) reply.text = read_bytes(static_cast<std::size_t>(number));
            break;
        case '*':
            reply.none = number < 0;
            for (std::int64_t i = 0; i < number; ++i) {
                reply.items.push_back(read_reply());
            }
            break;
        default: fail(line);
    }
    return reply;
}

}  // namespace test_support
