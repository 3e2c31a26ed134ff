#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

#include "server/net/http.hpp"

namespace server::net {

/// Bytes between a read position and a write position, in one piece of memory that is never
/// cleared and has kBodyPadding readable bytes behind its capacity.
class ByteBuffer {
public:
    [[nodiscard]] std::size_t size() const { return end_ - begin_; }
    [[nodiscard]] bool empty() const { return begin_ == end_; }
    [[nodiscard]] const char* data() const { return memory_.get() + begin_; }
    [[nodiscard]] std::string_view view() const { return {data(), size()}; }
    [[nodiscard]] std::size_t capacity() const { return capacity_; }

    void consume(std::size_t count) {
        begin_ += count;
        if (begin_ == end_) begin_ = end_ = 0;
    }
    void clear() { begin_ = end_ = 0; }

    /// Makes room for `wanted` bytes behind the end; moves the data or grows the memory.
    void reserve(std::size_t wanted) {
        if (capacity_ - end_ >= wanted) return;
        if (begin_ > 0) {
            std::memmove(memory_.get(), memory_.get() + begin_, size());
            end_ -= begin_;
            begin_ = 0;
        }
        if (capacity_ - end_ >= wanted) return;
        reallocate(end_ + wanted);
    }

    [[nodiscard]] char* tail() { return memory_.get() + end_; }
    [[nodiscard]] std::size_t tail_bytes() const { return capacity_ - end_; }
    void commit(std::size_t count) { end_ += count; }

    void append(std::string_view bytes) {
        if (tail_bytes() < bytes.size())
            reserve(std::max(bytes.size(), std::min(size(), kGrowthMax)));
        std::memcpy(tail(), bytes.data(), bytes.size());
        commit(bytes.size());
    }

    /// Gives memory above `keep_bytes` back, if it holds no data.
    void shrink(std::size_t keep_bytes) {
        if (capacity_ <= keep_bytes || !empty()) return;
        memory_.reset();
        capacity_ = begin_ = end_ = 0;
    }

private:
    static constexpr std::size_t kGrowthMax = 1024 * 1024;

    void reallocate(std::size_t capacity) {
        auto memory = std::make_unique_for_overwrite<char[]>(capacity + kBodyPadding);
        if (size() > 0) std::memcpy(memory.get(), data(), size());
        std::memset(memory.get() + capacity, 0, kBodyPadding);
        end_ = size();
        begin_ = 0;
        memory_ = std::move(memory);
        capacity_ = capacity;
    }

    std::unique_ptr<char[]> memory_;
    std::size_t capacity_ = 0;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

}  // namespace server::net
