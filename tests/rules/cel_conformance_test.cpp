#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>

#include "tests/rules/cel_conformance_cases.hpp"
#include "tests/support/catch.hpp"

namespace {

namespace fs = std::filesystem;

/// The folder of the suite, or an empty path after saying that it is not there.
fs::path suite() {
    const char* given = std::getenv("GUERDON_TESTDATA");
    const fs::path folder =
        fs::path(given != nullptr ? given : "../shared") / "conformance" / "cel";
    if (fs::is_directory(folder)) return folder;
    std::cout << "SKIPPED: no conformance cases in " << folder << "\n";
    return {};
}

void check_none_failed(const cel_conformance::FileResult& result) {
    for (const std::string& failure : result.failures)
        UNSCOPED_INFO(failure);
    CHECK(result.counts.failed == 0);
}

}  // namespace

TEST_CASE("cel conformance: the language itself passes", "[cel]") {
    const fs::path folder = suite();
    if (folder.empty()) return;
    cel_conformance::Counts total;
    for (const char* name : {"basic", "parse", "integer_math", "logic", "string"}) {
        const auto result = cel_conformance::run_file(folder / (std::string(name) + ".jsonl"));
        check_none_failed(result);
        total += result.counts;
    }
    CHECK(total.passed >= 247);
}

TEST_CASE("cel conformance: no case fails and skipped ones need what is not built", "[cel]") {
    const fs::path folder = suite();
    if (folder.empty()) return;
    cel_conformance::Counts total;
    for (const auto& entry : fs::directory_iterator(folder)) {
        if (entry.path().extension() != ".jsonl") continue;
        const auto result = cel_conformance::run_file(entry.path());
        check_none_failed(result);
        for (const std::string& skip : result.skips) {
            INFO(skip);
            CHECK(skip.find("not supported") != std::string::npos);
        }
        total += result.counts;
    }
    CHECK(total.passed >= 983);
}
