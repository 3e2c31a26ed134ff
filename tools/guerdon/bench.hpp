#pragma once

#include <string>
#include <vector>

namespace tools {

/// `guerdon bench …`: `arguments` are the words after "bench". Exit status 0 done, 1 a run failed,
/// 2 usage.
[[nodiscard]] int run_bench(std::vector<std::string> arguments);

}  // namespace tools
