#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace server::engine {

/// Memory of one request or decision: strings and lists of trivially destructible things, freed all
/// at once. One thread at a time.
class Arena {
public:
    Arena() = default;
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;

    std::string_view copy(std::string_view text) {
        if (text.empty()) return {};
        auto* bytes = static_cast<char*>(allocate(text.size(), 1));
        text.copy(bytes, text.size());
        return {bytes, text.size()};
    }

    template <typename T>
    std::span<T> make(std::size_t count) {
        static_assert(std::is_trivially_destructible_v<T>);
        if (count == 0) return {};
        auto* items = static_cast<T*>(allocate(sizeof(T) * count, alignof(T)));
        for (std::size_t i = 0; i < count; ++i)
            new (items + i) T();
        return {items, count};
    }

    template <typename T>
    std::span<T> copy(std::span<const T> items) {
        auto made = make<T>(items.size());
        std::copy(items.begin(), items.end(), made.begin());
        return made;
    }

    /// Frees everything but the first block.
    void reset() {
        if (blocks_.size() > 1) blocks_.resize(1);
        used_ = 0;
    }

private:
    static constexpr std::size_t kFirstBlock = 2048;

    void* allocate(std::size_t bytes, std::size_t alignment) {
        std::size_t begin = (used_ + alignment - 1) / alignment * alignment;
        if (blocks_.empty() || begin + bytes > blocks_.back().size) {
            const std::size_t size = std::max(
                bytes + alignment, blocks_.empty() ? kFirstBlock : blocks_.back().size * 2
            );
            blocks_.push_back({std::make_unique_for_overwrite<std::byte[]>(size), size});
            begin = 0;  // operator new[] aligns for every fundamental type
        }
        used_ = begin + bytes;
        return blocks_.back().bytes.get() + begin;
    }

    struct Block {
        std::unique_ptr<std::byte[]> bytes;
        std::size_t size = 0;
    };
    std::vector<Block> blocks_;
    std::size_t used_ = 0;  ///< of the last block
};

}  // namespace server::engine
