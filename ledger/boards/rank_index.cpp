#include "ledger/boards/rank_index.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "ledger/base/invariant.hpp"

namespace ledger::boards {
namespace {

/// Room for the array that must hold `size` keys: a third more, in steps of four.
std::uint16_t flat_room_for(std::size_t size) {
    const std::size_t room = (size + size / 3 + 3) / 4 * 4;
    return static_cast<std::uint16_t>(std::min(room, RankIndex::kFlatMax));
}

std::unique_ptr<RankKey[]> make_flat(std::uint16_t room) {
    return std::make_unique_for_overwrite<RankKey[]>(room);
}

void move_keys(RankKey* to, const RankKey* from, std::size_t count) noexcept {
    std::memmove(static_cast<void*>(to), from, count * sizeof(RankKey));
}

}  // namespace

RankIndex::RankIndex(RankIndex&& other) noexcept
    : tree_(std::move(other.tree_)),
      flat_(std::move(other.flat_)),
      flat_size_(std::exchange(other.flat_size_, std::uint16_t{0})),
      flat_room_(std::exchange(other.flat_room_, std::uint16_t{0})) {}

RankIndex& RankIndex::operator=(RankIndex&& other) noexcept {
    tree_ = std::move(other.tree_);
    flat_ = std::move(other.flat_);
    flat_size_ = std::exchange(other.flat_size_, std::uint16_t{0});
    flat_room_ = std::exchange(other.flat_room_, std::uint16_t{0});
    return *this;
}

void RankIndex::insert(const RankKey& key) {
    if (tree_ != nullptr) {
        tree_->insert(key);
    } else if (flat_size_ < kFlatMax) {
        insert_flat(key);
    } else {
        become_tree(key);
    }
}

void RankIndex::upsert(const std::optional<RankKey>& old_key, const RankKey& new_key) {
    if (!old_key) {
        insert(new_key);
    } else if (tree_ != nullptr) {
        tree_->replace(*old_key, new_key);
    } else {
        replace_flat(*old_key, new_key);
    }
}

bool RankIndex::erase(const RankKey& key) noexcept {
    if (tree_ != nullptr) {
        const bool erased = tree_->erase(key);
        become_flat_if_small();
        return erased;
    }
    const std::size_t slot = keys_before(flat_.get(), flat_size_, key);
    if (slot == flat_size_ || flat_[slot] != key) return false;
    move_keys(flat_.get() + slot, flat_.get() + slot + 1, flat_size_ - slot - 1);
    --flat_size_;
    return true;
}

void RankIndex::clear() noexcept {
    *this = RankIndex();
}

void RankIndex::bulk_build(std::span<const RankKey> sorted) {
    RankIndex built;
    if (sorted.size() > kFlatMax) {
        built.tree_ = std::make_unique<Tree>();
        built.tree_->build(sorted);
    } else if (!sorted.empty()) {
        for (std::size_t i = 1; i < sorted.size(); ++i) {
            INVARIANT(sorted[i - 1] < sorted[i]);
        }
        built.flat_room_ = flat_room_for(sorted.size());
        built.flat_ = make_flat(built.flat_room_);
        built.flat_size_ = static_cast<std::uint16_t>(sorted.size());
        std::copy(sorted.begin(), sorted.end(), built.flat_.get());
    }
    *this = std::move(built);
}

std::uint32_t RankIndex::size() const noexcept {
    return tree_ != nullptr ? tree_->size() : flat_size_;
}

std::uint32_t RankIndex::rank(const RankKey& key) const noexcept {
    if (tree_ != nullptr) {
        const std::uint32_t found = tree_->find(key);
        return found == tree_->size() ? 0 : found + 1;
    }
    const auto slot = static_cast<std::uint32_t>(keys_before(flat_.get(), flat_size_, key));
    return slot < flat_size_ && flat_[slot] == key ? slot + 1 : 0;
}

std::uint32_t RankIndex::place(Points score) const noexcept {
    return before(RankKey::first_of(score)) + 1;
}

std::optional<RankKey> RankIndex::at(std::uint32_t rank) const noexcept {
    RankKey key;
    if (range(rank, {&key, 1}) == 0) return std::nullopt;
    return key;
}

std::size_t RankIndex::range(std::uint32_t from_rank, std::span<RankKey> out) const noexcept {
    if (from_rank == 0 || from_rank > size()) return 0;
    if (tree_ != nullptr) return tree_->copy(from_rank - 1, out);
    const auto keys = flat().subspan(from_rank - 1);
    const std::size_t count = std::min(keys.size(), out.size());
    std::copy_n(keys.begin(), count, out.begin());
    return count;
}

std::size_t RankIndex::memory_bytes() const noexcept {
    const std::size_t tree = tree_ != nullptr ? sizeof(Tree) + tree_->memory_bytes() : 0;
    return sizeof(RankIndex) + flat_room_ * sizeof(RankKey) + tree;
}

void RankIndex::check() const {
    if (tree_ != nullptr) {
        INVARIANT(flat_ == nullptr && flat_size_ == 0 && flat_room_ == 0);
        tree_->check();
        return;
    }
    INVARIANT(flat_size_ <= flat_room_);
    for (std::size_t i = 1; i < flat_size_; ++i) {
        INVARIANT(flat_[i - 1] < flat_[i]);
    }
}

std::uint32_t RankIndex::before(const RankKey& key) const noexcept {
    if (tree_ != nullptr) return tree_->before(key);
    return static_cast<std::uint32_t>(keys_before(flat_.get(), flat_size_, key));
}

void RankIndex::insert_flat(const RankKey& key) {
    if (flat_size_ == flat_room_) {
        const std::uint16_t room = flat_room_for(flat_size_ + 1U);
        auto larger = make_flat(room);
        std::copy_n(flat_.get(), flat_size_, larger.get());
        flat_ = std::move(larger);
        flat_room_ = room;
    }
    const std::size_t slot = keys_before(flat_.get(), flat_size_, key);
    move_keys(flat_.get() + slot + 1, flat_.get() + slot, flat_size_ - slot);
    flat_[slot] = key;
    ++flat_size_;
}

void RankIndex::replace_flat(const RankKey& old_key, const RankKey& new_key) noexcept {
    const std::size_t slot = keys_before(flat_.get(), flat_size_, old_key);
    INVARIANT(slot < flat_size_ && flat_[slot] == old_key);
    const std::size_t target = keys_before(flat_.get(), flat_size_, new_key);
    if (target > slot) {
        move_keys(flat_.get() + slot, flat_.get() + slot + 1, target - slot - 1);
        flat_[target - 1] = new_key;
    } else {
        move_keys(flat_.get() + target + 1, flat_.get() + target, slot - target);
        flat_[target] = new_key;
    }
}

void RankIndex::become_tree(const RankKey& key) {
    auto tree = std::make_unique<Tree>();
    tree->build(flat());
    tree->insert(key);
    tree_ = std::move(tree);
    flat_.reset();
    flat_size_ = 0;
    flat_room_ = 0;
}

void RankIndex::become_flat_if_small() noexcept {
    const std::uint32_t count = tree_->size();
    if (count > kFlatAgain) return;
    const std::uint16_t room = flat_room_for(count);
    // Without memory it stays a tree, which is as right, and tries again at the next erasure.
    std::unique_ptr<RankKey[]> array(new (std::nothrow) RankKey[room]);
    if (array == nullptr) return;
    tree_->copy(0, {array.get(), count});
    flat_ = std::move(array);
    flat_size_ = static_cast<std::uint16_t>(count);
    flat_room_ = room;
    tree_.reset();
}

}  // namespace ledger::boards
