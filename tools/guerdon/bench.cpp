#include "tools/guerdon/bench.hpp"

#include <algorithm>
#include <iostream>

#include <CLI/CLI.hpp>

#include "tools/bench/boards.hpp"
#include "tools/bench/ingest.hpp"
#include "tools/bench/live.hpp"
#include "tools/bench/machine.hpp"

namespace tools {

namespace {

constexpr int kUsage = 2;

/// What every bench of a server takes.
template <typename Options>
void register_common(CLI::App& command, Options& options, bool& quick) {
    command.add_option("--folder", options.folder, "where a fresh data folder is made and removed")
        ->check(CLI::ExistingDirectory)
        ->capture_default_str();
    command.add_option("--seconds", options.seconds, "measured time of a run")
        ->check(CLI::Range(0.1, 3600.0))
        ->capture_default_str();
    command.add_option("--runs", options.runs, "runs of each scenario")
        ->check(CLI::Range(1, 100))
        ->capture_default_str();
    command
        .add_option("--binary", options.binary, "the server to start (default: this executable)")
        ->check(CLI::ExistingFile);
    command.add_flag("--quick", quick, "one short run of everything");
}

void register_serve_flags(CLI::App& command, bench::BenchOptions& options) {
    command.add_option(
        "--serve-flag",
        options.serve_flags,
        "passed to guerdon serve, e.g. --serve-flag=--io-threads=1"
    );
}

void register_ingest(CLI::App& command, bench::BenchOptions& options) {
    command.add_option("--scenario", options.scenarios, "single, batch, one, open (repeatable)")
        ->check(CLI::IsMember(bench::scenario_names()))
        ->capture_default_str();
    command.add_option("--warm-up", options.warm_up_s, "seconds before measuring")
        ->check(CLI::Range(0.0, 600.0))
        ->capture_default_str();
    command.add_option("--members", options.members, "members, created before measuring")
        ->check(CLI::Range(1, 10'000'000))
        ->capture_default_str();
    command.add_option("--connections", options.connections, "connections of single and open")
        ->check(CLI::Range(1, 4096))
        ->capture_default_str();
    command.add_option("--batch", options.batch, "events a batch")
        ->check(CLI::Range(2, 1000))
        ->capture_default_str();
    command.add_option("--batch-connections", options.batch_connections, "connections of batch")
        ->check(CLI::Range(1, 64))
        ->capture_default_str();
    command.add_option("--rate", options.requests_per_s, "arrivals a second of open")
        ->check(CLI::Range(1.0, 1e6))
        ->capture_default_str();
    command.add_flag("--hot-member", options.hot_member, "every order belongs to one member");
    command.add_flag("--email", options.with_email, "events carry an e-mail address too");
    command.add_flag(
        "--checkpoint-free",
        options.checkpoint_free,
        "run each scenario without checkpoints as well"
    );
}

void register_restart(CLI::App& command, bench::BenchOptions& options) {
    command.add_option("--members", options.restart_members, "members")
        ->check(CLI::Range(1, 10'000'000))
        ->capture_default_str();
    command.add_option("--entries", options.restart_entries, "entries before the kill")
        ->check(CLI::Range(1, 100'000'000))
        ->capture_default_str();
}

void register_boards(CLI::App& command, bench::BoardsOptions& options, bool& quick) {
    command.add_option("--members", options.members, "members on the board (repeatable)")
        ->check(CLI::Range(1'000, 100'000'000))
        ->capture_default_str();
    command.add_option("--runs", options.runs, "runs of each size")
        ->check(CLI::Range(1, 100))
        ->capture_default_str();
    command.add_option("--operations", options.operations, "of each kind, each run")
        ->check(CLI::Range(1'000, 1'000'000'000))
        ->capture_default_str();
    command.add_flag("--quick", quick, "one short run");
}

void register_live(CLI::App& command, bench::LiveOptions& options) {
    command
        .add_option("--scenario", options.scenarios, "fanout, coalesced, delay, idle (repeatable)")
        ->check(CLI::IsMember(bench::live_scenario_names()))
        ->capture_default_str();
    command.add_option("--sockets", options.sockets, "sockets that are sent to")
        ->check(CLI::Range(1, 1'000))
        ->capture_default_str();
    command.add_option("--idle-sockets", options.idle_sockets, "sockets of idle")
        ->check(CLI::Range(1, 28'000))
        ->capture_default_str();
    command
        .add_option(
            "--ws-module", options.ws_module, "npm's ws (default: web/node_modules/ws above this)"
        )
        ->check(CLI::ExistingDirectory);
}

void make_quick(bench::LiveOptions& options) {
    options.sockets = 200;
    options.idle_sockets = 1'000;
    options.seconds = 1;
    options.runs = 1;
}

void make_quick(bench::BoardsOptions& options) {
    options.members = {100'000};
    options.runs = 1;
    options.operations = 200'000;
}

/// Small enough for everything to end well within two minutes.
void make_quick(bench::BenchOptions& options) {
    options.scenarios = bench::scenario_names();
    options.seconds = 4;
    options.warm_up_s = 1;
    options.runs = 1;
    options.members = 10'000;
    options.requests_per_s = 5'000;
    options.probe_s = 0.5;
    options.restart_members = 10'000;
    options.restart_entries = 100'000;
}

}  // namespace

int run_bench(std::vector<std::string> arguments) {
    bench::BenchOptions options;
    bench::BoardsOptions boards_options;
    bench::LiveOptions live_options;
    bool quick = false;
    CLI::App app(
        "Loads a server of its own on 127.0.0.1 and prints what it measured", "guerdon bench"
    );
    app.require_subcommand(0, 1);
    app.add_flag("--quick", quick, "one short run of everything, no thresholds");
    app.add_option("--binary", options.binary, "the server to start (default: this executable)")
        ->check(CLI::ExistingFile);
    app.add_option("--folder", options.folder, "where a fresh data folder is made and removed")
        ->check(CLI::ExistingDirectory);
    auto* const ingest =
        app.add_subcommand("ingest", "durable events a second, latency, CPU, disk");
    auto* const restart =
        app.add_subcommand("restart", "SIGKILL under load, then the time to /readyz");
    for (auto* const command : {ingest, restart}) {
        register_common(*command, options, quick);
        register_serve_flags(*command, options);
    }
    register_ingest(*ingest, options);
    register_restart(*restart, options);
    auto* const boards =
        app.add_subcommand("boards", "updates and ranks of a leaderboard, without a server");
    register_boards(*boards, boards_options, quick);
    auto* const live =
        app.add_subcommand("live", "frames to many sockets, delay, memory, beside npm ws");
    register_common(*live, live_options, quick);
    register_live(*live, live_options);

    std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
    try {
        app.parse(std::move(arguments));
    } catch (CLI::ParseError const& error) {
        return app.exit(error) == 0 ? 0 : kUsage;
    }
    if (options.binary.empty()) {
        options.binary = bench::self_path();
    }
    if (quick) {
        make_quick(options);
        make_quick(boards_options);
        make_quick(live_options);
    }
    if (live_options.binary.empty()) {
        live_options.binary = options.binary;
    }
    if (live->parsed()) {
        return bench::bench_live(live_options);
    }
    if (boards->parsed()) {
        return bench::bench_boards(boards_options);
    }
    if (ingest->parsed()) {
        return bench::bench_ingest(options);
    }
    if (restart->parsed()) {
        return bench::bench_restart(options);
    }
    if (!quick) {
        std::cout << app.help();
        return kUsage;
    }
    auto const ingested = bench::bench_ingest(options);
    auto const restarted = bench::bench_restart(options);
    auto const ranked = bench::bench_boards(boards_options);
    live_options.folder = options.folder;
    auto const pushed = bench::bench_live(live_options);
    return ingested != 0 ? ingested : restarted != 0 ? restarted : ranked != 0 ? ranked : pushed;
}

}  // namespace tools
