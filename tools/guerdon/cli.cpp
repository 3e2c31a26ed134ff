#include "tools/guerdon/cli.hpp"

#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "tools/guerdon/bench.hpp"
#include "tools/guerdon/import.hpp"
#include "tools/guerdon/keys.hpp"
#include "tools/guerdon/serve.hpp"
#include "tools/guerdon/verify.hpp"
#include "tools/guerdon/version.hpp"

namespace tools {

namespace {

constexpr const char* kUsage =
    "guerdon, a server for loyalty and referral points\n"
    "\n"
    "  guerdon serve --data DIR    run the server\n"
    "  guerdon keys VERB           create, list and revoke API keys of a running server\n"
    "  guerdon import FILE...      send what a shop exported to a running server\n"
    "  guerdon verify --data DIR   re-derive everything from the log and compare\n"
    "  guerdon bench               measure this machine\n"
    "  guerdon version             what this binary is made of\n"
    "\n"
    "guerdon COMMAND --help says more about each.\n";

int dispatch(const std::vector<std::string>& words, const server::AppHooks& hooks) {
    if (words.empty()) {
        std::fputs(kUsage, stderr);
        return server::kExitUsage;
    }
    const std::string& command = words.front();
    std::vector<std::string> rest(words.begin() + 1, words.end());
    if (command == "serve") return run_serve(std::move(rest), hooks);
    if (command == "keys") return run_keys(std::move(rest));
    if (command == "import") return run_import(std::move(rest));
    if (command == "verify") return run_verify(std::move(rest), hooks);
    if (command == "bench") return run_bench(std::move(rest));
    if (command == "version" || command == "--version") return run_version();
    if (command == "--help" || command == "-h" || command == "help") {
        std::fputs(kUsage, stdout);
        return server::kExitOk;
    }
    std::fprintf(stderr, "guerdon: there is no command %s; see guerdon --help\n", command.c_str());
    return server::kExitUsage;
}

}  // namespace

int run(int argc, char** argv, const server::AppHooks& hooks) {
    try {
        return dispatch(std::vector<std::string>(argv + 1, argv + argc), hooks);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "guerdon: %s\n", error.what());
        return server::kExitFailed;
    }
}

}  // namespace tools
