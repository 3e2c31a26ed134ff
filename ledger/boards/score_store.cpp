#include "ledger/boards/score_store.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "ledger/base/invariant.hpp"

namespace ledger::boards {

std::optional<Score> ScoreStore::find(Member member) const noexcept {
    const RankKey* const slot = slot_of(member);
    if (slot == nullptr || slot->member() == 0) return std::nullopt;
    return Score{.points = points_of(*slot), .reach_seq = slot->reach_seq()};
}

Points ScoreStore::points_of(const RankKey& key) const noexcept {
    const Points points = key.score();
    if (fits_key(points)) return points;
    const auto found = large_.find(key.member());
    INVARIANT(found != large_.end());
    return found->second;
}

void ScoreStore::prepare(Member member, Points points) {
    INVARIANT(member != 0);
    if (layout_ == Layout::dense) {
        grow_dense(member);
    } else if ((size_ + 1) * 5 > sparse_room_ * 4) {
        grow_sparse();
    }
    // The value is put()'s to write: until then an older one stays true.
    if (!fits_key(points)) large_.try_emplace(member, points);
}

void ScoreStore::put(Member member, const Score& score) noexcept {
    RankKey* const slot = slot_of(member);
    INVARIANT(slot != nullptr);
    if (slot->member() == 0) ++size_;
    *slot = RankKey::make(score.points, score.reach_seq, member);
    if (!fits_key(score.points)) {
        const auto found = large_.find(member);
        INVARIANT(found != large_.end());
        found->second = score.points;
    } else if (!large_.empty()) {
        large_.erase(member);
    }
}

void ScoreStore::erase(Member member) noexcept {
    RankKey* const slot = slot_of(member);
    INVARIANT(slot != nullptr && slot->member() == member);
    *slot = RankKey{};
    --size_;
    if (!large_.empty()) large_.erase(member);
    if (layout_ == Layout::sparse) close_gap(static_cast<std::size_t>(slot - sparse_.get()));
}

std::size_t ScoreStore::memory_bytes() const noexcept {
    // A node of the map: link, pair.
    constexpr std::size_t kLargeBytes = sizeof(void*) + sizeof(std::pair<const Member, Points>);
    const bool has_buckets = large_.bucket_count() > 1;
    return sizeof(ScoreStore) + pieces_.capacity() * sizeof(void*) + pool_.memory_bytes() +
           sparse_room_ * sizeof(RankKey) + large_.size() * kLargeBytes +
           (has_buckets ? large_.bucket_count() * sizeof(void*) : 0);
}

RankKey* ScoreStore::slot_of(Member member) const noexcept {
    if (layout_ == Layout::dense) {
        const std::size_t piece = member / kSlotsPerPiece;
        if (piece >= pieces_.size() || pieces_[piece] == nullptr) return nullptr;
        return &pieces_[piece]->slots[member % kSlotsPerPiece];
    }
    if (sparse_room_ == 0) return nullptr;
    // At most four fifths are taken, so there is always an empty slot to end at.
    RankKey* const slots = sparse_.get();
    std::size_t slot = home_of(member);
    while (slots[slot].member() != member && slots[slot].member() != 0) {
        slot = after(slot);
    }
    return slots + slot;
}

std::size_t ScoreStore::home_of(Member member) const noexcept {
    // Fibonacci hashing: members are numbered in sequence, which it spreads evenly. The product
    // with the room instead of a remainder keeps the order of the slots when the table grows.
    const std::uint32_t hash = member * 0x9e3779b1U;
    return static_cast<std::size_t>(static_cast<std::uint64_t>(hash) * sparse_room_ >> 32);
}

ScoreStore::Slots ScoreStore::make_slots(std::size_t count) {
    const std::size_t bytes = count * sizeof(RankKey);
    const bool huge = bytes >= kHugePagesFromBytes;
    const std::align_val_t alignment{huge ? kHugePageBytes : alignof(RankKey)};
    void* const memory = ::operator new(bytes, alignment);
    if (huge) advise_huge_pages(memory, bytes);
    auto* const slots = static_cast<RankKey*>(memory);
    std::uninitialized_fill_n(slots, count, RankKey{});
    return Slots(slots, Release(alignment));
}

void ScoreStore::grow_dense(Member member) {
    const std::size_t piece = member / kSlotsPerPiece;
    if (piece >= pieces_.size()) {
        if (piece >= pieces_.capacity()) pieces_.reserve(piece + piece / 8 + 1);
        pieces_.resize(piece + 1);
    }
    if (pieces_[piece] == nullptr) {
        Piece* const made = pool_.take();
        std::fill_n(made->slots, kSlotsPerPiece, RankKey{});
        pieces_[piece] = made;
    }
}

void ScoreStore::grow_sparse() {
    const std::size_t room = std::max(kSparseRoomMin, sparse_room_ + sparse_room_ / 2);
    const Slots old = std::exchange(sparse_, make_slots(room));
    const std::size_t old_room = std::exchange(sparse_room_, room);
    for (const RankKey& slot : std::span(old.get(), old_room)) {
        if (slot.member() != 0) *slot_of(slot.member()) = slot;
    }
}

/// Moves back what had to go past the slot `gap`, so that searches may end at the first empty slot.
void ScoreStore::close_gap(std::size_t gap) noexcept {
    RankKey* const slots = sparse_.get();
    for (std::size_t slot = after(gap); slots[slot].member() != 0; slot = after(slot)) {
        const std::size_t home = home_of(slots[slot].member());
        const std::size_t to_slot = (slot + sparse_room_ - home) % sparse_room_;
        const std::size_t to_gap = (gap + sparse_room_ - home) % sparse_room_;
        if (to_gap > to_slot) continue;  // the gap is before its home
        slots[gap] = std::exchange(slots[slot], RankKey{});
        gap = slot;
    }
}

}  // namespace ledger::boards
