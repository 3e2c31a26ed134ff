#include "tools/guerdon/http_client.hpp"

#include <charconv>
#include <cstdint>
#include <memory>
#include <stdexcept>

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "ledger/random.hpp"

namespace tools {

namespace {

struct FreeBio {
    void operator()(BIO* bio) const { BIO_free_all(bio); }
};
struct FreeContext {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using Bio = std::unique_ptr<BIO, FreeBio>;
using Context = std::unique_ptr<SSL_CTX, FreeContext>;

constexpr std::size_t kAnswerBytesMax = std::size_t{64} << 20;

[[noreturn]] void fail(const ServerUrl& server, std::string_view what) {
    throw std::runtime_error(fmt::format("{}:{}: {}", server.host, server.port, what));
}

/// Owns the context as long as the connection.
struct Connection {
    Context context;
    Bio bio;
};

Bio open_tls(const ServerUrl& server, SSL_CTX& context) {
    if (SSL_CTX_set_default_verify_paths(&context) != 1)
        fail(server, "the system's certificates cannot be read");
    SSL_CTX_set_verify(&context, SSL_VERIFY_PEER, nullptr);
    Bio bio(BIO_new_ssl_connect(&context));
    SSL* ssl = nullptr;
    BIO_get_ssl(bio.get(), &ssl);
    if (ssl == nullptr || SSL_set_tlsext_host_name(ssl, server.host.c_str()) != 1 ||
        SSL_set1_host(ssl, server.host.c_str()) != 1) {
        fail(server, "TLS cannot be set up");
    }
    return bio;
}

Connection connect(const ServerUrl& server) {
    Connection made;
    if (server.tls) {
        made.context.reset(SSL_CTX_new(TLS_client_method()));
        if (!made.context) fail(server, "TLS cannot be set up");
        made.bio = open_tls(server, *made.context);
    } else {
        made.bio.reset(BIO_new(BIO_s_connect()));
    }
    if (!made.bio) fail(server, "no memory");
    BIO_set_conn_hostname(made.bio.get(), server.host.c_str());
    BIO_set_conn_port(made.bio.get(), server.port.c_str());
    if (BIO_do_connect(made.bio.get()) != 1) {
        fail(
            server,
            server.tls ? "no connection, or its certificate is not trusted" : "no connection"
        );
    }
    return made;
}

void send(const ServerUrl& server, BIO& bio, std::string_view bytes) {
    while (!bytes.empty()) {
        const int sent = BIO_write(&bio, bytes.data(), static_cast<int>(bytes.size()));
        if (sent <= 0) fail(server, "the request could not be sent");
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
}

std::string receive(const ServerUrl& server, BIO& bio) {
    std::string answer;
    char buffer[16384];
    for (;;) {
        const int got = BIO_read(&bio, buffer, sizeof buffer);
        if (got <= 0) return answer;
        answer.append(buffer, static_cast<std::size_t>(got));
        if (answer.size() > kAnswerBytesMax) fail(server, "the answer is too long");
    }
}

/// The value of a header field; empty if there is none.
std::string_view field(std::string_view head, std::string_view name) {
    while (!head.empty()) {
        const std::size_t end = head.find("\r\n");
        const std::string_view line = head.substr(0, end);
        head.remove_prefix(end == std::string_view::npos ? head.size() : end + 2);
        if (line.size() <= name.size() || line[name.size()] != ':' ||
            strncasecmp(line.data(), name.data(), name.size()) != 0) {
            continue;
        }
        const std::size_t begin = line.find_first_not_of(' ', name.size() + 1);
        return begin == std::string_view::npos ? std::string_view() : line.substr(begin);
    }
    return {};
}

template <typename Number>
bool read_number(std::string_view text, Number& number, int base) {
    return std::from_chars(text.data(), text.data() + text.size(), number, base).ec == std::errc{};
}

std::string without_chunks(const ServerUrl& server, std::string_view body) {
    std::string whole;
    for (;;) {
        std::size_t size = 0;
        const std::size_t line = body.find("\r\n");
        if (line == std::string_view::npos || !read_number(body.substr(0, line), size, 16) ||
            body.size() - line - 2 < size) {
            fail(server, "the answer is cut off");
        }
        if (size == 0) return whole;
        whole.append(body.substr(line + 2, size));
        body.remove_prefix(std::min(body.size(), line + 2 + size + 2));
    }
}

HttpAnswer parse(const ServerUrl& server, std::string_view bytes) {
    const std::size_t head_end = bytes.find("\r\n\r\n");
    HttpAnswer answer;
    if (!bytes.starts_with("HTTP/1.") || head_end == std::string_view::npos || bytes.size() < 12 ||
        !read_number(bytes.substr(9, 3), answer.status, 10)) {
        fail(server, "the answer is no HTTP");
    }
    const std::string_view head = bytes.substr(0, head_end);
    const std::string_view body = bytes.substr(head_end + 4);
    if (int seconds = 0; read_number(field(head, "Retry-After"), seconds, 10))
        answer.retry_after_s = seconds;
    if (!field(head, "Transfer-Encoding").empty()) {
        answer.body = without_chunks(server, body);
        return answer;
    }
    std::size_t length = body.size();
    if (const auto text = field(head, "Content-Length"); !text.empty())
        read_number(text, length, 10);
    if (body.size() < length) fail(server, "the answer is cut off");
    answer.body = body.substr(0, length);
    return answer;
}

/// Whether `bytes` hold a whole answer; chunks are looked at by their end only, which the server
/// sends last.
bool is_whole(std::string_view bytes) {
    const std::size_t head_end = bytes.find("\r\n\r\n");
    if (head_end == std::string_view::npos) return false;
    const std::string_view head = bytes.substr(0, head_end);
    const std::string_view body = bytes.substr(head_end + 4);
    if (!field(head, "Transfer-Encoding").empty()) return body.ends_with("0\r\n\r\n");
    std::size_t length = 0;
    read_number(field(head, "Content-Length"), length, 10);
    return body.size() >= length;
}

void limit_silence(BIO& bio, int seconds) {
    int socket = -1;
    BIO_get_fd(&bio, &socket);
    const timeval limit{seconds, 0};
    if (socket >= 0) {
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    }
}

/// Retrying is the operator's: each request is a new one.
std::string fresh_idempotency_key() {
    std::uint8_t bytes[16];
    ledger::random_bytes(bytes);
    std::string text;
    for (const std::uint8_t byte : bytes)
        text += fmt::format("{:02x}", byte);
    return text;
}

}  // namespace

ServerUrl ServerUrl::parse(std::string_view text) {
    const std::string shown(text);
    ServerUrl url;
    if (text.starts_with("https://")) {
        url.tls = true;
        text.remove_prefix(8);
    } else if (text.starts_with("http://")) {
        text.remove_prefix(7);
    } else {
        throw std::runtime_error("--server " + shown + " is not http://HOST:PORT or https://HOST");
    }
    if (text.ends_with('/')) text.remove_suffix(1);
    url.port = url.tls ? "443" : "80";
    const std::size_t colon = text.rfind(':');
    const bool has_port =
        colon != std::string_view::npos && text.find(']', colon) == std::string_view::npos;
    if (has_port) {
        url.port = text.substr(colon + 1);
        text = text.substr(0, colon);
    }
    if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
    url.host = text;
    if (url.host.empty() || url.port.empty() || url.host.find('/') != std::string::npos ||
        url.port.find_first_not_of("0123456789") != std::string::npos) {
        throw std::runtime_error("--server " + shown + " is not http://HOST:PORT or https://HOST");
    }
    return url;
}

HttpAnswer http_request(
    const ServerUrl& server,
    std::string_view method,
    std::string_view target,
    std::string_view key,
    std::string_view body
) {
    std::string request = fmt::format(
        "{} {} HTTP/1.1\r\nHost: {}:{}\r\nConnection: close\r\nAuthorization: Bearer {}\r\n",
        method,
        target,
        server.host,
        server.port,
        key
    );
    if (method == "POST") request += "Idempotency-Key: " + fresh_idempotency_key() + "\r\n";
    if (!body.empty()) {
        request +=
            fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n", body.size());
    }
    request += "\r\n";
    request += body;
    const Connection connection = connect(server);
    send(server, *connection.bio, request);
    return parse(server, receive(server, *connection.bio));
}

struct HttpConnection::Open {
    Connection connection;
};

HttpConnection::HttpConnection(ServerUrl server, std::string key, int silence_s)
    : server_(std::move(server)), key_(std::move(key)), silence_s_(silence_s) {}

HttpConnection::~HttpConnection() = default;

std::string HttpConnection::receive_one() {
    std::string answer;
    char buffer[65536];
    while (!is_whole(answer)) {
        const int got = BIO_read(open_->connection.bio.get(), buffer, sizeof buffer);
        if (got <= 0) fail(server_, "the connection broke before the answer");
        answer.append(buffer, static_cast<std::size_t>(got));
        if (answer.size() > kAnswerBytesMax) fail(server_, "the answer is too long");
    }
    return answer;
}

HttpAnswer HttpConnection::request(
    std::string_view method,
    std::string_view target,
    std::string_view content_type,
    std::string_view body
) {
    std::string head = fmt::format(
        "{} {} HTTP/1.1\r\nHost: {}:{}\r\nAuthorization: Bearer {}\r\n",
        method,
        target,
        server_.host,
        server_.port,
        key_
    );
    if (!body.empty()) {
        head +=
            fmt::format("Content-Type: {}\r\nContent-Length: {}\r\n", content_type, body.size());
    }
    head += "\r\n";
    try {
        if (!open_) {
            open_ = std::make_unique<Open>(Open{connect(server_)});
            limit_silence(*open_->connection.bio, silence_s_);
        }
        send(server_, *open_->connection.bio, head);
        send(server_, *open_->connection.bio, body);
        const std::string bytes = receive_one();
        HttpAnswer answer = parse(server_, bytes);
        const std::string_view answer_head =
            std::string_view(bytes).substr(0, bytes.find("\r\n\r\n"));
        const std::string_view kept = field(answer_head, "Connection");
        if (kept.size() >= 5 && strncasecmp(kept.data(), "close", 5) == 0) open_.reset();
        return answer;
    } catch (...) {
        open_.reset();
        throw;
    }
}

}  // namespace tools
