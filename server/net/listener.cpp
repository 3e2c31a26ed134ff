#include "server/net/listener.hpp"

#include <boost/asio/ip/address.hpp>

namespace server::net {

namespace {

using ledger::ErrorCode;

/// Connections that are being told "overloaded" at one time; more are closed without a word.
constexpr std::uint64_t kRefusingMax = 64;
constexpr std::chrono::milliseconds kPauseAfterFailure{100};

}  // namespace

Listener::Listener(
    std::vector<std::shared_ptr<IoThread>> threads, std::shared_ptr<SessionShared> shared
)
    : threads_(std::move(threads)),
      shared_(std::move(shared)),
      acceptor_(threads_.front()->context().get_executor()),
      pause_timer_(threads_.front()->context()) {}

ledger::Result<void> Listener::bind(const std::string& host, std::uint16_t port) {
    error_code failure;
    const auto address = asio::ip::make_address(host == "localhost" ? "127.0.0.1" : host, failure);
    if (failure) {
        return ledger::make_error(
            ErrorCode::invalid_parameter, "listen: \"" + host + "\" is not an IP address"
        );
    }
    const asio::ip::tcp::endpoint endpoint(address, port);
    acceptor_.open(endpoint.protocol(), failure);
    if (!failure) acceptor_.set_option(asio::socket_base::reuse_address(true), failure);
    if (!failure) acceptor_.bind(endpoint, failure);
    if (!failure) acceptor_.listen(4096, failure);
    if (failure) {
        return ledger::make_error(
            ErrorCode::io_error,
            "cannot listen on " + host + ":" + std::to_string(port) + ": " + failure.message()
        );
    }
    port_ = acceptor_.local_endpoint().port();
    return {};
}

void Listener::set_tls(std::shared_ptr<asio::ssl::context> tls) {
    const std::lock_guard lock(tls_mutex_);
    tls_ = std::move(tls);
}

std::shared_ptr<asio::ssl::context> Listener::tls() {
    const std::lock_guard lock(tls_mutex_);
    return tls_;
}

void Listener::accept_next() {
    const auto thread = threads_[turn_++ % threads_.size()];
    acceptor_.async_accept(
        thread->context().get_executor(),
        [this, thread](error_code failure, TcpSocket socket) {
            if (failure == asio::error::operation_aborted || !acceptor_.is_open()) return;
            // Out of descriptors or memory: accepting again at once would only spin.
            if (failure && failure != asio::error::connection_aborted) return pause();
            if (!failure) on_accepted(thread, std::move(socket));
            accept_next();
        }
    );
}

void Listener::pause() {
    pause_timer_.expires_after(kPauseAfterFailure);
    pause_timer_.async_wait([this](error_code failure) {
        if (!failure && acceptor_.is_open()) accept_next();
    });
}

void Listener::on_accepted(std::shared_ptr<IoThread> thread, TcpSocket socket) {
    shared_->accepted.fetch_add(1, std::memory_order_relaxed);
    if (shared_->open.load(std::memory_order_relaxed) >= shared_->limits.sockets_max) {
        return refuse(std::move(thread), std::move(socket));
    }
    shared_->open.fetch_add(1, std::memory_order_relaxed);
    auto start = [thread, shared = shared_, tls = tls(), socket = std::move(socket)]() mutable {
        if (tls) {
            start_tls_session(std::move(thread), std::move(shared), std::move(socket), *tls);
        } else {
            start_plain_session(
                std::move(thread), std::move(shared), std::move(socket), Admission::serve
            );
        }
    };
    if (thread->on_this_thread()) {
        start();
    } else {
        thread->push(std::move(start));
    }
}

void Listener::refuse(std::shared_ptr<IoThread> thread, TcpSocket socket) {
    shared_->refused.fetch_add(1, std::memory_order_relaxed);
    // A handshake for a refusal would cost more than serving.
    const bool silent = tls() || shared_->refusing.load(std::memory_order_relaxed) >= kRefusingMax;
    if (silent) return;
    shared_->refusing.fetch_add(1, std::memory_order_relaxed);
    thread->push([thread, shared = shared_, socket = std::move(socket)]() mutable {
        start_plain_session(
            std::move(thread), std::move(shared), std::move(socket), Admission::refuse_overloaded
        );
    });
}

void Listener::close() {
    error_code ignored;
    acceptor_.close(ignored);
    pause_timer_.cancel();
}

}  // namespace server::net
