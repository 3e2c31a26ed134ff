#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "ledger/base/result.hpp"
#include "server/net/asio.hpp"
#include "server/net/io_thread.hpp"
#include "server/net/session.hpp"

namespace server::net {

/// Accepts connections on the first io thread and deals them out to all of them in turn.
class Listener {
public:
    Listener(std::vector<std::shared_ptr<IoThread>> threads, std::shared_ptr<SessionShared> shared);

    /// Errors: invalid_parameter (no such address), io_error.
    [[nodiscard]] ledger::Result<void> bind(const std::string& host, std::uint16_t port);
    [[nodiscard]] std::uint16_t port() const { return port_; }
    /// Null: plain HTTP. Any thread.
    void set_tls(std::shared_ptr<asio::ssl::context> tls);
    /// After the threads have started, or before; once.
    void accept_next();
    /// On the first io thread.
    void close();

private:
    void on_accepted(std::shared_ptr<IoThread> thread, TcpSocket socket);
    void refuse(std::shared_ptr<IoThread> thread, TcpSocket socket);
    void pause();
    [[nodiscard]] std::shared_ptr<asio::ssl::context> tls();

    const std::vector<std::shared_ptr<IoThread>> threads_;
    const std::shared_ptr<SessionShared> shared_;
    TcpAcceptor acceptor_;
    asio::steady_timer pause_timer_;
    std::uint16_t port_ = 0;
    std::size_t turn_ = 0;

    // Guarded by tls_mutex_.
    std::mutex tls_mutex_;
    std::shared_ptr<asio::ssl::context> tls_;
};

}  // namespace server::net
