#include <string>

#include "tests/support/catch.hpp"
#include "tools/import/fault.hpp"
#include "tools/import/map.hpp"

namespace {

using importer::Map;

const char* const kOrders = R"([input]
format = "csv"
[group]
by = "{no}"
[event]
type = "order.paid"
source = "//shop/till"
id = "{no}"
time = { from = "{at}", format = "%F %T", zone = "Europe/Berlin" }
[order]
order_id = "{no}"
currency = "EUR"
customer = "{who}"
[order.line]
sku = "{sku}"
quantity = "{n}"
price = "{price}"
)";

/// What is complained about; empty if nothing is.
std::string complaint(const std::string& toml) {
    try {
        (void)Map::parse(toml, "map.toml");
        return {};
    } catch (const importer::UsageError& error) {
        return error.what();
    }
}

std::string with(const std::string& from, const std::string& to) {
    std::string text = kOrders;
    text.replace(text.find(from), from.size(), to);
    return text;
}

}  // namespace

TEST_CASE("map: a whole one is read", "[import]") {
    const Map map = Map::parse(kOrders, "map.toml");
    CHECK(map.columns.size() == 6);
    CHECK(map.csv.separator == ',');
    REQUIRE(map.group.has_value());
    CHECK(map.group->within == 10'000);
    REQUIRE(map.time.format.has_value());
    CHECK(map.time.format->zone == "Europe/Berlin");
}

TEST_CASE("map: the maps that come with it are read", "[import]") {
    for (const char* name : {"uci-online-retail", "magento-reviews", "cloudevents"}) {
        INFO(name);
        CHECK_NOTHROW(Map::read("tools/maps/" + std::string(name) + ".toml"));
    }
}

TEST_CASE("map: unknown keys are refused by name and line", "[import]") {
    CHECK(complaint(with("[group]", "[groups]")) == "map.toml:3: groups is not a key of a map");
    CHECK(
        complaint(with("by = \"{no}\"", "by = \"{no}\"\nwidth = 3")) ==
        "map.toml:5: group.width is not a key of a map"
    );
    CHECK(
        complaint(with("zone = ", "Zone = \"UTC\", zone = ")) ==
        "map.toml:9: event.time.Zone is not a key of a map"
    );
    CHECK(
        complaint("[input]\nformat = \"ndjson\"\nseparator = \";\"\n") ==
        "map.toml:3: input.separator is not a key of a map"
    );
    CHECK(
        complaint(with("sku = \"{sku}\"", "sku = { from = \"{sku}\", stripped = \".0\" }")) ==
        "map.toml:15: order.line.sku.stripped is not a key of a map"
    );
}

TEST_CASE("map: wrong values are named with their line", "[import]") {
    struct Case {
        std::string toml;
        const char* complaint;
    };
    const Case cases[] = {
        {"", "map.toml:1: input is missing"},
        {with("\"csv\"", "\"xml\""), "map.toml:2: input.format must be one of csv, ndjson"},
        {with("Europe/Berlin", "Europe/Bonn"),
         "map.toml:9: event.time.zone is not a zone of the time zone database"},
        {with("\"EUR\"", "\"EURO\""), "map.toml:12: order.currency is not an ISO 4217 currency"},
        {with("{sku}", "{sku"),
         "map.toml:15: order.line.sku has a brace without a partner; write {{ or }} for the "
         "character itself"},
        {with("price = \"{price}\"", "price = \"{price}\"\namount = \"{n}\""),
         "map.toml:14: order.line.price or amount: exactly one must be given"},
        {with("\"{n}\"", "3"),
         "map.toml:16: order.line.quantity must be text or { from = \"…\", "
         "… }"},
        {with("id = \"{no}\"\n", ""), "map.toml:5: event.id is missing"},
        {with("order.paid", "order.closed"),
         "map.toml:11: order.order_id needs event.type order.paid"},
        {with("by = \"{no}\"", "by = \"{no}\"\nwithin = -1"),
         "map.toml:5: group.within must be a number of rows from 0 to 10000000"},
        {std::string(kOrders) + "[[skip]]\nclass = \"applied\"\n",
         "map.toml:19: skip.class is a class of its own already"},
        {std::string(kOrders) + "[[skip]]\nclass = \"free\"\nall = [{ from = \"{price}\" }]\n",
         "map.toml:20: skip.all.is or equals, starts_with, ends_with: exactly one must be given"},
        {std::string(kOrders) +
             "[credits]\nwhen = [{ from = \"{no}\", starts_with = \"C\" }]\nrefund_id = \"{no}\"\n"
             "orphan_id = \"{no}\"\n",
         "map.toml:20: credits.refund_id must name {#order}, or two refunds could have one id"},
    };
    for (const Case& one : cases) {
        const std::string found = complaint(one.toml);
        // The line of a key that is not there is its table's.
        CHECK(found == one.complaint);
    }
    CHECK(complaint("[input\n").starts_with("map.toml:1:"));
}
