#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "ledger/base/result.hpp"
#include "ledger/entry.hpp"

// Entry <-> the bytes of entry.proto (docs/ledger-format.md, "Entry"). Pure; any thread.
namespace ledger {

/// Format number of the entries written by this release.
inline constexpr std::uint32_t kEntryFormat = 1;

/// Appends the entry's bytes to `out`. Equal entries give equal bytes: fields ascend, defaults are
/// left out. `personal` is never written; `adjustment`, `program_version`, `program_activate` and
/// `key` are written for their own kind only.
void encode(const Entry& entry, std::string& out);
/// At least as many bytes as `encode` would append; costs nothing to know.
[[nodiscard]] std::size_t encoded_size_max(const Entry& entry);

/// The entry together with its bytes; `personal` is empty.
/// Errors: newer_format, corrupt.
[[nodiscard]] Result<std::unique_ptr<OwnedEntry>> decode(std::string bytes);

/// The same into an object that is used again, for scans. The views point into `bytes`, which the
/// caller keeps alive; `owned.bytes` is left alone. After an error `owned.entry` is unspecified but
/// may be used for the next call.
/// Errors: newer_format, corrupt.
[[nodiscard]] Result<void> decode_into(std::string_view bytes, OwnedEntry& owned);

}  // namespace ledger
