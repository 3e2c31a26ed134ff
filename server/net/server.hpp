#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ledger/base/result.hpp"
#include "server/net/http.hpp"
#include "server/net/proxy.hpp"

namespace server::net {

/// Bounds of one connection. Each has a test.
struct Limits {
    std::size_t header_bytes_max = 16 * 1024;
    std::chrono::milliseconds header_timeout{10'000};
    std::chrono::milliseconds body_timeout{30'000};
    std::chrono::milliseconds idle_timeout{75'000};
    /// Without any progress of an answer.
    std::chrono::milliseconds write_timeout{30'000};
    /// 0: RLIMIT_NOFILE - 1,000. Beyond it a connection gets 503 overloaded and is closed.
    std::size_t sockets_max = 0;
    /// A streamed request is not read while its answer has more than this waiting.
    std::size_t stream_buffered_bytes_max = 256 * 1024;
};

struct ServerOptions {
    std::string host = "127.0.0.1";
    /// 0: the system chooses; see Server::port().
    std::uint16_t port = 0;
    /// If set: the port and a newline, written by rename once the server listens.
    std::string port_file;
    /// PEM files; both or none.
    std::string tls_certificate_file;
    std::string tls_key_file;
    std::vector<Cidr> trusted_proxies;
    unsigned io_threads = 1;
    Limits limits;
};

/// Counters since start; relaxed, for metrics.
struct ServerStats {
    std::uint64_t connections_accepted = 0;
    std::uint64_t connections_refused = 0;
    std::uint64_t connections_open = 0;
    std::uint64_t requests = 0;
    std::uint64_t timeouts = 0;
    std::uint64_t malformed = 0;
};

/// Listens, and owns the io threads. `handler` must outlive it.
class Server {
public:
    /// Binds and starts the threads.
    /// Errors: invalid_parameter (address, certificate), io_error (bind, port file).
    [[nodiscard]] static ledger::Result<std::unique_ptr<Server>> start(
        ServerOptions options, Handler& handler
    );
    /// Drains without patience.
    virtual ~Server() = default;

    [[nodiscard]] virtual std::uint16_t port() const = 0;
    [[nodiscard]] virtual std::size_t sockets_max() const = 0;
    /// Reads certificate and key again for new connections; keeps the old ones on error.
    /// Errors: invalid_parameter. Any thread.
    [[nodiscard]] virtual ledger::Result<void> reload_tls() = 0;
    /// Stops accepting, closes idle connections, lets requests in flight finish (answered with
    /// Connection: close) until `patience` has passed, then cuts the rest and joins the threads.
    /// True if nothing was cut. Call from outside the io threads, once.
    virtual bool drain(std::chrono::milliseconds patience) = 0;
    [[nodiscard]] virtual ServerStats stats() const = 0;
    [[nodiscard]] virtual std::vector<IoQueue*> io_queues() = 0;
};

}  // namespace server::net
