#pragma once

#include <cstddef>
#include <memory_resource>
#include <span>
#include <string_view>

namespace server::engine {

/// Memory of one request: the strings and lists of its commands live here until its answer is encoded.
/// One thread at a time.
class Arena {
public:
    explicit Arena(std::size_t first_bytes = 2048) : memory_(first_bytes) {}
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;

    std::string_view copy(std::string_view text) {
        if (text.empty()) return {};
        auto* bytes = static_cast<char*>(memory_.allocate(text.size(), 1));
        text.copy(bytes, text.size());
        return {bytes, text.size()};
    }
    template <typename T>
    std::span<T> make(std::size_t count) {
        if (count == 0) return {};
        auto* items = static_cast<T*>(memory_.allocate(sizeof(T) * count, alignof(T)));
        for (std::size_t i = 0; i < count; ++i) new (items + i) T();
        return {items, count};
    }
    template <typename T>
    std::span<const T> copy(std::span<const T> items) {
        auto made = make<T>(items.size());
        for (std::size_t i = 0; i < items.size(); ++i) made[i] = items[i];
        return made;
    }

private:
    std::pmr::monotonic_buffer_resource memory_;
};

}  // namespace server::engine
