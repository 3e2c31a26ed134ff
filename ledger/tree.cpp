#include "ledger/tree.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "ledger/base/invariant.hpp"
#include "ledger/big_endian.hpp"
#include "ledger/sha256.hpp"

namespace ledger {
namespace {

constexpr std::uint8_t kRowVersion = 1;

std::string_view view(const Hash32& hash) {
    return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

// A hash that was already fed its prefix byte, to be copied.
Sha256 prefixed(char prefix) {
    Sha256 hash;
    hash.update({&prefix, 1});
    return hash;
}

Hash32 hash_at(std::string_view bytes, std::size_t offset) {
    Hash32 hash;
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), hash.size(), hash.begin());
    return hash;
}

}  // namespace

Hash32 leaf_hash(std::string_view bytes) {
    static const Sha256 kStart = prefixed(0x00);
    Sha256 hash = kStart;
    return hash.update(bytes).finish();
}

Hash32 node_hash(const Hash32& left, const Hash32& right) {
    std::array<char, 65> both;
    both[0] = 0x01;
    std::copy(left.begin(), left.end(), both.begin() + 1);
    std::copy(right.begin(), right.end(), both.begin() + 33);
    return sha256({both.data(), both.size()});
}

Hash32 MerkleTree::append(std::string_view leaf, std::vector<TreeNode>* completed) {
    const Hash32 hash = leaf_hash(leaf);
    append_hash(hash, completed);
    return hash;
}

void MerkleTree::append_hash(const Hash32& leaf, std::vector<TreeNode>* completed) {
    INVARIANT(size_ < UINT64_MAX);
    Hash32 hash = leaf;
    std::uint8_t level = 0;
    for (; (size_ >> level & 1) != 0; ++level) {
        hash = node_hash(peaks_[level], hash);
        const auto made = static_cast<std::uint8_t>(level + 1);
        if (completed != nullptr && made % kStoredLevels == 0) {
            completed->push_back({.level = made, .index = size_ >> made, .hash = hash});
        }
    }
    peaks_[level] = hash;
    ++size_;
}

Hash32 MerkleTree::root() const {
    if (size_ == 0) return sha256({});
    std::uint64_t rest = size_;
    Hash32 hash = peaks_[static_cast<std::size_t>(std::countr_zero(rest))];
    for (rest &= rest - 1; rest != 0; rest &= rest - 1) {
        hash = node_hash(peaks_[static_cast<std::size_t>(std::countr_zero(rest))], hash);
    }
    return hash;
}

std::string MerkleTree::encode_frontier() const {
    std::string bytes(1, static_cast<char>(kRowVersion));
    append_big_endian(bytes, size_);
    for (std::size_t level = 64; level-- > 0;) {
        if ((size_ >> level & 1) != 0) bytes.append(view(peaks_[level]));
    }
    return bytes;
}

Result<MerkleTree> MerkleTree::decode_frontier(std::string_view bytes) {
    if (bytes.size() < 9) return make_error(ErrorCode::corrupt, "tree frontier: too short");
    const auto version = static_cast<std::uint8_t>(bytes[0]);
    if (version > kRowVersion) {
        return make_error(ErrorCode::newer_format, "tree frontier: written by a newer release");
    }
    if (version != kRowVersion) return make_error(ErrorCode::corrupt, "tree frontier: version");
    MerkleTree tree;
    tree.size_ = load_big_endian<std::uint64_t>(bytes.data() + 1);
    const auto hashes = static_cast<std::size_t>(std::popcount(tree.size_));
    if (bytes.size() != 9 + hashes * sizeof(Hash32)) {
        return make_error(ErrorCode::corrupt, "tree frontier: length does not fit the size");
    }
    std::size_t offset = 9;
    for (std::size_t level = 64; level-- > 0;) {
        if ((tree.size_ >> level & 1) == 0) continue;
        tree.peaks_[level] = hash_at(bytes, offset);
        offset += sizeof(Hash32);
    }
    return tree;
}

std::string tree_row_key(ProgramId program, std::uint8_t level, std::uint64_t index) {
    std::string key;
    append_big_endian(key, program.value);
    append_big_endian(key, level);
    append_big_endian(key, index);
    return key;
}

ViewRecord tree_row(ProgramId program, const TreeNode& node) {
    std::string value(1, static_cast<char>(kRowVersion));
    value.append(view(node.hash));
    return {
        .family = ViewFamily::tree,
        .erase = false,
        .key = tree_row_key(program, node.level, node.index),
        .value = std::move(value)};
}

ViewRecord frontier_row(ProgramId program, const MerkleTree& tree) {
    return {
        .family = ViewFamily::tree,
        .erase = false,
        .key = tree_row_key(program, kFrontierLevel, 0),
        .value = tree.encode_frontier()};
}

}  // namespace ledger
