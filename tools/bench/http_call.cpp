#include "tools/bench/http_call.hpp"

#include <array>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "tools/bench/http_reply.hpp"

namespace bench {

namespace {

int connect_to(std::uint16_t port, int timeout_ms) {
    int const fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    timeval limit{};
    limit.tv_sec = timeout_ms / 1000;
    limit.tv_usec = (timeout_ms % 1000) * 1000;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, reinterpret_cast<sockaddr const*>(&address), sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

bool send_all(int fd, std::string_view text) {
    while (!text.empty()) {
        auto const count = send(fd, text.data(), text.size(), MSG_NOSIGNAL);
        if (count <= 0) {
            return false;
        }
        text.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
}

/// Reads to the end of the connection, which the request asked the server to close.
std::string receive_all(int fd) {
    std::string text;
    std::array<char, 16384> buffer;
    for (;;) {
        auto const count = recv(fd, buffer.data(), buffer.size(), 0);
        if (count <= 0) {
            return text;
        }
        text.append(buffer.data(), static_cast<std::size_t>(count));
        if (auto const reply = parse_reply(text);
            reply && reply->length <= text.size() && reply->status > 0) {
            return text;
        }
    }
}

}  // namespace

Answer http_call(
    std::uint16_t port,
    std::string_view method,
    std::string_view path,
    std::string_view key,
    std::string_view body,
    int timeout_ms
) {
    int const fd = connect_to(port, timeout_ms);
    if (fd < 0) {
        return {};
    }
    std::string request;
    request.append(method).append(" ").append(path).append(
        " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    );
    if (!key.empty()) {
        request.append("Authorization: Bearer ").append(key).append("\r\n");
    }
    if (!body.empty()) {
        request.append("Content-Type: application/json\r\nContent-Length: ")
            .append(std::to_string(body.size()))
            .append("\r\n");
    }
    request.append("\r\n").append(body);
    Answer answer;
    if (send_all(fd, request)) {
        auto const text = receive_all(fd);
        if (auto const reply = parse_reply(text)) {
            answer = {reply->status, std::string(reply->body)};
        }
    }
    close(fd);
    return answer;
}

}  // namespace bench
