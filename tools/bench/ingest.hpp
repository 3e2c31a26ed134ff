#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace bench {

/// How `bench ingest` and `bench restart` run; the command line fills it.
struct BenchOptions {
    std::filesystem::path binary;
    std::filesystem::path folder = ".";  ///< a fresh folder is made in it and removed at the end
    std::vector<std::string> scenarios = {"single", "batch", "one"};
    double seconds = 60;
    double warm_up_s = 3;
    unsigned runs = 5;
    std::uint64_t members = 100'000;
    unsigned connections = 64;
    unsigned batch = 1000;
    unsigned batch_connections = 2;
    double requests_per_s = 20'000;  ///< of the open-loop scenario
    bool hot_member = false;
    bool with_email = false;
    bool checkpoint_free = false;  ///< also run each scenario without checkpoints, alternating
    double probe_s = 1;            ///< length of the raw fdatasync loop beside each run
    std::vector<std::string> serve_flags;

    std::uint64_t restart_members = 1'000'000;
    std::uint64_t restart_entries = 10'000'000;
};

/// The scenarios `bench ingest` knows: single, batch, one, open.
[[nodiscard]] std::vector<std::string> const& scenario_names();

/// Each run starts a server on a fresh folder, creates `members` members, warms up, measures, stops
/// the server cleanly and compacts the folder. Scenarios alternate. Prints one line a run and the
/// medians. 0 if every answer was "applied" and every server stopped cleanly, else 1.
[[nodiscard]] int bench_ingest(BenchOptions const& options);

/// Fills a folder with members and entries, kills the server under load, and times the next start
/// to /readyz. Prints one line a run. 0 or 1 as above.
[[nodiscard]] int bench_restart(BenchOptions const& options);

}  // namespace bench
