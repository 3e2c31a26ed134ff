#pragma once

#include <cstdint>

namespace rules_test {

/// How often this thread called operator new since it began. Only in the test binary of rules.
[[nodiscard]] std::uint64_t allocations();

}  // namespace rules_test
