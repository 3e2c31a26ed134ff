#include "tools/bench/crowd.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>
#include <stdexcept>
#include <string_view>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace bench {

namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kJoinLimit = 60 * kSecond;
constexpr std::size_t kInHandshakeMax = 64;
constexpr std::size_t kBufferBytes = 256 * 1024;
constexpr std::uint8_t kFinal = 0x80;
constexpr std::uint8_t kOpcode = 0x0F;
constexpr std::uint8_t kText = 1;
constexpr std::uint8_t kClose = 8;
/// Guerdon's ping, and its answer.
constexpr std::string_view kPing = "{}";

[[noreturn]] void fail(std::string const& what) {
    throw std::runtime_error("live socket: " + what);
}

}  // namespace

struct Crowd::Socket {
    Socket(std::size_t its_number, int its_fd) : number(its_number), fd(its_fd) {}
    ~Socket() {
        if (fd >= 0) close(fd);
    }
    Socket(Socket const&) = delete;
    Socket& operator=(Socket const&) = delete;

    std::size_t const number;
    int const fd;
    std::string handshake;  ///< the answer so far
    bool upgraded = false;
    bool joined = false;
    std::array<std::uint8_t, 10> header{};
    std::size_t header_bytes = 0;
    std::uint64_t payload_left = 0;
    bool in_payload = false;
    std::string text;  ///< kept while somebody has to look at it
};

std::uint64_t Crowd::now_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * kSecond +
           static_cast<std::uint64_t>(now.tv_nsec);
}

Crowd::Crowd(Options options)
    : options_(std::move(options)), sightings_(options_.sockets), buffer_(kBufferBytes) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) fail(std::strerror(errno));
    sockets_.reserve(options_.sockets);
}

Crowd::~Crowd() {
    sockets_.clear();
    if (epoll_ >= 0) close(epoll_);
}

Received Crowd::received() const {
    return {messages_.load(), frames_.load(), payload_bytes_.load()};
}

void Crowd::join() {
    auto const begin = now_ns();
    while (joined_ < options_.sockets) {
        auto const now = now_ns();
        if (now - begin > kJoinLimit) {
            fail(
                std::to_string(joined_) + " of " + std::to_string(options_.sockets) +
                " had joined after 60 s"
            );
        }
        auto const due = static_cast<double>(now - begin) / static_cast<double>(kSecond) *
                         options_.upgrades_per_s;
        if (sockets_.size() < options_.sockets && sockets_.size() - joined_ < kInHandshakeMax &&
            static_cast<double>(sockets_.size()) <= due) {
            connect_one();
            turn(0);
        } else {
            turn(1);
        }
    }
}

void Crowd::receive(std::atomic<bool> const& stop) {
    while (!stop.load(std::memory_order_relaxed))
        turn(20);
}

void Crowd::connect_one() {
    int const fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fail(std::strerror(errno));
    sockets_.push_back(std::make_unique<Socket>(sockets_.size(), fd));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, reinterpret_cast<sockaddr const*>(&address), sizeof address) != 0) {
        fail(std::strerror(errno));
    }
    int const on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    // The nonce is the example of RFC 6455; nobody caches what is between us.
    std::string const request = "GET " + options_.path +
                                " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(options_.port) +
                                "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                "Sec-WebSocket-Version: 13\r\n\r\n";
    if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size())) {
        fail(std::strerror(errno));
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    epoll_event interest{};
    interest.events = EPOLLIN;
    interest.data.ptr = sockets_.back().get();
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &interest) != 0) fail(std::strerror(errno));
}

void Crowd::turn(int wait_ms) {
    std::array<epoll_event, 512> ready{};
    int const count = epoll_wait(epoll_, ready.data(), static_cast<int>(ready.size()), wait_ms);
    for (int i = 0; i < count; ++i) {
        read(*static_cast<Socket*>(ready[static_cast<std::size_t>(i)].data.ptr));
    }
}

void Crowd::read(Socket& socket) {
    auto const count = recv(socket.fd, buffer_.data(), buffer_.size(), 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) fail(count == 0 ? "the server closed it" : std::strerror(errno));
    take(socket, {buffer_.data(), static_cast<std::size_t>(count)});
}

void Crowd::take(Socket& socket, std::string_view bytes) {
    if (!socket.upgraded) bytes = take_handshake(socket, bytes);
    while (!bytes.empty())
        bytes = take_frame(socket, bytes);
}

std::string_view Crowd::take_handshake(Socket& socket, std::string_view bytes) {
    constexpr std::string_view kEnd = "\r\n\r\n";
    auto const before = socket.handshake.size();
    socket.handshake.append(bytes);
    auto const end = socket.handshake.find(kEnd);
    if (end == std::string::npos) return {};
    if (!socket.handshake.starts_with("HTTP/1.1 101 ")) {
        fail("refused: " + socket.handshake.substr(0, socket.handshake.find("\r\n")));
    }
    bytes.remove_prefix(end + kEnd.size() - before);
    std::string().swap(socket.handshake);
    socket.upgraded = true;
    if (!options_.greeting.empty()) say(socket, options_.greeting);
    if (options_.welcome.empty()) on_joined(socket);
    return bytes;
}

std::string_view Crowd::take_frame(Socket& socket, std::string_view bytes) {
    if (!socket.in_payload) {
        auto& header = socket.header;
        std::size_t wanted = 2;
        while (!bytes.empty() && socket.header_bytes < wanted) {
            header[socket.header_bytes++] = static_cast<std::uint8_t>(bytes.front());
            bytes.remove_prefix(1);
            if (socket.header_bytes >= 2) {
                wanted = header[1] == 126 ? 4 : header[1] == 127 ? 10 : 2;
            }
        }
        if (socket.header_bytes < 2 || socket.header_bytes < wanted) return bytes;
        socket.payload_left = header[1];
        if (wanted > 2) {
            socket.payload_left = 0;
            for (std::size_t i = 2; i < wanted; ++i) {
                socket.payload_left = socket.payload_left << 8 | header[i];
            }
        }
        socket.header_bytes = 0;
        socket.in_payload = true;
        if ((header[0] & kOpcode) == kClose) fail("the server said close");
        if ((header[0] & kOpcode) != kText || (header[0] & kFinal) == 0) {
            fail("not one whole text message");
        }
    }
    auto const part = bytes.substr(0, socket.payload_left);
    socket.payload_left -= part.size();
    bool const is_last = socket.payload_left == 0;
    on_payload(socket, part, is_last);
    socket.in_payload = !is_last;
    return bytes.substr(part.size());
}

void Crowd::on_payload(Socket& socket, std::string_view part, bool is_last) {
    auto const add = [](std::atomic<std::uint64_t>& sum, std::uint64_t count) {
        sum.store(sum.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
    };
    add(payload_bytes_, part.size());
    add(frames_, static_cast<std::uint64_t>(std::count(part.begin(), part.end(), '\n')));
    bool const is_read = !socket.joined || options_.note_positions;
    if (is_read || socket.payload_left + part.size() <= kPing.size()) socket.text.append(part);
    if (!is_last) return;
    add(frames_, 1);
    add(messages_, 1);
    if (socket.text == kPing) say(socket, kPing);
    if (!socket.joined && socket.text.find(options_.welcome) != std::string::npos) {
        on_joined(socket);
    }
    if (options_.note_positions) {
        constexpr std::string_view kMark = R"("as_of":)";
        auto const now = now_ns();
        for (auto at = socket.text.find(kMark); at != std::string::npos;
             at = socket.text.find(kMark, at)) {
            at += kMark.size();
            Sighting sighting{0, now};
            std::from_chars(
                socket.text.data() + at, socket.text.data() + socket.text.size(), sighting.as_of
            );
            sightings_[socket.number].push_back(sighting);
        }
    }
    socket.text.clear();
}

void Crowd::on_joined(Socket& socket) {
    socket.joined = true;
    ++joined_;
}

/// A masked text message, with the mask 0 that RFC 6455 does not forbid: its secrecy protects
/// proxies, and there is none.
void Crowd::say(Socket& socket, std::string_view text) {
    std::string frame;
    frame.push_back(static_cast<char>(kFinal | kText));
    if (text.size() < 126) {
        frame.push_back(static_cast<char>(0x80 | text.size()));
    } else {
        frame.push_back(static_cast<char>(0x80 | 126));
        frame.push_back(static_cast<char>(text.size() >> 8));
        frame.push_back(static_cast<char>(text.size() & 0xFF));
    }
    frame.append(4, '\0');
    frame.append(text);
    if (send(socket.fd, frame.data(), frame.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(frame.size())) {
        fail(std::string("send: ") + std::strerror(errno));
    }
}

}  // namespace bench
