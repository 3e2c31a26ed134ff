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

/// A Document to a RuleSet; complains about each expression that does not compile.
class RuleSetCompiler {
public:
    explicit RuleSetCompiler(Complaints& complaints)
        : complaints_(complaints), rule_set_(new RuleSet) {}

    std::shared_ptr<RuleSet> compile(Document document) {
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
    void add_rule(DocumentRule rule) {
        CompiledRule compiled;
        compiled.name = std::move(rule.name);
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
        auto compiled = cel::compile(source.text, order_environment(), expected, limits);
        if (compiled.has_error()) {
            complaints_.add(compiled.error().code, source.pointer, compiled.error().detail);
            return {};
        }
        CompiledExpression result{*compiled, std::nullopt};
        if (!compiled->slots_read().empty()) {
            for (const std::uint32_t slot : compiled->slots_read())
                rule_set_->slots_read_ |= 1U << slot;
            return result;
        }
        cel::Fuel fuel{cel::kRuleFuel};
        const cel::Evaluation evaluation = cel::evaluate(*compiled, {}, fuel, arena_);
        if (evaluation.ok()) result.constant = evaluation.value;
        arena_.reset();
        return result;
    }

    Complaints& complaints_;
    std::shared_ptr<RuleSet> rule_set_;
    cel::Arena arena_;
};

RuleSet::RuleSet() = default;
RuleSet::~RuleSet() = default;

std::optional<std::uint16_t> RuleSet::currency(std::string_view id) const {
    const auto found = std::ranges::find(currencies_, id, &Currency::id);
    if (found == currencies_.end()) return std::nullopt;
    return static_cast<std::uint16_t>(found - currencies_.begin());
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
    if (!complaints.empty()) return complaints.to_error();
    return {};
}

}  // namespace rules
