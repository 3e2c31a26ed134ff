#pragma once

namespace ledger {

/// Prints the broken promise to stderr and aborts. Never returns.
[[noreturn]] void invariant_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace ledger

/// A promise of our own code, checked in every build. Never for user input.
#define INVARIANT(condition)                                            \
    do {                                                                \
        if (!(condition)) [[unlikely]]                                  \
            ::ledger::invariant_failed(#condition, __FILE__, __LINE__); \
    } while (false)
