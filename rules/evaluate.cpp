#include "rules/evaluate.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "ledger/base/invariant.hpp"
#include "rules/cel/expression.hpp"
#include "rules/compiled_rule.hpp"
#include "rules/money.hpp"
#include "rules/order_slots.hpp"
#include "rules/spread.hpp"
#include "rules/window.hpp"

namespace rules {
namespace {

using cel::Value;

constexpr auto kLineFields = static_cast<std::size_t>(LineField::count);
constexpr auto kSlots = static_cast<std::size_t>(OrderSlot::count);

constexpr std::string_view kNegativePoints = "the points are negative";
constexpr std::string_view kTooManyPoints = "the points exceed 2^53 - 1";

Value timestamp(Timestamp instant) {
    const Timestamp fraction =
        (instant % ledger::kMicrosPerSecond + ledger::kMicrosPerSecond) % ledger::kMicrosPerSecond;
    const auto nanoseconds = static_cast<std::uint32_t>(fraction * 1'000);
    return Value::timestamp((instant - fraction) / ledger::kMicrosPerSecond, nanoseconds);
}

Value optional_text(std::string_view text) {
    return text.empty() ? Value::absent() : Value::string(text);
}

Value channel(const OrderFacts& order) {
    const bool present =
        (order.present & static_cast<std::uint32_t>(ledger::OrderField::channel)) != 0;
    return present ? Value::string(order.channel) : Value::absent();
}

}  // namespace

struct Scratch::State {
    std::vector<Value> slots = std::vector<Value>(kSlots);
    std::vector<Value> line_fields;
    std::vector<Value> lines;
    std::vector<Points> amounts;
    std::vector<Points> weights;
    std::vector<Points> shares;
    std::vector<Outcome> outcomes;
    std::vector<std::int64_t> given;    ///< points of this event by cell, for the caps
    std::vector<std::int64_t> counted;  ///< the answer of rules::counted
    cel::Arena arena;
    Calendar calendar;
};

Scratch::Scratch() : state_(std::make_unique<State>()) {}
Scratch::~Scratch() = default;
Scratch::Scratch(Scratch&&) noexcept = default;
Scratch& Scratch::operator=(Scratch&&) noexcept = default;

/// One event under one program.
class Evaluation {
public:
    Evaluation(
        const RuleSet& rule_set,
        const OrderEvent& event,
        Points net,
        std::span<const Points> amounts,
        Scratch& scratch,
        bool capped = true
    )
        : capped_(capped),
          rule_set_(rule_set),
          event_(event),
          net_(net),
          amounts_(amounts),
          state_(*scratch.state_) {
        clear();
    }

    static std::span<const Points> original_amounts(const OrderFacts& order, Scratch& scratch) {
        std::vector<Points>& amounts = scratch.state_->amounts;
        amounts.clear();
        for (std::size_t i = 0; i < line_count(order); ++i)
            amounts.push_back(line_amount(order, i));
        return amounts;
    }

    std::span<const Outcome> run() {
        fill_slots();
        for (const CompiledRule& rule : rule_set_.order_paid())
            run_rule(rule);
        point_to_shares();
        return state_.outcomes;
    }

    static std::span<const std::int64_t> count_nothing(const RuleSet& rule_set, Scratch& scratch) {
        std::vector<std::int64_t>& none = scratch.state_->counted;
        none.assign(rule_set.cells().size(), 0);
        return none;
    }

    std::span<const std::int64_t> count() {
        fill_slots();
        const auto cells = rule_set_.cells();
        state_.counted.assign(cells.size(), 0);
        for (std::size_t i = 0; i < cells.size(); ++i) {
            const Counter& counter = rule_set_.counters()[cells[i].counter];
            if (counter.kind == CounterKind::count) state_.counted[i] = 1;
            if (counter.kind == CounterKind::sum)
                state_.counted[i] = sum_of(rule_set_.sums()[cells[i].counter]);
        }
        return state_.counted;
    }

    std::span<const Outcome> refund_all() {
        for (const CompiledRule& rule : rule_set_.order_paid()) {
            for (std::size_t i = 0; i < rule.awards.size(); ++i) {
                effect_outcome(rule, i).code = RuleCode::refunded;
            }
        }
        return state_.outcomes;
    }

private:
    void clear() {
        state_.outcomes.clear();
        state_.shares.clear();
        state_.weights.clear();
    }

    // --- slots ---

    [[nodiscard]] bool is_read(OrderSlot slot) const {
        return (rule_set_.slots_read() >> static_cast<unsigned>(slot) & 1U) != 0;
    }

    void fill(OrderSlot slot, Value value) { state_.slots[static_cast<std::size_t>(slot)] = value; }

    void fill_slots() {
        const OrderFacts& order = event_.order;
        fill(OrderSlot::event_id, Value::string(event_.id));
        fill(OrderSlot::event_source, Value::string(event_.source));
        fill(OrderSlot::event_subject, optional_text(event_.subject));
        fill(OrderSlot::event_type, Value::string(kOrderPaid));
        fill(OrderSlot::order_channel, channel(order));
        fill(OrderSlot::order_currency, Value::string(order.currency));
        fill(OrderSlot::order_id, Value::string(order.order_id));
        fill(OrderSlot::order_net, Value::integer(net_));
        fill(OrderSlot::order_unit, Value::integer(currency_unit(order.exponent)));
        if (is_read(OrderSlot::event_time))
            fill(OrderSlot::event_time, timestamp(event_.occurred_at));
        if (is_read(OrderSlot::now)) fill(OrderSlot::now, timestamp(event_.now));
        if (is_read(OrderSlot::order_lines)) fill_lines();
        fill_counters();
    }

    void fill_counters() {
        const auto counters = rule_set_.counters();
        if (counters.empty()) return;
        state_.slots.resize(std::max(state_.slots.size(), kSlots + counters.size()));
        const auto cells = rule_set_.cells();
        for (std::size_t i = 0; i < cells.size(); ++i) {
            if (cells[i].campaign.empty())
                state_.slots[kSlots + cells[i].counter] = Value::integer(count_before(i));
        }
        state_.given.assign(cells.size(), 0);
    }

    [[nodiscard]] std::int64_t count_before(std::size_t cell) const {
        return cell < event_.counts.size() ? event_.counts[cell] : 0;
    }

    void fill_lines() {
        const OrderFacts& order = event_.order;
        state_.line_fields.resize(amounts_.size() * kLineFields);
        state_.lines.clear();
        for (std::size_t i = 0; i < amounts_.size(); ++i) {
            const bool gone = amounts_[i] == 0 && line_amount(order, i) != 0;
            if (gone) continue;
            const auto fields = std::span(state_.line_fields).subspan(i * kLineFields, kLineFields);
            fill_line(
                order.lines.empty() ? OrderLine{kWholeOrderLine, {}} : order.lines[i],
                amounts_[i],
                fields
            );
            state_.lines.push_back(Value::record(fields));
        }
        fill(OrderSlot::order_lines, Value::list(state_.lines));
    }

    static void fill_line(const OrderLine& line, Points amount, std::span<Value> fields) {
        const auto put = [&](LineField field, Value value) {
            fields[static_cast<std::size_t>(field)] = value;
        };
        put(LineField::line_id, Value::string(line.line_id));
        put(LineField::sku, optional_text(line.sku));
        put(LineField::quantity, Value::integer(line.quantity));
        put(LineField::amount, Value::integer(amount));
        put(LineField::gift_card, Value::boolean(line.gift_card));
    }

    // --- rules ---

    cel::Evaluation compute(const CompiledExpression& source) {
        if (source.constant) return {*source.constant};
        // Bools and integers hold no memory, so the arena starts afresh for each expression: what
        // one rule uses is never missing to another.
        state_.arena.reset();
        cel::Fuel fuel{cel::kRuleFuel};
        return cel::evaluate(*source.expression, state_.slots, fuel, state_.arena);
    }

    [[nodiscard]] std::int64_t sum_of(const CompiledExpression& source) {
        const cel::Evaluation sum = compute(source);
        const bool usable = sum.ok() && sum.value.is(cel::Kind::int_) && sum.value.as_int() > 0 &&
                            ledger::fits_wire(sum.value.as_int());
        return usable ? sum.value.as_int() : 0;
    }

    /// What the rule's cap leaves of `points`.
    Points within_cap(const CompiledRule& rule, const CompiledAward& award, Points points) {
        if (!rule.cap || !capped_) return points;
        const Counter& counter = rule_set_.counters()[rule.cap->counter];
        const std::int64_t before = count_before(rule.cap_cell);
        if (counter.kind != CounterKind::points) return before < rule.cap->max ? points : 0;
        if (counter.currency != award.currency) return points;
        const std::int64_t left =
            std::max<std::int64_t>(0, rule.cap->max - before - state_.given[rule.cap_cell]);
        if (points <= left) return points;
        return rule.cap->drop ? 0 : left;
    }

    /// Later rules of this event see what earlier ones gave.
    void note_given(const CompiledRule& rule, const CompiledAward& award, Points points) {
        const auto cells = rule_set_.cells();
        for (std::size_t i = 0; i < cells.size(); ++i) {
            const Counter& counter = rule_set_.counters()[cells[i].counter];
            const bool counts = counter.kind == CounterKind::points &&
                                counter.currency == award.currency &&
                                (cells[i].campaign.empty() || cells[i].campaign == rule.campaign);
            if (counts) state_.given[i] += points;
        }
    }

    void run_rule(const CompiledRule& rule) {
        const cel::Evaluation condition = compute(rule.condition);
        if (!condition.ok() || !condition.value.is(cel::Kind::bool_)) {
            Outcome& outcome = rule_outcome(rule);
            outcome.code = RuleCode::error;
            outcome.detail = condition.ok() ? "the condition is no bool" : condition.text();
        } else if (condition.value.is_true()) {
            for (std::size_t i = 0; i < rule.awards.size(); ++i)
                run_effect(rule, i);
        } else {
            rule_outcome(rule).code = RuleCode::not_matched;
        }
    }

    void run_effect(const CompiledRule& rule, std::size_t index) {
        const CompiledAward& award = rule.awards[index];
        const cel::Evaluation points = compute(award.points);
        Outcome& outcome = effect_outcome(rule, index);
        const std::string_view fault = fault_of(points);
        if (!fault.empty()) {
            outcome.code = RuleCode::error;
            outcome.detail = fault;
        } else if (points.value.as_int() == 0) {
            outcome.code = RuleCode::zero;
        } else {
            outcome.uncapped = points.value.as_int();
            const Points kept = within_cap(rule, award, outcome.uncapped);
            if (kept == 0) {
                outcome.code = RuleCode::capped;
            } else {
                note_given(rule, award, kept);
                grant(award, kept, outcome);
            }
        }
    }

    static std::string_view fault_of(const cel::Evaluation& points) {
        if (!points.ok()) return points.text();
        if (!points.value.is(cel::Kind::int_)) return "the points are no integer";
        if (points.value.as_int() < 0) return kNegativePoints;
        if (!ledger::fits_wire(points.value.as_int())) return kTooManyPoints;
        return {};
    }

    void grant(const CompiledAward& award, Points points, Outcome& outcome) {
        outcome.code = RuleCode::awarded;
        outcome.points = points;
        const Timestamp from = event_.occurred_at;
        if (award.hold)
            outcome.activates_at = state_.calendar.add(rule_set_.zone(), from, *award.hold);
        if (award.expires)
            outcome.expires_at = state_.calendar.add(rule_set_.zone(), from, *award.expires);
        const std::size_t begin = state_.shares.size();
        state_.shares.resize(begin + amounts_.size());
        spread(points, weights(), std::span(state_.shares).subspan(begin));
    }

    /// The lines' amounts, those of gift cards as 0: they earn nothing.
    std::span<const Points> weights() {
        if (state_.weights.empty()) {
            state_.weights.assign(amounts_.begin(), amounts_.end());
            for (std::size_t i = 0; i < event_.order.lines.size(); ++i) {
                if (event_.order.lines[i].gift_card) state_.weights[i] = 0;
            }
        }
        return state_.weights;
    }

    Outcome& rule_outcome(const CompiledRule& rule) {
        Outcome& outcome = state_.outcomes.emplace_back();
        outcome.rule = rule.name;
        outcome.currency = rule.awards.front().currency;
        return outcome;
    }

    Outcome& effect_outcome(const CompiledRule& rule, std::size_t index) {
        Outcome& outcome = rule_outcome(rule);
        outcome.effect = static_cast<std::uint32_t>(index);
        outcome.currency = rule.awards[index].currency;
        outcome.reason = rule.awards[index].reason;
        return outcome;
    }

    /// Only now: the shares may have moved while they grew.
    void point_to_shares() {
        std::size_t begin = 0;
        for (Outcome& outcome : state_.outcomes) {
            if (outcome.code != RuleCode::awarded) continue;
            outcome.per_line = std::span(state_.shares).subspan(begin, amounts_.size());
            begin += amounts_.size();
        }
    }

    const bool capped_;
    const RuleSet& rule_set_;
    const OrderEvent& event_;
    Points net_;
    std::span<const Points> amounts_;
    Scratch::State& state_;
};

std::span<const Outcome> evaluate(
    const RuleSet& rule_set, const OrderEvent& event, Scratch& scratch
) {
    const auto amounts = Evaluation::original_amounts(event.order, scratch);
    return Evaluation(rule_set, event, event.order.net, amounts, scratch).run();
}

std::span<const Outcome> reevaluate(
    const RuleSet& rule_set,
    const OrderEvent& event,
    std::span<const Points> remaining,
    Scratch& scratch
) {
    INVARIANT(remaining.size() == line_count(event.order));
    // What the caps left stands; a refund only lowers it.
    Evaluation evaluation(
        rule_set, event, order_net(event.order, remaining), remaining, scratch, false
    );
    const bool nothing = std::ranges::all_of(remaining, [](Points amount) { return amount == 0; });
    return nothing ? evaluation.refund_all() : evaluation.run();
}

std::span<const std::int64_t> counted(
    const RuleSet& rule_set,
    const OrderEvent& event,
    std::span<const Points> remaining,
    Scratch& scratch
) {
    const bool nothing = std::ranges::all_of(remaining, [](Points amount) { return amount == 0; });
    // An order that was worth nothing from the beginning counts all the same.
    const bool was_nothing = event.order.net == 0;
    if (nothing && !was_nothing) {
        return Evaluation::count_nothing(rule_set, scratch);
    }
    return Evaluation(rule_set, event, order_net(event.order, remaining), remaining, scratch)
        .count();
}

CountingPlace counting_place(
    const RuleSet& rule_set, const Counter& counter, const OrderEvent& event
) {
    CountingPlace place;
    place.period = period_at(counter.window, rule_set.zone(), event.now);
    if (counter.field == "event.source") place.field = event.source;
    if (counter.field == "event.subject") place.field = event.subject;
    if (counter.field == "order.channel") place.field = event.order.channel;
    if (counter.field == "order.currency") place.field = event.order.currency;
    return place;
}

}  // namespace rules
