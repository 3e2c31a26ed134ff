#include "server/config.hpp"

#include <filesystem>
#include <fstream>

#include <CLI/CLI.hpp>

#include "tests/support/catch.hpp"

using namespace server;

namespace {

using Environment = std::map<std::string, std::string, std::less<>>;

class TomlFile {
public:
    explicit TomlFile(const std::string& content) {
        std::string pattern = (std::filesystem::temp_directory_path() / "config_XXXXXX").string();
        folder_ = ::mkdtemp(pattern.data());
        std::ofstream(path()) << content;
    }
    ~TomlFile() { std::filesystem::remove_all(folder_); }
    [[nodiscard]] std::string path() const { return (folder_ / "guerdon.toml").string(); }

private:
    std::filesystem::path folder_;
};

CommandLine parse(std::vector<std::string> arguments) {
    CLI::App app;
    CommandLine command_line;
    register_serve_options(app, command_line);
    std::reverse(arguments.begin(), arguments.end());
    app.parse(arguments);
    return command_line;
}

ledger::Result<Config> load(
    std::vector<std::string> arguments, const Environment& environment = {}
) {
    return load_config(parse(std::move(arguments)), environment);
}

std::string complaint(const ledger::Result<Config>& result) {
    REQUIRE_FALSE(result);
    CHECK(result.error().code == ledger::ErrorCode::invalid_parameter);
    return result.error().detail;
}

}  // namespace

TEST_CASE("config: defaults are those of the documentation", "[config]") {
    const auto config = load({"--data", "d"});
    REQUIRE(config);
    CHECK(config->listen_host == "127.0.0.1");
    CHECK(config->listen_port == 8080);
    CHECK(config->limits.header_bytes_max == 16 * 1024);
    CHECK(config->body_bytes_max == 1024 * 1024);
    CHECK(config->batch_body_bytes_max == 8 * 1024 * 1024);
    CHECK(config->batch_events_max == 1000);
    CHECK(config->json_depth_max == 32);
    CHECK(config->limits.header_timeout == std::chrono::seconds(10));
    CHECK(config->limits.body_timeout == std::chrono::seconds(30));
    CHECK(config->limits.idle_timeout == std::chrono::seconds(75));
    CHECK(config->effective_io_threads() >= 1);
    CHECK(config->effective_memory_bytes() > 64 * 1024 * 1024);
}

TEST_CASE("config: flags go before environment before file", "[config]") {
    const TomlFile file(
        "data = \"from-file\"\nmemory = \"1GiB\"\nio-threads = 3\nidle-timeout = \"9s\"\n"
    );
    const Environment environment{
        {"GUERDON_DATA", "from-env"}, {"GUERDON_MEMORY", "2GiB"}, {"GUERDON_CONFIG", file.path()}};
    const auto config = load({"--data", "from-flag"}, environment);
    REQUIRE(config);
    CHECK(config->data == "from-flag");
    CHECK(config->memory_bytes == 2ULL << 30U);
    CHECK(config->io_threads == 3);
    CHECK(config->limits.idle_timeout == std::chrono::seconds(9));
    const auto by_flag = load({"--config", file.path()});
    REQUIRE(by_flag);
    CHECK(by_flag->data == "from-file");
}

TEST_CASE("config: every kind of value can stand in the file", "[config]") {
    const TomlFile file(
        "data = \"d\"\naccept-clock = true\nlisten = \"[::1]:0\"\n"
        "behind-proxy = [\"10.0.0.0/8\", \"192.168.1.7\"]\nlog-level = \"warning\"\n"
    );
    const auto config = load({"--config", file.path(), "--accept-loss"});
    REQUIRE(config);
    CHECK(config->accept_clock);
    CHECK(config->accept_loss);
    CHECK(config->listen_host == "::1");
    CHECK(config->listen_port == 0);
    CHECK(config->behind_proxy.size() == 2);
    CHECK(config->log_level == LogLevel::warning);
}

TEST_CASE("config: unknown names are refused by name", "[config]") {
    const TomlFile file("data = \"d\"\nbody-byte-max = 5\n");
    CHECK(complaint(load({"--config", file.path()})).find("body-byte-max in ") == 0);
    const TomlFile table("data = \"d\"\n[limits]\nfoo = 1\n");
    CHECK(complaint(load({"--config", table.path()})).find("limits in ") == 0);
    CHECK(complaint(load({"--data", "d"}, {{"GUERDON_LISTN", "x"}})).find("GUERDON_LISTN") == 0);
    CHECK(load({"--data", "d"}, {{"GUERDON_TESTDATA", "x"}, {"GUERDON_SEED", "1"}}));
    CHECK_THROWS(parse({"--lissen", "x"}));
}

TEST_CASE("config: a bad value is refused with its key", "[config]") {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"listen", "8080"},
        {"listen", "shop.example:80"},
        {"listen", "127.0.0.1:99999"},
        {"behind-proxy", "10.0.0.0/40"},
        {"memory", "4 GB"},
        {"memory", "1KiB"},
        {"io-threads", "0"},
        {"io-threads", "two"},
        {"header-timeout", "10"},
        {"body-timeout", "0s"},
        {"header-bytes-max", "10"},
        {"batch-events-max", "-1"},
        {"log-level", "loud"},
        {"data", ""},
    };
    for (const auto& [key, value] : cases) {
        INFO(key << " = " << value);
        CHECK(complaint(load({"--" + key, value}, {{"GUERDON_DATA", "d"}})).find("--" + key) == 0);
    }
    CHECK(
        complaint(load({"--data", "d"}, {{"GUERDON_ACCEPT_LOSS", "yes"}})
        ).find("GUERDON_ACCEPT_LOSS") == 0
    );
    const TomlFile broken("data = \n");
    CHECK(
        complaint(load({"--config", broken.path()})).find("guerdon.toml:1:") != std::string::npos
    );
    const auto missing = load({"--config", "/nonexistent/guerdon.toml"});
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code == ledger::ErrorCode::io_error);
}

TEST_CASE("config: settings that contradict each other are refused", "[config]") {
    CHECK(complaint(load({})).find("data") == 0);
    CHECK(complaint(load({"--data", "d", "--tls-cert", "c"})).find("tls-key") == 0);
    CHECK(complaint(load({"--data", "d", "--tls-key", "k"})).find("tls-cert") == 0);
    CHECK(complaint(load({"--data", "d", "--listen", "0.0.0.0:80"})).find("listen") == 0);
    CHECK(complaint(load({"--data", "d", "--listen", "[::]:80"})).find("listen") == 0);
    CHECK(load({"--data", "d", "--listen", "0.0.0.0:80", "--behind-proxy", "10.0.0.0/8"}));
    CHECK(load({"--data", "d", "--listen", "0.0.0.0:443", "--tls-cert", "c", "--tls-key", "k"}));
    CHECK(load({"--data", "d", "--listen", "localhost:80"}));
    CHECK(
        complaint(load({"--data", "d", "--batch-body-bytes-max", "4KiB"})).find("batch-body") == 0
    );
}

TEST_CASE("config: sizes and times have units", "[config]") {
    CHECK(parse_bytes("4GiB") == 4ULL << 30U);
    CHECK(parse_bytes("1000") == 1000U);
    CHECK(parse_bytes("7B") == 7U);
    CHECK_FALSE(parse_bytes("4GB"));
    CHECK_FALSE(parse_bytes(""));
    CHECK_FALSE(parse_bytes("99999999999TiB"));
    CHECK(parse_duration("250ms") == std::chrono::milliseconds(250));
    CHECK(parse_duration("2m") == std::chrono::minutes(2));
    CHECK_FALSE(parse_duration("10"));
    CHECK_FALSE(parse_duration("s"));
}

TEST_CASE("config: every option is described with its environment name", "[config]") {
    const std::string text = describe_options();
    CHECK(text.find("| `port-file` | `GUERDON_PORT_FILE` |") != std::string::npos);
    CHECK(text.find("`header-timeout`") != std::string::npos);
}
