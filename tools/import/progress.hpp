#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "tools/import/source.hpp"

namespace importer {

/// Tells how far an import is, on stderr from a thread of its own: a bar that is redrawn on a
/// terminal, else a line every few seconds, or nothing.
class Progress {
public:
    enum class Show : std::uint8_t { nothing, lines, bar };

    explicit Progress(Show show);
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    ReadProgress read;
    std::atomic<std::uint64_t> settled{0};  ///< lines that are in a class

    /// Ends the thread and clears the bar. Harmless twice.
    void stop();
    [[nodiscard]] double seconds() const;

private:
    void tell() const;
    void run();

    const Show show_;
    const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
    std::mutex mutex_;
    std::condition_variable stopping_;
    bool stopped_ = false;
    std::thread thread_;
};

/// "[#####-----]  50 %  1,000 of 2,000 lines, 500 lines/s, 0:02 left". `all` 0: not known yet.
[[nodiscard]] std::string progress_text(std::uint64_t settled, std::uint64_t all, double seconds);

/// 245903 is "245,903".
[[nodiscard]] std::string grouped(std::uint64_t number);

}  // namespace importer
