#include "tools/bench/server_process.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <thread>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/bench/http_call.hpp"

namespace bench {

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPoll = std::chrono::milliseconds(2);

std::string read_file(std::filesystem::path const& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

std::string trimmed(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
        text.pop_back();
    }
    return text;
}

/// The environment without GUERDON_*: the child refuses names it does not know.
std::vector<std::string> clean_environment() {
    std::vector<std::string> kept;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        if (!std::string_view(*entry).starts_with("GUERDON_")) {
            kept.emplace_back(*entry);
        }
    }
    return kept;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    for (auto& text : texts) {
        pointers.push_back(text.data());
    }
    pointers.push_back(nullptr);
    return pointers;
}

}  // namespace

ServerProcess::ServerProcess(Options options)
    : options_(std::move(options)),
      port_file_(options_.data.string() + ".port"),
      log_file_(options_.data.string() + ".server.log") {
    std::error_code ignored;
    std::filesystem::remove(port_file_, ignored);
    spawn();
    await_ready();
}

ServerProcess::~ServerProcess() {
    kill();
    std::error_code ignored;
    std::filesystem::remove(port_file_, ignored);
}

void ServerProcess::spawn() {
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
    auto environment = clean_environment();
    auto const arguments = pointers_to(words);
    auto const variables = pointers_to(environment);
    auto const log_path = log_file_.string();
    auto const parent = getpid();
    pid_ = fork();
    if (pid_ < 0) {
        throw std::runtime_error(std::string("fork: ") + std::strerror(errno));
    }
    if (pid_ == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int const log = open(log_path.c_str(), O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0600);
        if (getppid() != parent || log < 0 || dup2(log, STDOUT_FILENO) < 0 ||
            dup2(log, STDERR_FILENO) < 0) {
            _exit(126);
        }
        execve(arguments[0], arguments.data(), variables.data());
        _exit(127);
    }
}

bool ServerProcess::has_ended() {
    if (pid_ > 0 && waitpid(pid_, &exit_status_, WNOHANG) == pid_) {
        pid_ = -1;
    }
    return pid_ < 0;
}

void ServerProcess::await_ready() {
    auto const begin = Clock::now();
    auto const limit = begin + options_.start_limit;
    while (Clock::now() < limit) {
        if (has_ended()) {
            fail("the server ended while starting");
        }
        if (port_ == 0) {
            auto const text = trimmed(read_file(port_file_));
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
    fail("the server was not ready in time");
}

void ServerProcess::fail(std::string const& what) {
    kill();
    auto log = read_file(log_file_);
    if (log.size() > 1000) {
        log.erase(0, log.size() - 1000);
    }
    throw std::runtime_error(what + "; its last output:\n" + log);
}

void ServerProcess::stop(std::chrono::milliseconds limit) {
    if (has_ended()) {
        fail("the server had ended by itself");
    }
    ::kill(pid_, SIGTERM);
    auto const until = Clock::now() + limit;
    while (!has_ended()) {
        if (Clock::now() >= until) {
            fail("the server did not stop after SIGTERM");
        }
        std::this_thread::sleep_for(kPoll);
    }
    if (!WIFEXITED(exit_status_) || WEXITSTATUS(exit_status_) != 0) {
        fail("the server's exit status after SIGTERM is " + std::to_string(exit_status_));
    }
}

void ServerProcess::kill() {
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL);
        while (waitpid(pid_, &exit_status_, 0) < 0 && errno == EINTR) {
        }
        pid_ = -1;
    }
}

std::string ServerProcess::admin_key() const {
    auto key = trimmed(read_file(options_.data / "admin.key"));
    if (key.empty()) {
        throw std::runtime_error("the server wrote no admin.key");
    }
    return key;
}

double ServerProcess::cpu_seconds() const {
    clockid_t clock{};
    timespec used{};
    if (pid_ <= 0 || clock_getcpuclockid(pid_, &clock) != 0 || clock_gettime(clock, &used) != 0) {
        return 0;
    }
    return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

double ServerProcess::resident_mib() const {
    std::ifstream statm("/proc/" + std::to_string(pid_) + "/statm");
    double total = 0;
    double resident = 0;
    statm >> total >> resident;
    return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1024.0 * 1024.0);
}

Metrics ServerProcess::scrape() const {
    return Metrics(http_call(port_, "GET", "/metrics", admin_key()).body);
}

}  // namespace bench
