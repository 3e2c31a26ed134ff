#include "tools/import/order_json.hpp"

#include "tools/import/decimal.hpp"
#include "tools/import/json_text.hpp"
#include "tools/import/local_time.hpp"

namespace importer {

namespace {

void append_member(std::string& out, std::string_view name, std::string_view text) {
    out.push_back(',');
    append_json(out, name);
    out.push_back(':');
    append_json(out, text);
}

/// Up to and with `"data":{`.
void begin_event(
    const Map& map,
    const Group& group,
    std::string_view id,
    std::string_view type,
    std::string_view subject,
    std::string& out
) {
    out += R"({"specversion":"1.0")";
    append_member(out, "id", id);
    append_member(out, "source", map.source);
    append_member(out, "type", type);
    if (!subject.empty()) append_member(out, "subject", subject);
    append_member(out, "time", map.time.format ? rfc3339(group.time) : group.time_text);
    out += R"(,"data":{)";
}

void append_order(const Map& map, const Group& group, std::string& out) {
    out += R"("order_id":)";
    append_json(out, group.order_id);
    append_member(out, "currency", group.currency);
    std::int64_t sum = 0;
    for (const OrderRow& row : group.rows)
        sum += row.amount;
    append_member(
        out, "total", group.total.empty() ? money_text(sum, group.exponent) : group.total
    );
    if (!group.customer.empty() || !group.email.empty()) {
        out += R"(,"customer":{)";
        std::string inner;
        if (!group.customer.empty()) append_member(inner, "id", group.customer);
        if (!group.email.empty()) append_member(inner, "email", group.email);
        out += inner.substr(1) + "}";
    }
    if (!map.order->line) return;
    out += R"(,"lines":[)";
    std::size_t number = 0;
    for (const OrderRow& row : group.rows) {
        if (number++ > 0) out.push_back(',');
        out += R"({"line_id":")" + std::to_string(number) + "\"";
        if (map.order->line->sku) append_member(out, "sku", row.sku);
        out += R"(,"quantity":)" + std::to_string(row.quantity);
        append_member(out, "amount", money_text(row.amount, group.exponent));
        out.push_back('}');
    }
    out.push_back(']');
}

std::string id_of_refund(const Value& value, const Group& note, std::string_view order) {
    const std::vector<std::string_view> values(note.first_values.begin(), note.first_values.end());
    return value.of({values, note.first_line, note.first_file, order});
}

}  // namespace

Event event_of(const Map& map, const Group& group) {
    Event event;
    event.id = group.id;
    event.lane = group.order_id;
    begin_event(map, group, group.id, map.type, group.subject, event.body);
    if (map.order) append_order(map, group, event.body);
    // Every member in `data` stands behind a comma; the first of an event without an order has
    // none.
    event.body.append(map.order || group.data.empty() ? group.data : group.data.substr(1));
    event.body += "}}";
    event.places.reserve(group.rows.size());
    for (const OrderRow& row : group.rows)
        event.places.push_back(row.place);
    return event;
}

Event refund_event(const Map& map, const std::vector<Group>& groups, Refund refund) {
    const Group& note = groups[refund.credit];
    const bool orphan = refund.order == Refund::kNone;
    Event event;
    event.places = std::move(refund.places);
    if (orphan) {
        event.id = id_of_refund(map.credits->orphan_id, note, {});
        event.lane = note.order_id;
        begin_event(map, note, event.id, "order.refunded", note.subject, event.body);
        event.body += R"("order_id":)";
        append_json(event.body, note.order_id);
        append_member(event.body, "refund_id", event.id);
        append_member(event.body, "currency", note.currency);
        append_member(event.body, "amount", money_text(refund.amount, note.exponent));
        event.body += R"(,"final":true}})";
        return event;
    }
    const Group& order = groups[refund.order];
    event.id = id_of_refund(map.credits->refund_id, note, order.order_id);
    event.lane = order.order_id;
    begin_event(map, note, event.id, "order.refunded", order.subject, event.body);
    event.body += R"("order_id":)";
    append_json(event.body, order.order_id);
    append_member(event.body, "refund_id", event.id);
    append_member(event.body, "currency", order.currency);
    event.body += R"(,"lines":[)";
    bool first = true;
    for (const RefundedLine& line : refund.lines) {
        if (!first) event.body.push_back(',');
        first = false;
        event.body += R"({"line_id":")" + std::to_string(line.line + 1) + "\"";
        event.body += R"(,"quantity":)" + std::to_string(line.quantity);
        append_member(event.body, "amount", money_text(line.amount, order.exponent));
        event.body.push_back('}');
    }
    event.body += "]}}";
    return event;
}

}  // namespace importer
