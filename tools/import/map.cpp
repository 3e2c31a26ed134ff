#include "tools/import/map.hpp"

#include <fstream>
#include <initializer_list>
#include <sstream>
#include <utility>

#include <date/tz.h>
#include <fmt/format.h>

#include "rules/money.hpp"
#include "tools/import/map_table.hpp"
#include "tools/import/summary.hpp"

namespace importer {

namespace {

template <typename Enum>
using Words = std::initializer_list<std::pair<std::string_view, Enum>>;

/// The enumerator of a word; complains with the list of words.
template <typename Enum>
Enum word(MapTable& table, std::string_view key, std::string_view otherwise, Words<Enum> words) {
    const std::string given = table.text(key, otherwise);
    std::string known;
    for (const auto& [name, value] : words) {
        if (name == given) return value;
        known += (known.empty() ? "" : ", ") + std::string(name);
    }
    table.complain(key, "must be one of " + known);
}

std::vector<std::string> texts(
    const MapTable& table, std::string_view key, const toml::node& node
) {
    const toml::array* list = node.as_array();
    if (list == nullptr || list->empty()) table.complain(key, "must be a list of texts");
    std::vector<std::string> found;
    for (const toml::node& item : *list) {
        if (!item.is_string()) table.complain(item, key, "must be a list of texts");
        found.push_back(**item.as_string());
    }
    return found;
}

/// Reads a whole map; `columns` grows with each template.
class MapParser {
public:
    MapParser(const toml::table& root, const std::string& file) : root_(root, "", file) {}

    Map parse() {
        read_input();
        if (map_.format == Format::csv) read_csv_map();
        root_.refuse_unknown();
        return std::move(map_);
    }

private:
    MapTable below(MapTable& parent, std::string_view key, const toml::table& table) {
        return {table, parent.name_of(key), parent.file()};
    }

    void read_input() {
        (void)root_.need("input");
        MapTable input = below(root_, "input", *root_.table("input"));
        (void)input.need("format");
        map_.format =
            word<Format>(input, "format", "", {{"csv", Format::csv}, {"ndjson", Format::ndjson}});
        if (map_.format == Format::csv) read_csv_format(input);
        input.refuse_unknown();
    }

    void read_csv_format(MapTable& input) {
        map_.encoding = word<Encoding>(
            input,
            "encoding",
            "utf-8",
            {{"utf-8", Encoding::utf_8},
             {"iso-8859-1", Encoding::iso_8859_1},
             {"windows-1252", Encoding::windows_1252}}
        );
        const std::string separator = input.text("separator", ",");
        if (separator.size() != 1 || separator == "\n" || separator == "\r")
            input.complain("separator", "must be one ASCII character");
        map_.csv.separator = separator.front();
        const std::string quote = input.text("quote", "\"");
        if (quote.size() > 1 || quote == separator)
            input.complain("quote", "must be one character other than the separator, or empty");
        map_.csv.quote = quote.empty() ? '\0' : quote.front();
        if (const toml::node* header = input.find("header"))
            map_.header = texts(input, "header", *header);
    }

    void read_csv_map() {
        read_event();
        if (const toml::table* data = root_.table("data")) map_.data = data_fields("data", *data);
        read_order();
        read_group();
        read_skips();
        read_credits();
    }

    void read_event() {
        (void)root_.need("event");
        MapTable event = below(root_, "event", *root_.table("event"));
        map_.type = event.need_text("type");
        map_.source = event.need_text("source");
        if (map_.type.empty()) event.complain("type", "must not be empty");
        if (map_.source.empty()) event.complain("source", "must not be empty");
        map_.id = need_value(event, "id");
        map_.subject = value(event, "subject");
        read_time(event);
        event.refuse_unknown();
    }

    void read_time(MapTable& event) {
        const toml::node& given = event.need("time");
        if (!given.is_table() || !given.as_table()->contains("format")) {
            map_.time.from = need_value(event, "time");
            return;
        }
        MapTable time = below(event, "time", *given.as_table());
        map_.time.from = need_value(time, "from");
        TimeFormat format;
        format.format = time.need_text("format");
        format.zone = time.need_text("zone");
        try {
            (void)date::locate_zone(format.zone);
        } catch (const std::exception&) {
            time.complain("zone", "is not a zone of the time zone database");
        }
        format.ambiguous = word<Ambiguous>(
            time,
            "ambiguous",
            "earlier",
            {{"earlier", Ambiguous::earlier},
             {"later", Ambiguous::later},
             {"reject", Ambiguous::reject}}
        );
        format.nonexistent = word<Nonexistent>(
            time,
            "nonexistent",
            "shift",
            {{"shift", Nonexistent::shift}, {"reject", Nonexistent::reject}}
        );
        time.refuse_unknown();
        map_.time.format = std::move(format);
    }

    std::vector<DataField> data_fields(const std::string& path, const toml::table& table) {
        std::vector<DataField> fields;
        MapTable given(table, path, root_.file());
        for (const auto& [key, node] : table) {
            DataField field;
            field.name = key.str();
            if (node.is_boolean()) {
                field.value = **node.as_boolean() ? "true" : "false";
            } else if (node.is_integer()) {
                field.value = std::to_string(**node.as_integer());
            } else if (node.is_table() && !node.as_table()->contains("from")) {
                field.fields = data_fields(given.name_of(key.str()), *node.as_table());
                if (field.fields.empty()) given.complain(node, key.str(), "has no fields");
            } else {
                field.value = need_value(given, key.str());
            }
            fields.push_back(std::move(field));
        }
        return fields;
    }

    void read_order() {
        const toml::table* given = root_.table("order");
        if (given == nullptr) return;
        MapTable table = below(root_, "order", *given);
        if (map_.type != "order.paid") table.complain("order_id", "needs event.type order.paid");
        OrderMap order;
        order.order_id = need_value(table, "order_id");
        order.currency = need_value(table, "currency");
        order.customer = value(table, "customer");
        order.email = value(table, "email");
        order.total = value(table, "total");
        if (const toml::table* line = table.table("line")) order.line = order_line(table, *line);
        if (!order.line && !order.total)
            table.complain(table.all(), "total", "is missing, and there is no [order.line]");
        table.refuse_unknown();
        check_currency(table, order.currency);
        map_.order = std::move(order);
    }

    /// A currency without columns is known now.
    void check_currency(MapTable& table, const Value& currency) const {
        if (!currency.text.columns().empty()) return;
        const std::vector<std::string_view> none;
        if (!rules::currency_exponent(currency.of({none, 0, {}, {}})))
            table.complain("currency", "is not an ISO 4217 currency");
    }

    OrderLineMap order_line(MapTable& parent, const toml::table& given) {
        MapTable table = below(parent, "line", given);
        OrderLineMap line;
        line.sku = value(table, "sku");
        line.quantity = need_value(table, "quantity");
        line.price = value(table, "price");
        line.amount = value(table, "amount");
        if (line.price.has_value() == line.amount.has_value())
            table.complain(given, "price", "or amount: exactly one must be given");
        table.refuse_unknown();
        return line;
    }

    void read_group() {
        const toml::table* given = root_.table("group");
        if (given == nullptr) return;
        MapTable table = below(root_, "group", *given);
        if (!map_.order || !map_.order->line)
            table.complain("by", "needs [order.line]: only orders have lines");
        GroupMap group;
        group.by = need_value(table, "by");
        if (const toml::node* within = table.find("within")) {
            constexpr std::int64_t kWithinMax = 10'000'000;
            const std::int64_t rows = within->value_or(std::int64_t{-1});
            if (!within->is_integer() || rows < 0 || rows > kWithinMax)
                table.complain("within", "must be a number of rows from 0 to 10000000");
            if (root_.has("credits"))
                table.complain("within", "has no meaning with [credits], which holds every group");
            group.within = static_cast<std::uint64_t>(rows);
        }
        table.refuse_unknown();
        map_.group = std::move(group);
    }

    void read_skips() {
        const toml::node* given = root_.find("skip");
        if (given == nullptr) return;
        const toml::array* list = given->as_array();
        if (list == nullptr) root_.complain("skip", "must be written [[skip]]");
        constexpr std::size_t kSkipsMax = 32;  // bits of Group::skips
        if (list->size() > kSkipsMax) root_.complain("skip", "is there more than 32 times");
        for (const toml::node& item : *list) {
            if (!item.is_table()) root_.complain("skip", "must be written [[skip]]");
            MapTable table(*item.as_table(), "skip", root_.file());
            SkipMap skip;
            skip.name = table.need_text("class");
            if (skip.name.empty() ||
                skip.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") != std::string::npos)
                table.complain("class", "must be lower-case letters and _");
            if (is_builtin_class(skip.name))
                table.complain("class", "is a class of its own already");
            skip.of = word<SkipMap::Of>(
                table, "of", "group", {{"group", SkipMap::Of::group}, {"row", SkipMap::Of::row}}
            );
            skip.all = conditions(table, "all");
            table.refuse_unknown();
            map_.skips.push_back(std::move(skip));
        }
    }

    void read_credits() {
        const toml::table* given = root_.table("credits");
        if (given == nullptr) return;
        MapTable table = below(root_, "credits", *given);
        CreditsMap credits;
        credits.when = conditions(table, "when");
        credits.refund_id = need_value(table, "refund_id");
        credits.orphan_id = need_value(table, "orphan_id");
        table.refuse_unknown();
        const bool can_match = map_.group && map_.order->customer && map_.order->line->sku &&
                               map_.order->line->price && map_.time.format;
        if (!can_match) {
            table.complain(
                "when",
                "needs [group], event.time with a format, order.customer, order.line.sku and "
                "order.line.price: credits are matched by them"
            );
        }
        if (!credits.refund_id.text.names_order())
            table.complain("refund_id", "must name {#order}, or two refunds could have one id");
        if (credits.orphan_id.text.names_order())
            table.complain("orphan_id", "must not name {#order}: there is none");
        map_.credits = std::move(credits);
    }

    std::vector<Condition> conditions(MapTable& table, std::string_view key) {
        const toml::array* list = table.need(key).as_array();
        if (list == nullptr || list->empty()) {
            table.complain(
                key,
                "must be a list of conditions such as { from = \"{Country}\", "
                "equals = \"Unspecified\" }"
            );
        }
        std::vector<Condition> found;
        for (const toml::node& item : *list) {
            if (!item.is_table()) table.complain(item, key, "must be a list of tables");
            found.push_back(condition(table, key, *item.as_table()));
        }
        return found;
    }

    Condition condition(MapTable& parent, std::string_view key, const toml::table& given) {
        using Test = Condition::Test;
        MapTable table = below(parent, key, given);
        Condition made;
        int tests = 0;
        if (table.has("is")) {
            ++tests;
            made.test = word<Test>(
                table,
                "is",
                "",
                {{"empty", Test::empty},
                 {"not_empty", Test::not_empty},
                 {"zero", Test::zero},
                 {"negative", Test::negative},
                 {"positive", Test::positive}}
            );
        }
        for (const auto& [name, test] : Words<Test>{
                 {"equals", Test::equals},
                 {"starts_with", Test::starts_with},
                 {"ends_with", Test::ends_with}}) {
            if (!table.has(name)) continue;
            ++tests;
            made.test = test;
            made.operand = table.need_text(name);
        }
        if (tests != 1) {
            table.complain(
                given, "is", "or equals, starts_with, ends_with: exactly one must be given"
            );
        }
        made.value = value_of_table(table);
        table.refuse_unknown();
        return made;
    }

    std::optional<Value> value(MapTable& table, std::string_view key) {
        if (!table.has(key)) return std::nullopt;
        return need_value(table, key);
    }

    /// Text that is a template, or a table with `from` and what is done to it.
    Value need_value(MapTable& table, std::string_view key) {
        const toml::node& node = table.need(key);
        if (node.is_string()) {
            Value made;
            made.text = parse_template(table, node, key, **node.as_string());
            return made;
        }
        if (!node.is_table()) table.complain(node, key, "must be text or { from = \"…\", … }");
        MapTable inner = below(table, key, *node.as_table());
        Value made = value_of_table(inner);
        inner.refuse_unknown();
        return made;
    }

    Value value_of_table(MapTable& table) {
        Value made;
        made.text = parse_template(table, table.need("from"), "from", table.need_text("from"));
        made.strip_prefix = table.text("strip_prefix", "");
        made.strip_suffix = table.text("strip_suffix", "");
        made.trim = table.boolean("trim");
        made.lower = table.boolean("lower");
        made.as = word<As>(
            table,
            "as",
            "text",
            {{"text", As::text},
             {"integer", As::integer},
             {"boolean", As::boolean},
             {"characters", As::characters}}
        );
        return made;
    }

    Template parse_template(
        const MapTable& table, const toml::node& at, std::string_view key, std::string_view text
    ) {
        std::string why;
        auto made = Template::parse(text, map_.columns, why);
        if (!made) table.complain(at, key, why);
        return *made;
    }

    MapTable root_;
    Map map_;
};

}  // namespace

Map Map::parse(std::string_view toml, const std::string& name) {
    const toml::parse_result parsed = toml::parse(toml, name);
    if (!parsed) {
        throw UsageError(fmt::format(
            "{}:{}:{}: {}",
            name,
            parsed.error().source().begin.line,
            parsed.error().source().begin.column,
            parsed.error().description()
        ));
    }
    return MapParser(parsed.table(), name).parse();
}

Map Map::read(const std::string& path) {
    std::ifstream in(path);
    std::ostringstream text;
    if (!in || !(text << in.rdbuf())) throw UsageError("cannot read the map " + path);
    return parse(text.str(), path);
}

}  // namespace importer
