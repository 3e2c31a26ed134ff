#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <simdjson.h>

#include "rules/document.hpp"
#include "rules/event.hpp"
#include "rules/json_fault.hpp"

namespace rules {
namespace {

using ledger::ErrorCode;
using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::element_type;
using simdjson::dom::object;

using Names = std::span<const std::string_view>;

// What rules/program.schema.json bounds too; tests/cases/rules/documents.json is run against both.
constexpr std::size_t kIdBytesMax = 64;
constexpr std::size_t kReasonBytesMax = 64;
constexpr std::size_t kCurrenciesMax = 16;
constexpr std::size_t kCampaignsMax = 64;
constexpr std::size_t kRulesMax = 64;
constexpr std::size_t kEffectsMax = 8;
constexpr std::size_t kBoardsMax = 32;
constexpr std::int64_t kScaleMax = 9;
constexpr std::int64_t kPriorityMax = 1'000'000;
constexpr std::int64_t kCapMax = 1'000'000'000'000;
// The parser's own bound only keeps the stack safe; kDocumentDepthMax is checked on the tree.
constexpr std::size_t kParserDepthMax = 1'024;

/// What an object may hold: fields that are read, and fields that a later version will read.
struct Fields {
    Names known;
    Names unsupported;
};

constexpr std::size_t kCountersMax = 32;

constexpr std::string_view kProgramKnown[]{
    "boards", "campaigns", "counters", "currencies", "orders", "program", "tz"};
constexpr std::string_view kOrdersKnown[]{"park_for"};
constexpr std::string_view kProgramUnsupported[]{
    "caps",
    "draws",
    "effective_from",
    "event_types",
    "guards",
    "identity",
    "ladders",
    "links",
    "multiplier_mode",
    "referral",
    "rewards",
    "rounding",
    "segments",
    "terms",
    "tests",
};
constexpr std::string_view kCurrencyKnown[]{"id", "kind", "negative", "scale"};
constexpr std::string_view kCampaignKnown[]{"id", "rules"};
constexpr std::string_view kCampaignUnsupported[]{
    "attribution",
    "budget",
    "caps",
    "enabled",
    "group",
    "guards",
    "schedule",
    "segment",
};
constexpr std::string_view kRuleKnown[]{"cap", "effects", "id", "if", "on", "priority", "stage"};
constexpr std::string_view kRuleUnsupported[]{
    "caps",
    "emit",
    "enabled",
    "group",
    "reverse_on",
    "rounding",
    "schedule",
    "segment",
};
constexpr std::string_view kEffectKnown[]{"award"};
constexpr std::string_view kEffectUnsupported[]{"badge", "coupon", "emit", "multiply", "ticket"};
constexpr std::string_view kAwardKnown[]{"currency", "expires", "hold", "points", "reason", "to"};
constexpr std::string_view kAwardUnsupported[]{"recheck", "rounding"};
constexpr std::string_view kHoldKnown[]{"for"};
constexpr std::string_view kHoldUnsupported[]{"cancel_on"};
constexpr std::string_view kBoardKnown[]{"id", "score", "windows"};
constexpr std::string_view kBoardUnsupported[]{"cohort", "scope", "segment", "ties", "visibility"};
constexpr std::string_view kScoreKnown[]{"counter", "currency"};
constexpr std::string_view kCounterKnown[]{"count", "id", "on", "points", "scope", "sum", "window"};
constexpr std::string_view kCounterUnsupported[]{"distinct", "freeze", "streak"};
constexpr std::string_view kCapKnown[]{"counter", "max", "on_exceed"};
/// Fields of an order that a counter can be kept for.
constexpr std::string_view kCounterFields[]{
    "event.source", "event.subject", "order.channel", "order.currency"};

constexpr std::string_view kUnsupportedStages[]{"guard", "multiply", "cap", "budget", "post"};
constexpr std::string_view kUnsupportedWindows[]{"day", "season"};

bool contains(Names names, std::string_view name) {
    return std::ranges::find(names, name) != names.end();
}

bool is_id(std::string_view text) {
    const auto is_word = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    };
    if (text.empty() || text.size() > kIdBytesMax || !is_word(text[0])) return false;
    return std::ranges::all_of(text, [&](char c) { return is_word(c) || c == '_' || c == '-'; });
}

bool is_reason(std::string_view text) {
    const auto is_printable = [](char c) { return c >= ' ' && c <= '~'; };
    return !text.empty() && text.size() <= kReasonBytesMax &&
           std::ranges::all_of(text, is_printable);
}

enum class Presence { required, optional };

/// A value and the pointer to it.
struct Place {
    element value;
    std::string pointer;
};

struct ObjectPlace {
    object value;
    std::string pointer;
};

/// Reads one document; each method complains about what it does not like and goes on.
class DocumentReader {
public:
    DocumentReader(std::string_view program, Complaints& complaints)
        : program_(program), complaints_(complaints) {}

    Document read(element root) {
        const auto top = as_object({root, ""}, {kProgramKnown, kProgramUnsupported});
        if (!top) return std::move(document_);
        read_program_id(*top);
        read_zone(*top);
        for (const Place& item : items(*top, "currencies", Presence::required, 1, kCurrenciesMax)) {
            read_currency(item);
        }
        for (const Place& item : items(*top, "counters", Presence::optional, 0, kCountersMax)) {
            read_counter(item);
        }
        for (const Place& item : items(*top, "campaigns", Presence::required, 0, kCampaignsMax)) {
            read_campaign(item);
        }
        for (const Place& item : items(*top, "boards", Presence::optional, 0, kBoardsMax)) {
            read_board(item);
        }
        read_orders(*top);
        return std::move(document_);
    }

private:
    void invalid(std::string pointer, std::string detail) {
        complaints_.add(ErrorCode::invalid_document, std::move(pointer), std::move(detail));
    }

    void unsupported(std::string pointer) {
        complaints_.add(
            ErrorCode::not_supported,
            std::move(pointer),
            "this version of the server does not support it"
        );
    }

    // --- values of one type ---

    std::optional<ObjectPlace> as_object(const Place& place, const Fields& fields) {
        if (place.value.type() != element_type::OBJECT) {
            invalid(place.pointer, "must be an object");
            return std::nullopt;
        }
        ObjectPlace result{place.value.get_object().value_unsafe(), place.pointer};
        check_fields(result, fields);
        return result;
    }

    void check_fields(const ObjectPlace& place, const Fields& fields) {
        std::vector<std::string_view> seen;
        for (const auto [key, value] : place.value) {
            const std::string pointer = child_pointer(place.pointer, key);
            if (contains(seen, key)) {
                invalid(pointer, "occurs twice");
            } else if (contains(fields.unsupported, key)) {
                unsupported(pointer);
            } else if (!contains(fields.known, key)) {
                invalid(pointer, "unknown field");
            }
            seen.push_back(key);
        }
    }

    std::optional<Place> field(const ObjectPlace& parent, std::string_view key, Presence presence) {
        Place place{{}, child_pointer(parent.pointer, key)};
        if (parent.value.at_key(key).get(place.value) == simdjson::SUCCESS) return place;
        if (presence == Presence::required) invalid(place.pointer, "is required");
        return std::nullopt;
    }

    std::optional<std::string_view> as_text(const Place& place) {
        std::string_view text;
        if (place.value.get_string().get(text) == simdjson::SUCCESS) return text;
        invalid(place.pointer, "must be a string");
        return std::nullopt;
    }

    std::optional<std::string_view> text(
        const ObjectPlace& parent, std::string_view key, Presence presence
    ) {
        const auto place = field(parent, key, presence);
        return place ? as_text(*place) : std::nullopt;
    }

    std::optional<std::int64_t> integer(
        const ObjectPlace& parent, std::string_view key, std::int64_t least, std::int64_t most
    ) {
        const auto place = field(parent, key, Presence::optional);
        if (!place) return std::nullopt;
        double real = 0;
        if (place->value.get_double().get(real) != simdjson::SUCCESS || real != std::floor(real)) {
            invalid(place->pointer, "must be an integer");
            return std::nullopt;
        }
        if (real < static_cast<double>(least) || real > static_cast<double>(most)) {
            const std::string range = std::to_string(least) + " to " + std::to_string(most);
            invalid(place->pointer, "must be in the range " + range);
            return std::nullopt;
        }
        return static_cast<std::int64_t>(real);
    }

    std::vector<Place> items(
        const ObjectPlace& parent,
        std::string_view key,
        Presence presence,
        std::size_t least,
        std::size_t most
    ) {
        std::vector<Place> result;
        const auto place = field(parent, key, presence);
        if (!place) return result;
        array values;
        if (place->value.get_array().get(values) != simdjson::SUCCESS) {
            invalid(place->pointer, "must be an array");
            return result;
        }
        for (const element value : values) {
            result.push_back({value, child_pointer(place->pointer, result.size())});
        }
        if (result.size() < least) invalid(place->pointer, "must not be empty");
        if (result.size() > most) {
            invalid(place->pointer, "must have at most " + std::to_string(most) + " items");
            result.clear();
        }
        return result;
    }

    /// One of the names of an enumeration, by its position; `later` are names of a later version.
    std::optional<std::size_t> choice(const Place& place, Names names, Names later = {}) {
        const auto value = as_text(place);
        if (!value) return std::nullopt;
        const auto found = std::ranges::find(names, *value);
        if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
        if (contains(later, *value)) {
            unsupported(place.pointer);
            return std::nullopt;
        }
        std::string list;
        for (const std::string_view name : names) {
            if (!list.empty()) list += ", ";
            list += name;
        }
        invalid(place.pointer, "must be one of: " + list);
        return std::nullopt;
    }

    /// An id that no earlier sibling has.
    std::string id(const ObjectPlace& parent, std::vector<std::string>& siblings) {
        const auto value = text(parent, "id", Presence::required);
        if (!value) return {};
        const std::string pointer = child_pointer(parent.pointer, "id");
        std::string result(*value);
        if (!is_id(result)) {
            invalid(
                pointer,
                "must be 1 to 64 letters, digits, - and _, beginning with a letter or digit"
            );
        } else if (std::ranges::find(siblings, result) != siblings.end()) {
            invalid(pointer, "occurs twice");
        }
        siblings.push_back(result);
        return result;
    }

    std::uint16_t currency_reference(const ObjectPlace& parent, std::string_view key = "currency") {
        const auto value = text(parent, key, Presence::required);
        if (!value) return 0;
        const auto found = std::ranges::find(currency_ids_, *value);
        if (found == currency_ids_.end()) {
            invalid(child_pointer(parent.pointer, key), "the document has no such currency");
            return 0;
        }
        return static_cast<std::uint16_t>(found - currency_ids_.begin());
    }

    std::optional<DurationSpec> duration(
        const ObjectPlace& parent, std::string_view key, Presence presence
    ) {
        const auto value = text(parent, key, presence);
        if (!value) return std::nullopt;
        const auto spec = parse_duration(*value);
        const bool end_of_month = spec && spec->unit == DurationSpec::Unit::months_end_of_month;
        if (!spec || (end_of_month && key == "for")) {
            const std::string_view forms =
                key == "for" ? "14d or 12M" : "365d, 12M or end_of_month+12M";
            invalid(
                child_pointer(parent.pointer, key),
                "must be a duration such as " + std::string(forms)
            );
            return std::nullopt;
        }
        return spec;
    }

    // --- sections ---

    void read_program_id(const ObjectPlace& top) {
        const auto value = text(top, "program", Presence::optional);
        if (value && *value != program_) invalid("/program", "must equal the program of the path");
    }

    void read_zone(const ObjectPlace& top) {
        const auto value = text(top, "tz", Presence::required);
        if (!value) return;
        document_.zone_name = *value;
        document_.zone = find_zone(*value);
        if (document_.zone == nullptr)
            invalid("/tz", "must be an IANA time zone such as Europe/Paris");
    }

    void read_orders(const ObjectPlace& top) {
        const auto place = field(top, "orders", Presence::optional);
        if (!place) return;
        const auto fields = as_object(*place, {kOrdersKnown, {}});
        if (!fields) return;
        const auto wait = text(*fields, "park_for", Presence::optional);
        if (!wait) return;
        if (const auto micros = parse_wait(*wait)) {
            document_.park_for = *micros;
        } else {
            invalid(
                child_pointer(fields->pointer, "park_for"),
                "must be a wait of 1 minute to 30 days, such as 90m, 72h or 3d"
            );
        }
    }

    void read_currency(const Place& place) {
        constexpr std::string_view kinds[]{"spendable", "status"};
        constexpr std::string_view policies[]{"forbid", "to_debt", "take_available", "write_off"};
        const auto fields = as_object(place, {kCurrencyKnown, {}});
        if (!fields) return;
        Currency currency;
        currency.id = id(*fields, currency_ids_);
        currency.scale =
            static_cast<std::uint8_t>(integer(*fields, "scale", 0, kScaleMax).value_or(0));
        if (const auto kind = field(*fields, "kind", Presence::optional)) {
            currency.kind = static_cast<CurrencyKind>(choice(*kind, kinds).value_or(0));
        }
        if (const auto policy = field(*fields, "negative", Presence::optional)) {
            currency.negative = static_cast<NegativePolicy>(choice(*policy, policies).value_or(1));
        }
        document_.currencies.push_back(std::move(currency));
    }

    void read_counter(const Place& place) {
        constexpr std::string_view windows[]{"lifetime", "day", "month"};
        constexpr std::string_view later[]{"week", "year"};
        const auto fields = as_object(place, {kCounterKnown, kCounterUnsupported});
        if (!fields) return;
        Counter counter;
        counter.id = id(*fields, counter_ids_);
        if (counter.id.find('-') != std::string::npos) {
            // An expression would read it as a minus.
            invalid(child_pointer(fields->pointer, "id"), "must not contain -");
        }
        read_trigger(*fields);
        counter.on = kOrderPaid;
        read_counter_kind(*fields, counter);
        for (const Place& item : items(*fields, "scope", Presence::required, 0, 3))
            read_counter_scope(item, counter);
        if (counter.of_campaign && counter.kind != CounterKind::points) {
            invalid(
                child_pointer(fields->pointer, "scope"),
                "campaigns are told apart by the points they give only"
            );
        }
        if (const auto window = field(*fields, "window", Presence::required)) {
            counter.window =
                static_cast<CounterWindow>(choice(*window, windows, later).value_or(0));
        }
        document_.sum_pointers.push_back(child_pointer(fields->pointer, "sum"));
        document_.counters.push_back(std::move(counter));
    }

    void read_counter_kind(const ObjectPlace& fields, Counter& counter) {
        const auto count = field(fields, "count", Presence::optional);
        const auto sum = text(fields, "sum", Presence::optional);
        const auto points = text(fields, "points", Presence::optional);
        if (int{count.has_value()} + int{sum.has_value()} + int{points.has_value()} != 1) {
            if (!has_any(fields, kCounterUnsupported))
                invalid(fields.pointer, "must have one of count, sum and points");
            return;
        }
        if (count) {
            bool value = false;
            const bool is_bool = count->value.get_bool().get(value) == simdjson::SUCCESS;
            if (!is_bool || !value) invalid(count->pointer, "must be true");
        } else if (sum) {
            counter.kind = CounterKind::sum;
            counter.sum = *sum;
        } else {
            counter.kind = CounterKind::points;
            counter.currency = currency_reference(fields, "points");
        }
    }

    void read_counter_scope(const Place& place, Counter& counter) {
        const auto value = as_text(place);
        if (!value) return;
        bool twice = false;
        if (*value == "member") {
            twice = std::exchange(counter.of_member, true);
        } else if (*value == "campaign") {
            twice = std::exchange(counter.of_campaign, true);
        } else if (contains(kCounterFields, *value)) {
            twice = !counter.field.empty();
            counter.field = *value;
        } else {
            invalid(
                place.pointer,
                "must be member, campaign, event.source, event.subject, order.channel or "
                "order.currency"
            );
        }
        if (twice) invalid(place.pointer, "occurs twice");
    }

    std::uint16_t counter_reference(const ObjectPlace& parent) {
        const auto value = text(parent, "counter", Presence::required);
        if (!value) return 0;
        const auto found = std::ranges::find(document_.counters, *value, &Counter::id);
        if (found == document_.counters.end()) {
            invalid(child_pointer(parent.pointer, "counter"), "the document has no such counter");
            return 0;
        }
        return static_cast<std::uint16_t>(found - document_.counters.begin());
    }

    std::optional<Cap> read_cap(const Place& place) {
        constexpr std::string_view ways[]{"partial", "drop"};
        const auto fields = as_object(place, {kCapKnown, {}});
        if (!fields) return std::nullopt;
        Cap cap;
        cap.counter = counter_reference(*fields);
        if (!field(*fields, "max", Presence::required)) return std::nullopt;
        cap.max = integer(*fields, "max", 0, kCapMax).value_or(0);
        if (const auto way = field(*fields, "on_exceed", Presence::optional)) {
            cap.drop = choice(*way, ways).value_or(0) == 1;
            if (cap.counter < document_.counters.size() &&
                document_.counters[cap.counter].kind != CounterKind::points) {
                invalid(way->pointer, "only a counter of points can be used up in part");
            }
        }
        return cap;
    }

    void read_campaign(const Place& place) {
        const auto fields = as_object(place, {kCampaignKnown, kCampaignUnsupported});
        if (!fields) return;
        const std::string campaign = id(*fields, campaign_ids_);
        document_.campaigns.push_back(campaign);
        std::vector<std::string> rule_ids;
        for (const Place& item : items(*fields, "rules", Presence::required, 0, kRulesMax)) {
            read_rule(item, campaign, rule_ids);
        }
    }

    void read_rule(
        const Place& place, const std::string& campaign, std::vector<std::string>& rule_ids
    ) {
        constexpr std::string_view stages[]{"base", "bonus"};
        const auto fields = as_object(place, {kRuleKnown, kRuleUnsupported});
        if (!fields) return;
        DocumentRule rule;
        rule.name = campaign + "/" + id(*fields, rule_ids);
        rule.campaign = campaign;
        const bool evaluable = read_trigger(*fields);
        if (const auto stage = field(*fields, "stage", Presence::optional)) {
            rule.stage = static_cast<Stage>(choice(*stage, stages, kUnsupportedStages).value_or(0));
        }
        rule.priority = static_cast<std::int32_t>(
            integer(*fields, "priority", -kPriorityMax, kPriorityMax).value_or(0)
        );
        if (const auto cap = field(*fields, "cap", Presence::optional)) rule.cap = read_cap(*cap);
        rule.condition.text = text(*fields, "if", Presence::optional).value_or("true");
        rule.condition.pointer = child_pointer(fields->pointer, "if");
        for (const Place& item : items(*fields, "effects", Presence::required, 1, kEffectsMax)) {
            read_effect(item, rule);
        }
        if (evaluable) document_.rules.push_back(std::move(rule));
    }

    /// True if the rule's expressions can be compiled: its event type has an environment.
    bool read_trigger(const ObjectPlace& rule) {
        const auto type = text(rule, "on", Presence::required);
        if (!type) return false;
        if (*type == kOrderPaid) return true;
        if (*type == "*" || standing(*type) != EventStanding::unknown) {
            unsupported(child_pointer(rule.pointer, "on"));
        } else {
            invalid(child_pointer(rule.pointer, "on"), "unknown event type");
        }
        return false;
    }

    void read_effect(const Place& place, DocumentRule& rule) {
        const auto fields = as_object(place, {kEffectKnown, kEffectUnsupported});
        if (!fields) return;
        const auto award = field(*fields, "award", Presence::optional);
        if (award) {
            read_award(*award, rule);
        } else if (!has_any(*fields, kEffectUnsupported)) {
            invalid(child_pointer(fields->pointer, "award"), "is required");
        }
    }

    static bool has_any(const ObjectPlace& place, Names names) {
        return std::ranges::any_of(names, [&](std::string_view name) {
            return place.value.at_key(name).error() == simdjson::SUCCESS;
        });
    }

    void read_award(const Place& place, DocumentRule& rule) {
        constexpr std::string_view recipients[]{"member"};
        constexpr std::string_view later[]{"referrer"};
        const auto fields = as_object(place, {kAwardKnown, kAwardUnsupported});
        if (!fields) return;
        DocumentAward award;
        if (const auto to = field(*fields, "to", Presence::required))
            choice(*to, recipients, later);
        award.currency = currency_reference(*fields);
        award.points.pointer = child_pointer(fields->pointer, "points");
        award.points.text = text(*fields, "points", Presence::required).value_or("0");
        award.reason = text(*fields, "reason", Presence::required).value_or("none");
        if (!is_reason(award.reason)) {
            invalid(
                child_pointer(fields->pointer, "reason"),
                "must be 1 to 64 printable ASCII characters"
            );
        }
        if (const auto hold = field(*fields, "hold", Presence::optional)) {
            const auto hold_fields = as_object(*hold, {kHoldKnown, kHoldUnsupported});
            if (hold_fields) award.hold = duration(*hold_fields, "for", Presence::required);
        }
        award.expires = duration(*fields, "expires", Presence::optional);
        rule.awards.push_back(std::move(award));
    }

    void read_board(const Place& place) {
        constexpr std::string_view windows[]{"all", "month", "week"};
        const auto fields = as_object(place, {kBoardKnown, kBoardUnsupported});
        if (!fields) return;
        Board board;
        board.id = id(*fields, board_ids_);
        if (const auto score = field(*fields, "score", Presence::required)) {
            if (const auto score_fields = as_object(*score, {kScoreKnown, {}}))
                read_score(*score_fields, board);
        }
        for (const Place& item :
             items(*fields, "windows", Presence::required, 1, std::size(windows))) {
            const auto window = choice(item, windows, kUnsupportedWindows);
            if (!window) continue;
            const auto value = static_cast<BoardWindow>(*window);
            if (std::ranges::find(board.windows, value) != board.windows.end()) {
                invalid(item.pointer, "occurs twice");
            }
            board.windows.push_back(value);
        }
        document_.boards.push_back(std::move(board));
    }

    void read_score(const ObjectPlace& score, Board& board) {
        const bool counts = field(score, "counter", Presence::optional).has_value();
        if (!counts) {
            board.currency = currency_reference(score);
            return;
        }
        if (field(score, "currency", Presence::optional))
            invalid(score.pointer, "must have one of currency and counter");
        board.counter = counter_reference(score);
        if (*board.counter < document_.counters.size() &&
            !document_.counters[*board.counter].of_member) {
            invalid(
                child_pointer(score.pointer, "counter"),
                "must be a counter with member in its scope"
            );
        }
    }

    std::string_view program_;
    Complaints& complaints_;
    Document document_;
    std::vector<std::string> currency_ids_;
    std::vector<std::string> campaign_ids_;
    std::vector<std::string> counter_ids_;
    std::vector<std::string> board_ids_;
};

// --- the text ---

std::size_t depth_of(element value) {
    std::size_t deepest = 0;
    array items;
    object fields;
    if (value.get_array().get(items) == simdjson::SUCCESS) {
        for (const element item : items)
            deepest = std::max(deepest, depth_of(item));
    } else if (value.get_object().get(fields) == simdjson::SUCCESS) {
        for (const auto field : fields)
            deepest = std::max(deepest, depth_of(field.value));
    } else {
        return 0;
    }
    return deepest + 1;
}

void write_text(std::string_view text, std::string& out) {
    constexpr std::string_view hex = "0123456789abcdef";
    constexpr std::string_view shorthands = "\b\f\n\r\t\"\\";
    constexpr std::string_view letters = "bfnrt\"\\";
    out += '"';
    for (const char c : text) {
        const auto shorthand = shorthands.find(c);
        if (shorthand != std::string_view::npos) {
            out += '\\';
            out += letters[shorthand];
        } else if (static_cast<unsigned char>(c) < 0x20) {
            out += "\\u00";
            out += hex[static_cast<unsigned char>(c) >> 4U];
            out += hex[static_cast<unsigned char>(c) & 0xFU];
        } else {
            out += c;
        }
    }
    out += '"';
}

void write_canonical(element value, std::string& out);

void write_canonical(const object& fields, std::string& out) {
    std::vector<std::pair<std::string_view, element>> sorted;
    for (const auto field : fields)
        sorted.emplace_back(field.key, field.value);
    std::ranges::sort(sorted, {}, [](const auto& field) { return field.first; });
    out += '{';
    for (const auto& [key, value] : sorted) {
        if (out.back() != '{') out += ',';
        write_text(key, out);
        out += ':';
        write_canonical(value, out);
    }
    out += '}';
}

void write_canonical(const array& items, std::string& out) {
    out += '[';
    for (const element item : items) {
        if (out.back() != '[') out += ',';
        write_canonical(item, out);
    }
    out += ']';
}

/// A faultless document holds only objects, arrays, strings, integers and `true`.
void write_canonical(element value, std::string& out) {
    switch (value.type()) {
        case element_type::OBJECT: write_canonical(value.get_object().value_unsafe(), out); return;
        case element_type::ARRAY: write_canonical(value.get_array().value_unsafe(), out); return;
        case element_type::STRING: write_text(value.get_string().value_unsafe(), out); return;
        case element_type::BOOL: out += value.get_bool().value_unsafe() ? "true" : "false"; return;
        default:
            // "2.0" is the integer 2 in JSON Schema, so it is here.
            out += std::to_string(static_cast<std::int64_t>(value.get_double().value_unsafe()));
    }
}

ledger::Error malformed(std::string_view json) {
    const auto fault = find_json_fault(json);
    if (!fault) {
        return ledger::field_error(ErrorCode::invalid_document, "", "a number is out of range");
    }
    return ledger::make_error(
        ErrorCode::malformed_json,
        "line " + std::to_string(fault->line) + ", column " + std::to_string(fault->column) + ": " +
            fault->detail
    );
}

ledger::Error too_deep() {
    return ledger::make_error(
        ErrorCode::too_deep,
        "the document is nested deeper than " + std::to_string(kDocumentDepthMax) + " levels"
    );
}

}  // namespace

ledger::Result<Document> parse_document(
    std::string_view json, std::string_view program, Complaints& complaints
) {
    if (json.size() > kDocumentBytesMax) {
        return ledger::make_error(ErrorCode::too_large, "a program document has at most 256 KiB");
    }
    if (!simdjson::validate_utf8(json.data(), json.size())) {
        return ledger::make_error(ErrorCode::bad_utf8, "the document is not valid UTF-8");
    }
    simdjson::dom::parser parser;
    element root;
    auto status = parser.allocate(std::max<std::size_t>(json.size(), 64), kParserDepthMax);
    if (status == simdjson::SUCCESS) status = parser.parse(json.data(), json.size()).get(root);
    if (status == simdjson::DEPTH_ERROR) return too_deep();
    if (status != simdjson::SUCCESS) return malformed(json);
    if (depth_of(root) > kDocumentDepthMax) return too_deep();
    Document document = DocumentReader(program, complaints).read(root);
    if (complaints.empty()) write_canonical(root, document.canonical);
    return document;
}

}  // namespace rules
