#include "rules/rule_set.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "rules/compiled_rule.hpp"
#include "rules/complaints.hpp"
#include "rules/document.hpp"
#include "rules/order_slots.hpp"

namespace rules {

using ledger::ErrorCode;

std::string_view name(CurrencyKind kind) {
    switch (kind) {
        case CurrencyKind::spendable: return "spendable";
        case CurrencyKind::status: return "status";
    }
    return {};
}

std::string_view name(NegativePolicy policy) {
    switch (policy) {
        case NegativePolicy::forbid: return "forbid";
        case NegativePolicy::to_debt: return "to_debt";
        case NegativePolicy::take_available: return "take_available";
        case NegativePolicy::write_off: return "write_off";
    }
    return {};
}

std::string_view name(BoardWindow window) {
    switch (window) {
        case BoardWindow::all: return "all";
        case BoardWindow::month: return "month";
        case BoardWindow::week: return "week";
    }
    return {};
}

std::string_view name(CounterWindow window) {
    switch (window) {
        case CounterWindow::lifetime: return "lifetime";
        case CounterWindow::day: return "day";
        case CounterWindow::month: return "month";
    }
    return {};
}

namespace {

/// What `order.paid` has, and the counts of the counters that are the same for all campaigns.
cel::Environment environment_with(const std::vector<Counter>& counters) {
    std::vector<cel::Variable> variables = order_environment().variables();
    for (const Counter& counter : counters) {
        // A counter of campaigns has no one value; its place is kept, under a name nobody can
        // write.
        const std::string_view root = counter.of_campaign ? "0counter." : "counter.";
        variables.push_back({std::string(root) + counter.id, cel::TypeKind::int_});
    }
    return cel::Environment(std::move(variables));
}

}  // namespace

/// A Document to a RuleSet; complains about each expression that does not compile.
class RuleSetCompiler {
public:
    explicit RuleSetCompiler(Complaints& complaints)
        : complaints_(complaints), rule_set_(new RuleSet) {}

    std::shared_ptr<RuleSet> compile(Document document) {
        environment_ = environment_with(document.counters);
        rule_set_->counters_ = std::move(document.counters);
        make_cells(document.campaigns);
        for (std::size_t i = 0; i < rule_set_->counters_.size(); ++i) {
            const Counter& counter = rule_set_->counters_[i];
            rule_set_->sums_.push_back(
                counter.kind == CounterKind::sum
                    ? expression({counter.sum, document.sum_pointers[i]}, cel::ExpectedType::int_)
                    : CompiledExpression{}
            );
        }
        for (DocumentRule& rule : document.rules)
            add_rule(std::move(rule));
        std::ranges::sort(rule_set_->order_paid_, {}, [](const CompiledRule& rule) {
            return std::tuple(rule.stage, -rule.priority, std::string_view(rule.name));
        });
        rule_set_->currencies_ = std::move(document.currencies);
        rule_set_->boards_ = std::move(document.boards);
        rule_set_->park_for_ = document.park_for;
        rule_set_->zone_name_ = std::move(document.zone_name);
        rule_set_->zone_ = document.zone;
        rule_set_->canonical_ = std::move(document.canonical);
        return std::move(rule_set_);
    }

private:
    void make_cells(const std::vector<std::string>& campaigns) {
        for (const Counter& counter : rule_set_->counters_) {
            const auto n = static_cast<std::uint16_t>(&counter - rule_set_->counters_.data());
            const std::string input = "counter." + counter.id;
            if (!counter.of_campaign) {
                rule_set_->cells_.push_back({n, {}, input});
                continue;
            }
            for (const std::string& campaign : campaigns) {
                rule_set_->cells_.push_back({n, campaign, input});
                rule_set_->cells_.back().input.append(".").append(campaign);
            }
        }
    }

    [[nodiscard]] std::size_t cell_of(std::uint16_t counter, std::string_view campaign) const {
        const auto found = std::ranges::find_if(rule_set_->cells_, [&](const CounterCell& cell) {
            return cell.counter == counter && (cell.campaign.empty() || cell.campaign == campaign);
        });
        return static_cast<std::size_t>(found - rule_set_->cells_.begin());
    }

    void add_rule(DocumentRule rule) {
        CompiledRule compiled;
        compiled.name = std::move(rule.name);
        compiled.campaign = std::move(rule.campaign);
        if (rule.cap && rule.cap->counter < rule_set_->counters_.size()) {
            compiled.cap = rule.cap;
            compiled.cap_cell = cell_of(rule.cap->counter, compiled.campaign);
            rule_set_->cells_[compiled.cap_cell].read = true;
        }
        compiled.stage = rule.stage;
        compiled.priority = rule.priority;
        compiled.condition = expression(rule.condition, cel::ExpectedType::bool_);
        for (DocumentAward& award : rule.awards) {
            compiled.awards.push_back({
                expression(award.points, cel::ExpectedType::int_),
                award.currency,
                std::move(award.reason),
                award.hold,
                award.expires,
            });
        }
        rule_set_->order_paid_.push_back(std::move(compiled));
    }

    CompiledExpression expression(const DocumentExpression& source, cel::ExpectedType expected) {
        cel::Limits limits = cel::Limits::rule();
        limits.cost_max = kExpressionCostMax;
        auto compiled = cel::compile(source.text, environment_, expected, limits);
        if (compiled.has_error()) {
            complaints_.add(compiled.error().code, source.pointer, compiled.error().detail);
            return {};
        }
        CompiledExpression result{*compiled, std::nullopt};
        if (!compiled->slots_read().empty()) {
            for (const std::uint32_t slot : compiled->slots_read())
                note_read(slot);
            return result;
        }
        cel::Fuel fuel{cel::kRuleFuel};
        const cel::Evaluation evaluation = cel::evaluate(*compiled, {}, fuel, arena_);
        if (evaluation.ok()) result.constant = evaluation.value;
        arena_.reset();
        return result;
    }

    void note_read(std::uint32_t slot) {
        constexpr auto kOrderSlots = static_cast<std::uint32_t>(OrderSlot::count);
        if (slot < kOrderSlots) {
            rule_set_->slots_read_ |= 1U << slot;
        } else {
            const auto counter = static_cast<std::uint16_t>(slot - kOrderSlots);
            rule_set_->cells_[cell_of(counter, {})].read = true;
        }
    }

    Complaints& complaints_;
    std::shared_ptr<RuleSet> rule_set_;
    cel::Environment environment_ = order_environment();
    cel::Arena arena_;
};

RuleSet::RuleSet() = default;
RuleSet::~RuleSet() = default;

std::optional<std::uint16_t> RuleSet::currency(std::string_view id) const {
    const auto found = std::ranges::find(currencies_, id, &Currency::id);
    if (found == currencies_.end()) return std::nullopt;
    return static_cast<std::uint16_t>(found - currencies_.begin());
}

std::optional<std::uint16_t> RuleSet::counter(std::string_view id) const {
    const auto found = std::ranges::find(counters_, id, &Counter::id);
    if (found == counters_.end()) return std::nullopt;
    return static_cast<std::uint16_t>(found - counters_.begin());
}

std::span<const CompiledExpression> RuleSet::sums() const {
    return sums_;
}

std::span<const CompiledRule> RuleSet::order_paid() const {
    return order_paid_;
}

std::vector<std::string_view> RuleSet::rule_names() const {
    std::vector<std::string_view> names;
    for (const CompiledRule& rule : order_paid_)
        names.emplace_back(rule.name);
    return names;
}

ledger::Result<RuleSetPtr> load_rule_set(std::string_view json, std::string_view program) {
    Complaints complaints;
    auto document = parse_document(json, program, complaints);
    if (document.has_error()) return document.error();
    RuleSetPtr rule_set = RuleSetCompiler(complaints).compile(std::move(*document));
    if (!complaints.empty()) return complaints.to_error();
    return rule_set;
}

ledger::Result<void> check_succession(const RuleSet& previous, const RuleSet& next) {
    Complaints complaints;
    const auto before = previous.currencies();
    const auto after = next.currencies();
    for (std::size_t i = 0; i < before.size(); ++i) {
        const std::string pointer = child_pointer("/currencies", i);
        if (i >= after.size() || after[i].id != before[i].id) {
            complaints.add(
                ErrorCode::invalid_document,
                pointer,
                "must stay \"" + before[i].id +
                    "\": currencies keep their position, new ones come last"
            );
        } else if (after[i].scale != before[i].scale || after[i].kind != before[i].kind) {
            complaints.add(
                ErrorCode::invalid_document, pointer, "a currency in use keeps its scale and kind"
            );
        }
    }
    for (std::size_t i = 0; i < previous.counters().size(); ++i) {
        if (i < next.counters().size() && next.counters()[i] == previous.counters()[i]) continue;
        complaints.add(
            ErrorCode::invalid_document,
            child_pointer("/counters", i),
            "must stay \"" + previous.counters()[i].id +
                "\" as it was: what it counted stays; new counters come last"
        );
    }
    if (!complaints.empty()) return complaints.to_error();
    return {};
}

}  // namespace rules
