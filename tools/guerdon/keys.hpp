#pragma once

#include <string>
#include <vector>

namespace tools {

/// `guerdon keys create|list|revoke --server URL --key-file FILE --program P …`, through a running
/// server. Exit status 0 done, 1 the server refused or cannot be reached (one line on stderr), 2
/// usage.
[[nodiscard]] int run_keys(std::vector<std::string> words);

}  // namespace tools
