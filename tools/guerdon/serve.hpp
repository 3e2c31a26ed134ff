#pragma once

#include <string>
#include <vector>

#include "server/app.hpp"

namespace tools {

/// `guerdon serve`: flags, environment and file, then the server until it is stopped. Exit status
/// as server::serve.
[[nodiscard]] int run_serve(std::vector<std::string> words, const server::AppHooks& hooks);

}  // namespace tools
