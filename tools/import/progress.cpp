#include "tools/import/progress.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <fmt/format.h>

namespace importer {

namespace {

constexpr std::chrono::milliseconds kBarEvery{200};
constexpr std::chrono::milliseconds kLineEvery{5000};
constexpr std::size_t kBarWidth = 30;

/// All lines of the input: counted, or guessed from what was read of its bytes.
std::uint64_t lines_all(const ReadProgress& read) {
    const std::uint64_t lines = read.lines;
    const std::uint64_t bytes = read.bytes;
    if (read.done) return lines;
    if (bytes == 0) return 0;
    return static_cast<std::uint64_t>(
        static_cast<double>(lines) * static_cast<double>(read.bytes_all) /
        static_cast<double>(bytes)
    );
}

}  // namespace

std::string grouped(std::uint64_t number) {
    std::string digits = std::to_string(number);
    for (std::size_t at = digits.size(); at > 3; at -= 3)
        digits.insert(at - 3, 1, ',');
    return digits;
}

std::string progress_text(std::uint64_t settled, std::uint64_t all, double seconds) {
    if (all == 0) return "reading";
    const double part = std::min(1.0, static_cast<double>(settled) / static_cast<double>(all));
    const double rate = seconds > 0 ? static_cast<double>(settled) / seconds : 0;
    const auto filled = static_cast<std::size_t>(part * static_cast<double>(kBarWidth));
    std::string left = "?";
    if (rate > 0) {
        const auto rest = std::lround(static_cast<double>(all - std::min(all, settled)) / rate);
        left = fmt::format("{}:{:02}", rest / 60, rest % 60);
    }
    return fmt::format(
        "[{}{}] {:3.0f} %  {} of {} lines, {} lines/s, {} left",
        std::string(filled, '#'),
        std::string(kBarWidth - filled, '-'),
        part * 100,
        grouped(settled),
        grouped(all),
        grouped(static_cast<std::uint64_t>(rate)),
        left
    );
}

Progress::Progress(Show show) : show_(show) {
    if (show_ != Show::nothing) thread_ = std::thread([this] { run(); });
}

Progress::~Progress() {
    stop();
}

double Progress::seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
}

void Progress::tell() const {
    const std::string text = progress_text(settled, lines_all(read), seconds());
    if (show_ == Show::bar) {
        fmt::print(stderr, "\r\x1b[K{}", text);
    } else {
        fmt::print(stderr, "{}\n", text);
    }
    std::fflush(stderr);
}

void Progress::run() {
    std::unique_lock lock(mutex_);
    const auto every = show_ == Show::bar ? kBarEvery : kLineEvery;
    while (!stopping_.wait_for(lock, every, [this] { return stopped_; }))
        tell();
}

void Progress::stop() {
    {
        const std::lock_guard lock(mutex_);
        if (stopped_) return;
        stopped_ = true;
    }
    stopping_.notify_all();
    if (!thread_.joinable()) return;
    thread_.join();
    if (show_ == Show::bar) fmt::print(stderr, "\r\x1b[K");
}

}  // namespace importer
