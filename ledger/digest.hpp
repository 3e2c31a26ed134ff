#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/base/result.hpp"
#include "ledger/entry.hpp"
#include "ledger/view_record.hpp"

namespace ledger {

/// Where the state digest reads view rows. Rows of one family come in ascending order of key.
class RowSource {
public:
    virtual ~RowSource() = default;
    /// Every row of the family; the visitor answers false to stop.
    virtual Result<void> scan(
        ViewFamily family,
        const std::function<bool(std::string_view key, std::string_view value)>& visit
    ) const = 0;
    virtual Result<std::optional<std::string>> get(ViewFamily family, std::string_view key)
        const = 0;
};

/// Rows in a map: what replays collect from checkpoints (tests, verify).
class RowMap final : public RowSource {
public:
    Result<void> scan(
        ViewFamily family, const std::function<bool(std::string_view, std::string_view)>& visit
    ) const override;
    Result<std::optional<std::string>> get(ViewFamily family, std::string_view key) const override;
    /// Puts and erases.
    void apply(CheckpointBatch batch);
    std::map<std::pair<ViewFamily, std::string>, std::string, std::less<>> rows;
};

/// The `state` digest: SHA-256 over the logical rows sorted by (view, key). Lots with points left
/// and statement lines are hashed as part of their member, wherever they are stored; `blind`,
/// `tree` and `meta` are left out. Errors: the source's, corrupt, newer_format.
[[nodiscard]] Result<Hash32> state_digest(const RowSource& rows);

/// The `content` digests, one a program (not `_system`): equal for the same facts in the same
/// order, whatever the groups, times of recording and keys were. Feed every entry of the log in its
/// order, those of `_system` included.
class ContentDigests {
public:
    ContentDigests();
    ~ContentDigests();
    void add(const Entry& entry);
    struct Named {
        ProgramId program;
        std::string name;  ///< the program's id in URLs
        Hash32 digest{};
    };
    /// Of all programs, by number. May be called at any time.
    [[nodiscard]] std::vector<Named> digests() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ledger
