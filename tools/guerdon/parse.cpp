#include "tools/guerdon/parse.hpp"

#include <algorithm>

#include <CLI/CLI.hpp>

#include "server/app.hpp"

namespace tools {

std::optional<int> parse(CLI::App& app, std::vector<std::string> words) {
    std::reverse(words.begin(), words.end());  // CLI11 takes them from the back
    try {
        app.parse(std::move(words));
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? server::kExitOk : server::kExitUsage;
    }
    return std::nullopt;
}

}  // namespace tools
