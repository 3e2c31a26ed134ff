#include "server/http/request_json.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <simdjson.h>
#include <sodium.h>

#include "ledger/blind.hpp"
#include "rules/event.hpp"
#include "rules/money.hpp"
#include "server/http/json_complaint.hpp"
#include "server/http/rfc3339.hpp"

namespace server::http {

using engine::Arena;
using engine::EventCommand;
using engine::EventType;
using ledger::ErrorCode;
using ledger::Points;
using ledger::Result;
using simdjson::dom::element;
using simdjson::dom::element_type;
using simdjson::dom::object;

namespace {

constexpr std::size_t kTextMax = 255;      ///< ids of orders, lines, refunds, members
constexpr std::size_t kEnvelopeMax = 512;  ///< CloudEvents attributes
constexpr std::size_t kEmailMax = 320;
constexpr std::size_t kAliasMax = 60;
constexpr std::size_t kLongTextMax = 2'000;

struct ThreadBuffers {
    simdjson::dom::parser parser;
    simdjson::dom::parser data_parser;
    std::string canonical;
    std::string pointer;
    std::string decoded;
};

ThreadBuffers& buffers() {
    static thread_local ThreadBuffers owned;
    return owned;
}

ledger::Error json_error(simdjson::error_code code, std::string_view json, std::size_t depth_max) {
    switch (code) {
        case simdjson::UTF8_ERROR: {
            // simdjson does not say where: the first byte that cannot begin or continue a sequence
            // is near enough to be found by eye, so only the fact is reported.
            return ledger::make_error(ErrorCode::bad_utf8, "The body is not UTF-8.");
        }
        case simdjson::DEPTH_ERROR:
            return ledger::make_error(ErrorCode::too_deep, "The body is nested too deeply.");
        case simdjson::CAPACITY:
            return ledger::make_error(ErrorCode::body_too_large, "The body is too large.");
        case simdjson::MEMALLOC:
            return ledger::make_error(ErrorCode::overloaded, "The server is short of memory.");
        case simdjson::EMPTY:
            return ledger::make_error(ErrorCode::malformed_json, "The body is empty.");
        default: return json_complaint(json, depth_max);
    }
}

Result<element> parse(simdjson::dom::parser& parser, std::string_view json, std::size_t depth_max) {
    // One level more than allowed is parsed, so that an array that only wraps events costs none of
    // theirs.
    if (parser.capacity() < json.size() || parser.max_depth() != depth_max) {
        const std::size_t capacity = std::max<std::size_t>(json.size(), 64 * 1024);
        if (const auto failed = parser.allocate(capacity, depth_max))
            return json_error(failed, json, depth_max);
    }
    element root;
    if (const auto failed = parser.parse(json.data(), json.size(), false).get(root))
        return json_error(failed, json, depth_max);
    return root;
}

bool has_control_characters(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](char c) { return c >= 0 && c < ' '; });
}

/// Reads the fields of one object and remembers the first complaint.
class FieldReader {
public:
    FieldReader(std::string prefix, Arena& arena) : prefix_(std::move(prefix)), arena_(arena) {}

    [[nodiscard]] bool failed() const { return error_.has_value(); }
    [[nodiscard]] ledger::Error error() { return std::move(*error_); }

    void fail(ErrorCode code, std::string_view field, std::string detail) {
        if (!error_)
            error_ = ledger::field_error(code, prefix_ + std::string(field), std::move(detail));
    }

    std::string_view text(std::string_view field, element value, std::size_t bytes_max) {
        std::string_view read;
        if (value.get_string().get(read) != simdjson::SUCCESS) {
            fail(ErrorCode::wrong_type, field, "must be a string");
            return {};
        }
        if (read.size() > bytes_max) {
            fail(
                ErrorCode::too_large,
                field,
                "must have at most " + std::to_string(bytes_max) + " bytes"
            );
            return {};
        }
        const bool line = bytes_max <= kEnvelopeMax;
        if (line && has_control_characters(read)) {
            fail(ErrorCode::invalid_event, field, "must not contain control characters");
            return {};
        }
        return arena_.copy(read);
    }

    bool boolean(std::string_view field, element value) {
        bool read = false;
        if (value.get_bool().get(read) != simdjson::SUCCESS)
            fail(ErrorCode::wrong_type, field, "must be true or false");
        return read;
    }

    std::int64_t integer(std::string_view field, element value) {
        std::int64_t read = 0;
        if (value.type() == element_type::UINT64) {
            fail(ErrorCode::invalid_amount, field, "is outside ±(2^53−1)");
            return 0;
        }
        if (value.get_int64().get(read) != simdjson::SUCCESS) {
            fail(ErrorCode::wrong_type, field, "must be an integer");
            return 0;
        }
        if (!ledger::fits_wire(read))
            fail(ErrorCode::invalid_amount, field, "is outside ±(2^53−1)");
        return read;
    }

    Points money(std::string_view field, std::optional<element> value, std::uint8_t exponent) {
        if (!value) return 0;
        std::string_view read;
        if (value->get_string().get(read) != simdjson::SUCCESS) {
            fail(ErrorCode::wrong_type, field, "must be a decimal in a string, such as \"12.50\"");
            return 0;
        }
        const auto amount = rules::parse_money(read, exponent);
        if (amount.has_error()) {
            fail(amount.error().code, field, amount.error().detail);
            return 0;
        }
        return *amount;
    }

    Arena& arena() { return arena_; }

private:
    std::string prefix_;
    Arena& arena_;
    std::optional<ledger::Error> error_;
};

/// The canonical request: every part with its length, absent ones told from empty ones.
class Canonical {
public:
    Canonical() : out_(buffers().canonical) { out_.clear(); }
    Canonical& add(std::string_view part) {
        number(part.size() + 1);
        out_.append(part);
        return *this;
    }
    Canonical& absent() {
        number(0);
        return *this;
    }
    Canonical& text(std::string_view part) { return part.empty() ? absent() : add(part); }
    Canonical& number(std::uint64_t value) {
        char bytes[8];
        for (int i = 0; i < 8; ++i)
            bytes[i] = static_cast<char>(value >> (8 * i));
        out_.append(bytes, sizeof bytes);
        return *this;
    }
    Canonical& integer(std::int64_t value) { return number(static_cast<std::uint64_t>(value)); }
    [[nodiscard]] std::string_view bytes() const { return out_; }

private:
    std::string& out_;
};

/// Everything under `data` that some built type knows.
struct Data {
    std::string_view order_id, refund_id, currency, channel, reason;
    std::optional<element> total, subtotal, discount, tax, shipping, gift_card_amount,
        points_amount, amount, shipping_amount, lines;
    bool has_order_id = false, has_refund_id = false, has_currency = false;
    std::optional<element> final;
    ledger::Personal personal;
};

std::string_view joined_name(std::string_view first, std::string_view last, Arena& arena) {
    if (first.empty() || last.empty()) return first.empty() ? last : first;
    return arena.copy(std::string(first) + " " + std::string(last));
}

void read_address(FieldReader& fields, element value, ledger::Personal& personal) {
    if (value.type() == element_type::OBJECT) {
        const std::string text = simdjson::minify(value);
        if (text.size() > kLongTextMax)
            fields.fail(ErrorCode::too_large, "/customer/address", "is too long");
        personal.address = fields.arena().copy(text);
        return;
    }
    personal.address = fields.text("/customer/address", value, kLongTextMax);
}

void read_customer(FieldReader& fields, element value, ledger::Personal& personal) {
    object customer;
    if (value.type() == element_type::NULL_VALUE) return;
    if (value.get_object().get(customer) != simdjson::SUCCESS)
        return fields.fail(ErrorCode::wrong_type, "/customer", "must be an object");
    std::string_view first, last;
    for (const auto& field : customer) {
        if (field.value.type() == element_type::NULL_VALUE) continue;
        if (field.key == "id") {
            personal.external_id = fields.text("/customer/id", field.value, kTextMax);
            if (!fields.failed() && personal.external_id.empty())
                fields.fail(ErrorCode::invalid_event, "/customer/id", "must not be empty");
        } else if (field.key == "email") {
            const std::string_view given = fields.text("/customer/email", field.value, kEmailMax);
            personal.email = fields.arena().copy(ledger::normalise_email(given));
        } else if (field.key == "phone") {
            personal.phone = fields.text("/customer/phone", field.value, kTextMax);
        } else if (field.key == "name") {
            personal.name = fields.text("/customer/name", field.value, kTextMax);
        } else if (field.key == "first_name") {
            first = fields.text("/customer/first_name", field.value, kTextMax);
        } else if (field.key == "last_name") {
            last = fields.text("/customer/last_name", field.value, kTextMax);
        } else if (field.key == "address") {
            read_address(fields, field.value, personal);
        }
    }
    if (personal.name.empty()) personal.name = joined_name(first, last, fields.arena());
}

void read_data(FieldReader& fields, object data, Data& out) {
    for (const auto& field : data) {
        const std::string_view key = field.key;
        const element value = field.value;
        if (value.type() == element_type::NULL_VALUE) continue;
        if (key == "order_id") {
            out.order_id = fields.text("/order_id", value, kTextMax);
            out.has_order_id = true;
        } else if (key == "refund_id") {
            out.refund_id = fields.text("/refund_id", value, kTextMax);
            out.has_refund_id = true;
        } else if (key == "currency") {
            out.currency = fields.text("/currency", value, kTextMax);
            out.has_currency = true;
        } else if (key == "total") {
            out.total = value;
        } else if (key == "subtotal") {
            out.subtotal = value;
        } else if (key == "discount") {
            out.discount = value;
        } else if (key == "tax") {
            out.tax = value;
        } else if (key == "shipping") {
            out.shipping = value;
        } else if (key == "gift_card_amount") {
            out.gift_card_amount = value;
        } else if (key == "points_amount") {
            out.points_amount = value;
        } else if (key == "amount") {
            out.amount = value;
        } else if (key == "shipping_amount") {
            out.shipping_amount = value;
        } else if (key == "lines") {
            out.lines = value;
        } else if (key == "channel") {
            out.channel = fields.text("/channel", value, kTextMax);
        } else if (key == "final") {
            out.final = value;
        } else if (key == "reason") {
            out.reason = fields.text("/reason", value, kLongTextMax);
        } else if (key == "customer") {
            read_customer(fields, value, out.personal);
        }
        if (fields.failed()) return;
    }
}

enum class LineOf : std::uint8_t { order, refund };

void read_line(
    FieldReader& fields,
    const std::string& at,
    element value,
    LineOf kind,
    std::uint8_t exponent,
    ledger::OrderLine& line
) {
    object given;
    if (value.get_object().get(given) != simdjson::SUCCESS)
        return fields.fail(ErrorCode::wrong_type, at, "must be an object");
    bool has_id = false;
    std::optional<element> amount;
    for (const auto& field : given) {
        if (field.value.type() == element_type::NULL_VALUE) continue;
        if (field.key == "line_id") {
            line.line_id = fields.text(at + "/line_id", field.value, kTextMax);
            has_id = true;
        } else if (field.key == "amount") {
            amount = field.value;
        } else if (field.key == "quantity") {
            line.quantity = fields.integer(at + "/quantity", field.value);
            if (!fields.failed() && line.quantity < 1)
                fields.fail(ErrorCode::invalid_amount, at + "/quantity", "must be at least 1");
        } else if (field.key == "sku" && kind == LineOf::order) {
            line.sku = fields.text(at + "/sku", field.value, kTextMax);
        } else if (field.key == "gift_card" && kind == LineOf::order) {
            line.gift_card = fields.boolean(at + "/gift_card", field.value);
        }
        if (fields.failed()) return;
    }
    if (!has_id || line.line_id.empty())
        return fields.fail(ErrorCode::missing_field, at + "/line_id", "is missing");
    if (!amount) return fields.fail(ErrorCode::missing_field, at + "/amount", "is missing");
    line.amount = fields.money(at + "/amount", amount, exponent);
}

void refuse_repeated_lines(FieldReader& fields, std::span<const ledger::OrderLine> lines) {
    std::vector<std::string_view> ids;
    ids.reserve(lines.size());
    for (const ledger::OrderLine& line : lines)
        ids.push_back(line.line_id);
    std::sort(ids.begin(), ids.end());
    const auto twice = std::adjacent_find(ids.begin(), ids.end());
    if (twice != ids.end()) {
        fields.fail(
            ErrorCode::invalid_event,
            "/lines",
            "names line_id \"" + std::string(*twice) + "\" twice"
        );
    }
}

std::span<const ledger::OrderLine> read_lines(
    FieldReader& fields, std::optional<element> value, LineOf kind, std::uint8_t exponent
) {
    if (!value) return {};
    simdjson::dom::array given;
    if (value->get_array().get(given) != simdjson::SUCCESS) {
        fields.fail(ErrorCode::wrong_type, "/lines", "must be an array");
        return {};
    }
    if (given.size() > rules::kLinesMax) {
        fields.fail(
            ErrorCode::too_large,
            "/lines",
            "must have at most " + std::to_string(rules::kLinesMax) + " lines"
        );
        return {};
    }
    // Container sizes are cut at 2^24 by simdjson, far above the limit.
    const auto lines = fields.arena().make<ledger::OrderLine>(given.size());
    std::size_t index = 0;
    std::string at;
    for (const element line : given) {
        at = "/lines/" + std::to_string(index);
        read_line(fields, at, line, kind, exponent, lines[index++]);
        if (fields.failed()) return {};
    }
    refuse_repeated_lines(fields, lines);
    return lines;
}

std::uint8_t read_exponent(FieldReader& fields, const Data& data) {
    const auto exponent = rules::currency_exponent(data.currency);
    if (!exponent)
        fields.fail(ErrorCode::invalid_amount, "/currency", "is not an ISO 4217 currency");
    return exponent.value_or(2);
}

void mark(ledger::OrderFacts& order, ledger::OrderField field, bool given) {
    if (given) order.present |= static_cast<std::uint32_t>(field);
}

void read_paid(FieldReader& fields, const Data& data, ledger::OrderFacts& order) {
    if (!data.has_order_id || data.order_id.empty())
        return fields.fail(ErrorCode::missing_field, "/order_id", "is missing");
    if (!data.has_currency) return fields.fail(ErrorCode::missing_field, "/currency", "is missing");
    if (!data.total) return fields.fail(ErrorCode::missing_field, "/total", "is missing");
    order.order_id = data.order_id;
    order.currency = data.currency;
    order.exponent = read_exponent(fields, data);
    if (fields.failed()) return;
    order.total = fields.money("/total", data.total, order.exponent);
    order.subtotal = fields.money("/subtotal", data.subtotal, order.exponent);
    order.discount = fields.money("/discount", data.discount, order.exponent);
    order.tax = fields.money("/tax", data.tax, order.exponent);
    order.shipping = fields.money("/shipping", data.shipping, order.exponent);
    order.gift_card_amount =
        fields.money("/gift_card_amount", data.gift_card_amount, order.exponent);
    order.points_amount = fields.money("/points_amount", data.points_amount, order.exponent);
    order.channel = data.channel;
    using ledger::OrderField;
    mark(order, OrderField::total, true);
    mark(order, OrderField::subtotal, data.subtotal.has_value());
    mark(order, OrderField::discount, data.discount.has_value());
    mark(order, OrderField::tax, data.tax.has_value());
    mark(order, OrderField::shipping, data.shipping.has_value());
    mark(order, OrderField::gift_card_amount, data.gift_card_amount.has_value());
    mark(order, OrderField::points_amount, data.points_amount.has_value());
    mark(order, OrderField::channel, !data.channel.empty());
    if (fields.failed()) return;
    order.lines = read_lines(fields, data.lines, LineOf::order, order.exponent);
    if (fields.failed()) return;
    const auto net = rules::order_net(order);
    if (net.has_error()) return fields.fail(net.error().code, "/total", net.error().detail);
    order.net = *net;
}

void read_refund(FieldReader& fields, const Data& data, bool cancel, ledger::RefundFacts& refund) {
    if (!data.has_order_id || data.order_id.empty())
        return fields.fail(ErrorCode::missing_field, "/order_id", "is missing");
    refund.order_id = data.order_id;
    refund.cancel = cancel;
    refund.currency = data.currency;
    if (cancel) return;
    if (!data.has_refund_id || data.refund_id.empty())
        return fields.fail(ErrorCode::missing_field, "/refund_id", "is missing");
    if (!data.has_currency) return fields.fail(ErrorCode::missing_field, "/currency", "is missing");
    refund.refund_id = data.refund_id;
    const std::uint8_t exponent = read_exponent(fields, data);
    if (fields.failed()) return;
    refund.has_amount = data.amount.has_value();
    refund.amount = fields.money("/amount", data.amount, exponent);
    refund.shipping = fields.money("/shipping_amount", data.shipping_amount, exponent);
    if (fields.failed()) return;
    refund.lines = read_lines(fields, data.lines, LineOf::refund, exponent);
    if (fields.failed()) return;
    // Shipping alone touches no points. No lines are as good as none given.
    if (!refund.has_amount && refund.lines.empty() && !data.shipping_amount)
        return fields.fail(
            ErrorCode::missing_field, "/amount", "is missing: give lines or an amount"
        );
    // With lines the amount only repeats their sum.
    Points sum = 0;
    for (const ledger::OrderLine& line : refund.lines)
        sum += line.amount;
    if (refund.has_amount && !refund.lines.empty() && refund.amount != sum)
        fields.fail(ErrorCode::invalid_amount, "/amount", "is not the sum of the lines");
}

/// The CloudEvents attributes, wherever they came from.
struct Envelope {
    std::string_view specversion, id, source, type, subject, time;
    bool has_id = false, has_source = false, has_type = false, has_specversion = false;
    std::optional<element> data;
    std::string_view data_base64;
    bool has_base64 = false;
    std::string_view content_type;
};

std::optional<ledger::Error> check_envelope(const Envelope& envelope) {
    const auto bad = [](const char* pointer, const char* why) {
        return ledger::field_error(ErrorCode::invalid_event, pointer, why);
    };
    const auto missing = [&](const char* pointer) { return bad(pointer, "is missing"); };
    if (!envelope.has_specversion) return missing("/specversion");
    if (envelope.specversion != "1.0") return bad("/specversion", "must be \"1.0\"");
    if (!envelope.has_id) return missing("/id");
    if (envelope.id.empty()) return bad("/id", "must not be empty");
    if (!envelope.has_source) return missing("/source");
    if (envelope.source.empty()) return bad("/source", "must not be empty");
    if (!envelope.has_type) return missing("/type");
    if (envelope.type.empty()) return bad("/type", "must not be empty");
    return std::nullopt;
}

bool attribute_name(std::string_view name) {
    return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    });
}

/// Extension attributes are strings, booleans or 32-bit integers (CloudEvents 1.0.2, "Type
/// System").
bool extension_value(element value) {
    std::int64_t number = 0;
    switch (value.type()) {
        case element_type::STRING:
        case element_type::BOOL:
        case element_type::NULL_VALUE: return true;
        case element_type::INT64:
            return value.get_int64().get(number) == simdjson::SUCCESS && number >= INT32_MIN &&
                   number <= INT32_MAX;
        default: return false;
    }
}

/// An attribute of the wrong type makes the whole no CloudEvent; one that is too long is.
ledger::Error not_an_event(ledger::Error error) {
    if (error.code == ErrorCode::wrong_type) error.code = ErrorCode::invalid_event;
    return error;
}

Result<Envelope> read_envelope(element root, Arena& arena) {
    object event;
    if (root.get_object().get(event) != simdjson::SUCCESS)
        return ledger::field_error(ErrorCode::invalid_event, "", "an event must be a JSON object");
    Envelope envelope;
    FieldReader fields("", arena);
    for (const auto& field : event) {
        const std::string_view key = field.key;
        const element value = field.value;
        if (key == "data") {
            if (value.type() != element_type::NULL_VALUE) envelope.data = value;
        } else if (value.type() == element_type::NULL_VALUE) {
            continue;
        } else if (key == "id") {
            envelope.id = fields.text("/id", value, kEnvelopeMax);
            envelope.has_id = true;
        } else if (key == "source") {
            envelope.source = fields.text("/source", value, kEnvelopeMax);
            envelope.has_source = true;
        } else if (key == "type") {
            envelope.type = fields.text("/type", value, kEnvelopeMax);
            envelope.has_type = true;
        } else if (key == "specversion") {
            envelope.specversion = fields.text("/specversion", value, kEnvelopeMax);
            envelope.has_specversion = true;
        } else if (key == "subject") {
            envelope.subject = fields.text("/subject", value, kEnvelopeMax);
        } else if (key == "time") {
            envelope.time = fields.text("/time", value, kEnvelopeMax);
        } else if (key == "datacontenttype") {
            envelope.content_type = fields.text("/datacontenttype", value, kEnvelopeMax);
        } else if (key == "dataschema") {
            (void)fields.text("/dataschema", value, kLongTextMax);
        } else if (key == "data_base64") {
            std::string_view encoded;
            if (value.get_string().get(encoded) != simdjson::SUCCESS)
                fields.fail(ErrorCode::wrong_type, "/data_base64", "must be a string");
            envelope.data_base64 = encoded;
            envelope.has_base64 = true;
        } else if (key == "linked") {
            // All-or-nothing sets are not built: half of one must not be applied in silence.
            bool linked = true;
            if (value.get_bool().get(linked) != simdjson::SUCCESS || linked) {
                fields.fail(
                    ErrorCode::not_supported, "/linked", "sets of events are not supported"
                );
            }
        } else if (!attribute_name(key)) {
            fields.fail(
                ErrorCode::invalid_event,
                "/" + std::string(key),
                "is no attribute name: lower-case letters and digits only"
            );
        } else if (!extension_value(value)) {
            fields.fail(
                ErrorCode::invalid_event,
                "/" + std::string(key),
                "must be a string, a boolean or a 32-bit integer"
            );
        }
        if (fields.failed()) return not_an_event(fields.error());
    }
    if (auto wrong = check_envelope(envelope)) return std::move(*wrong);
    if (envelope.data && envelope.has_base64) {
        return ledger::field_error(
            ErrorCode::invalid_event, "/data_base64", "cannot stand beside data"
        );
    }
    return envelope;
}

EventType event_type(std::string_view type) {
    if (type == rules::kOrderPaid) return EventType::order_paid;
    if (type == rules::kOrderRefunded) return EventType::order_refunded;
    if (type == rules::kOrderCancelled) return EventType::order_cancelled;
    return EventType::other;
}

void add_money_fields(Canonical& canonical, const ledger::OrderFacts& order) {
    canonical.number(order.present)
        .integer(order.total)
        .integer(order.subtotal)
        .integer(order.discount)
        .integer(order.tax);
    canonical.integer(order.shipping).integer(order.gift_card_amount).integer(order.points_amount);
}

void add_lines(Canonical& canonical, std::span<const ledger::OrderLine> lines) {
    canonical.number(lines.size());
    for (const ledger::OrderLine& line : lines) {
        canonical.add(line.line_id)
            .text(line.sku)
            .integer(line.quantity)
            .integer(line.amount)
            .number(line.gift_card ? 1 : 0);
    }
}

/// Type, subject, time and the known data fields, in the order of the schema.
std::string_view canonical_event(const EventCommand& command, bool has_time) {
    Canonical canonical;
    canonical.add(command.type_name).text(command.subject);
    if (has_time) canonical.integer(command.occurred_at);
    canonical.number(has_time ? 1 : 0);
    if (command.type == EventType::order_paid) {
        canonical.add(command.order.order_id)
            .add(command.order.currency)
            .text(command.order.channel);
        add_money_fields(canonical, command.order);
        add_lines(canonical, command.order.lines);
    } else if (command.type != EventType::other) {
        const ledger::RefundFacts& refund = command.refund;
        canonical.add(refund.order_id).text(refund.refund_id).text(refund.currency);
        canonical.number(refund.has_amount ? 1 : 0).integer(refund.amount).integer(refund.shipping);
        add_lines(canonical, refund.lines);
        // Left out where it says nothing, so that events of before it existed keep their hash.
        if (command.final) canonical.text("final");
    }
    const ledger::Personal& personal = command.personal;
    canonical.text(personal.external_id)
        .text(personal.email)
        .text(personal.phone)
        .text(personal.name);
    canonical.text(personal.address).text(personal.note);
    return canonical.bytes();
}

void add_hashes(EventCommand& command, const ledger::HmacKey& hmac, bool has_time) {
    command.key_hash = ledger::event_key_hash(hmac, command.source, command.id);
    command.request_hash = ledger::request_hash(hmac, canonical_event(command, has_time));
    if (command.type == EventType::other) return;
    const bool paid = command.type == EventType::order_paid;
    const std::string_view order = paid ? command.order.order_id : command.refund.order_id;
    const std::string_view refund = paid ? std::string_view{} : command.refund.refund_id;
    command.natural_hash =
        ledger::natural_key_hash(hmac, command.shop, command.type_name, order, refund, 0);
    if (!paid) {
        command.order_natural_hash =
            ledger::natural_key_hash(hmac, command.shop, rules::kOrderPaid, order, {}, 0);
    }
    command.blind = ledger::blind_hashes(hmac, command.personal);
}

Result<object> data_object(const Envelope& envelope, std::size_t depth_max) {
    element root;
    if (envelope.has_base64) {
        std::string& decoded = buffers().decoded;
        decoded.resize(envelope.data_base64.size() + simdjson::SIMDJSON_PADDING);
        std::size_t size = 0;
        if (sodium_base642bin(
                reinterpret_cast<unsigned char*>(decoded.data()),
                decoded.size(),
                envelope.data_base64.data(),
                envelope.data_base64.size(),
                nullptr,
                &size,
                nullptr,
                sodium_base64_VARIANT_ORIGINAL
            ) != 0)
            return ledger::field_error(ErrorCode::invalid_event, "/data_base64", "is not base64");
        auto parsed =
            parse(buffers().data_parser, std::string_view(decoded.data(), size), depth_max);
        if (parsed.has_error()) return parsed.error();
        root = *parsed;
    } else if (envelope.data) {
        root = *envelope.data;
    } else {
        return ledger::field_error(ErrorCode::missing_field, "/data", "is missing");
    }
    object data;
    if (root.get_object().get(data) != simdjson::SUCCESS)
        return ledger::field_error(ErrorCode::wrong_type, "/data", "must be an object");
    return data;
}

Result<EventCommand> read_parsed_event(
    const Envelope& envelope, const EventContext& context, Arena& arena
) {
    EventCommand command;
    command.type = event_type(envelope.type);
    command.type_name = envelope.type;
    command.source = envelope.source;
    command.shop = arena.copy(ledger::shop_of(command.source));
    command.id = envelope.id;
    command.subject = envelope.subject;
    command.backfill = context.backfill;
    command.occurred_at = context.now;
    if (rules::standing(envelope.type) == rules::EventStanding::derived) {
        return ledger::field_error(
            ErrorCode::derived_type, "/type", "is emitted by the server and cannot be posted"
        );
    }
    if (!envelope.time.empty()) {
        const auto time = parse_rfc3339(envelope.time);
        if (!time) {
            return ledger::field_error(
                ErrorCode::invalid_event, "/time", "is not an RFC 3339 time"
            );
        }
        if (!has_four_digit_year(*time)) {
            return ledger::field_error(
                ErrorCode::too_large, "/time", "lies outside the years 0000 to 9999 in UTC"
            );
        }
        command.occurred_at = *time;
    }
    if (command.type != EventType::other) {
        auto object_given = data_object(envelope, context.depth_max);
        if (object_given.has_error()) return object_given.error();
        FieldReader fields("/data", arena);
        Data data;
        read_data(fields, *object_given, data);
        if (!fields.failed()) {
            if (command.type == EventType::order_paid) {
                read_paid(fields, data, command.order);
            } else {
                read_refund(
                    fields, data, command.type == EventType::order_cancelled, command.refund
                );
                if (data.final && !fields.failed())
                    command.final = fields.boolean("/final", *data.final);
            }
        }
        if (fields.failed()) return fields.error();
        command.personal = data.personal;
        command.personal.note = data.reason;
    }
    add_hashes(command, *context.program.hmac, !envelope.time.empty());
    return command;
}

}  // namespace

Result<EventCommand> read_event(std::string_view json, const EventContext& context, Arena& arena) {
    auto root = parse(buffers().parser, json, context.depth_max);
    if (root.has_error()) return root.error();
    auto envelope = read_envelope(*root, arena);
    if (envelope.has_error()) return envelope.error();
    return read_parsed_event(*envelope, context, arena);
}

Result<std::vector<Result<EventCommand>>> read_event_batch(
    std::string_view json, const EventContext& context, std::size_t events_max, Arena& arena
) {
    auto root = parse(buffers().parser, json, context.depth_max + 1);
    if (root.has_error()) return root.error();
    simdjson::dom::array events;
    if (root->get_array().get(events) != simdjson::SUCCESS) {
        return ledger::field_error(
            ErrorCode::invalid_event, "", "a batch must be a JSON array of events"
        );
    }
    if (events.size() > events_max) {
        return ledger::make_error(
            ErrorCode::too_many_events,
            "A batch may have at most " + std::to_string(events_max) + " events."
        );
    }
    std::vector<Result<EventCommand>> read;
    read.reserve(events.size());
    for (const element event : events) {
        auto envelope = read_envelope(event, arena);
        if (envelope.has_error()) {
            read.push_back(envelope.error());
        } else {
            read.push_back(read_parsed_event(*envelope, context, arena));
        }
    }
    return read;
}

Result<EventCommand> read_binary_event(
    const BinaryEnvelope& given, std::string_view json, const EventContext& context, Arena& arena
) {
    Envelope envelope;
    const auto take = [&](const std::string& value, const char* pointer, std::string_view& to
                      ) -> std::optional<ledger::Error> {
        if (value.size() > kEnvelopeMax)
            return ledger::field_error(ErrorCode::too_large, pointer, "is too long");
        if (has_control_characters(value)) {
            return ledger::field_error(
                ErrorCode::invalid_event, pointer, "must not contain control characters"
            );
        }
        to = arena.copy(value);
        return std::nullopt;
    };
    if (auto wrong = take(given.id, "/id", envelope.id)) return std::move(*wrong);
    if (auto wrong = take(given.source, "/source", envelope.source)) return std::move(*wrong);
    if (auto wrong = take(given.type, "/type", envelope.type)) return std::move(*wrong);
    if (auto wrong = take(given.subject, "/subject", envelope.subject)) return std::move(*wrong);
    envelope.specversion = arena.copy(given.specversion);
    envelope.time = arena.copy(given.time);
    envelope.has_id = !given.id.empty();
    envelope.has_source = !given.source.empty();
    envelope.has_type = !given.type.empty();
    envelope.has_specversion = !given.specversion.empty();
    if (auto wrong = check_envelope(envelope)) return std::move(*wrong);
    if (!json.empty()) {
        auto root = parse(buffers().parser, json, context.depth_max);
        if (root.has_error()) return root.error();
        envelope.data = *root;
    }
    return read_parsed_event(envelope, context, arena);
}

namespace {

bool is_code(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
    });
}

}  // namespace

Result<engine::AdjustCommand> read_adjustment(std::string_view json, Arena& arena) {
    auto root = parse(buffers().parser, json, 32);
    if (root.has_error()) return root.error();
    object body;
    if (root->get_object().get(body) != simdjson::SUCCESS)
        return ledger::field_error(ErrorCode::wrong_type, "", "the body must be a JSON object");
    engine::AdjustCommand command;
    FieldReader fields("", arena);
    bool has_amount = false;
    for (const auto& [key, value] : body) {
        if (key == "currency") {
            command.currency = fields.text("/currency", value, kTextMax);
        } else if (key == "amount") {
            command.amount = fields.integer("/amount", value);
            has_amount = true;
            if (!fields.failed() && command.amount == 0)
                fields.fail(ErrorCode::invalid_amount, "/amount", "must not be 0");
        } else if (key == "reason_code") {
            command.reason_code = fields.text("/reason_code", value, 64);
            // It stands in the clear in the log: a code, never a sentence. Those go to `note`.
            if (!fields.failed() && !is_code(command.reason_code)) {
                fields.fail(
                    ErrorCode::invalid_parameter,
                    "/reason_code",
                    "must be a code of lower-case letters, digits, '_', '.' or '-'"
                );
            }
        } else if (key == "note") {
            command.note = fields.text("/note", value, kLongTextMax);
        } else if (key == "visible_to_member") {
            command.visible_to_member = fields.boolean("/visible_to_member", value);
        } else if (key == "counts_for_tier") {
            command.counts_for_tier = fields.boolean("/counts_for_tier", value);
        } else if (key == "dry_run") {
            command.dry_run = fields.boolean("/dry_run", value);
        } else {
            fields.fail(ErrorCode::invalid_parameter, "/" + std::string(key), "is not known here");
        }
        if (fields.failed()) return fields.error();
    }
    if (command.currency.empty())
        return ledger::field_error(ErrorCode::missing_field, "/currency", "is missing");
    if (!has_amount) return ledger::field_error(ErrorCode::missing_field, "/amount", "is missing");
    if (command.reason_code.empty())
        return ledger::field_error(ErrorCode::missing_field, "/reason_code", "is missing");
    return command;
}

Result<AttachRequest> read_attach(std::string_view json, Arena& arena) {
    auto root = parse(buffers().parser, json, 32);
    if (root.has_error()) return root.error();
    object body;
    if (root->get_object().get(body) != simdjson::SUCCESS)
        return ledger::field_error(ErrorCode::wrong_type, "", "the body must be a JSON object");
    AttachRequest request;
    FieldReader fields("", arena);
    for (const auto& [key, value] : body) {
        if (key == "order_id") {
            request.order_id = fields.text("/order_id", value, kTextMax);
        } else if (key == "source") {
            request.source = fields.text("/source", value, kEnvelopeMax);
            if (!fields.failed() && request.source.empty())
                fields.fail(ErrorCode::invalid_parameter, "/source", "must not be empty");
        } else {
            fields.fail(ErrorCode::invalid_parameter, "/" + std::string(key), "is not known here");
        }
        if (fields.failed()) return fields.error();
    }
    if (request.order_id.empty())
        return ledger::field_error(ErrorCode::missing_field, "/order_id", "is missing");
    return request;
}

namespace {

/// {"shown":true,"name":"Ana K."} → "+Ana K."
std::string_view read_board_face(element json, FieldReader& fields, Arena& arena) {
    object face;
    if (json.get_object().get(face) != simdjson::SUCCESS) {
        fields.fail(ErrorCode::wrong_type, "/board", "must be an object");
        return {};
    }
    std::optional<bool> shown;
    std::string_view alias;
    for (const auto& [key, value] : face) {
        if (key == "shown") {
            bool given = false;
            if (value.get_bool().get(given) != simdjson::SUCCESS)
                fields.fail(ErrorCode::wrong_type, "/board/shown", "must be true or false");
            shown = given;
        } else if (key == "name") {
            alias = fields.text("/board/name", value, kAliasMax);
        } else {
            fields.fail(
                ErrorCode::invalid_parameter, "/board/" + std::string(key), "is not known here"
            );
        }
        if (fields.failed()) return {};
    }
    if (!shown) {
        fields.fail(ErrorCode::missing_field, "/board/shown", "is missing");
        return {};
    }
    return arena.copy((*shown ? "+" : "-") + std::string(alias));
}

}  // namespace

Result<ledger::Personal> read_member(std::string_view json, Arena& arena) {
    auto root = parse(buffers().parser, json, 32);
    if (root.has_error()) return root.error();
    object body;
    if (root->get_object().get(body) != simdjson::SUCCESS)
        return ledger::field_error(ErrorCode::wrong_type, "", "the body must be a JSON object");
    ledger::Personal personal;
    FieldReader fields("", arena);
    for (const auto& [key, value] : body) {
        if (key == "email") {
            personal.email =
                arena.copy(ledger::normalise_email(fields.text("/email", value, kEmailMax)));
        } else if (key == "phone") {
            personal.phone = fields.text("/phone", value, kTextMax);
        } else if (key == "name") {
            personal.name = fields.text("/name", value, kTextMax);
        } else if (key == "address") {
            personal.address = fields.text("/address", value, kLongTextMax);
        } else if (key == "board") {
            personal.board = read_board_face(value, fields, arena);
        } else {
            fields.fail(ErrorCode::invalid_parameter, "/" + std::string(key), "is not known here");
        }
        if (fields.failed()) return fields.error();
    }
    return personal;
}

namespace {

bool read_texts(
    FieldReader& fields, std::string_view pointer, element value, std::vector<std::string>& out
) {
    simdjson::dom::array items;
    if (value.get_array().get(items) != simdjson::SUCCESS) {
        fields.fail(ErrorCode::wrong_type, pointer, "must be an array of strings");
        return false;
    }
    if (items.size() > 64) {
        fields.fail(ErrorCode::too_large, pointer, "must have at most 64 items");
        return false;
    }
    for (const element item : items) {
        out.emplace_back(
            fields.text(std::string(pointer) + "/" + std::to_string(out.size()), item, kTextMax)
        );
        if (fields.failed()) return false;
    }
    return true;
}

}  // namespace

Result<KeyRequest> read_key_request(std::string_view json) {
    auto root = parse(buffers().parser, json, 32);
    if (root.has_error()) return root.error();
    object body;
    if (root->get_object().get(body) != simdjson::SUCCESS)
        return ledger::field_error(ErrorCode::wrong_type, "", "the body must be a JSON object");
    Arena arena;
    KeyRequest request;
    FieldReader fields("", arena);
    for (const auto& [key, value] : body) {
        if (key == "kind") {
            const std::string_view kind = fields.text("/kind", value, kTextMax);
            if (kind == "secret") {
                request.kind = ledger::ApiKeyKind::secret;
            } else if (kind == "publishable") {
                request.kind = ledger::ApiKeyKind::publishable;
            } else if (kind == "shopper") {
                request.kind = ledger::ApiKeyKind::shopper_hs256;
            } else {
                fields.fail(
                    ErrorCode::invalid_parameter,
                    "/kind",
                    "must be \"secret\", \"publishable\" or \"shopper\""
                );
            }
        } else if (key == "algorithm") {
            request.algorithm = std::string(fields.text("/algorithm", value, kTextMax));
            if (request.algorithm != "HS256" && request.algorithm != "ES256") {
                fields.fail(
                    ErrorCode::invalid_parameter, "/algorithm", "must be \"HS256\" or \"ES256\""
                );
            }
        } else if (key == "public_key") {
            request.public_key = std::string(fields.text("/public_key", value, kLongTextMax));
        } else if (key == "scopes") {
            read_texts(fields, "/scopes", value, request.scopes);
        } else if (key == "origins") {
            read_texts(fields, "/origins", value, request.origins);
        } else if (key == "label") {
            request.label = std::string(fields.text("/label", value, kTextMax));
        } else {
            fields.fail(ErrorCode::invalid_parameter, "/" + std::string(key), "is not known here");
        }
        if (fields.failed()) return fields.error();
    }
    const bool pinned = request.kind == ledger::ApiKeyKind::shopper_hs256;
    if (pinned && request.algorithm == "ES256") request.kind = ledger::ApiKeyKind::shopper_es256;
    return request;
}

}  // namespace server::http
