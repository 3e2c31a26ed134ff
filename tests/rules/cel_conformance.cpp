// cel_conformance DIR [FILE…]: runs the CEL conformance cases of DIR/*.jsonl, or of the named files
// in DIR only. Prints one line a file, then "N passed, N failed, N skipped". Exit 0 iff none
// failed.
#include <algorithm>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "tests/rules/cel_conformance_cases.hpp"

namespace {

namespace fs = std::filesystem;

/// "basic", "basic.jsonl" and a path that exists all name a file.
fs::path named_file(const fs::path& folder, const std::string& name) {
    for (const fs::path& candidate : {folder / name, folder / (name + ".jsonl"), fs::path(name)}) {
        if (fs::is_regular_file(candidate)) return candidate;
    }
    return folder / name;
}

std::vector<fs::path> chosen_files(const fs::path& folder, const std::vector<std::string>& names) {
    std::vector<fs::path> files;
    for (const std::string& name : names)
        files.push_back(named_file(folder, name));
    if (!names.empty()) return files;
    for (const auto& entry : fs::directory_iterator(folder)) {
        if (entry.path().extension() == ".jsonl") files.push_back(entry.path());
    }
    std::ranges::sort(files);
    return files;
}

std::string shown(const cel_conformance::Counts& counts) {
    return std::to_string(counts.passed) + " passed, " + std::to_string(counts.failed) +
           " failed, " + std::to_string(counts.skipped) + " skipped";
}

int run(const fs::path& folder, const std::vector<std::string>& names) {
    cel_conformance::Counts total;
    for (const fs::path& file : chosen_files(folder, names)) {
        const auto result = cel_conformance::run_file(file);
        for (const std::string& failure : result.failures)
            std::cout << "  FAILED " << failure << "\n";
        std::cout << file.stem().string() << ": " << shown(result.counts) << "\n";
        total += result.counts;
    }
    std::cout << shown(total) << "\n";
    return total.failed == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::cerr << "usage: cel_conformance DIR [FILE...]\n";
        return 2;
    }
    try {
        return run(argv[1], {argv + 2, argv + argc});
    } catch (const std::exception& error) {
        std::cerr << "cel_conformance: " << error.what() << "\n";
        return 2;
    }
}
