#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "rules/cel/value.hpp"

namespace rules::cel {

/// Memory for what an evaluation makes: joined text, lists, maps. `reset` keeps the blocks, so that
/// a reused arena allocates nothing in the steady state. Not thread-safe: one per worker.
class Arena {
public:
    /// At most `bytes_max` are handed out between two resets; then requests return nullptr.
    explicit Arena(std::size_t bytes_max = 1U << 20U) : bytes_max_(bytes_max) {}

    Arena(Arena&&) = default;
    Arena& operator=(Arena&&) = default;

    /// Uninitialised memory, aligned to 16 bytes, valid until `reset`; nullptr at the bound.
    [[nodiscard]] std::byte* allocate(std::size_t bytes);
    [[nodiscard]] char* allocate_text(std::size_t bytes) {
        return reinterpret_cast<char*>(allocate(bytes));
    }
    [[nodiscard]] Value* allocate_values(std::size_t count) {
        return reinterpret_cast<Value*>(allocate(count * sizeof(Value)));
    }
    [[nodiscard]] MapEntry* allocate_entries(std::size_t count) {
        return reinterpret_cast<MapEntry*>(allocate(count * sizeof(MapEntry)));
    }

    /// Forgets everything that was handed out. Values that point here become invalid.
    void reset();
    [[nodiscard]] std::size_t bytes_used() const { return bytes_used_; }

private:
    struct Block {
        std::unique_ptr<std::byte[]> memory;
        std::size_t size = 0;
    };

    std::size_t bytes_max_;
    std::size_t bytes_used_ = 0;
    std::vector<Block> blocks_;
    std::size_t current_ = 0;
    std::size_t offset_ = 0;
};

/// A deep copy of `value` that lives in `arena`. absent() when the arena is full.
[[nodiscard]] Value copy_into(Arena& arena, const Value& value);

}  // namespace rules::cel
