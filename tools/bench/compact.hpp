#pragma once

#include <filesystem>

namespace bench {

/// Flushes and fully compacts both stores of a stopped server's data folder, with the options they
/// were written with, so that disk figures do not depend on when a run happened to end. Throws
/// std::runtime_error.
void compact_data_folder(std::filesystem::path const& data);

}  // namespace bench
