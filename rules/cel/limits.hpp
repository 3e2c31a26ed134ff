#pragma once

#include <cstddef>
#include <cstdint>

namespace rules::cel {

/// Bounds of one compilation, and whether the static checker runs.
struct Limits {
    std::size_t source_bytes_max = 4096;
    std::size_t nodes_max = 1000;
    std::size_t depth_max = 32;
    std::size_t nested_loops_max = 2;
    std::size_t instructions_max = 1000;
    /// Largest static estimate that is accepted, in cost units.
    std::uint64_t cost_max = 5000;
    /// What the estimate assumes of lists and strings in the slots.
    std::uint64_t list_items_max = 500;
    std::uint64_t string_bytes_max = 4096;
    /// Off only for conformance cases: every type is then known at run time.
    bool check_types = true;

    /// For expressions of a program document.
    [[nodiscard]] static Limits rule() { return {}; }
    /// What the conformance suite needs.
    [[nodiscard]] static Limits conformance() {
        Limits limits;
        limits.source_bytes_max = 64U << 10U;
        limits.nodes_max = 20'000;
        limits.depth_max = 64;
        limits.nested_loops_max = 8;
        limits.instructions_max = 40'000;
        limits.cost_max = ~std::uint64_t{0};
        return limits;
    }
};

/// Steps that an evaluation of a rule may take.
inline constexpr std::uint64_t kRuleFuel = 10'000;

}  // namespace rules::cel
