#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "ledger/base/clock.hpp"
#include "ledger/base/facts.hpp"
#include "rules/event.hpp"
#include "rules/rule_set.hpp"

namespace rules {

using ledger::RuleCode;

/// What one effect of one rule did with one event. A rule whose condition is false, or fails, has
/// one outcome; else it has one per effect.
struct Outcome {
    std::string_view rule;                  ///< "campaign/rule"; lives in the RuleSet
    RuleCode code = RuleCode::not_matched;  ///< awarded, not_matched, error, zero, capped; from
                                            ///< reevaluate also refunded, never capped
    std::uint32_t effect = 0;               ///< position among the rule's effects
    std::uint16_t currency = 0;             ///< index into RuleSet::currencies()
    Points points = 0;                      ///< > 0 if awarded, else 0
    Points uncapped = 0;      ///< what the expression said; more than `points` if a cap took some
    std::string_view reason;  ///< of the effect; empty if the condition was false or failed; lives
                              ///< in the RuleSet
    /// If awarded: the points by line of the order (line_count of them), for explanations only.
    std::span<const Points> per_line;
    Timestamp activates_at = 0;  ///< 0: at once
    Timestamp expires_at = ledger::kNever;
    /// Of an error: one sentence, static storage.
    std::string_view detail;
};

/// The memory of evaluations. Reusing one makes evaluation free of allocations once its buffers
/// have grown. Not thread-safe: one per worker.
class Scratch {
public:
    Scratch();
    ~Scratch();
    Scratch(Scratch&&) noexcept;
    Scratch& operator=(Scratch&&) noexcept;

private:
    friend class Evaluation;
    struct State;
    std::unique_ptr<State> state_;
};

/// The outcomes of the program's rules for a paid order, in the order in which they run.
/// `order.net` is read from the facts. An error in one rule never stops another. The result and its
/// `per_line` are valid until the scratch is used again.
[[nodiscard]] std::span<const Outcome> evaluate(
    const RuleSet& rule_set, const OrderEvent& event, Scratch& scratch
);

/// The outcomes for what refunds left of the order: `order.net` and the lines are those of
/// `remaining` (line_count amounts, each between 0 and the line's own); lines refunded in full are
/// gone from `order.lines`. When nothing remains, no rule runs: each effect of each rule is
/// `refunded` with 0 points. Outcomes of both functions match by (rule, effect).
[[nodiscard]] std::span<const Outcome> reevaluate(
    const RuleSet& rule_set,
    const OrderEvent& event,
    std::span<const Points> remaining,
    Scratch& scratch
);

/// What the event adds to each of RuleSet::cells(), by position, for what is left of the order:
/// counters that count or sum; those of points are 0, for they follow what was posted. An order of
/// which nothing is left counts nothing; a sum that fails or is negative adds nothing. Valid until
/// the scratch is used again.
[[nodiscard]] std::span<const std::int64_t> counted(
    const RuleSet& rule_set,
    const OrderEvent& event,
    std::span<const Points> remaining,
    Scratch& scratch
);

/// Where an event counts.
struct CountingPlace {
    std::int32_t period = 0;  ///< ledger::CounterSlot::period
    std::string_view field;   ///< the field's value; empty if it is absent
};
[[nodiscard]] CountingPlace counting_place(
    const RuleSet& rule_set, const Counter& counter, const OrderEvent& event
);

}  // namespace rules
