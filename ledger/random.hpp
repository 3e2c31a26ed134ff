#pragma once

#include <cstdint>
#include <span>

namespace ledger {

/// Cryptographically strong random bytes. Any thread: each draws 4 KiB at a time from the kernel
/// and wipes what it has handed out. Aborts if the kernel gives none.
void random_bytes(std::span<std::uint8_t> out);

}  // namespace ledger
