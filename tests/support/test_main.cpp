#define CATCH_CONFIG_RUNNER
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

namespace test_support {
namespace {

std::uint64_t current_seed = 0;

std::uint64_t initial_seed() {
    if (const char* given = std::getenv("GUERDON_SEED"); given != nullptr && *given != '\0') {
        return std::strtoull(given, nullptr, 10);
    }
    std::random_device device;
    return (static_cast<std::uint64_t>(device()) << 32) | device();
}

}  // namespace

std::uint64_t seed() {
    return current_seed;
}

}  // namespace test_support

int main(int argc, char** argv) {
    test_support::current_seed = test_support::initial_seed();

    Catch::Session session;
#if CATCH_VERSION_MAJOR >= 3
    using Catch::Clara::Opt;
#else
    using Catch::clara::Opt;
#endif
    session.cli(
        session.cli() |
        Opt(test_support::current_seed, "number")["--seed"]("seed of the random tests")
    );
    if (const int error = session.applyCommandLine(argc, argv); error != 0) {
        return error;
    }
    const int result = session.run();
    const Catch::ConfigData& config = session.configData();
    bool listing = config.listTests || config.listTags || config.listReporters;
#if CATCH_VERSION_MAJOR < 3
    // Here a listing answers with the number of tests, which is not a failure.
    listing = listing || config.listTestNamesOnly;
#endif
    if (result != 0 && !listing) {
        std::cerr << "seed: " << test_support::current_seed << " (again with --seed "
                  << test_support::current_seed << ")\n";
    }
    return result;
}
