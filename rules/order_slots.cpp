#include "rules/order_slots.hpp"

#include "ledger/base/invariant.hpp"
#include "rules/event.hpp"

namespace rules {
namespace {

using cel::Type;
using cel::TypeKind;

constexpr std::uint32_t kCurrencyBytes = 3;

Type line_type() {
    std::vector<cel::RecordField> fields{
        {"line_id", TypeKind::string},
        {"sku", TypeKind::string, true},
        {"quantity", TypeKind::int_},
        {"amount", TypeKind::int_},
        {"gift_card", TypeKind::bool_},
    };
    INVARIANT(fields.size() == static_cast<std::size_t>(LineField::count));
    return Type::record(std::move(fields));
}

cel::Environment make_environment() {
    std::vector<cel::Variable> variables{
        {"event.id", TypeKind::string},
        {"event.source", TypeKind::string},
        {"event.subject", TypeKind::string, true},
        {"event.time", TypeKind::timestamp},
        {"event.type", TypeKind::string, false, kOrderPaid.size()},
        {"now", TypeKind::timestamp},
        {"order.channel", TypeKind::string, true},
        {"order.currency", TypeKind::string, false, kCurrencyBytes},
        {"order.id", TypeKind::string},
        {"order.lines", Type::list(line_type())},
        {"order.net", TypeKind::int_},
        {"order.unit", TypeKind::int_},
    };
    INVARIANT(variables.size() == static_cast<std::size_t>(OrderSlot::count));
    return cel::Environment(std::move(variables));
}

}  // namespace

const cel::Environment& order_environment() {
    static const cel::Environment environment = make_environment();
    return environment;
}

}  // namespace rules
