#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace cel_conformance {

struct Counts {
    std::size_t passed = 0;
    std::size_t failed = 0;
    std::size_t skipped = 0;

    Counts& operator+=(const Counts& other) {
        passed += other.passed;
        failed += other.failed;
        skipped += other.skipped;
        return *this;
    }
};

struct FileResult {
    Counts counts;
    /// One line for each failed case: section, name, expression, what came out.
    std::vector<std::string> failures;
    /// One line for each skipped case: section, name, the feature that is not built.
    std::vector<std::string> skips;
};

/// Runs the cases of one .jsonl file of the conformance suite. A case that needs something that is
/// not built is skipped, never passed. Throws std::runtime_error when the file cannot be read.
[[nodiscard]] FileResult run_file(const std::filesystem::path& path);

}  // namespace cel_conformance
