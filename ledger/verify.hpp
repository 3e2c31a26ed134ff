#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ledger/base/result.hpp"
#include "ledger/digest.hpp"
#include "ledger/entry.hpp"
#include "ledger/store.hpp"

namespace ledger {

struct VerifyOptions {
    std::string data_path;
    std::shared_ptr<Disk> disk;
    /// Told now and then how far it is; may be empty.
    std::function<void(const std::string& line)> progress;
};

struct VerifyReport {
    /// Of the log's replay. Empty if the log could not be replayed to its end.
    std::optional<Hash32> state;
    /// One a program; empty if the log could not be replayed to its end.
    std::vector<ContentDigests::Named> contents;
    /// One line a fault, naming the view and key, or the log's group and part; at most kFaultsMax.
    std::vector<std::string> faults;
    std::uint64_t faults_left_out = 0;
    /// What could not be looked at: "blind" without the keyring, "views" if they are of another
    /// release or the log is broken before their group.
    std::vector<std::string> not_checked;

    static constexpr std::size_t kFaultsMax = 1'000;
};

/// Reads the whole log of a stopped server into an empty state and compares it with everything that
/// is derived from it: every row of every view (both ways, at the views' group, and what a restart
/// would make of the rest of the log), the trees' roots with the witness, each value's checksum.
/// Opens both stores read-only and changes nothing. Keeps the rows in memory. Errors in precedence
/// order: not_found (no such folder, or no log in it), folder_in_use, newer_format, io_error.
/// Damage is no error: it is in the report.
Result<VerifyReport> verify(const VerifyOptions& options);

}  // namespace ledger
