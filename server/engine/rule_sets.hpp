#pragma once

#include <map>
#include <memory>
#include <utility>

#include "ledger/base/ids.hpp"
#include "rules/rule_set.hpp"
#include "server/engine/decide.hpp"

namespace server::engine {

/// Every program's compiled versions. A version that no longer compiles is kept as null: that
/// program is read-only. Owned by the writer.
class CompiledVersions final : public RuleSets {
public:
    using Versions = std::map<std::uint32_t, std::shared_ptr<const rules::RuleSet>>;

    [[nodiscard]] const rules::RuleSet* find(ledger::ProgramId program, std::uint32_t version)
        const override {
        const auto it = programs_.find(program);
        if (it == programs_.end()) return nullptr;
        const auto found = it->second.find(version);
        return found == it->second.end() ? nullptr : found->second.get();
    }
    /// Versions of a program with the same content share what was compiled first.
    void set(
        ledger::ProgramId program,
        std::uint32_t version,
        const ledger::Hash32& content_hash,
        std::shared_ptr<const rules::RuleSet> rule_set
    ) {
        auto& same = by_content_[{program, content_hash}];
        if (same == nullptr) same = std::move(rule_set);
        programs_[program][version] = same;
    }
    /// What was compiled of this content; null: nothing.
    [[nodiscard]] std::shared_ptr<const rules::RuleSet> of_content(
        ledger::ProgramId program, const ledger::Hash32& content_hash
    ) const {
        const auto it = by_content_.find({program, content_hash});
        return it == by_content_.end() ? nullptr : it->second;
    }
    [[nodiscard]] const Versions& of(ledger::ProgramId program) const {
        static const Versions kNone;
        const auto it = programs_.find(program);
        return it == programs_.end() ? kNone : it->second;
    }

private:
    std::map<ledger::ProgramId, Versions> programs_;
    std::map<std::pair<ledger::ProgramId, ledger::Hash32>, std::shared_ptr<const rules::RuleSet>>
        by_content_;
};

}  // namespace server::engine
