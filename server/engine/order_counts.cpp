#include "server/engine/order_counts.hpp"

#include <algorithm>
#include <string>

#include "ledger/counter_slot.hpp"
#include "server/engine/decide_parts.hpp"

namespace server::engine {

using rules::Counter;
using rules::CounterCell;
using rules::CounterKind;

namespace {

std::string_view campaign_of(std::string_view rule) {
    return rule.substr(0, rule.find('/'));
}

}  // namespace

OrderCounts::OrderCounts(
    const DecideContext& context,
    const rules::RuleSet& rule_set,
    const rules::OrderEvent& event,
    ledger::MemberId member,
    Decision& decision
)
    : context_(context),
      rule_set_(rule_set),
      event_(event),
      member_(member),
      decision_(decision),
      values_(decision.scratch.make<std::int64_t>(rule_set.cells().size())),
      slots_(decision.scratch.make<std::string_view>(rule_set.cells().size())) {
    const auto cells = rule_set.cells();
    for (std::size_t i = 0; i < cells.size(); ++i)
        slots_[i] = slot_of(cells[i]);
}

std::string_view OrderCounts::slot_of(const CounterCell& cell) const {
    const Counter& counter = rule_set_.counters()[cell.counter];
    const rules::CountingPlace place = rules::counting_place(rule_set_, counter, event_);
    ledger::CounterSlot slot;
    if (counter.of_member) slot.member = member_;
    slot.period = place.period;
    // An id of a campaign has no such byte.
    std::string field = cell.campaign;
    if (!cell.campaign.empty() && !counter.field.empty()) field.push_back('/');
    field.append(place.field);
    slot.field = std::string_view(field).substr(0, ledger::CounterSlot::kFieldBytesMax);
    return decision_.scratch.copy(ledger::encode_counter_slot(slot));
}

bool OrderCounts::load() {
    const auto cells = rule_set_.cells();
    bool complete = true;
    for (std::size_t i = 0; i < cells.size(); ++i) {
        const auto found = context_.view.counter(context_.program, cells[i].counter, slots_[i]);
        complete &= !found.missing();
        values_[i] = found.value;
    }
    if (!complete) decision_.miss();
    return complete;
}

void OrderCounts::record_inputs(ledger::Entry& entry) const {
    const auto cells = rule_set_.cells();
    for (std::size_t i = 0; i < cells.size(); ++i) {
        if (cells[i].read) entry.event.inputs.push_back({cells[i].input, values_[i], {}, 0});
    }
}

std::span<const std::int64_t> OrderCounts::recorded(const ledger::Entry& order) const {
    const auto cells = rule_set_.cells();
    const auto values = decision_.scratch.make<std::int64_t>(cells.size());
    for (std::size_t i = 0; i < cells.size(); ++i) {
        const auto& inputs = order.event.inputs;
        const auto found = std::find_if(inputs.begin(), inputs.end(), [&](const auto& input) {
            return input.name == cells[i].input;
        });
        values[i] = found == inputs.end() ? 0 : found->number;
    }
    return values;
}

std::int64_t OrderCounts::points_in(const CounterCell& cell, const ledger::Entry& entry) const {
    const Counter& counter = rule_set_.counters()[cell.counter];
    if (counter.kind != CounterKind::points) return 0;
    std::int64_t sum = 0;
    for (const ledger::RuleOutcome& outcome : entry.event.rules) {
        const bool counts = outcome.currency == counter.currency &&
                            (cell.campaign.empty() || cell.campaign == campaign_of(outcome.rule));
        if (counts) sum += outcome.posted;
    }
    return sum;
}

std::span<std::int64_t> OrderCounts::counted(std::span<const rules::Points> amounts) const {
    return decision_.scratch.copy(rules::counted(rule_set_, event_, amounts, rule_scratch()));
}

void OrderCounts::write(std::span<const std::int64_t> deltas, ledger::Entry& entry) const {
    const auto cells = rule_set_.cells();
    for (std::size_t i = 0; i < cells.size(); ++i) {
        const std::int64_t delta = deltas[i] + points_in(cells[i], entry);
        if (delta != 0) entry.counters.push_back({cells[i].counter, slots_[i], delta});
    }
}

void OrderCounts::count_order(ledger::Entry& entry) const {
    if (rule_set_.cells().empty()) return;
    const auto amounts = decision_.scratch.make<rules::Points>(rules::line_count(event_.order));
    for (std::size_t i = 0; i < amounts.size(); ++i)
        amounts[i] = rules::line_amount(event_.order, i);
    write(counted(amounts), entry);
}

void OrderCounts::count_refund(
    std::span<const rules::Points> before,
    std::span<const rules::Points> after,
    ledger::Entry& entry
) const {
    if (rule_set_.cells().empty()) return;
    const auto deltas = counted(after);
    const auto then = counted(before);
    for (std::size_t i = 0; i < deltas.size(); ++i)
        deltas[i] -= then[i];
    write(deltas, entry);
}

}  // namespace server::engine
