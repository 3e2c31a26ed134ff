#pragma once

#include <cstddef>
#include <cstdint>

// Replaces operator new of the binary it is linked into: it counts what is held and can fail.
namespace test_support {

/// False under the thread sanitizer, where operator new stays as it is.
[[nodiscard]] bool can_track_allocations() noexcept;
/// Bytes asked for with operator new by this thread and not yet given back.
[[nodiscard]] std::size_t held_bytes() noexcept;
/// The `n`-th allocation of this thread from now on fails, once. 0: none does.
void fail_allocation(std::uint64_t n) noexcept;
/// True if it came to that; then nothing is armed any more.
[[nodiscard]] bool allocation_failed() noexcept;

}  // namespace test_support
