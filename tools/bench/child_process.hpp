#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include <sys/types.h>

namespace bench {

/// A child whose output goes to a file. The kernel kills it if the bench dies; nothing else is ever
/// signalled. Errors are std::runtime_error with one line for the user.
class ChildProcess {
public:
    /// `words[0]` is the program, looked for in PATH if it has no slash. GUERDON_* variables are
    /// not handed on: `serve` refuses names it does not know.
    ChildProcess(std::vector<std::string> words, std::filesystem::path log_file);
    /// SIGKILL if it still runs.
    ~ChildProcess();
    ChildProcess(ChildProcess const&) = delete;
    ChildProcess& operator=(ChildProcess const&) = delete;

    [[nodiscard]] bool has_ended();
    /// SIGTERM; throws unless it exits 0 within `limit`.
    void stop(std::chrono::milliseconds limit);
    /// SIGKILL, and waits until it is gone.
    void kill();
    /// Kills it and throws `what` with the end of its output.
    [[noreturn]] void fail(std::string const& what);

    /// User and system time of all its threads so far.
    [[nodiscard]] double cpu_seconds() const;
    [[nodiscard]] double resident_mib() const;

private:
    std::filesystem::path log_file_;
    pid_t pid_ = -1;
    int exit_status_ = 0;
};

}  // namespace bench
