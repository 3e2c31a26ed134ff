#pragma once

#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace tools {

/// Parses the words after the subcommand. Empty: go on; else the exit status, with help or the
/// complaint printed.
[[nodiscard]] std::optional<int> parse(CLI::App& app, std::vector<std::string> words);

}  // namespace tools
