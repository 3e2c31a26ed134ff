#include <fstream>

#include <boost/asio/connect.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <openssl/ssl.h>

#include "server/net/asio.hpp"
#include "tests/server/net_support.hpp"
#include "tests/server/self_signed.hpp"
#include "tests/support/catch.hpp"

using namespace net_test;
using namespace std::chrono_literals;

namespace {

namespace asio = boost::asio;

/// A TLS client on blocking sockets; trusts `ca_file` alone.
class TlsClient {
public:
    TlsClient(std::uint16_t port, const std::string& ca_file) {
        context_.load_verify_file(ca_file);
        stream_.emplace(context_io_, context_);
        stream_->set_verify_mode(asio::ssl::verify_peer);
        stream_->next_layer().connect({asio::ip::address_v4::loopback(), port});
        stream_->handshake(asio::ssl::stream_base::client);
    }
    [[nodiscard]] std::string certificate_name() {
        const std::unique_ptr<X509, Freed<X509_free>> certificate(
            SSL_get1_peer_certificate(stream_->native_handle())
        );
        std::array<char, 100> name{};
        X509_NAME_get_text_by_NID(
            X509_get_subject_name(certificate.get()),
            NID_commonName,
            name.data(),
            static_cast<int>(name.size())
        );
        return name.data();
    }
    void send(const std::string& bytes) { asio::write(*stream_, asio::buffer(bytes)); }
    std::string read_until(std::string_view mark) {
        while (received_.find(mark) == std::string::npos) {
            std::array<char, 65536> bytes;
            received_.append(bytes.data(), stream_->read_some(asio::buffer(bytes)));
        }
        return std::exchange(received_, {});
    }
    boost::system::error_code read_to_end() {
        boost::system::error_code failure;
        while (!failure) {
            std::array<char, 65536> bytes;
            received_.append(bytes.data(), stream_->read_some(asio::buffer(bytes), failure));
        }
        return failure;
    }

private:
    asio::io_context context_io_;
    asio::ssl::context context_{asio::ssl::context::tls_client};
    std::optional<asio::ssl::stream<asio::ip::tcp::socket>> stream_;
    std::string received_;
};

server::net::ServerOptions with_tls(const SelfSigned& identity) {
    server::net::ServerOptions options;
    options.tls_certificate_file = identity.certificate_file();
    options.tls_key_file = identity.key_file();
    return options;
}

}  // namespace

TEST_CASE("tls: requests and answers of every size pass", "[net]") {
    const SelfSigned identity("localhost");
    TestServer test(with_tls(identity));
    TlsClient client(test.server->port(), identity.certificate_file());
    for (std::size_t size : {0UL, 10UL, 15'000UL, 20'000UL, 900'000UL}) {
        const std::string body(size, 'x');
        client.send(post("/echo", body + "!"));
        CHECK(client.read_until("!").find(" secure: " + body + "!") != std::string::npos);
    }
    client.send(post("/lines", "a\nb\nc\n"));
    CHECK(client.read_until("0\r\n\r\n").find("line 3\n") != std::string::npos);
}

TEST_CASE("tls: the connection ends with close_notify", "[net]") {
    const SelfSigned identity("localhost");
    TestServer test(with_tls(identity));
    TlsClient client(test.server->port(), identity.certificate_file());
    client.send(get("/echo", "Connection: close\r\n"));
    CHECK(client.read_to_end() == asio::error::eof);
}

TEST_CASE("tls: reload serves the new certificate and keeps the old on failure", "[net]") {
    const SelfSigned identity("first");
    TestServer test(with_tls(identity));
    TlsClient before(test.server->port(), identity.certificate_file());
    CHECK(before.certificate_name() == "first");

    identity.write("second");
    REQUIRE(test.server->reload_tls());
    TlsClient after(test.server->port(), identity.certificate_file());
    CHECK(after.certificate_name() == "second");
    before.send(get("/echo"));
    CHECK(before.read_until("secure: ").find("200 OK") != std::string::npos);

    std::ofstream(identity.key_file()) << "not a key";
    const auto failed = test.server->reload_tls();
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code == ledger::ErrorCode::invalid_parameter);
    CHECK(failed.error().detail.find("tls-key") != std::string::npos);
    TlsClient still(test.server->port(), identity.certificate_file());
    CHECK(still.certificate_name() == "second");
}

TEST_CASE("tls: a key of another certificate is refused at start", "[net]") {
    const SelfSigned one("one");
    const SelfSigned two("two");
    server::net::ServerOptions options = with_tls(one);
    options.tls_key_file = two.key_file();
    TestHandler handler;
    const auto started = server::net::Server::start(options, handler);
    REQUIRE_FALSE(started);
    CHECK(started.error().detail.find("tls-key") != std::string::npos);
}

TEST_CASE("tls: a client that does not shake hands is closed in time", "[net]") {
    const SelfSigned identity("localhost");
    server::net::ServerOptions options = with_tls(identity);
    options.limits.header_timeout = 60ms;
    TestServer test(options);
    Client silent = test.connect();
    CHECK(silent.closed_without_a_word());
    Client plain = test.connect();
    plain.send(get("/echo"));
    CHECK(plain.read_to_end().find("HTTP/1.1") == std::string::npos);
}

TEST_CASE("tls: a body that does not come gets 408", "[net]") {
    const SelfSigned identity("localhost");
    server::net::ServerOptions options = with_tls(identity);
    options.limits.body_timeout = 60ms;
    TestServer test(options);
    TlsClient client(test.server->port(), identity.certificate_file());
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf");
    CHECK(client.read_until("request_timeout").starts_with("HTTP/1.1 408 "));
}
