#pragma once

#include "server/app.hpp"

namespace tools {

/// The whole command line of `guerdon`: picks the subcommand and answers its exit status.
/// Exceptions end here, as one line on stderr and status 1.
[[nodiscard]] int run(int argc, char** argv, const server::AppHooks& hooks);

}  // namespace tools
