#include "tests/server/net_support.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/http/error_response.hpp"
#include "server/net/io_queue.hpp"

namespace net_test {

namespace {

using server::net::BodyPlan;
using server::net::Request;
using server::net::RequestHead;
using server::net::Respond;
using server::net::Response;

void require(bool condition, const char* what) {
    if (!condition) throw std::runtime_error(what);
}

std::string lower(std::string text) {
    for (char& c : text)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return text;
}

Response text_response(std::string body) {
    Response response;
    response.content_type = "text/plain";
    response.body = std::move(body);
    return response;
}

}  // namespace

std::string get(std::string_view path, std::string_view more_headers) {
    return "GET " + std::string(path) + " HTTP/1.1\r\nHost: test\r\n" + std::string(more_headers) +
           "\r\n";
}

std::string post(std::string_view path, std::string_view body, std::string_view more_headers) {
    return "POST " + std::string(path) +
           " HTTP/1.1\r\nHost: test\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
           std::string(more_headers) + "\r\n" + std::string(body);
}

// ---- Client ----

Client::Client(std::uint16_t port) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    require(socket_ >= 0, "socket");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    require(
        ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0,
        "connect"
    );
}

Client::~Client() {
    close();
}

void Client::close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
}

void Client::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) return;  // the server closed; the test sees that when it reads
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
}

std::size_t Client::send_some(std::string_view bytes) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent > 0 ? static_cast<std::size_t>(sent) : 0;
}

bool Client::readable_within(std::chrono::milliseconds patience) {
    pollfd entry{socket_, POLLIN, 0};
    return ::poll(&entry, 1, static_cast<int>(patience.count())) == 1;
}

bool Client::writable_within(std::chrono::milliseconds patience) {
    pollfd entry{socket_, POLLOUT, 0};
    return ::poll(&entry, 1, static_cast<int>(patience.count())) == 1;
}

bool Client::fill() {
    require(readable_within(kPatience), "nothing arrived");
    std::array<char, 65536> bytes;
    const ssize_t count = ::recv(socket_, bytes.data(), bytes.size(), 0);
    if (count <= 0) return false;
    received_.append(bytes.data(), static_cast<std::size_t>(count));
    return true;
}

std::string Client::read_until(std::string_view mark) {
    std::size_t found = 0;
    while ((found = received_.find(mark)) == std::string::npos) {
        require(fill(), "the connection ended early");
    }
    std::string taken = received_.substr(0, found + mark.size());
    received_.erase(0, taken.size());
    return taken;
}

bool Client::closed_without_a_word() {
    return received_.empty() && !fill();
}

std::string Client::read_to_end() {
    while (fill()) {
    }
    return std::exchange(received_, {});
}

void Client::close_sending() {
    ::shutdown(socket_, SHUT_WR);
}

void Client::shrink_receive_buffer(int bytes) {
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

Reply Client::reply_head() {
    const std::string head = read_until("\r\n\r\n");
    Reply reply;
    require(head.starts_with("HTTP/1.1 "), "not an HTTP answer");
    reply.status = std::stoi(head.substr(9, 3));
    std::size_t at = head.find("\r\n") + 2;
    while (at + 2 < head.size()) {
        const std::size_t end = head.find("\r\n", at);
        const std::string line = head.substr(at, end - at);
        const std::size_t colon = line.find(": ");
        require(colon != std::string::npos, "a broken field");
        reply.headers[lower(line.substr(0, colon))] = line.substr(colon + 2);
        at = end + 2;
    }
    return reply;
}

Reply Client::reply() {
    Reply reply = reply_head();
    if (reply.headers.contains("content-length")) {
        const std::size_t length = std::stoul(reply.headers["content-length"]);
        while (received_.size() < length)
            require(fill(), "a truncated body");
        reply.body = received_.substr(0, length);
        received_.erase(0, length);
    } else if (reply.headers.contains("transfer-encoding")) {
        while (true) {
            const std::size_t size = std::stoul(read_until("\r\n"), nullptr, 16);
            while (received_.size() < size + 2)
                require(fill(), "a truncated chunk");
            reply.body += received_.substr(0, size);
            received_.erase(0, size + 2);
            if (size == 0) break;
        }
    } else if (reply.status != 204 && reply.status != 304) {
        reply.body = read_to_end();
    }
    return reply;
}

// ---- LineStream ----

void LineStream::on_data(std::string_view part) {
    const std::lock_guard lock(mutex_);
    for (char c : part) {
        if (c != '\n') continue;
        ++lines_seen;
        ++in_flight_;
        in_flight_peak = std::max(in_flight_peak.load(), in_flight_.load());
        if (answer_at_once_) answer_one();
    }
}

void LineStream::answer_one() {
    --in_flight_;
    writer_.write("line " + std::to_string(++answered_) + "\n");
    if (ended_ && in_flight_ == 0) writer_.finish();
}

void LineStream::on_end() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    if (in_flight_ == 0) writer_.finish();
}

void LineStream::on_abort(ledger::ErrorCode reason) {
    aborted = static_cast<int>(reason);
    if (reason == ledger::ErrorCode::malformed_http) return;
    const std::lock_guard lock(mutex_);
    writer_.write("given up\n");
    writer_.finish();
}

void LineStream::release(std::size_t count) {
    const std::lock_guard lock(mutex_);
    for (; count > 0 && in_flight_ > 0; --count)
        answer_one();
}

// ---- TestHandler ----

TestHandler::TestHandler() = default;

TestHandler::~TestHandler() {
    for (std::thread& thread : threads_)
        thread.join();
}

BodyPlan TestHandler::plan(const RequestHead& head) {
    if (head.path == "/refused") {
        return BodyPlan::reject(error(ledger::ErrorCode::unauthenticated));
    }
    if (head.path == "/lines" || head.path == "/held-lines") return BodyPlan::stream(body_limit);
    return BodyPlan::buffer(body_limit);
}

Response TestHandler::error(ledger::ErrorCode code) {
    return server::http::error_response(code);
}

void TestHandler::handle(const Request& request, Respond respond) {
    if (request.path == "/throw") throw std::runtime_error("a handler's bug");
    if (request.path == "/drop") return;
    if (request.path == "/big") return respond(text_response(std::string(32 << 20, 'b')));
    if (request.path == "/nothing") {
        Response response;
        response.status = 204;
        return respond(std::move(response));
    }
    std::string echo = std::string(server::net::name(request.method)) + " " +
                       std::string(request.target) + " from " + std::string(request.peer) +
                       (request.secure ? " secure: " : ": ") + std::string(request.body);
    if (request.path == "/later") {
        const std::lock_guard lock(mutex_);
        threads_.emplace_back([respond = std::move(respond), echo]() mutable {
            respond(text_response(echo));
        });
        return;
    }
    if (request.path == "/parts") {
        const std::lock_guard lock(mutex_);
        threads_.emplace_back([respond = std::move(respond)]() mutable {
            server::net::StreamWriter writer = respond.stream(text_response({}));
            for (int i = 0; i < 100; ++i)
                writer.write("part " + std::to_string(i) + "\n");
            writer.finish();
        });
        return;
    }
    if (request.path == "/torn") {
        server::net::StreamWriter writer = respond.stream(text_response({}));
        writer.write("half an ans");
        return;
    }
    if (request.path == "/hold") {
        const std::lock_guard lock(mutex_);
        held_.push_back(std::move(respond));
        changed_.notify_all();
        return;
    }
    respond(text_response(std::move(echo)));
}

std::shared_ptr<server::net::BodyStream> TestHandler::open_stream(
    const RequestHead& head, Respond respond
) {
    Response response;
    response.content_type = "application/x-ndjson";
    auto stream =
        std::make_shared<LineStream>(respond.stream(std::move(response)), head.path == "/lines");
    const std::lock_guard lock(mutex_);
    stream_ = stream;
    changed_.notify_all();
    return stream;
}

void TestHandler::wait_for_held(std::size_t count) {
    std::unique_lock lock(mutex_);
    require(changed_.wait_for(lock, kPatience, [&] { return held_.size() >= count; }), "not held");
}

void TestHandler::release_held(std::string body) {
    server::net::CompletionBatch batch;
    const std::lock_guard lock(mutex_);
    for (Respond& respond : held_) {
        server::net::IoQueue* queue = respond.queue();
        batch.add(std::move(respond), [this, body, queue] {
            if (!queue->on_this_thread()) wrong_thread = true;
            return text_response(body);
        });
    }
    held_.clear();
    batch.deliver();
}

std::shared_ptr<LineStream> TestHandler::stream() {
    std::unique_lock lock(mutex_);
    require(changed_.wait_for(lock, kPatience, [&] { return stream_ != nullptr; }), "no stream");
    return std::exchange(stream_, nullptr);
}

// ---- TestServer ----

TestServer::TestServer(server::net::ServerOptions options) {
    auto started = server::net::Server::start(std::move(options), handler);
    if (!started) throw std::runtime_error(started.error().detail);
    server = std::move(*started);
}

bool TestServer::eventually(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::yield();
    }
    return true;
}

}  // namespace net_test
