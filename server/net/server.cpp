#include "server/net/server.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <future>
#include <thread>

#include <sys/resource.h>

#include "server/net/listener.hpp"
#include "server/net/tls.hpp"

namespace server::net {

namespace {

using ledger::ErrorCode;
using std::chrono::milliseconds;

constexpr std::size_t kDescriptorsKept = 1000;

/// Raises the soft limit to the hard one; RLIMIT_NOFILE - 1,000, but at least 16.
std::size_t sockets_by_descriptor_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 16;
    if (limit.rlim_cur < limit.rlim_max) {
        rlimit raised = limit;
        raised.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
    }
    const std::size_t descriptors = std::min<rlim_t>(limit.rlim_cur, 1U << 20U);
    return descriptors > kDescriptorsKept + 16 ? descriptors - kDescriptorsKept : 16;
}

/// Deadlines are seen with this delay at most; a second, unless a limit is shorter than that.
milliseconds tick_for(const Limits& limits) {
    const milliseconds shortest = std::min(
        {limits.header_timeout, limits.body_timeout, limits.idle_timeout, limits.write_timeout}
    );
    return std::clamp(shortest / 8, milliseconds(5), milliseconds(1000));
}

ledger::Result<void> write_port_file(const std::string& path, std::uint16_t port) {
    const std::string partial = path + ".partial";
    std::ofstream file(partial, std::ios::trunc);
    file << port << '\n';
    file.close();
    if (!file || std::rename(partial.c_str(), path.c_str()) != 0) {
        return ledger::make_error(
            ErrorCode::io_error, "port-file \"" + path + "\" cannot be written"
        );
    }
    return {};
}

class RunningServer final : public Server {
public:
    RunningServer(ServerOptions options, Handler& handler) : options_(std::move(options)) {
        shared_ = std::make_shared<SessionShared>();
        shared_->handler = &handler;
        shared_->limits = options_.limits;
        shared_->trusted_proxies = options_.trusted_proxies;
        if (shared_->limits.sockets_max == 0) {
            shared_->limits.sockets_max = sockets_by_descriptor_limit();
        }
        for (unsigned i = 0; i < std::max(1U, options_.io_threads); ++i) {
            threads_.push_back(std::make_shared<IoThread>(tick_for(options_.limits)));
        }
        listener_ = std::make_unique<Listener>(threads_, shared_);
    }

    ~RunningServer() override { drain(milliseconds(0)); }

    ledger::Result<void> open() {
        if (!options_.tls_certificate_file.empty()) {
            auto loaded = reload_tls();
            if (!loaded) return loaded.error();
        }
        auto bound = listener_->bind(options_.host, options_.port);
        if (!bound) return bound.error();
        for (const auto& thread : threads_)
            thread->start();
        started_ = true;
        listener_->accept_next();
        if (options_.port_file.empty()) return {};
        return write_port_file(options_.port_file, listener_->port());
    }

    [[nodiscard]] std::uint16_t port() const override { return listener_->port(); }
    [[nodiscard]] std::size_t sockets_max() const override { return shared_->limits.sockets_max; }

    ledger::Result<void> reload_tls() override {
        auto context = make_tls_context(options_.tls_certificate_file, options_.tls_key_file);
        if (!context) return context.error();
        listener_->set_tls(std::move(*context));
        return {};
    }

    bool drain(milliseconds patience) override {
        if (!started_ || drained_) return true;
        drained_ = true;
        const auto deadline = std::chrono::steady_clock::now() + patience;
        on_thread(*threads_.front(), [this] { listener_->close(); });
        for (const auto& thread : threads_) {
            on_thread(*thread, [&thread] { thread->drain_connections(); });
        }
        while (shared_->open.load() != 0 && std::chrono::steady_clock::now() < deadline) {
            std::this_thread::sleep_for(milliseconds(2));
        }
        const bool clean = shared_->open.load() == 0;
        for (const auto& thread : threads_) {
            on_thread(*thread, [&thread] { thread->cut_connections(); });
        }
        for (const auto& thread : threads_)
            thread->join();
        return clean;
    }

    [[nodiscard]] ServerStats stats() const override {
        ServerStats stats;
        stats.connections_accepted = shared_->accepted.load(std::memory_order_relaxed);
        stats.connections_refused = shared_->refused.load(std::memory_order_relaxed);
        stats.connections_open = shared_->open.load(std::memory_order_relaxed);
        for (const auto& thread : threads_) {
            stats.requests += thread->counters.requests.load(std::memory_order_relaxed);
            stats.timeouts += thread->counters.timeouts.load(std::memory_order_relaxed);
            stats.malformed += thread->counters.malformed.load(std::memory_order_relaxed);
        }
        return stats;
    }

    std::vector<IoQueue*> io_queues() override {
        std::vector<IoQueue*> queues;
        for (const auto& thread : threads_)
            queues.push_back(thread.get());
        return queues;
    }

private:
    template <typename Work>
    static void on_thread(IoThread& thread, Work work) {
        std::promise<void> done;
        thread.push([&] {
            work();
            done.set_value();
        });
        done.get_future().wait();
    }

    const ServerOptions options_;
    std::shared_ptr<SessionShared> shared_;
    std::vector<std::shared_ptr<IoThread>> threads_;
    std::unique_ptr<Listener> listener_;
    bool started_ = false;
    bool drained_ = false;
};

}  // namespace

ledger::Result<std::unique_ptr<Server>> Server::start(ServerOptions options, Handler& handler) {
    auto server = std::make_unique<RunningServer>(std::move(options), handler);
    auto opened = server->open();
    if (!opened) return opened.error();
    return std::unique_ptr<Server>(std::move(server));
}

}  // namespace server::net
