#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "server/net/asio.hpp"
#include "server/net/io_thread.hpp"
#include "server/net/server.hpp"

namespace server::net {

/// What all connections of one server share. Const after start, but for the atomics.
struct SessionShared {
    Handler* handler = nullptr;
    Limits limits;
    std::vector<Cidr> trusted_proxies;
    std::atomic<std::uint64_t> open{0};
    std::atomic<std::uint64_t> refusing{0};
    std::atomic<std::uint64_t> accepted{0};
    std::atomic<std::uint64_t> refused{0};
};

enum class Admission : std::uint8_t { serve, refuse_overloaded };

/// Takes over an accepted connection, counted in `open` or `refusing` already. `socket` belongs to
/// `thread`'s context. Call on that thread.
void start_plain_session(
    std::shared_ptr<IoThread> thread,
    std::shared_ptr<SessionShared> shared,
    TcpSocket socket,
    Admission admission
);
void start_tls_session(
    std::shared_ptr<IoThread> thread,
    std::shared_ptr<SessionShared> shared,
    TcpSocket socket,
    asio::ssl::context& tls
);

/// Appends status line and header of `response`. `date` as of IoThread::date().
void append_response_head(
    std::string& out, const Response& response, std::string_view date, std::string_view framing
);

}  // namespace server::net
