#include <cstdint>
#include <string>
#include <thread>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/catch.hpp"
#include "tools/bench/event_template.hpp"
#include "tools/bench/histogram.hpp"
#include "tools/bench/http_reply.hpp"
#include "tools/bench/load.hpp"
#include "tools/bench/metrics.hpp"

namespace {

/// Answers one connection with the same bytes after every request, whose length is known
/// beforehand.
class CannedServer {
public:
    CannedServer(std::string answer, std::size_t request_bytes)
        : answer_(std::move(answer)),
          request_bytes_(request_bytes),
          listener_(socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        REQUIRE(bind(listener_, reinterpret_cast<sockaddr*>(&address), length) == 0);
        REQUIRE(listen(listener_, 1) == 0);
        REQUIRE(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) == 0);
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this] { serve(); });
    }
    ~CannedServer() {
        shutdown(listener_, SHUT_RDWR);
        thread_.join();
        close(listener_);
    }
    CannedServer(CannedServer const&) = delete;
    CannedServer& operator=(CannedServer const&) = delete;

    [[nodiscard]] std::uint16_t port() const { return port_; }

private:
    void serve() const {
        int const peer = accept(listener_, nullptr, nullptr);
        std::string request(request_bytes_, '\0');
        while (peer >= 0 && recv(peer, request.data(), request.size(), MSG_WAITALL) ==
                                static_cast<ssize_t>(request.size())) {
            if (send(peer, answer_.data(), answer_.size(), MSG_NOSIGNAL) < 0) {
                break;
            }
        }
        close(peer);
    }

    std::string answer_;
    std::size_t request_bytes_;
    int listener_;
    std::uint16_t port_ = 0;
    std::thread thread_;
};

bench::LoadOptions one_connection() {
    bench::LoadOptions options;
    options.program = "bench";
    options.key = "gk_test";
    options.connections = 1;
    options.warm_up_s = 0;
    options.events_max = 50;
    return options;
}

/// Bytes of a single request of `one_connection` to a port of five digits.
std::size_t request_bytes(std::uint16_t port) {
    bench::EventTemplate const event(bench::EventTemplate::Identity::id_only);
    auto const head =
        "POST /v1/programs/bench/events HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) +
        "\r\nAuthorization: Bearer gk_test\r\nContent-Type: "
        "application/cloudevents+json\r\nContent-Length: " +
        std::to_string(event.size()) + "\r\n\r\n";
    return head.size() + event.size();
}

std::string reply(std::string const& status, std::string const& body) {
    return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
}

constexpr std::size_t kPort = 40'000;  // ephemeral ports have five digits here

}  // namespace

TEST_CASE("histogram: quantiles are within a sixty-fourth", "[bench]") {
    bench::Histogram histogram;
    for (std::uint64_t value = 1; value <= 1'000'000; ++value) {
        histogram.record(value);
    }
    for (double const fraction : {0.001, 0.5, 0.99, 0.999}) {
        auto const truth = fraction * 1e6;
        CHECK(static_cast<double>(histogram.quantile(fraction)) >= truth);
        CHECK(static_cast<double>(histogram.quantile(fraction)) <= truth * (1 + 1.0 / 64) + 1);
    }
    CHECK(histogram.quantile(1) == 1'000'000);
    CHECK(histogram.max() == 1'000'000);
}

TEST_CASE("histogram: empty has no quantile and merge adds", "[bench]") {
    bench::Histogram left;
    CHECK(left.quantile(0.5) == 0);
    bench::Histogram right;
    left.record(5);
    right.record(7);
    right.record(std::uint64_t{1} << 60);
    left.merge(right);
    CHECK(left.count() == 3);
    CHECK(left.quantile(0.5) == 7);
    CHECK(left.max() == std::uint64_t{1} << 60);
}

TEST_CASE("spread: an even count takes the mean of the middle two", "[bench]") {
    auto const told = bench::spread({4, 1, 3, 2});
    CHECK(told.median == 2.5);
    CHECK(told.min == 1);
    CHECK(told.max == 4);
    CHECK(bench::spread({}).median == 0);
}

TEST_CASE("event template: patching keeps the length and writes every field", "[bench]") {
    bench::EventTemplate const event(bench::EventTemplate::Identity::id_and_email);
    std::string text(event.text());
    event.patch(text.data(), {123, 42, 0x12345678}, bench::rfc3339(1'772'446'530));
    CHECK(text.size() == event.text().size());
    CHECK(text.find(R"("id":"ord-000000000123-paid")") != std::string::npos);
    CHECK(text.find(R"("subject":"order/000000000123")") != std::string::npos);
    CHECK(text.find(R"("order_id":"000000000123")") != std::string::npos);
    CHECK(text.find(R"("time":"2026-03-02T10:15:30Z")") != std::string::npos);
    CHECK(
        text.find("\"customer\":{\"id\":\"" + bench::EventTemplate::customer_id(42) + '"') !=
        std::string::npos
    );
    CHECK(text.find(R"("email":"shopper00000042@example.com")") != std::string::npos);
}

TEST_CASE("event template: an event has about 440 bytes", "[bench]") {
    bench::EventTemplate const event(bench::EventTemplate::Identity::id_only);
    CHECK(event.size() > 380);
    CHECK(event.size() < 480);
}

TEST_CASE("reply: incomplete head or body is nothing yet", "[bench]") {
    auto const whole = reply("200 OK", "hello");
    for (std::size_t length = 0; length < whole.size(); ++length) {
        CHECK_FALSE(bench::parse_reply(std::string_view(whole).substr(0, length)).has_value());
    }
    auto const parsed = bench::parse_reply(whole);
    REQUIRE(parsed.has_value());
    CHECK(parsed->status == 200);
    CHECK(parsed->body == "hello");
    CHECK(parsed->length == whole.size());
}

TEST_CASE("reply: chunked body ends with its last chunk", "[bench]") {
    std::string const whole =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    CHECK_FALSE(bench::parse_reply(std::string_view(whole).substr(0, whole.size() - 1)).has_value()
    );
    auto const parsed = bench::parse_reply(whole);
    REQUIRE(parsed.has_value());
    CHECK(parsed->length == whole.size());
    CHECK(parsed->body.find("hello") != std::string_view::npos);
}

TEST_CASE("reply: bytes that are no HTTP have status -1", "[bench]") {
    auto const parsed = bench::parse_reply("SSH-2.0-something\r\n\r\n");
    REQUIRE(parsed.has_value());
    CHECK(parsed->status == -1);
}

TEST_CASE("metrics: labels are summed and absent names are zero", "[bench]") {
    bench::Metrics const metrics(
        "# TYPE guerdon_events_total counter\n"
        "guerdon_events_total{program=\"a\",status=\"applied\"} 10\n"
        "guerdon_events_total{program=\"b\",status=\"applied\"} 2.5\n"
        "guerdon_view_lag_seconds 0.25\n"
    );
    CHECK(metrics.sum("guerdon_events_total") == 12.5);
    CHECK(metrics.max("guerdon_events_total") == 10);
    CHECK(metrics.max("guerdon_view_lag_seconds") == 0.25);
    CHECK(metrics.sum("guerdon_absent") == 0);
    CHECK_FALSE(metrics.has("guerdon_absent"));
}

TEST_CASE("metrics: histogram figures concern what lies between two scrapes", "[bench]") {
    bench::Metrics const before(
        "c_bucket{le=\"0.001\"} 100\nc_bucket{le=\"0.002\"} 100\nc_bucket{le=\"+Inf\"} 100\nc_sum "
        "0.1\nc_count 100\n"
    );
    bench::Metrics const after(
        "c_bucket{le=\"0.001\"} 150\nc_bucket{le=\"0.002\"} 200\nc_bucket{le=\"+Inf\"} 200\nc_sum "
        "0.3\nc_count 200\n"
    );
    CHECK(bench::histogram_quantile(before, after, "c", 0.75) == Approx(0.0015));
    CHECK(bench::histogram_mean(before, after, "c") == Approx(0.002));
    CHECK(bench::histogram_quantile(after, after, "c", 0.5) == 0);
}

TEST_CASE("load: every applied answer is counted and numbers are not reused", "[bench]") {
    CannedServer const server(
        reply("200 OK", R"({"status":"applied","seq":1})"), request_bytes(kPort)
    );
    auto options = one_connection();
    options.port = server.port();
    options.first_event = 7;
    auto const result = bench::run_load(options);
    CHECK(result.failure.empty());
    CHECK(result.acknowledged == 50);
    CHECK(result.latency.count() == 50);
    CHECK(result.next_event == 57);
}

TEST_CASE("load: an open loop sends at its rate", "[bench]") {
    CannedServer const server(
        reply("200 OK", R"({"status":"applied","seq":1})"), request_bytes(kPort)
    );
    auto options = one_connection();
    options.port = server.port();
    options.requests_per_s = 1000;
    auto const result = bench::run_load(options);
    CHECK(result.failure.empty());
    CHECK(result.acknowledged == 50);
    CHECK(result.seconds >= 0.045);
}

TEST_CASE("load: a duplicate answer fails the run", "[bench]") {
    CannedServer const server(
        reply("200 OK", R"({"status":"duplicate","seq":1})"), request_bytes(kPort)
    );
    auto options = one_connection();
    options.port = server.port();
    auto const result = bench::run_load(options);
    CHECK(result.failure.find("duplicate") != std::string::npos);
    CHECK(result.acknowledged == 0);
}

TEST_CASE("load: overload fails the run with its status", "[bench]") {
    CannedServer const server(
        reply("503 Service Unavailable", R"({"code":"overloaded"})"), request_bytes(kPort)
    );
    auto options = one_connection();
    options.port = server.port();
    auto const result = bench::run_load(options);
    CHECK(result.failure.find("503") != std::string::npos);
}

TEST_CASE("load: nobody listening is a failure and not a hang", "[bench]") {
    auto options = one_connection();
    options.port = 1;
    CHECK(bench::run_load(options).failure.find("connect") != std::string::npos);
}
