#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ledger/base/ids.hpp"

// A small log as some release wrote it, kept as text in tests/cases/log. What is in the two files
// of such a folder: tests/cases/log/README.md.
namespace test_support {

struct GoldenLog {
    struct Value {
        ledger::GroupId group;
        std::uint16_t part = 0;
        std::string bytes;
    };
    std::string keyring;                                    ///< bytes of the keyring file
    std::vector<std::pair<std::string, std::string>> keys;  ///< rows of `keys`
    std::vector<Value> values;                              ///< in the order of the log
};

inline constexpr ledger::ShardId kGoldenShard{0};

/// Folder of all golden logs, from the root of the tree, where test binaries are run.
inline constexpr const char* kGoldenFolder = "tests/cases/log";
inline constexpr const char* kGoldenLogFile = "log.txt";
inline constexpr const char* kGoldenFactsFile = "facts.txt";

[[nodiscard]] std::string golden_text(const GoldenLog& log);
/// REQUIREs that the text is well-formed.
[[nodiscard]] GoldenLog golden_log(const std::string& text);

/// Begins the line of the state digest, which goes on: view format . apply version, digest.
inline constexpr const char* kStateFact = "state ";

/// What the log says, as text: each entry with all its fields and what is sealed in it, the roots
/// of the trees, and the digests after a replay into an empty state. REQUIREs that it can be read.
[[nodiscard]] std::string facts_of(const GoldenLog& log);

}  // namespace test_support
