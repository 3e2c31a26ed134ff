#pragma once

#include <string>
#include <vector>

namespace tools {

/// `guerdon import --server URL --key-file FILE --program P --map FILE.toml FILE…`. Exit status 0
/// every line was taken, 1 it failed or the server is out of reach (run it again), 2 usage, a wrong
/// map or a file that does not fit it, 3 done with rejected lines.
[[nodiscard]] int run_import(std::vector<std::string> words);

}  // namespace tools
