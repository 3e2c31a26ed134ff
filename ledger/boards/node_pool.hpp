#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "ledger/boards/huge_pages.hpp"

namespace ledger::boards {

/// Memory for nodes of one size. They lie in chunks that grow with their number, so that what is
/// reserved stays within an eighth of what is used, or one huge page; a node given back is used
/// again before anything new is asked for. Chunks go back to the system with the pool, all at once.
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

    static constexpr std::size_t kNodesPerHugePage = kHugePageBytes / sizeof(Node);
    /// Nodes that do not fill a huge page are few: those above the leaves.
    static constexpr bool kFillsHugePage = kHugePageBytes % sizeof(Node) == 0;

    void add_chunk() {
        // Then one huge page more is at most half of what is there already.
        const bool huge = kFillsHugePage && nodes_ * sizeof(Node) >= kHugePagesFromBytes;
        const std::size_t count =
            huge ? kNodesPerHugePage : std::clamp<std::size_t>(nodes_ / 8, 1, kNodesPerHugePage);
        const std::align_val_t alignment{huge ? kHugePageBytes : alignof(Node)};
        if (chunks_.size() == chunks_.capacity()) chunks_.reserve(chunks_.size() * 2 + 1);
        void* const memory = ::operator new(count * sizeof(Node), alignment);
        if (huge) advise_huge_pages(memory, kHugePageBytes);
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
