#pragma once

#include <cstddef>

#include <sys/mman.h>

namespace ledger::boards {

/// Memory of which random places are read should stand on huge pages once it is large: otherwise
/// much of the time goes to finding out where a page is.
inline constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;
/// Less than this is not worth whole huge pages.
inline constexpr std::size_t kHugePagesFromBytes = 2 * kHugePageBytes;

/// Asks for huge pages under `memory`, which is aligned to one. A hint: where the system does not
/// give them everything works, only slower.
inline void advise_huge_pages(void* memory, std::size_t bytes) noexcept {
    static_cast<void>(::madvise(memory, bytes, MADV_HUGEPAGE));
}

}  // namespace ledger::boards
