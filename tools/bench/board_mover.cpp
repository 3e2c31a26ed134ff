#include "tools/bench/board_mover.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>
#include <stdexcept>
#include <string_view>

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/bench/event_template.hpp"
#include "tools/bench/http_call.hpp"
#include "tools/bench/http_reply.hpp"

namespace bench {

namespace {

constexpr std::uint64_t kMembers = 10;

/// The minimal program with more boards.
std::string program_with(unsigned boards) {
    std::string list;
    for (unsigned i = 1; i <= boards; ++i) {
        list += fmt::format(
            R"({}{{"id":"b{:02}","score":{{"currency":"points"}},"windows":["all"]}})",
            i == 1 ? "" : ",",
            i
        );
    }
    return R"json({"tz":"UTC","currencies":[{"id":"points","scale":0,"kind":"spendable",)json"
           R"json("negative":"to_debt"}],"campaigns":[{"id":"core","rules":[{"id":"purchase",)json"
           R"json("on":"order.paid","if":"true","effects":[{"award":{"to":"member",)json"
           R"json("currency":"points","points":"muldiv(order.net, 1, order.unit)",)json"
           R"json("reason":"purchase"}}]}]}],"boards":[)json" +
           list + "]}";
}

/// The text of a member that is not nested deeper.
std::string text_member(std::string const& json, std::string_view name) {
    auto const mark = fmt::format("\"{}\":\"", name);
    auto const at = json.find(mark);
    if (at == std::string::npos) throw std::runtime_error("no " + mark + " in " + json);
    auto const begin = at + mark.size();
    return json.substr(begin, json.find('"', begin) - begin);
}

std::uint64_t number_member(std::string_view json, std::string_view name) {
    auto const mark = fmt::format("\"{}\":", name);
    auto const at = json.find(mark);
    std::uint64_t value = 0;
    if (at != std::string_view::npos) {
        auto const begin = json.data() + at + mark.size();
        std::from_chars(begin, json.data() + json.size(), value);
    }
    return value;
}

}  // namespace

BoardMover::BoardMover(std::uint16_t port, std::string admin_key, unsigned boards)
    : port_(port), key_(std::move(admin_key)), boards_(boards) {
    call("PUT", "/v1/programs/bench", program_with(boards));
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd_ < 0 || connect(fd_, reinterpret_cast<sockaddr const*>(&address), sizeof address) != 0) {
        throw std::runtime_error(std::string("connect: ") + std::strerror(errno));
    }
    int const on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    for (std::uint64_t member = 0; member < kMembers; ++member)
        post(member, 100 + member);
}

BoardMover::~BoardMover() {
    if (fd_ >= 0) close(fd_);
}

std::string BoardMover::call(
    std::string const& method, std::string const& path, std::string const& body
) const {
    auto answer = http_call(port_, method, path, key_, body);
    if (answer.status < 200 || answer.status > 299) {
        throw std::runtime_error(
            fmt::format("{} {}: {} {}", method, path, answer.status, answer.body)
        );
    }
    return std::move(answer.body);
}

std::string BoardMover::publishable_key() const {
    return text_member(
        call(
            "POST",
            "/v1/programs/bench/keys",
            R"({"kind":"publishable","origins":["https://shop.example"]})"
        ),
        "key"
    );
}

std::string BoardMover::greeting() const {
    std::string list;
    for (unsigned i = 1; i <= boards_; ++i) {
        list += fmt::format(R"({}{{"ch":"b:b{:02}","n":10}})", i == 1 ? "" : ",", i);
    }
    return fmt::format(
        R"({{"id":1,"connect":{{"v":1,"key":"{}","subs":[{}]}}}})", publishable_key(), list
    );
}

std::uint64_t BoardMover::move() {
    return post(orders_ % kMembers, kMembers);
}

std::uint64_t BoardMover::post(std::uint64_t member, std::uint64_t points) {
    auto const number = ++orders_;
    auto const body = fmt::format(
        R"({{"specversion":"1.0","id":"o{0}","source":"//bench/live","type":"order.paid",)"
        R"("time":"{1}","data":{{"order_id":"{0}","currency":"EUR","total":"{2}.00",)"
        R"("customer":{{"id":"c{3}"}}}}}})",
        number,
        rfc3339(static_cast<std::int64_t>(std::time(nullptr))),
        points,
        member
    );
    auto const request = fmt::format(
        "POST /v1/programs/bench/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer "
        "{}\r\nContent-Type: application/cloudevents+json\r\nContent-Length: {}\r\n\r\n{}",
        key_,
        body.size(),
        body
    );
    if (send(fd_, request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size())) {
        throw std::runtime_error(std::string("send: ") + std::strerror(errno));
    }
    std::string received;
    std::array<char, 8192> buffer{};
    for (;;) {
        auto const count = recv(fd_, buffer.data(), buffer.size(), 0);
        if (count <= 0) throw std::runtime_error("the server closed the connection of the events");
        received.append(buffer.data(), static_cast<std::size_t>(count));
        auto const reply = parse_reply(received);
        if (!reply) continue;
        auto const seq = number_member(reply->body, "seq");
        if (reply->status != 200 || seq == 0) throw std::runtime_error(std::string(received));
        return seq;
    }
}

}  // namespace bench
