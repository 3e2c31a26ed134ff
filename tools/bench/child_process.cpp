#include "tools/bench/child_process.hpp"

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

namespace bench {

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPoll = std::chrono::milliseconds(2);
constexpr std::size_t kLogShown = 1000;

std::string read_file(std::filesystem::path const& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

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
    pointers.reserve(texts.size() + 1);
    for (auto& text : texts) {
        pointers.push_back(text.data());
    }
    pointers.push_back(nullptr);
    return pointers;
}

}  // namespace

ChildProcess::ChildProcess(std::vector<std::string> words, std::filesystem::path log_file)
    : log_file_(std::move(log_file)) {
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
        execvpe(arguments[0], arguments.data(), variables.data());
        _exit(127);
    }
}

ChildProcess::~ChildProcess() {
    kill();
}

bool ChildProcess::has_ended() {
    if (pid_ > 0 && waitpid(pid_, &exit_status_, WNOHANG) == pid_) {
        pid_ = -1;
    }
    return pid_ < 0;
}

void ChildProcess::fail(std::string const& what) {
    kill();
    auto log = read_file(log_file_);
    if (log.size() > kLogShown) {
        log.erase(0, log.size() - kLogShown);
    }
    throw std::runtime_error(what + "; its last output:\n" + log);
}

void ChildProcess::stop(std::chrono::milliseconds limit) {
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

void ChildProcess::kill() {
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL);
        while (waitpid(pid_, &exit_status_, 0) < 0 && errno == EINTR) {
        }
        pid_ = -1;
    }
}

double ChildProcess::cpu_seconds() const {
    clockid_t clock{};
    timespec used{};
    if (pid_ <= 0 || clock_getcpuclockid(pid_, &clock) != 0 || clock_gettime(clock, &used) != 0) {
        return 0;
    }
    return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

double ChildProcess::resident_mib() const {
    std::ifstream statm("/proc/" + std::to_string(pid_) + "/statm");
    double total = 0;
    double resident = 0;
    statm >> total >> resident;
    return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1024.0 * 1024.0);
}

}  // namespace bench
