#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "ledger/boards/rank_key.hpp"
#include "ledger/boards/rank_tree.hpp"

namespace ledger::boards {

/// The order of one board: who is at a rank, and which rank somebody has, exactly, at any size.
///
/// Up to kFlatMax keys it is one sorted array (a league of 30 costs 480 bytes and no allocation but
/// one); beyond, a counted B+tree. It becomes an array again at half of that, so that a board at
/// the limit does not change its form with every entry.
///
/// A key is there at most once. At most 2^32 - 2 keys. One thread at a time; what is const may run
/// in several. Only insert, upsert and bulk_build throw: std::bad_alloc, and then nothing has
/// changed. Costs, for n keys: O(log n) each, O(count) more for range, O(n) for bulk_build.
class RankIndex {
public:
    using Tree = RankTree<128, 128>;
    static constexpr std::size_t kFlatMax = 256;
    static constexpr std::size_t kFlatAgain = kFlatMax / 2;

    RankIndex() = default;
    ~RankIndex() = default;
    RankIndex(RankIndex&& other) noexcept;
    RankIndex& operator=(RankIndex&& other) noexcept;
    RankIndex(const RankIndex&) = delete;
    RankIndex& operator=(const RankIndex&) = delete;

    /// `key` must not be there.
    void insert(const RankKey& key);
    /// Replaces `old_key`, which must be there if it is given, by `new_key`, which must not be
    /// unless it equals the old one.
    void upsert(const std::optional<RankKey>& old_key, const RankKey& new_key);
    /// False if `key` was not there.
    bool erase(const RankKey& key) noexcept;
    void clear() noexcept;
    /// Replaces everything by `sorted`, which must be strictly ascending.
    void bulk_build(std::span<const RankKey> sorted);

    [[nodiscard]] std::uint32_t size() const noexcept;
    /// Ordinal, unique, from 1; 0 if `key` is not there.
    [[nodiscard]] std::uint32_t rank(const RankKey& key) const noexcept;
    /// Equal scores share the rank of their first (1, 2, 2, 4). Needs nobody with this score: it is
    /// one more than the number of better ones.
    [[nodiscard]] std::uint32_t place(Points score) const noexcept;
    /// The key at `rank`, from 1; none if there is no such rank.
    [[nodiscard]] std::optional<RankKey> at(std::uint32_t rank) const noexcept;
    /// Copies the keys from `from_rank` (from 1) on into `out`, as many as there are and fit;
    /// answers their number.
    std::size_t range(std::uint32_t from_rank, std::span<RankKey> out) const noexcept;

    /// Everything this index holds from the heap, with its own size.
    [[nodiscard]] std::size_t memory_bytes() const noexcept;
    [[nodiscard]] bool is_flat() const noexcept { return tree_ == nullptr; }
    /// Stops the process if the keys are not in order or the counts are wrong. O(n), for tests.
    void check() const;

private:
    [[nodiscard]] std::span<const RankKey> flat() const noexcept {
        return {flat_.get(), flat_size_};
    }
    [[nodiscard]] std::uint32_t before(const RankKey& key) const noexcept;
    void insert_flat(const RankKey& key);
    void replace_flat(const RankKey& old_key, const RankKey& new_key) noexcept;
    void become_tree(const RankKey& key);
    void become_flat_if_small() noexcept;

    std::unique_ptr<Tree> tree_;
    std::unique_ptr<RankKey[]> flat_;
    std::uint16_t flat_size_ = 0;
    std::uint16_t flat_room_ = 0;
};

}  // namespace ledger::boards
