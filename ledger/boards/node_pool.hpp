#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace ledger::boards {

/// Memory for the nodes of one tree. Nodes lie in chunks that grow with the tree, so that what is
/// reserved stays within about an eighth of what is used; a released node is used again before
/// anything new is asked for. Chunks go back to the system with the pool, all at once.
///
/// Large chunks are placed on huge pages where the system allows it: a random descent through
/// millions of keys otherwise spends its time on missing page translations.
template <typename Node>
class NodePool {
    static_assert(std::is_trivially_destructible_v<Node>);

public:
    NodePool() = default;
    ~NodePool() { release_all(); }
    NodePool(NodePool&& other) noexcept { swap(other); }
    NodePool& operator=(NodePool&& other) noexcept {
        NodePool moved(std::move(other));
        swap(moved);
        return *this;
    }
    NodePool(const NodePool&) = delete;
    NodePool& operator=(const NodePool&) = delete;

    /// A node whose content is unspecified. Throws std::bad_alloc and then has changed nothing.
    [[nodiscard]] Node* take() {
        if (free_ != nullptr) {
            Free* const first = std::exchange(free_, free_->next);
            return ::new (static_cast<void*>(first)) Node;
        }
        if (fresh_ == fresh_end_) add_chunk();
        return ::new (static_cast<void*>(fresh_++)) Node;
    }

    void give_back(Node* node) noexcept { free_ = ::new (static_cast<void*>(node)) Free{free_}; }

    /// What was asked from the system, the nodes that wait to be used included.
    [[nodiscard]] std::size_t memory_bytes() const noexcept {
        return nodes_ * sizeof(Node) + chunks_.capacity() * sizeof(Chunk);
    }

private:
    struct Free {
        Free* next;
    };
    struct Chunk {
        Node* nodes;
        std::align_val_t alignment;
    };
    static_assert(sizeof(Free) <= sizeof(Node) && alignof(Free) <= alignof(Node));

    static constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;
    static constexpr std::size_t kNodesPerChunkMax = kHugePageBytes / sizeof(Node);

    void add_chunk() {
        const std::size_t count = std::clamp<std::size_t>(nodes_ / 8, 1, kNodesPerChunkMax);
        // A node that does not divide the page leaves a rest; it is part of the chunk.
        const bool huge = count == kNodesPerChunkMax && sizeof(Node) * count == kHugePageBytes;
        const std::align_val_t alignment{huge ? kHugePageBytes : alignof(Node)};
        if (chunks_.size() == chunks_.capacity()) chunks_.reserve(chunks_.size() * 2 + 1);
        void* const memory = ::operator new(count * sizeof(Node), alignment);
#if defined(__linux__)
        // A hint: without huge pages everything works, only slower.
        if (huge) static_cast<void>(::madvise(memory, kHugePageBytes, MADV_HUGEPAGE));
#endif
        fresh_ = static_cast<Node*>(memory);
        fresh_end_ = fresh_ + count;
        chunks_.push_back({fresh_, alignment});
        nodes_ += count;
    }

    void release_all() noexcept {
        for (const Chunk& chunk : chunks_) {
            ::operator delete(chunk.nodes, chunk.alignment);
        }
    }

    void swap(NodePool& other) noexcept {
        std::swap(chunks_, other.chunks_);
        std::swap(free_, other.free_);
        std::swap(fresh_, other.fresh_);
        std::swap(fresh_end_, other.fresh_end_);
        std::swap(nodes_, other.nodes_);
    }

    std::vector<Chunk> chunks_;
    Free* free_ = nullptr;
    Node* fresh_ = nullptr;  ///< the part of the newest chunk that was never used
    Node* fresh_end_ = nullptr;
    std::size_t nodes_ = 0;
};

}  // namespace ledger::boards
