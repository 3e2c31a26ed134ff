#pragma once

#include "server/app.hpp"

namespace tools {

[[nodiscard]] server::BuildInfo build_info();

/// `guerdon version`: version, commit, compiler, libraries, and the formats it writes.
[[nodiscard]] int run_version();

}  // namespace tools
