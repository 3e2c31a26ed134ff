#include "server/config.hpp"

#include <sys/sysinfo.h>
#include <unistd.h>

#define TOML_EXCEPTIONS 0
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <CLI/CLI.hpp>
#include <toml++/toml.h>

extern "C" char** environ;  // NOLINT(readability-redundant-declaration): unistd.h hides it

namespace server {

namespace {

using ledger::ErrorCode;
using std::chrono::milliseconds;
using Environment = std::map<std::string, std::string, std::less<>>;

constexpr std::string_view kEnvironmentPrefix = "GUERDON_";
/// Read by the tests, whose servers inherit them.
constexpr std::string_view kTestDataVariable = "GUERDON_TESTDATA";
constexpr std::string_view kSeedVariable = "GUERDON_SEED";
constexpr std::string_view kConfigVariable = "GUERDON_CONFIG";

/// Empty: accepted. Otherwise why not, to stand behind the key's name.
using Complaint = std::string;

template <typename Number>
Complaint set_number(std::string_view text, Number& out, Number minimum, Number maximum) {
    Number value{};
    const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc{} || stop != text.data() + text.size()) return "is not a whole number";
    if (value < minimum || value > maximum) {
        return "must be from " + std::to_string(minimum) + " to " + std::to_string(maximum);
    }
    out = value;
    return {};
}

template <typename Number>
Complaint set_bytes(std::string_view text, Number& out, std::uint64_t minimum) {
    const auto value = parse_bytes(text);
    if (!value) return "is not a size such as 512MiB";
    if (*value < minimum) return "must be at least " + std::to_string(minimum) + " bytes";
    out = *value;
    return {};
}

Complaint set_duration(std::string_view text, milliseconds& out) {
    const auto value = parse_duration(text);
    if (!value) return "is not a time such as 30s or 250ms";
    if (*value < milliseconds(1) || *value > std::chrono::hours(24)) {
        return "must be from 1ms to 24h";
    }
    out = *value;
    return {};
}

Complaint set_switch(std::string_view text, bool& out) {
    if (text != "true" && text != "false") return "is neither true nor false";
    out = text == "true";
    return {};
}

Complaint set_listen(std::string_view text, Config& config) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0) return "is not HOST:PORT";
    std::string_view host = text.substr(0, colon);
    if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    if (host != "localhost" && !net::IpAddress::parse(host)) {
        return "has a host that is neither an IP address nor localhost";
    }
    const Complaint port =
        set_number<std::uint16_t>(text.substr(colon + 1), config.listen_port, 0, 65535);
    if (!port.empty()) return "has a port that " + port;
    config.listen_host = host;
    return {};
}

Complaint set_networks(std::string_view text, std::vector<net::Cidr>& out) {
    out.clear();
    while (!text.empty()) {
        const std::size_t comma = text.find(',');
        const auto network = net::Cidr::parse(text.substr(0, comma));
        if (!network) return "is not a list of networks such as 10.0.0.0/8,192.168.1.7";
        out.push_back(*network);
        text = comma == std::string_view::npos ? "" : text.substr(comma + 1);
    }
    return {};
}

Complaint set_log_level(std::string_view text, LogLevel& out) {
    constexpr std::array<std::pair<std::string_view, LogLevel>, 4> kLevels{
        {{"debug", LogLevel::debug},
         {"info", LogLevel::info},
         {"warning", LogLevel::warning},
         {"error", LogLevel::error}}};
    for (const auto& [name, level] : kLevels) {
        if (name != text) continue;
        out = level;
        return {};
    }
    return "is not one of debug, info, warning, error";
}

Complaint set_text(std::string_view text, std::string& out) {
    if (text.empty()) return "is empty";
    out = text;
    return {};
}

struct Option {
    std::string_view name;
    bool is_switch;
    std::string_view preset;
    std::string_view meaning;
    Complaint (*set)(std::string_view text, Config& config);
};

constexpr std::uint64_t kKiB = 1024;
constexpr std::size_t kCountMax = 100'000'000;

/// The one list of what can be configured: flags, environment, TOML keys, help and docs come from
/// it.
const std::vector<Option>& options() {
    using Text = std::string_view;
    static const std::vector<Option> kOptions{
        {"data",
         false,
         "",
         "the data folder (required)",
         [](Text t, Config& c) { return set_text(t, c.data); }},
        {"listen",
         false,
         "127.0.0.1:8080",
         "HOST:PORT to listen on; port 0 lets the system choose",
         [](Text t, Config& c) { return set_listen(t, c); }},
        {"port-file",
         false,
         "",
         "file that receives the port once the server listens",
         [](Text t, Config& c) { return set_text(t, c.port_file); }},
        {"tls-cert",
         false,
         "",
         "PEM certificate chain; read again on SIGHUP",
         [](Text t, Config& c) { return set_text(t, c.tls_cert); }},
        {"tls-key",
         false,
         "",
         "PEM private key of tls-cert",
         [](Text t, Config& c) { return set_text(t, c.tls_key); }},
        {"behind-proxy",
         false,
         "",
         "networks whose X-Forwarded-For is believed, with commas between",
         [](Text t, Config& c) { return set_networks(t, c.behind_proxy); }},
        {"memory",
         false,
         "a quarter of the machine's",
         "memory for rows, caches and rings, e.g. 4GiB",
         [](Text t, Config& c) { return set_bytes(t, c.memory_bytes, 64 * kKiB * kKiB); }},
        {"io-threads",
         false,
         "cores - 1, at least 1",
         "threads that serve sockets",
         [](Text t, Config& c) { return set_number<unsigned>(t, c.io_threads, 1, 256); }},
        {"header-bytes-max",
         false,
         "16KiB",
         "longest request header; beyond it 431",
         [](Text t, Config& c) { return set_bytes(t, c.limits.header_bytes_max, 256); }},
        {"body-bytes-max",
         false,
         "1MiB",
         "longest body; beyond it 413",
         [](Text t, Config& c) { return set_bytes(t, c.body_bytes_max, kKiB); }},
        {"batch-body-bytes-max",
         false,
         "8MiB",
         "longest batch, NDJSON or import body; beyond it 413",
         [](Text t, Config& c) { return set_bytes(t, c.batch_body_bytes_max, kKiB); }},
        {"batch-events-max",
         false,
         "1000",
         "most events in a batch; beyond it 413",
         [](Text t, Config& c) {
             return set_number<std::size_t>(t, c.batch_events_max, 1, 100'000);
         }},
        {"json-depth-max",
         false,
         "32",
         "deepest nesting of a JSON body; beyond it 400",
         [](Text t, Config& c) { return set_number<std::size_t>(t, c.json_depth_max, 2, 1000); }},
        {"header-timeout",
         false,
         "10s",
         "time for a header to arrive; then closed without an answer",
         [](Text t, Config& c) { return set_duration(t, c.limits.header_timeout); }},
        {"body-timeout",
         false,
         "30s",
         "time for a body to arrive; then 408",
         [](Text t, Config& c) { return set_duration(t, c.limits.body_timeout); }},
        {"idle-timeout",
         false,
         "75s",
         "time a connection may wait between requests",
         [](Text t, Config& c) { return set_duration(t, c.limits.idle_timeout); }},
        {"write-timeout",
         false,
         "30s",
         "time an answer may stand still before the client is cut",
         [](Text t, Config& c) { return set_duration(t, c.limits.write_timeout); }},
        {"sockets-max",
         false,
         "open-file limit - 1000",
         "most connections; beyond it 503",
         [](Text t, Config& c) {
             return set_number<std::size_t>(t, c.limits.sockets_max, 1, 1'000'000);
         }},
        {"drain-timeout",
         false,
         "10s",
         "time for requests in flight at SIGTERM",
         [](Text t, Config& c) { return set_duration(t, c.drain_timeout); }},
        {"live-interval",
         false,
         "100ms",
         "least time between two pushed states of a board; more from 1,000 viewers on",
         [](Text t, Config& c) { return set_duration(t, c.live_interval); }},
        {"live-guests-per-address",
         false,
         "20",
         "live connections with a publishable key alone, an address; beyond it 4504",
         [](Text t, Config& c) {
             return set_number<std::size_t>(t, c.live_guests_per_address, 1, kCountMax);
         }},
        {"live-sockets-per-member",
         false,
         "10",
         "live connections of one member; beyond it 4504",
         [](Text t, Config& c) {
             return set_number<std::size_t>(t, c.live_sockets_per_member, 1, kCountMax);
         }},
        {"queue-commands-max",
         false,
         "16384",
         "commands waiting per program; beyond it 503",
         [](Text t, Config& c) {
             return set_number<std::size_t>(t, c.queue_commands_max, 1, kCountMax);
         }},
        {"queue-bytes-max",
         false,
         "64MiB",
         "bytes of commands waiting per program; beyond it 503",
         [](Text t, Config& c) { return set_bytes(t, c.queue_bytes_max, kKiB * kKiB); }},
        {"read-queue-max",
         false,
         "16384",
         "reads waiting; beyond it 503",
         [](Text t, Config& c) {
             return set_number<std::size_t>(t, c.read_queue_max, 1, kCountMax);
         }},
        {"disk-free-bytes-min",
         false,
         "512MiB",
         "free disk below which writes get 507",
         [](Text t, Config& c) { return set_bytes(t, c.disk_free_bytes_min, 0); }},
        {"checkpoint-interval",
         false,
         "1s",
         "time between two checkpoints of the views",
         [](Text t, Config& c) { return set_duration(t, c.checkpoint_interval); }},
        {"accept-clock",
         true,
         "false",
         "start although the clock is far from the last entry",
         [](Text t, Config& c) { return set_switch(t, c.accept_clock); }},
        {"accept-loss",
         true,
         "false",
         "start although acknowledged entries are missing",
         [](Text t, Config& c) { return set_switch(t, c.accept_loss); }},
        {"new-admin-key",
         true,
         "false",
         "make a new admin.key and revoke the ones before it",
         [](Text t, Config& c) { return set_switch(t, c.new_admin_key); }},
        {"log-level",
         false,
         "info",
         "debug, info, warning or error",
         [](Text t, Config& c) { return set_log_level(t, c.log_level); }},
    };
    return kOptions;
}

const Option* find_option(std::string_view name) {
    for (const Option& option : options()) {
        if (option.name == name) return &option;
    }
    return nullptr;
}

std::string environment_name(std::string_view flag) {
    std::string name(kEnvironmentPrefix);
    for (char c : flag) {
        name.push_back(c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c));
    }
    return name;
}

ledger::Error refused(const std::string& key, const Complaint& why) {
    return ledger::field_error(ErrorCode::invalid_parameter, key, why);
}

/// One setting with where it came from, so that a complaint names what the operator wrote.
struct Setting {
    std::string text;
    std::string origin;
};
using Settings = std::map<std::string, Setting, std::less<>>;

ledger::Result<std::string> toml_text(const toml::node& node, const std::string& origin) {
    if (const auto text = node.value_exact<std::string>()) return *text;
    if (const auto number = node.value_exact<std::int64_t>()) return std::to_string(*number);
    if (const auto flag = node.value_exact<bool>()) return std::string(*flag ? "true" : "false");
    const toml::array* list = node.as_array();
    if (list == nullptr)
        return refused(origin, "must be text, a whole number, true, false or a list of text");
    std::string joined;
    for (const toml::node& item : *list) {
        const auto text = item.value_exact<std::string>();
        if (!text) return refused(origin, "is a list of something else than text");
        if (!joined.empty()) joined.push_back(',');
        joined += *text;
    }
    return joined;
}

ledger::Result<void> read_toml(const std::string& path, Settings& settings) {
    std::ifstream file(path);
    std::ostringstream content;
    std::error_code ignored;
    // A folder opens like a file and then has nothing to read.
    const bool folder = std::filesystem::is_directory(path, ignored);
    if (!folder) content << file.rdbuf();
    if (!file || folder) {
        return ledger::make_error(
            ErrorCode::io_error, "config file \"" + path + "\" cannot be read"
        );
    }
    const toml::parse_result parsed = toml::parse(content.str(), path);
    if (!parsed) {
        const auto& where = parsed.error().source().begin;
        return ledger::make_error(
            ErrorCode::invalid_parameter,
            path + ":" + std::to_string(where.line) + ":" + std::to_string(where.column) + ": " +
                std::string(parsed.error().description())
        );
    }
    for (const auto& [key, node] : parsed.table()) {
        const std::string name(key.str());
        std::string origin = name;
        origin.append(" in ").append(path);
        if (find_option(name) == nullptr) return refused(origin, "is not a known key");
        auto text = toml_text(node, origin);
        if (!text) return text.error();
        settings[name] = {std::move(*text), origin};
    }
    return {};
}

ledger::Result<void> read_environment(const Environment& environment, Settings& settings) {
    for (const auto& [variable, text] : environment) {
        if (variable == kTestDataVariable || variable == kSeedVariable) continue;
        if (variable == kConfigVariable) continue;
        const auto option =
            std::find_if(options().begin(), options().end(), [&name = variable](const Option& o) {
                return environment_name(o.name) == name;
            });
        if (option == options().end()) return refused(variable, "is not a known variable");
        settings[std::string(option->name)] = {text, variable};
    }
    return {};
}

ledger::Result<void> validate(const Config& config) {
    if (config.data.empty())
        return refused("data", "is required: the folder that keeps everything");
    if (config.tls_cert.empty() != config.tls_key.empty()) {
        return refused(
            config.tls_cert.empty() ? "tls-cert" : "tls-key",
            "is required because the other of tls-cert and tls-key is given"
        );
    }
    if (config.batch_body_bytes_max < config.body_bytes_max) {
        return refused("batch-body-bytes-max", "must be at least body-bytes-max");
    }
    const auto address = net::IpAddress::parse(config.listen_host);
    const bool loopback = config.listen_host == "localhost" || (address && address->loopback());
    if (!loopback && config.tls_cert.empty() && config.behind_proxy.empty()) {
        return refused(
            "listen",
            "is reachable from outside: give tls-cert and tls-key, or behind-proxy with the "
            "network of the proxy that ends TLS"
        );
    }
    return {};
}

}  // namespace

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
    constexpr std::array<std::pair<std::string_view, unsigned>, 5> kUnits{
        {{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}, {"B", 0}}};
    unsigned shift = 0;
    for (const auto& [unit, bits] : kUnits) {
        if (!text.ends_with(unit)) continue;
        text.remove_suffix(unit.size());
        shift = bits;
        break;
    }
    std::uint64_t value = 0;
    const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
    if (value > (UINT64_MAX >> shift)) return std::nullopt;
    return value << shift;
}

std::optional<milliseconds> parse_duration(std::string_view text) {
    constexpr std::array<std::pair<std::string_view, std::int64_t>, 4> kUnits{
        {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}}};
    for (const auto& [unit, factor] : kUnits) {
        if (!text.ends_with(unit)) continue;
        text.remove_suffix(unit.size());
        std::uint32_t value = 0;
        const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (failure != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
        return milliseconds(value * factor);
    }
    return std::nullopt;
}

void register_serve_options(CLI::App& app, CommandLine& command_line) {
    app.add_option("--config", command_line.config_file, "TOML file with any of these keys");
    for (const Option& option : options()) {
        const std::string name(option.name);
        std::string help(option.meaning);
        if (!option.preset.empty()) help += " (default " + std::string(option.preset) + ")";
        const auto remember = [&command_line, name](const std::string& text) {
            command_line.given[name] = text;
        };
        if (option.is_switch) {
            app.add_flag_callback(
                "--" + name, [remember] { remember("true"); }, help
            );
        } else {
            app.add_option_function<std::string>("--" + name, remember, help);
        }
    }
}

Environment guerdon_environment() {
    Environment found;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        const std::string_view line(*entry);
        const std::size_t equals = line.find('=');
        if (!line.starts_with(kEnvironmentPrefix) || equals == std::string_view::npos) continue;
        found.emplace(line.substr(0, equals), line.substr(equals + 1));
    }
    return found;
}

ledger::Result<Config> load_config(
    const CommandLine& command_line, const Environment& environment
) {
    Settings settings;
    std::string path = command_line.config_file;
    if (const auto found = environment.find(kConfigVariable);
        path.empty() && found != environment.end()) {
        path = found->second;
    }
    if (!path.empty()) {
        auto read = read_toml(path, settings);
        if (!read) return read.error();
    }
    auto read = read_environment(environment, settings);
    if (!read) return read.error();
    for (const auto& [name, text] : command_line.given)
        settings[name] = {text, "--" + name};

    Config config;
    for (const auto& [name, setting] : settings) {
        const Option* option = find_option(name);
        if (option == nullptr) return refused(setting.origin, "is not a known flag");
        const Complaint complaint = option->set(setting.text, config);
        if (!complaint.empty()) return refused(setting.origin, complaint);
    }
    auto valid = validate(config);
    if (!valid) return valid.error();
    return config;
}

std::string describe_options() {
    std::string out;
    for (const Option& option : options()) {
        out += "| `" + std::string(option.name) + "` | `" + environment_name(option.name) + "` | " +
               std::string(option.preset) + " | " + std::string(option.meaning) + " |\n";
    }
    return out;
}

unsigned Config::effective_io_threads() const {
    if (io_threads != 0) return io_threads;
    const unsigned cores = std::thread::hardware_concurrency();
    return cores > 2 ? cores - 1 : 1;
}

std::uint64_t Config::effective_memory_bytes() const {
    if (memory_bytes != 0) return memory_bytes;
    struct sysinfo info {};
    if (sysinfo(&info) != 0) return 1ULL << 30U;
    return static_cast<std::uint64_t>(info.totalram) * info.mem_unit / 4;
}

net::ServerOptions Config::server_options() const {
    net::ServerOptions options;
    options.host = listen_host;
    options.port = listen_port;
    options.port_file = port_file;
    options.tls_certificate_file = tls_cert;
    options.tls_key_file = tls_key;
    options.trusted_proxies = behind_proxy;
    options.io_threads = effective_io_threads();
    options.limits = limits;
    return options;
}

}  // namespace server
