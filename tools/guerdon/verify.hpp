#pragma once

#include <string>
#include <vector>

#include "server/app.hpp"

namespace tools {

/// `guerdon verify --data DIR`: prints the digests, then `ok` or a line a fault. Exit status 0 ok,
/// 1 fault, 2 usage, 3 not fully checked, 4 folder in use.
[[nodiscard]] int run_verify(std::vector<std::string> words, const server::AppHooks& hooks);

}  // namespace tools
