#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "ledger/base/invariant.hpp"
#include "ledger/boards/node_pool.hpp"
#include "ledger/boards/rank_key.hpp"

namespace ledger::boards {

/// `count` keys of `keys` are sorted; how many of them are before `key`. No branch depends on a
/// key, so that random look-ups cost no mispredictions.
[[nodiscard]] inline std::size_t keys_before(
    const RankKey* keys, std::size_t count, const RankKey& key
) noexcept {
    const RankKey* base = keys;
    while (count > 1) {
        const std::size_t half = count / 2;
        base += static_cast<std::size_t>(base[half - 1] < key) * half;
        count -= half;
    }
    const bool last = count == 1 && *base < key;
    return static_cast<std::size_t>(base - keys) + static_cast<std::size_t>(last);
}

/// A counted B+tree: every inner node knows how many keys each of its children holds, so a rank is
/// a sum on the way down. The keys lie in the leaves; a leaf is nothing but keys, its count stands
/// in its parent.
///
///     Inner   children u32
///             lowest[i]    no key of child i is smaller, every key of child i - 1 is; lowest[0] is
///                          the same bound for the whole node and the smallest key on the left edge
///             keys_in[i]   keys below child i
///             child[i]     Leaf at level 1, else Inner
///
/// A full leaf first gives keys to a neighbour and splits only if both are full; a leaf that is
/// less than half full takes keys from a neighbour or merges with it. An update whose old and new
/// key lie in one leaf moves what is between them and touches no inner node.
///
/// A key is in the tree at most once. At most 2^32 - 1 keys. One thread at a time. Only what says
/// so throws, std::bad_alloc, and then holds the same keys as before.
template <std::size_t kLeafKeys, std::size_t kInnerChildren>
class RankTree {
    static_assert(kLeafKeys >= 4 && kInnerChildren >= 4);

public:
    RankTree() = default;
    ~RankTree() = default;
    RankTree(RankTree&& other) noexcept { swap(other); }
    RankTree& operator=(RankTree&& other) noexcept {
        RankTree moved(std::move(other));
        swap(moved);
        return *this;
    }
    RankTree(const RankTree&) = delete;
    RankTree& operator=(const RankTree&) = delete;

    [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
    [[nodiscard]] std::size_t memory_bytes() const noexcept {
        return leaves_.memory_bytes() + inners_.memory_bytes();
    }

    /// `key` is not in the tree. May throw.
    void insert(const RankKey& key) {
        make_room(key);
        insert_with_room(key);
    }

    /// False if `key` was not there.
    bool erase(const RankKey& key) noexcept {
        if (size_ == 0) return false;
        Path path;
        descend(key, path);
        const std::size_t slot = keys_before(path.leaf->keys, path.count, key);
        if (slot == path.count || path.leaf->keys[slot] != key) return false;
        take_out(path, slot);
        if (path.count < kLeafKeysMin) rebalance(path);
        return true;
    }

    /// Erases `old_key`, which is in the tree, and inserts `new_key`, which is not, unless they are
    /// the same. May throw.
    void replace(const RankKey& old_key, const RankKey& new_key) {
        Path from;
        Path to;
        descend_both(old_key, from, new_key, to);
        const std::size_t slot = keys_before(from.leaf->keys, from.count, old_key);
        INVARIANT(slot < from.count && from.leaf->keys[slot] == old_key);
        if (from.leaf == to.leaf) {
            move_inside(*from.leaf, from.count, slot, new_key);
            return;
        }
        if (from.count > kLeafKeysMin && to.count < kLeafKeys) {
            take_out(from, slot);
            put_in(to, new_key);
            return;
        }
        // Room is made while nothing has changed; what erase() then does to the shape of the tree
        // never fills a leaf.
        make_room(new_key);
        INVARIANT(erase(old_key));
        insert_with_room(new_key);
    }

    /// How many keys are before `key`, which need not be in the tree.
    [[nodiscard]] std::uint32_t before(const RankKey& key) const noexcept {
        return locate(key).before;
    }

    /// The number of keys before `key`, or size() if it is not in the tree.
    [[nodiscard]] std::uint32_t find(const RankKey& key) const noexcept {
        const Place place = locate(key);
        const bool found = place.slot < place.count && place.leaf->keys[place.slot] == key;
        return found ? place.before : size_;
    }

    /// Copies the keys from the `index`-th on (from 0) into `out`, as many as there are and fit.
    /// Answers their number.
    std::size_t copy(std::uint32_t index, std::span<RankKey> out) const noexcept {
        std::size_t copied = 0;
        while (copied < out.size() && index < size_) {
            std::uint32_t rest = index;
            std::uint32_t count = size_;
            const Leaf& leaf = leaf_at(rest, count);
            const std::size_t wanted = std::min<std::size_t>(count - rest, out.size() - copied);
            std::copy_n(leaf.keys + rest, wanted, out.begin() + static_cast<Difference>(copied));
            copied += wanted;
            index += static_cast<std::uint32_t>(wanted);
        }
        return copied;
    }

    /// Replaces the content by `sorted`, strictly ascending. May throw.
    void build(std::span<const RankKey> sorted) {
        INVARIANT(sorted.size() < UINT32_MAX);
        RankTree built;
        built.fill(sorted);
        swap(built);
    }

    /// Stops the process if the tree is not what the comment above says. O(n), for tests.
    void check() const {
        if (size_ == 0) {
            INVARIANT(root_ == nullptr || height_ == 0);
            return;
        }
        RankKey previous{};
        bool first = true;
        INVARIANT(check_node(root_, height_, size_, RankKey{}, previous, first) == size_);
    }

private:
    using Difference = std::ptrdiff_t;

    struct alignas(64) Leaf {
        RankKey keys[kLeafKeys];
        Leaf() noexcept {}  // NOLINT(modernize-use-equals-default): leaves the keys unset
    };
    struct alignas(64) Inner {
        RankKey lowest[kInnerChildren];
        std::uint32_t keys_in[kInnerChildren];
        void* child[kInnerChildren];
        std::uint32_t children;
        Inner() noexcept {}  // NOLINT(modernize-use-equals-default): leaves the children unset
    };

    static constexpr std::size_t kLeafKeysMin = kLeafKeys / 2;
    static constexpr std::size_t kInnerChildrenMin =
        kInnerChildren / 4 < 2 ? 2 : kInnerChildren / 4;
    /// Merged or built nodes keep some room, so that the next insertion does not split them.
    static constexpr std::size_t kLeafKeysBuilt = kLeafKeys * 7 / 8;
    static constexpr std::size_t kInnerChildrenBuilt = kInnerChildren * 7 / 8;
    /// A neighbour with less room is not worth the moving.
    static constexpr std::size_t kLeafRoomMin = kLeafKeys / 16 < 2 ? 2 : kLeafKeys / 16;
    /// 2^32 keys in half full leaves under quarter full inner nodes; 32 for the small shapes of
    /// tests.
    static constexpr std::size_t kHeightMax = 32;

    struct Step {
        Inner* node;
        std::uint32_t slot;
    };
    /// The way from the root to a leaf; steps[0] is the leaf's parent.
    struct Path {
        std::array<Step, kHeightMax> steps;
        Leaf* leaf;
        std::uint32_t count;  ///< keys in the leaf
    };
    struct Place {
        const Leaf* leaf;
        std::size_t slot;
        std::size_t count;
        std::uint32_t before;
    };

    // ---- Descending

    [[nodiscard]] static std::uint32_t child_of(const Inner& node, const RankKey& key) noexcept {
        // lowest[0] is a bound of the node itself and need not be looked at. A key that equals
        // lowest[i] belongs to child i.
        const RankKey* const bounds = node.lowest + 1;
        const std::size_t count = node.children - 1;
        std::size_t slot = keys_before(bounds, count, key);
        slot += static_cast<std::size_t>(slot < count && bounds[slot] == key);
        return static_cast<std::uint32_t>(slot);
    }

    /// Asks for the cache lines where a search in the leaf will begin, all at once; one after the
    /// other they would each cost a full trip to memory.
    static void prefetch(const void* leaf, std::uint32_t count) noexcept {
        const auto* const keys = static_cast<const Leaf*>(leaf)->keys;
        for (std::uint32_t part = 1; part < 16; ++part) {
            __builtin_prefetch(keys + count * part / 16);
        }
    }

    void descend(const RankKey& key, Path& path) const noexcept {
        void* node = root_;
        std::uint32_t count = size_;
        for (std::size_t level = height_; level-- > 0;) {
            auto* const inner = static_cast<Inner*>(node);
            const std::uint32_t slot = child_of(*inner, key);
            path.steps[level] = {inner, slot};
            count = inner->keys_in[slot];
            node = inner->child[slot];
        }
        prefetch(node, count);
        path.leaf = static_cast<Leaf*>(node);
        path.count = count;
    }

    /// Both ways level by level: the misses of one hide behind those of the other.
    void descend_both(const RankKey& a, Path& to_a, const RankKey& b, Path& to_b) const noexcept {
        void* node_a = root_;
        void* node_b = root_;
        std::uint32_t count_a = size_;
        std::uint32_t count_b = size_;
        for (std::size_t level = height_; level-- > 0;) {
            auto* const inner_a = static_cast<Inner*>(node_a);
            auto* const inner_b = static_cast<Inner*>(node_b);
            const std::uint32_t slot_a = child_of(*inner_a, a);
            const std::uint32_t slot_b = child_of(*inner_b, b);
            to_a.steps[level] = {inner_a, slot_a};
            to_b.steps[level] = {inner_b, slot_b};
            count_a = inner_a->keys_in[slot_a];
            count_b = inner_b->keys_in[slot_b];
            node_a = inner_a->child[slot_a];
            node_b = inner_b->child[slot_b];
        }
        prefetch(node_a, count_a);
        prefetch(node_b, count_b);
        to_a.leaf = static_cast<Leaf*>(node_a);
        to_a.count = count_a;
        to_b.leaf = static_cast<Leaf*>(node_b);
        to_b.count = count_b;
    }

    [[nodiscard]] static std::uint32_t sum(const std::uint32_t* counts, std::uint32_t n) noexcept {
        std::uint32_t total = 0;
        for (std::uint32_t i = 0; i < n; ++i) {
            total += counts[i];
        }
        return total;
    }

    [[nodiscard]] Place locate(const RankKey& key) const noexcept {
        if (size_ == 0) return {nullptr, 0, 0, 0};
        const void* node = root_;
        std::uint32_t count = size_;
        std::uint32_t before = 0;
        for (std::size_t level = height_; level > 0; --level) {
            const auto& inner = *static_cast<const Inner*>(node);
            const std::uint32_t slot = child_of(inner, key);
            count = inner.keys_in[slot];
            node = inner.child[slot];
            if (level == 1) prefetch(node, count);
            before += sum(inner.keys_in, slot);
        }
        const auto* const leaf = static_cast<const Leaf*>(node);
        const std::size_t slot = keys_before(leaf->keys, count, key);
        return {leaf, slot, count, before + static_cast<std::uint32_t>(slot)};
    }

    /// `index` becomes the position in the leaf, `count` the leaf's number of keys.
    const Leaf& leaf_at(std::uint32_t& index, std::uint32_t& count) const noexcept {
        const void* node = root_;
        for (std::size_t level = height_; level > 0; --level) {
            const auto& inner = *static_cast<const Inner*>(node);
            std::uint32_t slot = 0;
            while (index >= inner.keys_in[slot]) {
                index -= inner.keys_in[slot++];
            }
            count = inner.keys_in[slot];
            node = inner.child[slot];
        }
        return *static_cast<const Leaf*>(node);
    }

    // ---- Changing one leaf

    template <typename Value>
    static void shift(Value* first, Value* last, Difference by) noexcept {
        static_assert(std::is_trivially_copyable_v<Value>);
        std::memmove(first + by, first, static_cast<std::size_t>(last - first) * sizeof(Value));
    }

    static void move_inside(
        Leaf& leaf, std::size_t count, std::size_t slot, const RankKey& new_key
    ) noexcept {
        const std::size_t target = keys_before(leaf.keys, count, new_key);
        if (target > slot) {
            shift(leaf.keys + slot + 1, leaf.keys + target, -1);
            leaf.keys[target - 1] = new_key;
        } else {
            shift(leaf.keys + target, leaf.keys + slot, 1);
            leaf.keys[target] = new_key;
        }
    }

    void take_out(Path& path, std::size_t slot) noexcept {
        shift(path.leaf->keys + slot + 1, path.leaf->keys + path.count, -1);
        for (std::size_t level = 0; level < height_; ++level) {
            --path.steps[level].node->keys_in[path.steps[level].slot];
        }
        --path.count;
        --size_;
    }

    void put_in(Path& path, const RankKey& key) noexcept {
        RankKey* const keys = path.leaf->keys;
        const std::size_t slot = keys_before(keys, path.count, key);
        shift(keys + slot, keys + path.count, 1);
        keys[slot] = key;
        for (std::size_t level = 0; level < height_; ++level) {
            ++path.steps[level].node->keys_in[path.steps[level].slot];
        }
        ++path.count;
        ++size_;
    }

    void insert_with_room(const RankKey& key) noexcept {
        Path path;
        descend(key, path);
        INVARIANT(path.count < kLeafKeys && size_ < UINT32_MAX - 1);
        put_in(path, key);
    }

    // ---- Making room. Each step leaves a valid tree with the same keys, so that memory may run
    // out between any two.

    void make_room(const RankKey& key) {
        if (root_ == nullptr) root_ = leaves_.take();
        Path path;
        descend(key, path);
        while (path.count == kLeafKeys) {
            if (!give_to_neighbour(path)) split_one(path);
            descend(key, path);
        }
    }

    /// Evens out the full leaf with a neighbour under the same parent that has room.
    bool give_to_neighbour(const Path& path) noexcept {
        if (height_ == 0) return false;
        Inner& parent = *path.steps[0].node;
        const std::uint32_t slot = path.steps[0].slot;
        const auto has_room = [&](std::uint32_t neighbour) {
            return parent.keys_in[neighbour] + kLeafRoomMin <= kLeafKeys;
        };
        if (slot > 0 && has_room(slot - 1)) {
            even_out_leaves(parent, slot - 1);
            return true;
        }
        if (slot + 1 < parent.children && has_room(slot + 1)) {
            even_out_leaves(parent, slot);
            return true;
        }
        return false;
    }

    /// One split towards room in the leaf: of the highest in the unbroken run of full nodes that
    /// ends at the leaf, because its parent has room for one child more.
    void split_one(const Path& path) {
        std::size_t level = 0;
        while (level < height_ && path.steps[level].node->children == kInnerChildren) {
            ++level;
        }
        if (level == height_) {
            add_root();
            return;
        }
        if (level == 0) {
            split_leaf(path.steps[0]);
        } else {
            split_inner(path.steps[level]);
        }
    }

    void add_root() {
        INVARIANT(height_ + 1 < kHeightMax);
        Inner* const root = inners_.take();
        root->children = 1;
        root->lowest[0] = RankKey{};
        root->keys_in[0] = size_;
        root->child[0] = root_;
        root_ = root;
        ++height_;
    }

    void split_leaf(const Step& parent) {
        Leaf* const right = leaves_.take();
        const auto* const left = static_cast<const Leaf*>(parent.node->child[parent.slot]);
        const std::uint32_t count = parent.node->keys_in[parent.slot];
        const std::uint32_t kept = count / 2;
        std::copy(left->keys + kept, left->keys + count, right->keys);
        parent.node->keys_in[parent.slot] = kept;
        insert_child(*parent.node, parent.slot + 1, right->keys[0], count - kept, right);
    }

    void split_inner(const Step& parent) {
        Inner* const right = inners_.take();
        right->children = 0;
        auto* const left = static_cast<Inner*>(parent.node->child[parent.slot]);
        const std::uint32_t moved = left->children / 2;
        const std::uint32_t keys = move_to_right(*left, *right, moved);
        parent.node->keys_in[parent.slot] -= keys;
        insert_child(*parent.node, parent.slot + 1, right->lowest[0], keys, right);
    }

    static void insert_child(
        Inner& node, std::uint32_t slot, const RankKey& lowest, std::uint32_t keys, void* child
    ) noexcept {
        shift(node.lowest + slot, node.lowest + node.children, 1);
        shift(node.keys_in + slot, node.keys_in + node.children, 1);
        shift(node.child + slot, node.child + node.children, 1);
        node.lowest[slot] = lowest;
        node.keys_in[slot] = keys;
        node.child[slot] = child;
        ++node.children;
    }

    static void erase_child(Inner& node, std::uint32_t slot) noexcept {
        shift(node.lowest + slot + 1, node.lowest + node.children, -1);
        shift(node.keys_in + slot + 1, node.keys_in + node.children, -1);
        shift(node.child + slot + 1, node.child + node.children, -1);
        --node.children;
    }

    // ---- Neighbours under one parent. `left_slot` names the left one of the two.

    void even_out_leaves(Inner& parent, std::uint32_t left_slot) noexcept {
        auto* const left = static_cast<Leaf*>(parent.child[left_slot])->keys;
        auto* const right = static_cast<Leaf*>(parent.child[left_slot + 1])->keys;
        std::uint32_t& in_left = parent.keys_in[left_slot];
        std::uint32_t& in_right = parent.keys_in[left_slot + 1];
        const std::uint32_t target = (in_left + in_right) / 2;
        if (in_left < target) {
            const std::uint32_t moved = target - in_left;
            std::copy_n(right, moved, left + in_left);
            shift(right + moved, right + in_right, -static_cast<Difference>(moved));
            in_right -= moved;
        } else {
            const std::uint32_t moved = in_left - target;
            shift(right, right + in_right, static_cast<Difference>(moved));
            std::copy_n(left + target, moved, right);
            in_right += moved;
        }
        in_left = target;
        parent.lowest[left_slot + 1] = right[0];
    }

    /// Moves the last `count` children of `left` before those of `right`; answers their keys.
    static std::uint32_t move_to_right(Inner& left, Inner& right, std::uint32_t count) noexcept {
        const auto by = static_cast<Difference>(count);
        shift(right.lowest, right.lowest + right.children, by);
        shift(right.keys_in, right.keys_in + right.children, by);
        shift(right.child, right.child + right.children, by);
        const std::uint32_t kept = left.children - count;
        std::copy_n(left.lowest + kept, count, right.lowest);
        std::copy_n(left.keys_in + kept, count, right.keys_in);
        std::copy_n(left.child + kept, count, right.child);
        left.children = kept;
        right.children += count;
        return sum(right.keys_in, count);
    }

    /// Moves the first `count` children of `right` behind those of `left`; answers their keys.
    static std::uint32_t move_to_left(Inner& left, Inner& right, std::uint32_t count) noexcept {
        std::copy_n(right.lowest, count, left.lowest + left.children);
        std::copy_n(right.keys_in, count, left.keys_in + left.children);
        std::copy_n(right.child, count, left.child + left.children);
        const std::uint32_t keys = sum(right.keys_in, count);
        const auto by = -static_cast<Difference>(count);
        shift(right.lowest + count, right.lowest + right.children, by);
        shift(right.keys_in + count, right.keys_in + right.children, by);
        shift(right.child + count, right.child + right.children, by);
        left.children += count;
        right.children -= count;
        return keys;
    }

    void even_out_inners(Inner& parent, std::uint32_t left_slot) noexcept {
        auto& left = *static_cast<Inner*>(parent.child[left_slot]);
        auto& right = *static_cast<Inner*>(parent.child[left_slot + 1]);
        const std::uint32_t target = (left.children + right.children) / 2;
        if (left.children < target) {
            const std::uint32_t keys = move_to_left(left, right, target - left.children);
            parent.keys_in[left_slot] += keys;
            parent.keys_in[left_slot + 1] -= keys;
        } else {
            const std::uint32_t keys = move_to_right(left, right, left.children - target);
            parent.keys_in[left_slot] -= keys;
            parent.keys_in[left_slot + 1] += keys;
        }
        parent.lowest[left_slot + 1] = right.lowest[0];
    }

    // ---- After an erasure

    /// The leaf at the end of `path` is too empty; so may then be the nodes above it.
    void rebalance(const Path& path) noexcept {
        for (std::size_t level = 0; level < height_; ++level) {
            Inner& parent = *path.steps[level].node;
            const bool merged = level == 0 ? fill_up_leaf(parent, path.steps[level].slot)
                                           : fill_up_inner(parent, path.steps[level].slot);
            if (!merged || parent.children >= kInnerChildrenMin) break;
        }
        drop_single_child_roots();
    }

    /// True if the parent has lost a child. A parent of one child has no neighbour to offer; only a
    /// root can be one, and only after memory ran out while it grew.
    bool fill_up_leaf(Inner& parent, std::uint32_t slot) noexcept {
        if (parent.children == 1) return false;
        const std::uint32_t left_slot = emptier_neighbour(parent, slot);
        const std::uint32_t in_left = parent.keys_in[left_slot];
        const std::uint32_t in_right = parent.keys_in[left_slot + 1];
        if (in_left + in_right > kLeafKeysBuilt) {
            even_out_leaves(parent, left_slot);
            return false;
        }
        auto* const left = static_cast<Leaf*>(parent.child[left_slot]);
        auto* const right = static_cast<Leaf*>(parent.child[left_slot + 1]);
        std::copy_n(right->keys, in_right, left->keys + in_left);
        parent.keys_in[left_slot] += in_right;
        erase_child(parent, left_slot + 1);
        leaves_.give_back(right);
        return true;
    }

    bool fill_up_inner(Inner& parent, std::uint32_t slot) noexcept {
        if (parent.children == 1) return false;
        const std::uint32_t left_slot = slot > 0 ? slot - 1 : slot;
        auto* const left = static_cast<Inner*>(parent.child[left_slot]);
        auto* const right = static_cast<Inner*>(parent.child[left_slot + 1]);
        if (left->children + right->children > kInnerChildrenBuilt) {
            even_out_inners(parent, left_slot);
            return false;
        }
        parent.keys_in[left_slot] += move_to_left(*left, *right, right->children);
        erase_child(parent, left_slot + 1);
        inners_.give_back(right);
        return true;
    }

    /// The left slot of the pair: `slot` and the one beside it with fewer keys.
    static std::uint32_t emptier_neighbour(const Inner& parent, std::uint32_t slot) noexcept {
        if (slot == 0) return 0;
        if (slot + 1 == parent.children) return slot - 1;
        return parent.keys_in[slot - 1] <= parent.keys_in[slot + 1] ? slot - 1 : slot;
    }

    void drop_single_child_roots() noexcept {
        while (height_ > 0) {
            auto* const root = static_cast<Inner*>(root_);
            if (root->children > 1) return;
            root_ = root->child[0];
            --height_;
            inners_.give_back(root);
        }
    }

    // ---- Building from a sorted list

    struct Built {
        RankKey lowest;
        std::uint32_t keys;
        void* node;
    };

    void fill(std::span<const RankKey> sorted) {
        if (sorted.empty()) return;
        std::vector<Built> level = build_leaves(sorted);
        while (level.size() > 1) {
            level = build_inners(level);
            ++height_;
        }
        root_ = level.front().node;
        size_ = static_cast<std::uint32_t>(sorted.size());
    }

    std::vector<Built> build_leaves(std::span<const RankKey> sorted) {
        const std::size_t count = (sorted.size() + kLeafKeysBuilt - 1) / kLeafKeysBuilt;
        std::vector<Built> built;
        built.reserve(count);
        RankKey previous{};
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t begin = sorted.size() * i / count;
            const std::size_t end = sorted.size() * (i + 1) / count;
            Leaf* const leaf = leaves_.take();
            for (std::size_t at = begin; at < end; ++at) {
                INVARIANT(at == 0 || previous < sorted[at]);
                previous = sorted[at];
                leaf->keys[at - begin] = previous;
            }
            // The left edge is open: a key smaller than all may come.
            const RankKey lowest = i == 0 ? RankKey{} : leaf->keys[0];
            built.push_back({lowest, static_cast<std::uint32_t>(end - begin), leaf});
        }
        return built;
    }

    std::vector<Built> build_inners(const std::vector<Built>& children) {
        const std::size_t count = (children.size() + kInnerChildrenBuilt - 1) / kInnerChildrenBuilt;
        std::vector<Built> built;
        built.reserve(count);
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t begin = children.size() * i / count;
            const std::size_t end = children.size() * (i + 1) / count;
            Inner* const inner = inners_.take();
            inner->children = static_cast<std::uint32_t>(end - begin);
            for (std::size_t at = begin; at < end; ++at) {
                inner->lowest[at - begin] = children[at].lowest;
                inner->keys_in[at - begin] = children[at].keys;
                inner->child[at - begin] = children[at].node;
            }
            built.push_back({inner->lowest[0], sum(inner->keys_in, inner->children), inner});
        }
        return built;
    }

    // ---- For tests

    std::uint32_t check_node(
        const void* node,
        std::size_t level,
        std::uint32_t keys,
        const RankKey& bound,
        RankKey& previous,
        bool& first
    ) const {
        if (level == 0) {
            const auto& leaf = *static_cast<const Leaf*>(node);
            INVARIANT(keys <= kLeafKeys && (height_ == 0 || keys > 0));
            for (std::uint32_t i = 0; i < keys; ++i) {
                INVARIANT(!(leaf.keys[i] < bound) && (first || previous < leaf.keys[i]));
                previous = leaf.keys[i];
                first = false;
            }
            return keys;
        }
        const auto& inner = *static_cast<const Inner*>(node);
        INVARIANT(inner.children >= 1 && inner.children <= kInnerChildren);
        INVARIANT(inner.lowest[0] == bound);
        std::uint32_t total = 0;
        for (std::uint32_t i = 0; i < inner.children; ++i) {
            // Every key before child i is smaller than its bound.
            INVARIANT(i == 0 || first || previous < inner.lowest[i]);
            total += check_node(
                inner.child[i], level - 1, inner.keys_in[i], inner.lowest[i], previous, first
            );
        }
        INVARIANT(total == keys);
        return total;
    }

    void swap(RankTree& other) noexcept {
        std::swap(leaves_, other.leaves_);
        std::swap(inners_, other.inners_);
        std::swap(root_, other.root_);
        std::swap(height_, other.height_);
        std::swap(size_, other.size_);
    }

    NodePool<Leaf> leaves_;
    NodePool<Inner> inners_;
    void* root_ = nullptr;  ///< Leaf if height_ is 0, else Inner; null: no key yet
    std::size_t height_ = 0;
    std::uint32_t size_ = 0;
};

}  // namespace ledger::boards
