#pragma once

#include <cstdint>
#include <span>

#include "rules/evaluate.hpp"
#include "rules/rule_set.hpp"
#include "server/engine/decide.hpp"

namespace server::engine {

/// The counts that the rules of an order read and change: RuleSet::cells() with their slots. The
/// slots are those of the order's own time, also for its refunds, so that a count is net of them.
class OrderCounts {
public:
    /// `event` is the order's; everything outlives this.
    OrderCounts(
        const DecideContext& context,
        const rules::RuleSet& rule_set,
        const rules::OrderEvent& event,
        ledger::MemberId member,
        Decision& decision
    );

    /// What was counted so far. False: rows are missing, the decision says so.
    bool load();
    /// By cell; valid as long as the decision.
    [[nodiscard]] std::span<const std::int64_t> values() const { return values_; }
    /// Writes the values that rules read into the order's entry.
    void record_inputs(ledger::Entry& entry) const;
    /// What the order's entry says the values were.
    [[nodiscard]] std::span<const std::int64_t> recorded(const ledger::Entry& order) const;

    /// The order's own entry counts what it is and the points that it posts.
    void count_order(ledger::Entry& entry) const;
    /// A refund's entry changes each cell by what is left `after` it minus what was `before`, and
    /// by the points that it posts.
    void count_refund(
        std::span<const rules::Points> before,
        std::span<const rules::Points> after,
        ledger::Entry& entry
    ) const;

private:
    [[nodiscard]] std::string_view slot_of(const rules::CounterCell& cell) const;
    [[nodiscard]] std::span<std::int64_t> counted(std::span<const rules::Points> amounts) const;
    void write(std::span<const std::int64_t> deltas, ledger::Entry& entry) const;
    [[nodiscard]] std::int64_t points_in(const rules::CounterCell& cell, const ledger::Entry& entry)
        const;

    const DecideContext& context_;
    const rules::RuleSet& rule_set_;
    const rules::OrderEvent& event_;
    const ledger::MemberId member_;
    Decision& decision_;
    std::span<std::int64_t> values_;
    std::span<std::string_view> slots_;
};

}  // namespace server::engine
