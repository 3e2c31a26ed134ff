#include "tools/bench/server_process.hpp"

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "tools/bench/http_call.hpp"

namespace bench {

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPoll = std::chrono::milliseconds(2);

std::string read_line(std::filesystem::path const& path) {
    std::ifstream in(path);
    std::string line;
    std::getline(in, line);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) {
        line.pop_back();
    }
    return line;
}

}  // namespace

ServerProcess::ServerProcess(Options options)
    : options_(std::move(options)), port_file_(options_.data.string() + ".port") {
    std::error_code ignored;
    std::filesystem::remove(port_file_, ignored);
    std::vector<std::string> words = {
        options_.binary.string(),
        "serve",
        "--data",
        options_.data.string(),
        "--listen",
        "127.0.0.1:0",
        "--port-file",
        port_file_.string()};
    words.insert(words.end(), options_.flags.begin(), options_.flags.end());
    child_ =
        std::make_unique<ChildProcess>(std::move(words), options_.data.string() + ".server.log");
    await_ready();
}

ServerProcess::~ServerProcess() {
    child_.reset();
    std::error_code ignored;
    std::filesystem::remove(port_file_, ignored);
}

void ServerProcess::await_ready() {
    auto const begin = Clock::now();
    auto const limit = begin + options_.start_limit;
    while (Clock::now() < limit) {
        if (child_->has_ended()) {
            child_->fail("the server ended while starting");
        }
        if (port_ == 0) {
            auto const text = read_line(port_file_);
            port_ = text.empty()
                        ? std::uint16_t{0}
                        : static_cast<std::uint16_t>(std::strtoul(text.c_str(), nullptr, 10));
        }
        if (port_ != 0 && http_call(port_, "GET", "/readyz", {}, {}, 1000).status == 200) {
            ready_seconds_ = std::chrono::duration<double>(Clock::now() - begin).count();
            return;
        }
        std::this_thread::sleep_for(kPoll);
    }
    child_->fail("the server was not ready in time");
}

void ServerProcess::stop(std::chrono::milliseconds limit) {
    child_->stop(limit);
}

void ServerProcess::kill() {
    child_->kill();
}

std::string ServerProcess::admin_key() const {
    auto key = read_line(options_.data / "admin.key");
    if (key.empty()) {
        throw std::runtime_error("the server wrote no admin.key");
    }
    return key;
}

Metrics ServerProcess::scrape() const {
    return Metrics(http_call(port_, "GET", "/metrics", admin_key()).body);
}

}  // namespace bench
