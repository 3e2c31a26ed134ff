#pragma once

#include <cstdint>
#include <vector>

namespace bench {

/// How `bench boards` runs; the command line fills it.
struct BoardsOptions {
    std::vector<std::uint32_t> members = {1'000'000, 10'000'000};
    unsigned runs = 5;
    std::uint32_t operations = 2'000'000;  ///< of each kind, each run
};

/// The index of a leaderboard in this process, without a server: updates and rank look-ups of
/// random members a second on one thread, and bytes an entry, for each number of members. Prints
/// one table of medians for each. 0, or 1 if a rank was wrong or memory ran out.
[[nodiscard]] int bench_boards(BoardsOptions const& options);

}  // namespace bench
