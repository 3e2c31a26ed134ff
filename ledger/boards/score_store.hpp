#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <unordered_map>
#include <vector>

#include "ledger/boards/node_pool.hpp"
#include "ledger/boards/rank_key.hpp"

namespace ledger::boards {

/// What a member has on one board.
struct Score {
    Points points = 0;
    std::uint64_t reach_seq = 0;  ///< seq of the entry that last changed `points`
    friend bool operator==(const Score&, const Score&) = default;
};

/// Member → Score of one board, 16 bytes a slot: the slot is the member's RankKey. The few scores
/// that a key cannot hold stand in a map beside.
///
/// One thread at a time. Only prepare() throws: std::bad_alloc, and then nothing has changed.
class ScoreStore {
public:
    enum class Layout : std::uint8_t {
        dense,   ///< indexed by member, in pieces of 16 KiB: a board that most members are on
        sparse,  ///< open addressing, 53 to 80 % full: a board of one week
    };
    explicit ScoreStore(Layout layout) noexcept : layout_(layout) {}

    [[nodiscard]] Layout layout() const noexcept { return layout_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::optional<Score> find(Member member) const noexcept;
    /// The exact score behind a key of this board.
    [[nodiscard]] Points points_of(const RankKey& key) const noexcept;

    /// Makes sure that put(member, points, …) needs no memory.
    void prepare(Member member, Points points);
    /// After prepare() with the same member and points.
    void put(Member member, const Score& score) noexcept;
    /// The member must be there.
    void erase(Member member) noexcept;

    /// Everything this store holds from the heap, with its own size.
    [[nodiscard]] std::size_t memory_bytes() const noexcept;

private:
    static constexpr std::size_t kSlotsPerPiece = 1024;
    static constexpr std::size_t kSparseRoomMin = 8;
    struct alignas(64) Piece {
        RankKey slots[kSlotsPerPiece];
        Piece() noexcept {}  // NOLINT(modernize-use-equals-default): leaves the slots unset
    };
    struct Release {
        Release() noexcept : alignment(std::align_val_t{alignof(RankKey)}) {}
        explicit Release(std::align_val_t of) noexcept : alignment(of) {}
        void operator()(RankKey* slots) const noexcept { ::operator delete(slots, alignment); }
        std::align_val_t alignment;
    };
    using Slots = std::unique_ptr<RankKey, Release>;

    [[nodiscard]] static bool fits_key(Points points) noexcept {
        return points > kScoreMin && points < kScoreMax;
    }
    /// The slot of `member`, or the empty one where it would go; null if there is none.
    [[nodiscard]] RankKey* slot_of(Member member) const noexcept;
    [[nodiscard]] std::size_t home_of(Member member) const noexcept;
    [[nodiscard]] std::size_t after(std::size_t slot) const noexcept {
        return slot + 1 == sparse_room_ ? 0 : slot + 1;
    }
    [[nodiscard]] static Slots make_slots(std::size_t count);
    void grow_dense(Member member);
    void grow_sparse();
    void close_gap(std::size_t gap) noexcept;

    Layout layout_;
    std::size_t size_ = 0;
    // A slot whose member is 0 is empty.
    std::vector<Piece*> pieces_;  ///< dense; null where no member was yet
    NodePool<Piece> pool_;        ///< owns them
    Slots sparse_;
    std::size_t sparse_room_ = 0;
    std::unordered_map<Member, Points> large_;
};

}  // namespace ledger::boards
