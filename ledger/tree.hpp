#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/base/ids.hpp"
#include "ledger/base/result.hpp"
#include "ledger/entry.hpp"
#include "ledger/view_record.hpp"

namespace ledger {

/// SHA-256(0x00 ‖ bytes) and SHA-256(0x01 ‖ left ‖ right), RFC 6962 section 2.1.
[[nodiscard]] Hash32 leaf_hash(std::string_view bytes);
[[nodiscard]] Hash32 node_hash(const Hash32& left, const Hash32& right);

/// The root of a complete subtree: the `index`-th one of 2^level leaves.
struct TreeNode {
    std::uint8_t level = 0;
    std::uint64_t index = 0;
    Hash32 hash{};
};

/// The RFC 6962 Merkle tree of one program's entries, in order of seq. Keeps only the frontier (one
/// hash for each bit of the size). A value; one thread at a time.
class MerkleTree {
public:
    /// Nodes of levels 8, 16, 24 … are reported when they are complete: proofs are made of them.
    static constexpr std::uint8_t kStoredLevels = 8;

    /// Appends the stored bytes of the next entry and answers its leaf hash. Completed subtrees of
    /// the stored levels are appended to `completed` if it is given.
    Hash32 append(std::string_view leaf, std::vector<TreeNode>* completed = nullptr);
    /// The same when the leaf hash is known already.
    void append_hash(const Hash32& leaf, std::vector<TreeNode>* completed = nullptr);

    /// Number of leaves.
    [[nodiscard]] std::uint64_t size() const { return size_; }
    /// SHA-256 of nothing while empty.
    [[nodiscard]] Hash32 root() const;

    /// version u8 (1) · size u64 · one hash per set bit of size, largest subtree first.
    [[nodiscard]] std::string encode_frontier() const;
    /// Errors: newer_format, corrupt.
    [[nodiscard]] static Result<MerkleTree> decode_frontier(std::string_view bytes);

private:
    std::uint64_t size_ = 0;
    /// peaks_[level] is meaningful iff bit `level` of size_ is set.
    std::array<Hash32, 64> peaks_{};
};

/// Level under which the frontier itself is kept in the view `tree`; no subtree has it.
inline constexpr std::uint8_t kFrontierLevel = 255;

/// Key of the view `tree`: program u32 · level u8 · index u64.
[[nodiscard]] std::string tree_row_key(ProgramId program, std::uint8_t level, std::uint64_t index);
/// The rows to append at a checkpoint: a completed node, and the frontier at (program, 255, 0).
/// A node's value is version u8 (1) · 32 bytes.
[[nodiscard]] ViewRecord tree_row(ProgramId program, const TreeNode& node);
[[nodiscard]] ViewRecord frontier_row(ProgramId program, const MerkleTree& tree);

}  // namespace ledger
