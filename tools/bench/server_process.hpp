#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tools/bench/child_process.hpp"
#include "tools/bench/metrics.hpp"

namespace bench {

/// A `guerdon serve` child on 127.0.0.1 and a port of the system's choice. Errors are
/// std::runtime_error with one line for the user.
class ServerProcess {
public:
    struct Options {
        std::filesystem::path binary;
        std::filesystem::path data;      ///< kept; the caller removes it
        std::vector<std::string> flags;  ///< further flags of `serve`
        std::chrono::milliseconds start_limit{60'000};
    };

    /// Starts the child and waits until /readyz answers 200.
    explicit ServerProcess(Options options);
    /// SIGKILL if it still runs.
    ~ServerProcess();
    ServerProcess(ServerProcess const&) = delete;
    ServerProcess& operator=(ServerProcess const&) = delete;

    /// SIGTERM; throws unless it exits 0 within `limit`.
    void stop(std::chrono::milliseconds limit = std::chrono::milliseconds{60'000});
    /// SIGKILL, and waits until it is gone.
    void kill();

    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] std::string admin_key() const;
    /// User and system time of all its threads so far.
    [[nodiscard]] double cpu_seconds() const { return child_->cpu_seconds(); }
    [[nodiscard]] double resident_mib() const { return child_->resident_mib(); }
    [[nodiscard]] Metrics scrape() const;
    /// From the start of the child to the first 200 of /readyz.
    [[nodiscard]] double ready_seconds() const { return ready_seconds_; }

private:
    void await_ready();

    Options options_;
    std::filesystem::path port_file_;
    std::unique_ptr<ChildProcess> child_;
    std::uint16_t port_ = 0;
    double ready_seconds_ = 0;
};

}  // namespace bench
