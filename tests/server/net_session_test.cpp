#include "tests/server/net_support.hpp"
#include "tests/support/catch.hpp"

using namespace net_test;
using namespace std::chrono_literals;

namespace {

bool has_code(const Reply& reply, std::string_view code) {
    return reply.headers.at("content-type") == "application/problem+json" &&
           reply.body.find("\"code\":\"" + std::string(code) + "\"") != std::string::npos;
}

server::net::ServerOptions with_limits(server::net::Limits limits) {
    server::net::ServerOptions options;
    options.limits = limits;
    return options;
}

}  // namespace

TEST_CASE("session: a connection serves one request after the other", "[net]") {
    TestServer test;
    Client client = test.connect();
    CHECK(client.call(get("/echo?a=1")).body == "GET /echo?a=1 from 127.0.0.1: ");
    const Reply second = client.call(post("/later", "hello"));
    CHECK(second.status == 200);
    CHECK(second.body == "POST /later from 127.0.0.1: hello");
    CHECK(second.headers.contains("date"));
    CHECK_FALSE(second.headers.contains("connection"));
    CHECK(client.call(get("/nothing")).status == 204);
    CHECK(client.call(get("/echo")).status == 200);
    CHECK(test.server->stats().requests == 4);
    CHECK(test.server->stats().connections_accepted == 1);
}

TEST_CASE("session: pipelined requests are answered in their order", "[net]") {
    TestServer test;
    Client client = test.connect();
    std::string many;
    for (int i = 0; i < 500; ++i) {
        const std::string path = i % 3 == 0 ? "/later?n=" : "/echo?n=";
        many += i % 2 == 0 ? get(path + std::to_string(i))
                           : post(path + std::to_string(i), std::string(100, 'x'));
    }
    std::thread sender([&] { client.send(many); });
    int in_order = 0;
    for (int i = 0; i < 500; ++i) {
        const std::string body = client.reply().body;
        if (body.find("?n=" + std::to_string(i) + " ") != std::string::npos) ++in_order;
    }
    sender.join();
    CHECK(in_order == 500);
}

TEST_CASE("session: what follows a good request and is not HTTP gets 400 and the end", "[net]") {
    TestServer test;
    Client client = test.connect();
    client.send(get("/echo") + "\x01\x02 nonsense \r\n\r\n" + get("/echo"));
    CHECK(client.reply().status == 200);
    const Reply refusal = client.reply();
    CHECK(refusal.status == 400);
    CHECK(has_code(refusal, "malformed_http"));
    CHECK(refusal.headers.at("connection") == "close");
    CHECK(client.read_to_end().empty());
    CHECK(test.server->stats().malformed == 1);
}

TEST_CASE("session: malformed requests get 400 malformed_http", "[net]") {
    TestServer test;
    const std::vector<std::string> cases{
        "\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nBroken Name: x\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "\x16\x03\x01\x02\x01\x01\x01\xfc\x03\x03",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 2\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n",
    };
    for (const std::string& bytes : cases) {
        INFO(bytes);
        Client client = test.connect();
        const Reply refusal = client.call(bytes);
        CHECK(refusal.status == 400);
        CHECK(has_code(refusal, "malformed_http"));
        CHECK(client.read_to_end().empty());
    }
}

TEST_CASE("session: HEAD gets the head of GET without its body", "[net]") {
    TestServer test;
    Client client = test.connect();
    client.send("HEAD /echo HTTP/1.1\r\nHost: a\r\n\r\n");
    const Reply head = client.reply_head();
    CHECK(head.status == 200);
    CHECK(head.headers.at("content-length") == "27");
    CHECK(client.call(get("/echo")).body == "GET /echo from 127.0.0.1: ");
}

TEST_CASE("session: Connection close and HTTP 1.0 end the connection", "[net]") {
    TestServer test;
    Client asked = test.connect();
    const Reply closing = asked.call(get("/echo", "Connection: close\r\n"));
    CHECK(closing.status == 200);
    CHECK(closing.headers.at("connection") == "close");
    CHECK(asked.read_to_end().empty());

    Client old = test.connect();
    CHECK(old.call("GET /echo HTTP/1.0\r\n\r\n").headers.at("connection") == "close");
    CHECK(old.read_to_end().empty());

    Client kept = test.connect();
    const std::string keep = "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    CHECK(kept.call(keep).headers.at("connection") == "keep-alive");
    CHECK(kept.call(keep).status == 200);
}

TEST_CASE("session: a chunked body arrives whole however it is cut", "[net]") {
    TestServer test;
    Client client = test.connect();
    const std::string body =
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5;x=1\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: y\r\n\r\n";
    CHECK(client.call(body).body == "POST /echo from 127.0.0.1: hello world");
    for (char c : body)
        client.send(std::string_view(&c, 1));
    CHECK(client.reply().body == "POST /echo from 127.0.0.1: hello world");
}

TEST_CASE("session: a large body arrives whole", "[net]") {
    TestServer test;
    test.handler.body_limit = 8 << 20;
    Client client = test.connect();
    std::string body(8 << 20, '.');
    for (std::size_t i = 0; i < body.size(); i += 997)
        body[i] = static_cast<char>('a' + i % 26);
    for (int round = 0; round < 2; ++round) {
        const Reply reply = client.call(post("/echo", body));
        CHECK(reply.status == 200);
        CHECK(reply.body.substr(reply.body.find(": ") + 2) == body);
    }
}

TEST_CASE("session: a body over the limit gets 413 before it is read", "[net]") {
    TestServer test;
    test.handler.body_limit = 1000;
    SECTION("announced") {
        Client client = test.connect();
        const Reply refusal =
            client.call("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n");
        CHECK(refusal.status == 413);
        CHECK(has_code(refusal, "body_too_large"));
        CHECK(refusal.headers.at("connection") == "close");
        CHECK(client.read_to_end().empty());
    }
    SECTION("sent at once") {
        Client client = test.connect();
        CHECK(client.call(post("/echo", std::string(100'000, 'x'))).status == 413);
        CHECK(client.read_to_end().empty());
    }
    SECTION("chunked") {
        Client client = test.connect();
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.send("3e8\r\n" + std::string(1000, 'x') + "\r\n1\r\n");
        CHECK(has_code(client.reply(), "body_too_large"));
        CHECK(client.read_to_end().empty());
    }
    SECTION("an announced length beyond any memory") {
        Client client = test.connect();
        const Reply refusal = client.call(
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\n"
        );
        CHECK(refusal.status == 413);
    }
    SECTION("exactly the limit") {
        Client client = test.connect();
        CHECK(client.call(post("/echo", std::string(1000, 'x'))).status == 200);
    }
}

TEST_CASE("session: a header over the limit gets 431", "[net]") {
    server::net::Limits limits;
    limits.header_bytes_max = 2048;
    TestServer test(with_limits(limits));
    SECTION("one long field") {
        Client client = test.connect();
        const Reply refusal = client.call(get("/echo", "X: " + std::string(3000, 'x') + "\r\n"));
        CHECK(refusal.status == 431);
        CHECK(has_code(refusal, "headers_too_large"));
        CHECK(client.read_to_end().empty());
    }
    SECTION("many fields in small pieces without an end") {
        Client client = test.connect();
        client.send("GET /echo HTTP/1.1\r\nHost: a\r\n");
        for (int i = 0; i < 200; ++i)
            client.send("X-Field: 0123456789\r\n");
        CHECK(client.reply().status == 431);
    }
    SECTION("a long target") {
        Client client = test.connect();
        CHECK(client.call(get("/" + std::string(5000, 'x'))).status == 431);
    }
    SECTION("just below") {
        Client client = test.connect();
        CHECK(client.call(get("/echo", "X: " + std::string(1900, 'x') + "\r\n")).status == 200);
        CHECK(client.call(get("/echo", "X: " + std::string(1900, 'x') + "\r\n")).status == 200);
    }
}

TEST_CASE("session: the default header limit is 16 KiB", "[net]") {
    TestServer test;
    Client client = test.connect();
    CHECK(client.call(get("/echo", "X: " + std::string(16'000, 'x') + "\r\n")).status == 200);
    CHECK(client.call(get("/echo", "X: " + std::string(16'400, 'x') + "\r\n")).status == 431);
}

TEST_CASE("session: a connection that says nothing is closed without an answer", "[net]") {
    server::net::Limits limits;
    limits.header_timeout = 50ms;
    TestServer test(with_limits(limits));
    Client silent = test.connect();
    CHECK(silent.closed_without_a_word());
    CHECK(test.server->stats().timeouts == 1);
}

TEST_CASE("session: a header that drips is closed without an answer", "[net]") {
    server::net::Limits limits;
    limits.header_timeout = 100ms;
    TestServer test(with_limits(limits));
    Client dripping = test.connect();
    dripping.send("GET /echo HTTP/1.1\r\nHost: a\r\n");
    while (!dripping.readable_within(5ms))
        dripping.send_some("X: y\r\n");
    CHECK(dripping.closed_without_a_word());
}

TEST_CASE("session: a connection idle between requests is closed", "[net]") {
    server::net::Limits limits;
    limits.idle_timeout = 80ms;
    TestServer test(with_limits(limits));
    Client client = test.connect();
    CHECK(client.call(get("/echo")).status == 200);
    CHECK(client.closed_without_a_word());
}

TEST_CASE("session: a body that does not come gets 408", "[net]") {
    server::net::Limits limits;
    limits.body_timeout = 60ms;
    TestServer test(with_limits(limits));
    SECTION("with a length") {
        Client client = test.connect();
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf");
        const Reply refusal = client.reply();
        CHECK(refusal.status == 408);
        CHECK(has_code(refusal, "request_timeout"));
        CHECK(client.read_to_end().empty());
    }
    SECTION("chunked") {
        Client client = test.connect();
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe");
        CHECK(client.reply().status == 408);
        CHECK(client.read_to_end().empty());
    }
    SECTION("a large one, of which half came") {
        Client client = test.connect();
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
        client.send(std::string(500'000, 'x'));
        CHECK(client.reply().status == 408);
        client.send(std::string(500'000, 'x'));
        CHECK(client.read_to_end().empty());
    }
}

TEST_CASE("session: a request in flight outlives the idle and body time-outs", "[net]") {
    server::net::Limits limits;
    limits.idle_timeout = limits.body_timeout = limits.header_timeout = 300ms;
    TestServer test(with_limits(limits));
    Client held = test.connect();
    held.send(post("/hold", "x"));
    test.handler.wait_for_held(1);
    Client other = test.connect();
    CHECK(other.closed_without_a_word());
    test.handler.release_held("at last");
    CHECK(held.reply().body == "at last");
}

TEST_CASE("session: a client that does not read its answer is cut", "[net]") {
    server::net::Limits limits;
    limits.write_timeout = 100ms;
    TestServer test(with_limits(limits));
    Client client = test.connect();
    client.shrink_receive_buffer(4096);
    client.send(get("/big"));
    CHECK(TestServer::eventually([&] { return test.server->stats().timeouts == 1; }));
    CHECK(TestServer::eventually([&] { return test.server->stats().connections_open == 0; }));
}

TEST_CASE("session: a large answer to a slow reader arrives whole", "[net]") {
    TestServer test;
    Client client = test.connect();
    client.shrink_receive_buffer(128 * 1024);
    CHECK(client.call(get("/big")).body.size() == 32 << 20);
    CHECK(client.call(get("/echo")).status == 200);
}

TEST_CASE("session: connections beyond the limit get 503 overloaded", "[net]") {
    server::net::Limits limits;
    limits.sockets_max = 2;
    TestServer test(with_limits(limits));
    CHECK(test.server->sockets_max() == 2);
    Client first = test.connect();
    Client second = test.connect();
    CHECK(first.call(get("/echo")).status == 200);
    CHECK(second.call(get("/echo")).status == 200);
    {
        Client third = test.connect();
        const Reply refusal = third.call(get("/echo"));
        CHECK(refusal.status == 503);
        CHECK(has_code(refusal, "overloaded"));
        CHECK(refusal.headers.at("retry-after") == "1");
        CHECK(third.read_to_end().empty());
    }
    CHECK(first.call(get("/echo")).status == 200);
    second.close();
    CHECK(TestServer::eventually([&] { return test.server->stats().connections_open == 1; }));
    Client fourth = test.connect();
    CHECK(fourth.call(get("/echo")).status == 200);
    CHECK(test.server->stats().connections_refused == 1);
}

TEST_CASE("session: Expect 100-continue is answered before the body is read", "[net]") {
    TestServer test;
    Client client = test.connect();
    const std::string head =
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    client.send(head);
    CHECK(client.read_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hello");
    CHECK(client.reply().body == "POST /echo from 127.0.0.1: hello");
    client.send(head + "hello");
    CHECK(client.reply().status == 200);
    SECTION("and refused at once if the body would be too large") {
        test.handler.body_limit = 4;
        client.send(head);
        CHECK(client.reply().status == 413);
    }
}

TEST_CASE(
    "session: a request refused by its head is answered and the connection goes on", "[net]"
) {
    TestServer test;
    Client client = test.connect();
    CHECK(client.call(get("/refused")).status == 401);
    CHECK(has_code(client.call(post("/refused", "small")), "unauthenticated"));
    CHECK(client.call(get("/echo")).status == 200);
    SECTION("unless its body is large") {
        client.send("POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n");
        CHECK(client.reply().status == 401);
        CHECK(client.read_to_end().empty());
    }
}

TEST_CASE("session: a handler that throws or forgets to answer makes 500 internal", "[net]") {
    TestServer test;
    Client client = test.connect();
    for (const char* path : {"/throw", "/drop"}) {
        const Reply reply = client.call(get(path));
        CHECK(reply.status == 500);
        CHECK(has_code(reply, "internal"));
    }
    CHECK(client.call(get("/echo")).status == 200);
}

TEST_CASE("session: a batch of answers reaches every connection on its io thread", "[net]") {
    server::net::ServerOptions options;
    options.io_threads = 3;
    TestServer test(options);
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 40; ++i) {
        clients.push_back(std::make_unique<Client>(test.server->port()));
        clients.back()->send(post("/hold", "x"));
    }
    test.handler.wait_for_held(40);
    test.handler.release_held("group");
    std::size_t answered = 0;
    for (const auto& client : clients)
        answered += client->reply().body == "group" ? 1U : 0U;
    CHECK(answered == 40);
    CHECK_FALSE(test.handler.wrong_thread);
}

TEST_CASE("session: an answer for a client that has gone is dropped", "[net]") {
    TestServer test;
    {
        Client gone = test.connect();
        gone.send(get("/hold"));
        test.handler.wait_for_held(1);
    }
    test.handler.release_held("nobody");
    CHECK(TestServer::eventually([&] { return test.server->stats().connections_open == 0; }));
    Client client = test.connect();
    CHECK(client.call(get("/echo")).status == 200);
}

TEST_CASE("session: a client that closes its sending side still gets its answers", "[net]") {
    TestServer test;
    Client client = test.connect();
    client.send(get("/later") + get("/echo"));
    client.close_sending();
    CHECK(client.reply().body == "GET /later from 127.0.0.1: ");
    CHECK(client.reply().body == "GET /echo from 127.0.0.1: ");
    CHECK(client.read_to_end().empty());
}

TEST_CASE("server: drain finishes what is in flight and closes what is idle", "[net]") {
    TestServer test;
    Client idle = test.connect();
    CHECK(idle.call(get("/echo")).status == 200);
    Client busy = test.connect();
    busy.send(get("/hold"));
    test.handler.wait_for_held(1);
    std::atomic<bool> clean{false};
    std::thread draining([&] { clean = test.server->drain(kPatience); });
    CHECK(idle.closed_without_a_word());
    test.handler.release_held("finished");
    const Reply last = busy.reply();
    CHECK(last.body == "finished");
    CHECK(last.headers.at("connection") == "close");
    busy.close();
    draining.join();
    CHECK(clean);
    CHECK_THROWS(Client(test.server->port()));
}

TEST_CASE("server: drain cuts what does not finish in time", "[net]") {
    TestServer test;
    Client busy = test.connect();
    busy.send(get("/hold"));
    test.handler.wait_for_held(1);
    CHECK_FALSE(test.server->drain(20ms));
    CHECK(busy.closed_without_a_word());
    test.handler.release_held("too late");
}

TEST_CASE("server: an address in use or not an address is refused", "[net]") {
    TestServer test;
    server::net::ServerOptions options;
    options.port = test.server->port();
    auto second = server::net::Server::start(options, test.handler);
    REQUIRE_FALSE(second);
    CHECK(second.error().code == ledger::ErrorCode::io_error);
    options.host = "nowhere";
    auto third = server::net::Server::start(options, test.handler);
    REQUIRE_FALSE(third);
    CHECK(third.error().code == ledger::ErrorCode::invalid_parameter);
}

TEST_CASE("session: X-Forwarded-For is believed from a trusted proxy only", "[net]") {
    const std::string request =
        get("/echo",
            "X-Forwarded-For: 6.6.6.6, 203.0.113.9\r\n"
            "X-Forwarded-Proto: https\r\n");
    TestServer plain;
    CHECK(plain.connect().call(request).body == "GET /echo from 127.0.0.1: ");
    server::net::ServerOptions options;
    options.trusted_proxies = {*server::net::Cidr::parse("127.0.0.0/8")};
    TestServer behind(options);
    CHECK(behind.connect().call(request).body == "GET /echo from 203.0.113.9 secure: ");
}
