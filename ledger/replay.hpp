#pragma once

#include <functional>
#include <map>
#include <string>

#include "ledger/group_codec.hpp"
#include "ledger/keyring.hpp"
#include "ledger/state.hpp"
#include "ledger/store.hpp"
#include "ledger/tree.hpp"

namespace ledger {

/// Feeds stored groups to a state: start-up recovery, `verify` and rebuilt views all go through
/// here, and the live path ends in the same State::check and State::apply. One thread.
class Replay {
public:
    struct Options {
        State& state;
        /// Where rows come from that the state does not know; null: the state started empty.
        const ViewStore* views = nullptr;
        /// Opens sealed fields for the blind indexes; null: there is no keyring, `blind` stays
        /// empty.
        KeyVault* vault = nullptr;
        /// The stored bytes of an earlier entry.
        std::function<Result<std::string>(ProgramId, Seq)> find_entry;
        /// Called after each applied entry (digests); may be empty.
        std::function<Result<void>(const OwnedEntry&)> on_entry;
        /// Called with each claimed key; may be empty (the key filter).
        std::function<void(const Hash16&)> on_key;
    };
    explicit Replay(Options options) : options_(std::move(options)) {}

    /// Applies every entry of the group and appends its rows of `seqidx` and `tree` to the state.
    /// Errors: corrupt (naming program, seq and kind), newer_format, io_error.
    Result<void> apply(const Group& group);

    /// The programs' trees: fill them before the first group, take them after the last.
    std::map<ProgramId, MerkleTree> trees;

    /// Fetches what a look-up in `state` missed. Shared with the live path.
    static Result<void> fetch(
        State& state,
        const ViewStore* views,
        const std::function<Result<std::string>(ProgramId, Seq)>& find_entry
    );

private:
    Result<void> apply_entry(std::string_view bytes);

    Options options_;
    OwnedEntry scratch_;
    std::vector<TreeNode> completed_;
};

/// The keyed hashes of an opened entry's personal fields; nullptr-like empty if there are none.
[[nodiscard]] Result<BlindHashes> blind_of(KeyVault& vault, const Entry& entry);

}  // namespace ledger
