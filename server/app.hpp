#pragma once

#include <memory>
#include <string>

#include "ledger/base/result.hpp"
#include "ledger/store.hpp"
#include "server/config.hpp"

namespace server {

/// What only another binary changes: tests put a disk under the server that loses what was not
/// synced.
struct AppHooks {
    std::shared_ptr<ledger::Disk> disk = ledger::Disk::real();
    /// false: commits do not wait for the disk. Such a server loses acknowledged entries.
    bool sync = true;
};

/// What runs, for the start line, /metrics and `guerdon version`.
struct BuildInfo {
    std::string version;
    std::string commit;
};

/// Exit codes of `guerdon serve`; the table is in docs/operating.md.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitFolderInUse = 4;

/// The whole server: recovers the data folder, listens, and works until SIGTERM or SIGINT, which
/// drain it. SIGHUP reads the TLS files again. /healthz answers from the start, /readyz says 503
/// until the folder is recovered.
///
/// Blocks those signals in the calling thread, so call it before any other thread exists. Answers
/// the exit code; what went wrong is one line on stderr that says what to do.
[[nodiscard]] int serve(const Config& config, const AppHooks& hooks, const BuildInfo& build);

/// The line for an operator about an error at start-up: what it means and what to do.
[[nodiscard]] std::string explain_start_error(const ledger::Error& error, const std::string& data);

}  // namespace server
