#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/base/result.hpp"
#include "server/net/proxy.hpp"
#include "server/net/server.hpp"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's name
class App;
}

namespace server {

enum class LogLevel : std::uint8_t { debug, info, warning, error };

/// Everything `guerdon serve` can be told. Each field is the flag of the same name with dashes, the
/// environment variable GUERDON_<FLAG> and the key of the same name in the TOML file.
struct Config {
    std::string data;
    std::string listen_host = "127.0.0.1";
    std::uint16_t listen_port = 8080;
    std::string port_file;
    std::string tls_cert;
    std::string tls_key;
    std::vector<net::Cidr> behind_proxy;

    /// Bytes the server may use for rows, caches and rings. 0: a quarter of the machine's memory.
    std::uint64_t memory_bytes = 0;
    /// 0: max(1, cores - shards).
    unsigned io_threads = 0;

    net::Limits limits;
    std::size_t body_bytes_max = 1024 * 1024;
    std::size_t batch_body_bytes_max = 8 * 1024 * 1024;
    std::size_t batch_events_max = 1000;
    std::size_t json_depth_max = 32;
    std::chrono::milliseconds drain_timeout{10'000};

    /// Between two states of a board that are pushed to /live while few watch; more for many.
    std::chrono::milliseconds live_interval{100};
    /// Connections to /live with a publishable key alone, an address; beyond it 4504.
    std::size_t live_guests_per_address = 20;
    /// Connections to /live of one member; beyond it 4504.
    std::size_t live_sockets_per_member = 10;

    /// Commands waiting for the writer, a program; beyond it 503 overloaded.
    std::size_t queue_commands_max = 16'384;
    std::size_t queue_bytes_max = 64 * 1024 * 1024;
    std::size_t read_queue_max = 16'384;
    /// Bytes free on the data folder's disk below which writes are refused with 507 disk_full.
    std::uint64_t disk_free_bytes_min = 512ULL * 1024 * 1024;

    /// Between the starts of two checkpoints; a restart replays what came after the last one.
    std::chrono::milliseconds checkpoint_interval{1'000};

    /// Start although the clock is far from the log's last entry.
    bool accept_clock = false;
    /// Start although the log is behind its witness: acknowledged entries are lost.
    bool accept_loss = false;
    /// Make a new admin key and revoke the ones that were made at a start.
    bool new_admin_key = false;
    LogLevel log_level = LogLevel::info;

    [[nodiscard]] net::ServerOptions server_options() const;
    [[nodiscard]] unsigned effective_io_threads() const;
    [[nodiscard]] std::uint64_t effective_memory_bytes() const;
};

/// What was given on the command line: flag name without dashes → text. Switches are "true".
struct CommandLine {
    std::map<std::string, std::string, std::less<>> given;
    std::string config_file;
};

/// Adds every flag of `serve` to `app`; after parsing, `command_line` holds those that were given.
/// `command_line` must outlive `app`.
void register_serve_options(CLI::App& app, CommandLine& command_line);

/// The process's environment variables that begin with GUERDON_.
[[nodiscard]] std::map<std::string, std::string, std::less<>> guerdon_environment();

/// Flags over environment over the TOML file (`--config` or GUERDON_CONFIG), then validation.
/// Errors: io_error (file), invalid_parameter: the detail names the key and where it came from
/// ("unknown key limits.foo in guerdon.toml", "GUERDON_LISTEN: …").
[[nodiscard]] ledger::Result<Config> load_config(
    const CommandLine& command_line,
    const std::map<std::string, std::string, std::less<>>& environment
);

/// One line a key: name, default, meaning. For docs/operating.md and `--help`.
[[nodiscard]] std::string describe_options();

/// "4GiB", "512MiB", "1000". Empty if it is not a size.
[[nodiscard]] std::optional<std::uint64_t> parse_bytes(std::string_view text);
/// "10s", "250ms", "2m", "1h". Empty if it is not a duration.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

}  // namespace server
