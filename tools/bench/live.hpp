#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace bench {

/// How `bench live` runs; the command line fills it.
struct LiveOptions {
    std::filesystem::path binary;
    std::filesystem::path folder = ".";  ///< a fresh folder is made in it and removed at the end
    std::vector<std::string> scenarios = {"fanout", "coalesced", "delay", "idle"};
    unsigned sockets = 1'000;
    unsigned idle_sockets = 10'000;
    double seconds = 10;
    unsigned runs = 3;
    /// The npm package `ws`, measured beside in the same run. Empty: looked for in web/node_modules
    /// of the checkout that holds this executable; if there is none, its rows are left out and said
    /// to be.
    std::filesystem::path ws_module;
};

/// The scenarios `bench live` knows.
///
/// - fanout: one board, whose ten rows all move every 8 ms (--live-interval, which is 100 ms
///   otherwise), on every socket: as close to one frame a message as a server that joins what is
///   newest gets.
/// - coalesced: sixteen boards that move together every 25 ms: many frames a message.
/// - delay: one board at the default interval; from the moment an event is posted to the moment its
///   place in the ledger arrives at each socket.
/// - idle: sockets with one board joined on which nothing happens; the server's memory for each.
[[nodiscard]] std::vector<std::string> const& live_scenario_names();

/// Guerdon on one io thread, and npm `ws` sending as many bytes to as many sockets where that makes
/// sense, both with the clients in this process on the same cores. Prints one line a run and the
/// medians. 0, or 1 if a socket was lost or a server failed.
[[nodiscard]] int bench_live(LiveOptions const& options);

}  // namespace bench
