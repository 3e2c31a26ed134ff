#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ledger/hmac.hpp"
#include "ledger/rows.hpp"

namespace rules {
class RuleSet;
}

namespace server::engine {

/// A program as the edge sees it. Immutable.
struct ProgramInfo {
    ledger::ProgramId id;
    std::string name;
    std::shared_ptr<const ledger::HmacKey> hmac;
    ledger::Program
        row;  ///< versions, activations, currencies as of the snapshot (system accounts are stale)
    /// Compiled versions by number; a null one no longer compiles: the program is read-only.
    std::map<std::uint32_t, std::shared_ptr<const rules::RuleSet>> rule_sets;
    [[nodiscard]] bool read_only() const;
};

/// Programs and API keys as of the last change, for parsing and authentication on io threads.
/// Immutable; a new one is published after the entry that changed it is durable.
struct Registry {
    std::map<std::string, std::shared_ptr<const ProgramInfo>, std::less<>>
        programs;  ///< without `_system`; filled by add_program
    std::unordered_map<ledger::ProgramId, std::shared_ptr<const ProgramInfo>> programs_by_id;
    struct HashOfHash {
        std::size_t operator()(const ledger::Hash32& hash) const noexcept;
    };
    std::map<std::uint64_t, ledger::ApiKey> keys;  ///< by id, revoked ones too; filled by add_key
    std::unordered_map<ledger::Hash32, std::uint64_t, HashOfHash>
        key_ids;  ///< by SHA-256 of what is presented; shopper keys are never presented
    /// Of the publishable keys of a program that are not revoked.
    std::map<ledger::ProgramId, std::set<std::string, std::less<>>> origins;

    void add_program(std::shared_ptr<const ProgramInfo> program);
    void add_key(const ledger::ApiKey& key);
    [[nodiscard]] const ProgramInfo* find(std::string_view name) const;
    /// The same with a share of it, for what outlives this registry. Null: no such program.
    [[nodiscard]] std::shared_ptr<const ProgramInfo> share(std::string_view name) const;
    [[nodiscard]] std::shared_ptr<const ProgramInfo> share(ledger::ProgramId id) const;
    /// Null: no such key. Revoked ones are found.
    [[nodiscard]] const ledger::ApiKey* key(std::uint64_t id) const;
    [[nodiscard]] const ledger::ApiKey* key_by_secret(const ledger::Hash32& hash) const;
    /// Whether a publishable key of the program lists `origin`, compared exactly.
    [[nodiscard]] bool lists_origin(ledger::ProgramId program, std::string_view origin) const;
};

/// Hands the current Registry to any thread. A mutex: the atomic shared_ptr of libstdc++ 12 lets a
/// store overtake a load (its load unlocks with relaxed order).
class RegistryHolder {
public:
    [[nodiscard]] std::shared_ptr<const Registry> get() const {
        const std::scoped_lock lock(mutex_);
        return current_;
    }
    void publish(std::shared_ptr<const Registry> next) {
        const std::scoped_lock lock(mutex_);
        current_.swap(next);  // what it was dies after the lock
    }

private:
    mutable std::mutex mutex_;
    std::shared_ptr<const Registry> current_ = std::make_shared<const Registry>();
};

}  // namespace server::engine
