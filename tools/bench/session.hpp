#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "tools/bench/ingest.hpp"
#include "tools/bench/load.hpp"
#include "tools/bench/server_process.hpp"

namespace bench {

/// A folder that is removed when the object goes. Throws std::runtime_error if it cannot be made.
class TemporaryFolder {
public:
    explicit TemporaryFolder(std::filesystem::path const& parent);
    ~TemporaryFolder();
    TemporaryFolder(TemporaryFolder const&) = delete;
    TemporaryFolder& operator=(TemporaryFolder const&) = delete;
    [[nodiscard]] std::filesystem::path const& path() const { return path_; }

private:
    std::filesystem::path path_;
};

/// A program "bench" of docs/examples/minimal.json on a server of its own, and the event numbers
/// used so far. Errors are std::runtime_error.
class Session {
public:
    Session(
        BenchOptions const& options, std::filesystem::path data, std::vector<std::string> flags
    );

    void create_program();
    /// One order for each of `members`, then more in their order until `entries` are stored.
    void fill(std::uint64_t members, std::uint64_t entries);
    /// Options of a load on this server; event numbers go on where the last load ended.
    [[nodiscard]] LoadOptions load_options() const;
    /// Runs `load`; throws on a failed answer.
    LoadResult run(LoadOptions const& load);

    [[nodiscard]] ServerProcess& server() { return *server_; }
    void restart();
    [[nodiscard]] std::uint64_t acknowledged() const { return acknowledged_; }
    [[nodiscard]] std::filesystem::path const& data() const { return data_; }

private:
    BenchOptions const& options_;
    std::filesystem::path data_;
    std::vector<std::string> flags_;
    std::unique_ptr<ServerProcess> server_;
    std::string key_;
    std::uint64_t next_event_ = 1;
    std::uint64_t acknowledged_ = 0;
};

/// Machine, commit and settings, one line each, on standard output.
void print_preamble(BenchOptions const& options, std::string const& what);

/// Throws unless `folder` has at least `bytes` free.
void require_free_space(std::filesystem::path const& folder, std::uint64_t bytes);

}  // namespace bench
