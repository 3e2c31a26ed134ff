#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace bench {

/// What a reader needs to compare a figure with their own machine.
struct Machine {
    std::string cpu;
    unsigned cores = 0;
    std::string kernel;
    std::string file_system;  ///< of the folder that holds the data
    double memory_gib = 0;
};

[[nodiscard]] Machine describe_machine(std::filesystem::path const& folder);

/// How many times a second 4 KiB can be appended to a new file in `folder` and fdatasynced,
/// measured for `seconds`. 0 if the file cannot be written.
[[nodiscard]] double fdatasync_rate(std::filesystem::path const& folder, double seconds);

/// `git describe` of the checkout that holds this executable, or "unknown".
[[nodiscard]] std::string describe_commit();

/// Bytes allocated on disk for all files below `folder`.
[[nodiscard]] std::uint64_t disk_bytes(std::filesystem::path const& folder);

/// Absolute path of the running executable.
[[nodiscard]] std::filesystem::path self_path();

}  // namespace bench
