#include "tools/bench/ingest.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>

#include <fmt/core.h>

#include "tools/bench/column.hpp"
#include "tools/bench/compact.hpp"
#include "tools/bench/histogram.hpp"
#include "tools/bench/load.hpp"
#include "tools/bench/machine.hpp"
#include "tools/bench/session.hpp"

namespace bench {

namespace {

constexpr double kMs = 1e6;  // nanoseconds

/// What one run showed, in the order it is printed.
struct RunFigures {
    double events_per_s = 0;
    double p50_ms = 0;
    double p99_ms = 0;
    double p999_ms = 0;
    double max_ms = 0;
    double cpu_us_per_event = 0;
    double commit_p999_ms = 0;
    double group_size = 0;
    double sync_mean_ms = 0;
    double checkpoints = 0;
    double view_records_per_event = 0;
    double view_lag_end_s = 0;
    double view_lag_max_s = 0;
    double resident_mib = 0;
    double disk_bytes_per_event = 0;
    double fdatasync_per_s = 0;
};

constexpr Column<RunFigures> kColumns[] = {
    {"events/s", &RunFigures::events_per_s, 0},
    {"p50 ms", &RunFigures::p50_ms, 3},
    {"p99 ms", &RunFigures::p99_ms, 2},
    {"p99.9 ms", &RunFigures::p999_ms, 2},
    {"max ms", &RunFigures::max_ms, 1},
    {"server CPU us/event", &RunFigures::cpu_us_per_event, 2},
    {"commit p99.9 ms", &RunFigures::commit_p999_ms, 2},
    {"events/group", &RunFigures::group_size, 1},
    {"sync mean ms", &RunFigures::sync_mean_ms, 3},
    {"checkpoints", &RunFigures::checkpoints, 0},
    {"view records/event", &RunFigures::view_records_per_event, 3},
    {"view lag at end s", &RunFigures::view_lag_end_s, 2},
    {"view lag max s", &RunFigures::view_lag_max_s, 2},
    {"resident MiB", &RunFigures::resident_mib, 0},
    {"disk B/event", &RunFigures::disk_bytes_per_event, 0},
    {"raw fdatasync/s", &RunFigures::fdatasync_per_s, 0},
};

/// Scrapes the view lag once a second on a thread of its own while it lives.
class LagWatch {
public:
    explicit LagWatch(ServerProcess const& server) : thread_([this, &server] { watch(server); }) {}
    ~LagWatch() { finish(); }
    LagWatch(LagWatch const&) = delete;
    LagWatch& operator=(LagWatch const&) = delete;

    /// Stops watching; the greatest lag seen.
    double finish() {
        {
            std::lock_guard const lock(mutex_);
            done_ = true;
        }
        wake_.notify_one();
        if (thread_.joinable()) {
            thread_.join();
        }
        return max_s_;
    }

private:
    void watch(ServerProcess const& server) {
        std::unique_lock lock(mutex_);
        while (!wake_.wait_for(lock, std::chrono::seconds(1), [this] { return done_; })) {
            lock.unlock();
            auto const lag = server.scrape().max("guerdon_view_lag_seconds");
            lock.lock();
            max_s_ = std::max(max_s_, lag);
        }
    }

    std::mutex mutex_;
    std::condition_variable wake_;
    bool done_ = false;
    double max_s_ = 0;
    std::thread thread_;
};

struct Variant {
    std::string scenario;
    bool checkpoints = true;
    [[nodiscard]] std::string name() const {
        return checkpoints ? scenario : scenario + ", no checkpoint";
    }
};

void choose_shape(Variant const& variant, BenchOptions const& options, LoadOptions& load) {
    if (variant.scenario == "batch") {
        load.batch = options.batch;
        load.connections = options.batch_connections;
    } else if (variant.scenario == "one") {
        load.connections = 1;
    } else if (variant.scenario == "open") {
        load.connections = std::max(options.connections, 256U);
        load.requests_per_s = options.requests_per_s;
    } else {
        load.connections = options.connections;
    }
    load.warm_up_s = options.warm_up_s;
    load.measured_s = options.seconds;
    load.choice =
        options.hot_member ? LoadOptions::Members::one_hot : LoadOptions::Members::uniform;
}

RunFigures read_figures(
    LoadResult const& load, Metrics const& before, Metrics const& after, double cpu_s
) {
    RunFigures figures;
    auto const events = static_cast<double>(std::max<std::uint64_t>(load.events, 1));
    figures.events_per_s = static_cast<double>(load.events) / std::max(load.seconds, 1e-9);
    figures.p50_ms = static_cast<double>(load.latency.quantile(0.5)) / kMs;
    figures.p99_ms = static_cast<double>(load.latency.quantile(0.99)) / kMs;
    figures.p999_ms = static_cast<double>(load.latency.quantile(0.999)) / kMs;
    figures.max_ms = static_cast<double>(load.latency.max()) / kMs;
    figures.cpu_us_per_event = cpu_s * 1e6 / events;
    figures.commit_p999_ms =
        1e3 * histogram_quantile(before, after, "guerdon_commit_seconds", 0.999);
    figures.group_size = histogram_mean(before, after, "guerdon_group_size");
    figures.sync_mean_ms = 1e3 * histogram_mean(before, after, "guerdon_sync_seconds");
    auto const difference = [&](char const* name) { return after.sum(name) - before.sum(name); };
    figures.checkpoints = difference("guerdon_checkpoints_total");
    figures.view_records_per_event = difference("guerdon_view_records_total") / events;
    figures.view_lag_end_s = after.max("guerdon_view_lag_seconds");
    return figures;
}

/// Waits until the views have caught up, so that the disk figure includes them.
void await_views(ServerProcess const& server) {
    auto const until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (std::chrono::steady_clock::now() < until &&
           server.scrape().max("guerdon_view_lag_seconds") > 0.5) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
}

RunFigures measure(Variant const& variant, BenchOptions const& options) {
    TemporaryFolder const folder(options.folder);
    auto const fdatasync_per_s = fdatasync_rate(folder.path(), options.probe_s);
    auto flags = options.serve_flags;
    if (!variant.checkpoints) {
        flags.insert(flags.end(), {"--checkpoint-interval", "1h"});
    }
    Session session(options, folder.path() / "data", flags);
    session.create_program();
    session.fill(options.members, options.members);

    auto load = session.load_options();
    choose_shape(variant, options, load);
    Metrics before;
    Metrics after;
    double cpu_begin = 0;
    double cpu_end = 0;
    auto& server = session.server();
    load.on_measure_begin = [&] {
        before = server.scrape();
        cpu_begin = server.cpu_seconds();
    };
    load.on_measure_end = [&] {
        cpu_end = server.cpu_seconds();
        after = server.scrape();
    };
    LagWatch lag(server);
    auto const result = session.run(load);
    auto const lag_max = lag.finish();
    auto figures = read_figures(result, before, after, cpu_end - cpu_begin);
    figures.view_lag_max_s = std::max(lag_max, figures.view_lag_end_s);
    figures.fdatasync_per_s = fdatasync_per_s;
    figures.resident_mib = server.resident_mib();
    if (variant.checkpoints) {
        await_views(server);
    }
    server.stop();
    compact_data_folder(session.data());
    figures.disk_bytes_per_event = static_cast<double>(disk_bytes(session.data())) /
                                   static_cast<double>(session.acknowledged());
    return figures;
}

void print_run(Variant const& variant, unsigned run, RunFigures const& figures) {
    fmt::print(
        "{:<22} run {}: {:.0f} events/s, p50 {:.3f} p99 {:.2f} p99.9 {:.2f} max {:.1f} ms, CPU "
        "{:.2f} us/event, "
        "{:.0f} checkpoints, lag {:.2f} s, {:.0f} B/event, fdatasync {:.0f}/s\n",
        variant.name(),
        run + 1,
        figures.events_per_s,
        figures.p50_ms,
        figures.p99_ms,
        figures.p999_ms,
        figures.max_ms,
        figures.cpu_us_per_event,
        figures.checkpoints,
        figures.view_lag_end_s,
        figures.disk_bytes_per_event,
        figures.fdatasync_per_s
    );
    std::fflush(stdout);
}

/// A Markdown table, so that it can go into docs/performance.md as it is.
void print_medians(
    std::vector<Variant> const& variants, std::map<std::string, std::vector<RunFigures>> const& runs
) {
    fmt::print("\n| median (min–max) |");
    for (auto const& variant : variants) {
        fmt::print(" {} |", variant.name());
    }
    fmt::print("\n|---|");
    for (std::size_t i = 0; i < variants.size(); ++i) {
        fmt::print("---|");
    }
    fmt::print("\n");
    for (auto const& column : kColumns) {
        fmt::print("| {} |", column.title);
        for (auto const& variant : variants) {
            auto const told = column.over(runs.at(variant.name()));
            fmt::print(
                " {:.{}f} ({:.{}f}–{:.{}f}) |",
                told.median,
                column.digits,
                told.min,
                column.digits,
                told.max,
                column.digits
            );
        }
        fmt::print("\n");
    }
    std::fflush(stdout);
}

std::vector<Variant> variants_of(BenchOptions const& options) {
    std::vector<Variant> variants;
    for (auto const& scenario : options.scenarios) {
        variants.push_back({scenario, true});
        if (options.checkpoint_free) {
            variants.push_back({scenario, false});
        }
    }
    return variants;
}

}  // namespace

std::vector<std::string> const& scenario_names() {
    static std::vector<std::string> const names = {"single", "batch", "one", "open"};
    return names;
}

int bench_ingest(BenchOptions const& options) {
    try {
        constexpr double kBytesPerSecondMax = 150e6;  // 300,000 events/s of 500 B before compaction
        require_free_space(
            options.folder,
            static_cast<std::uint64_t>(
                (options.seconds + options.warm_up_s + 5) * kBytesPerSecondMax
            )
        );
        print_preamble(options, "guerdon bench ingest");
        auto const variants = variants_of(options);
        std::map<std::string, std::vector<RunFigures>> runs;
        for (unsigned run = 0; run < options.runs; ++run) {
            for (auto const& variant : variants) {
                auto const figures = measure(variant, options);
                print_run(variant, run, figures);
                runs[variant.name()].push_back(figures);
            }
        }
        print_medians(variants, runs);
        return 0;
    } catch (std::exception const& error) {
        fmt::print(stderr, "bench ingest: {}\n", error.what());
        return 1;
    }
}

}  // namespace bench
