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
    std::array<Value, kSlots> slots;
    std::vector<Value> line_fields;
    std::vector<Value> lines;
    std::vector<Points> amounts;
    std::vector<Points> weights;
    std::vector<Points> shares;
    std::vector<Outcome> outcomes;
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
        Scratch& scratch
    )
        : rule_set_(rule_set),
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
            grant(award, points.value.as_int(), outcome);
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
    Evaluation evaluation(rule_set, event, order_net(event.order, remaining), remaining, scratch);
    const bool nothing = std::ranges::all_of(remaining, [](Points amount) { return amount == 0; });
    return nothing ? evaluation.refund_all() : evaluation.run();
}

}  // namespace rules
