#include <cstdio>
#include <exception>
#include <thread>
#include <vector>

#include <fmt/core.h>

#include "tools/bench/histogram.hpp"
#include "tools/bench/ingest.hpp"
#include "tools/bench/machine.hpp"
#include "tools/bench/session.hpp"

namespace bench {

namespace {

/// Loads the server on a second thread until SIGKILL ends it, so that the views are behind the log
/// as they would be in earnest.
void kill_under_load(Session& session, double load_s) {
    auto load = session.load_options();
    load.connections = 64;
    load.warm_up_s = 0;
    load.measured_s = load_s + 30;
    load.on_disconnect = LoadOptions::OnDisconnect::finish;
    std::exception_ptr failure;
    std::thread loader([&] {
        try {
            session.run(load);
        } catch (...) {
            failure = std::current_exception();
        }
    });
    std::this_thread::sleep_for(std::chrono::duration<double>(load_s));
    session.server().kill();
    loader.join();
    if (failure) {
        std::rethrow_exception(failure);
    }
}

}  // namespace

int bench_restart(BenchOptions const& options) {
    try {
        constexpr std::uint64_t kBytesPerEntryMax = 600;
        require_free_space(options.folder, options.restart_entries * kBytesPerEntryMax);
        print_preamble(
            options, "guerdon bench restart: SIGKILL under load, time to /readyz, page cache warm"
        );
        TemporaryFolder const folder(options.folder);
        Session session(options, folder.path() / "data", options.serve_flags);
        session.create_program();
        session.fill(options.restart_members, options.restart_entries);
        std::vector<double> times;
        for (unsigned run = 0; run < options.runs; ++run) {
            kill_under_load(session, std::min(options.seconds, 5.0));
            session.restart();
            times.push_back(session.server().ready_seconds());
            fmt::print(
                "run {}: ready in {:.2f} s with {} members and {} acknowledged entries, {:.0f} MiB "
                "resident\n",
                run + 1,
                times.back(),
                options.restart_members,
                session.acknowledged(),
                session.server().resident_mib()
            );
            std::fflush(stdout);
        }
        auto const told = spread(times);
        fmt::print(
            "restart: median {:.2f} s ({:.2f}–{:.2f}), raw fdatasync {:.0f}/s\n",
            told.median,
            told.min,
            told.max,
            fdatasync_rate(folder.path(), options.probe_s)
        );
        session.server().stop();
        return 0;
    } catch (std::exception const& error) {
        fmt::print(stderr, "bench restart: {}\n", error.what());
        return 1;
    }
}

}  // namespace bench
