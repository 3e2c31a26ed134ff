#pragma once

#include <memory>
#include <string>
#include <variant>

#include <boost/asio/ssl/stream.hpp>

#include "server/net/asio.hpp"
#include "server/net/io_thread.hpp"

namespace server::net {

/// A connection that left HTTP: a request asked for another protocol, and nothing was answered yet.
/// Whoever takes it speaks first, and lives on `thread` alone.
struct UpgradedConnection {
    std::shared_ptr<IoThread> thread;
    std::variant<TcpSocket, asio::ssl::stream<TcpSocket>> stream;
    /// What was read behind the head of the request.
    std::string received;
    /// The connection counts as open, and a drain waits for it, until this is dropped.
    std::shared_ptr<void> place;
};

}  // namespace server::net
