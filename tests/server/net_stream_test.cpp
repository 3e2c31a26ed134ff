#include "tests/server/net_support.hpp"
#include "tests/support/catch.hpp"

using namespace net_test;
using namespace std::chrono_literals;

namespace {

std::string lines(std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i)
        out += "{\"n\":" + std::to_string(i) + "}\n";
    return out;
}

std::string answers(std::size_t count) {
    std::string out;
    for (std::size_t i = 1; i <= count; ++i)
        out += "line " + std::to_string(i) + "\n";
    return out;
}

std::string chunk(std::string_view data) {
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", data.size());
    return size + std::string(data) + "\r\n";
}

const std::string kChunkedHead =
    "POST /held-lines HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

}  // namespace

TEST_CASE("stream: lines are answered one by one in their order", "[net]") {
    TestServer test;
    Client client = test.connect();
    for (int round = 0; round < 2; ++round) {
        const Reply reply = client.call(post("/lines", lines(5000)));
        CHECK(reply.status == 200);
        CHECK(reply.headers.at("content-type") == "application/x-ndjson");
        CHECK(reply.body == answers(5000));
    }
    CHECK(client.call(get("/echo")).status == 200);
}

TEST_CASE("stream: an answer line leaves before the body is complete", "[net]") {
    TestServer test;
    Client client = test.connect();
    client.send("POST /lines HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send(chunk("{}\n"));
    CHECK(client.read_until("line 1\n").find("200 OK") != std::string::npos);
    client.send(chunk("{}\n") + "0\r\n\r\n");
    CHECK(client.read_until("0\r\n\r\n").find("line 2\n") != std::string::npos);
}

TEST_CASE("stream: the socket is not read while 1024 lines are in flight", "[net]") {
    TestServer test;
    test.handler.body_limit = 64 << 20;
    Client client = test.connect();
    client.send(kChunkedHead);
    const auto stream = test.handler.stream();
    const std::string piece = chunk(lines(2000));
    // Fills every buffer on the way: the server's, and the kernel's on both sides.
    std::size_t sent = 0;
    std::string_view rest = piece;
    while (client.writable_within(200ms) && sent < (40U << 20U)) {
        const std::size_t count = client.send_some(rest);
        sent += count;
        rest.remove_prefix(count);
        if (rest.empty()) rest = piece;
    }
    CHECK(sent < (40U << 20U));
    const std::size_t seen = stream->lines_seen;
    // What was read together with the 1,024th line is taken too: at most one read of 16 KiB.
    CHECK(seen >= 1024);
    CHECK(seen < 1024 + 16 * 1024 / 8);
    std::thread releaser([&] {
        while (stream->aborted < 0) {
            stream->release(100);
            std::this_thread::yield();
        }
    });
    CHECK(TestServer::eventually([&] { return stream->lines_seen > seen + 20'000; }));
    client.close();
    releaser.join();
    CHECK(stream->in_flight_peak < 1024 + 16 * 1024 / 8);
}

TEST_CASE("stream: a client that does not read its answers is not read either", "[net]") {
    server::net::ServerOptions options;
    options.limits.stream_buffered_bytes_max = 64 * 1024;
    options.limits.write_timeout = 300ms;
    TestServer test(options);
    test.handler.body_limit = 512 << 20;
    Client client = test.connect();
    client.shrink_receive_buffer(4096);
    client.send("POST /lines HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    const auto stream = test.handler.stream();
    const std::string piece = chunk(std::string(10'000, '\n'));
    std::thread sender([&] {
        for (int i = 0; i < 10'000; ++i)
            client.send(piece);
    });
    CHECK(TestServer::eventually([&] { return stream->aborted >= 0; }));
    sender.join();
    CHECK(stream->lines_seen < 5'000'000);
}

TEST_CASE("stream: a body over the limit ends the answer and the connection", "[net]") {
    TestServer test;
    test.handler.body_limit = 100;
    SECTION("announced: 413 before a line is read") {
        Client client = test.connect();
        CHECK(client.call(post("/lines", lines(100))).status == 413);
    }
    SECTION("chunked: the handler has the last line") {
        Client client = test.connect();
        client.send(kChunkedHead);
        const auto stream = test.handler.stream();
        client.send(chunk(lines(5)) + chunk(lines(50)));
        CHECK(client.read_to_end().ends_with("given up\n\r\n0\r\n\r\n"));
        CHECK(stream->aborted == static_cast<int>(ledger::ErrorCode::body_too_large));
    }
}

TEST_CASE("stream: a client that goes away is told to the handler", "[net]") {
    TestServer test;
    auto client = std::make_unique<Client>(test.server->port());
    client->send(kChunkedHead + chunk(lines(3)));
    const auto stream = test.handler.stream();
    CHECK(TestServer::eventually([&] { return stream->lines_seen == 3; }));
    client.reset();
    CHECK(TestServer::eventually([&] { return stream->aborted >= 0; }));
    stream->release(3);
    CHECK(TestServer::eventually([&] { return test.server->stats().connections_open == 0; }));
}

TEST_CASE("stream: a body that stops coming is given up", "[net]") {
    server::net::ServerOptions options;
    options.limits.body_timeout = 60ms;
    TestServer test(options);
    Client client = test.connect();
    client.send(kChunkedHead + chunk(lines(1)));
    const auto stream = test.handler.stream();
    CHECK(client.read_to_end().ends_with("given up\n\r\n0\r\n\r\n"));
    CHECK(stream->aborted == static_cast<int>(ledger::ErrorCode::request_timeout));
}

TEST_CASE("stream: the client's time does not run while the server is the slow one", "[net]") {
    server::net::ServerOptions options;
    options.limits.body_timeout = 1500ms;  // room for a busy machine between two reads
    options.limits.header_timeout = 1500ms;
    TestServer test(options);
    Client client = test.connect();
    client.send(post("/held-lines", lines(2000)));
    const auto stream = test.handler.stream();
    CHECK(test.connect().closed_without_a_word());
    CHECK(test.connect().closed_without_a_word());
    CHECK(stream->aborted == -1);
    CHECK(TestServer::eventually([&] {
        stream->release(10);
        return stream->lines_seen == 2000 && stream->lines_in_flight() == 0;
    }));
    CHECK(client.reply().body == answers(2000));
}

TEST_CASE("stream: an answer in parts of a plain request is chunked", "[net]") {
    TestServer test;
    Client client = test.connect();
    const Reply reply = client.call(get("/parts"));
    CHECK(reply.headers.at("transfer-encoding") == "chunked");
    CHECK(reply.body.starts_with("part 0\npart 1\n"));
    CHECK(reply.body.ends_with("part 99\n"));
    CHECK(client.call(get("/echo")).status == 200);
    client.send("HEAD /parts HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(client.reply_head().status == 200);
    CHECK(client.call(get("/echo")).status == 200);
    const Reply old = client.call("GET /parts HTTP/1.0\r\n\r\n");
    CHECK_FALSE(old.headers.contains("transfer-encoding"));
    CHECK(old.body.ends_with("part 99\n"));
}

TEST_CASE("stream: an answer dropped half way is visibly torn", "[net]") {
    TestServer test;
    Client client = test.connect();
    client.send(get("/torn"));
    CHECK(client.read_to_end().find("0\r\n\r\n") == std::string::npos);
}
