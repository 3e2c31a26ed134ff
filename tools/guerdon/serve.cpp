#include "tools/guerdon/serve.hpp"

#include <cstdio>

#include <CLI/CLI.hpp>

#include "server/config.hpp"
#include "tools/guerdon/parse.hpp"
#include "tools/guerdon/version.hpp"

namespace tools {

int run_serve(std::vector<std::string> words, const server::AppHooks& hooks) {
    server::CommandLine given;
    CLI::App app("Runs the server on one data folder until SIGTERM", "guerdon serve");
    server::register_serve_options(app, given);
    if (const auto status = parse(app, std::move(words))) return *status;
    auto config = server::load_config(given, server::guerdon_environment());
    if (config.has_error()) {
        std::fprintf(stderr, "guerdon: %s\n", config.error().detail.c_str());
        return server::kExitUsage;
    }
    return server::serve(*config, hooks, build_info());
}

}  // namespace tools
