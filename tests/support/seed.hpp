#pragma once

#include <cstdint>

namespace test_support {

/// The seed of this run: `--seed N`, else the environment's GUERDON_SEED, else drawn anew. It is
/// printed when a test fails. The same number for all test cases of the run, so that one case
/// replays alone.
std::uint64_t seed();

}  // namespace test_support
