#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tools/import/map.hpp"
#include "tools/import/run.hpp"
#include "tools/import/source.hpp"

namespace {

using importer::Event;
using importer::Fault;
using importer::Map;

class Sink final : public importer::LineSink {
public:
    void skipped(std::string_view name, std::uint64_t lines) override {
        skips.push_back(std::string(name) + " " + std::to_string(lines));
        settled += lines;
    }
    void rejected(const Fault& fault) override {
        rejects.push_back(
            std::to_string(fault.place.line) + ":" + std::to_string(fault.place.column) + " " +
            fault.code + " " + fault.reason
        );
        ++settled;
    }
    std::vector<std::string> skips;
    std::vector<std::string> rejects;
    std::uint64_t settled = 0;
};

/// Files in, events out; checks that every line went somewhere.
class Reading {
public:
    explicit Reading(const std::string& toml) : map_(Map::parse(toml, "map.toml")) {}

    std::vector<std::string> read(const std::vector<std::string>& texts) {
        std::vector<std::string> paths;
        for (const std::string& text : texts) {
            paths.push_back(folder_.path() + "/" + std::to_string(paths.size()) + ".csv");
            std::ofstream(paths.back(), std::ios::binary) << text;
        }
        importer::ReadProgress progress;
        const auto source = importer::make_source(map_, paths, sink, progress);
        std::vector<std::string> bodies;
        Event event;
        std::uint64_t lines = 0;
        while (source->next(event)) {
            bodies.push_back(event.body);
            ids.push_back(event.id);
            lines += event.places.size();
        }
        CHECK(lines + sink.settled == progress.lines);
        return bodies;
    }

    Sink sink;
    std::vector<std::string> ids;

private:
    const Map map_;
    const test_support::TemporaryFolder folder_;
};

std::string order_map(const std::string& group, const std::string& more = {}) {
    return R"([input]
format = "csv"
[event]
type = "order.paid"
source = "//shop/till"
id = "{no}"
subject = "order/{no}"
time = { from = "{at}", format = "%F %H:%M", zone = "Europe/London" }
[order]
order_id = "{no}"
currency = "GBP"
customer = { from = "{who}", strip_suffix = ".0" }
[order.line]
sku = "{sku}"
quantity = "{n}"
price = "{price}"
[group]
by = "{no}"
)" + group +
           more;
}

const std::string kCredits = R"(
[credits]
when = [{ from = "{no}", starts_with = "C" }]
refund_id = "{no}~{#order}"
orphan_id = "{no}"
)";

const std::string kHeader = "no,at,who,sku,n,price\n";
using Texts = std::vector<std::string>;

/// What stands between `from` and `to` of an event.
std::string part(const std::string& body, const std::string& from, const std::string& to) {
    const std::size_t begin = body.find(from);
    REQUIRE(begin != std::string::npos);
    const std::size_t inner = begin + from.size();
    return body.substr(inner, body.find(to, inner) - inner);
}

}  // namespace

TEST_CASE("grouping: rows of one key are one order though others stand between", "[import]") {
    Reading reading(order_map(""));
    const auto bodies = reading.read(
        {kHeader + "1,2011-05-03 08:27,7.0,a,6,2.55\n2,2011-05-03 09:00,,b,1,1\n"
                   "1,2011-05-03 08:26,7.0,\"c \"\"x\"\"\",2,0.125\n"}
    );
    REQUIRE(bodies.size() == 2);
    CHECK(reading.ids == Texts{"2", "1"});
    CHECK(
        bodies[1] ==
        R"({"specversion":"1.0","id":"1","source":"//shop/till","type":"order.paid",)"
        R"("subject":"order/1",)"
        R"("time":"2011-05-03T07:26:00Z","data":{"order_id":"1","currency":"GBP","total":"15.55",)"
        R"("customer":{"id":"7"},"lines":[{"line_id":"1","sku":"a","quantity":6,"amount":"15.30"},)"
        R"({"line_id":"2","sku":"c \"x\"","quantity":2,"amount":"0.25"}]}})"
    );
    CHECK(bodies[0].find("customer") == std::string::npos);
}

TEST_CASE("grouping: a group is complete after so many rows of others", "[import]") {
    Reading reading(order_map("within = 2\n"));
    const std::string row = ",2011-05-03 08:27,7,a,1,1\n";
    (void)reading.read(
        {kHeader + "1" + row + "2" + row + "2" + row + "1" + row + "3" + row + "4" + row + "5" +
         row + "1" + row}
    );
    CHECK(reading.ids == Texts{"2", "1", "3", "4", "5"});
    CHECK(
        reading.sink.rejects ==
        Texts{"9:1 late_row its group 1 was complete 2 rows ago or more; see [group] within"}
    );
}

TEST_CASE("grouping: an order may go on in the next file", "[import]") {
    Reading reading(order_map(""));
    const std::string row = "1,2011-05-03 08:27,7,a,1,1\n";
    CHECK(reading.read({kHeader + row, kHeader + row}).size() == 1);
}

TEST_CASE("rows: every fault is named with line and column", "[import]") {
    struct Case {
        std::string row;
        const char* complaint;
    };
    const std::string good = "1,2011-05-03 08:27,7,a,1,1\n";
    const Case cases[] = {
        {"1,2011-05-03 08:27,7,a,1.5,1", "3:24 bad_number n: \"1.5\" is no whole number"},
        {"1,2011-05-03 08:27,7,a,1,1€", "3:26 bad_number price: \"1€\" is no decimal number"},
        {"1,3.5.2011,7,a,1,1", "3:3 bad_time at: \"3.5.2011\" is not a time of the form %F %H:%M"},
        {"1,2011-05-03 08:27,8,a,1,1",
         "3:20 inconsistent_group who: 8 here, 7 in an earlier row of 1"},
        {"1,2011-05-03 08:27,7,a,1", "3:24 wrong_field_count 5 fields, the header has 6"},
        {"1,2011-05-03 08:27,7,a,1,1,2", "3:28 wrong_field_count 7 fields, the header has 6"},
        {"1,2011-05-03 08:27,7,\"a\"b,1,1", "3:25 bad_quote text behind a closing quote"},
        {"1,2011-05-03 08:27,7,\xFF,1,1",
         "3:22 bad_utf8 is not UTF-8; if the file has another encoding, name it in the map"},
        {"1,2011-05-03 08:27,7,a,99999999999,99999999999",
         "3:36 bad_number price: the line's amount is too large"},
    };
    for (const Case& one : cases) {
        INFO(one.row);
        Reading reading(order_map(""));
        const auto bodies = reading.read({kHeader + good + one.row + "\n2" + good.substr(1)});
        CHECK(bodies.size() == 1);
        CHECK(reading.ids == Texts{"2"});
        REQUIRE(reading.sink.rejects.size() == 2);
        CHECK(reading.sink.rejects[0] == "2:1 group_rejected line 3 of 1 is refused");
        CHECK(reading.sink.rejects[1] == one.complaint);
    }
}

TEST_CASE("rows: a record that breaks before its key is refused alone", "[import]") {
    Reading reading(order_map(""));
    const auto bodies = reading.read({kHeader + "1\"x,2\n1,2011-05-03 08:27,7,a,1,1\n"});
    CHECK(bodies.size() == 1);
    CHECK(reading.sink.rejects == Texts{"2:2 bad_quote a quote inside a field that is not quoted"});
}

TEST_CASE("header: a column that is missing or there twice is a usage error", "[import]") {
    Reading reading(order_map(""));
    CHECK_THROWS_AS(reading.read({"no,at,who,sku,n\n"}), importer::UsageError);
    CHECK_THROWS_AS(reading.read({"no,at,who,sku,n,price,n\n"}), importer::UsageError);
    CHECK_THROWS_AS(reading.read({""}), importer::UsageError);
    CHECK_THROWS_AS(reading.read({kHeader, "no\n"}), importer::UsageError);
}

TEST_CASE("skip: a group is skipped if every row meets all conditions", "[import]") {
    Reading reading(order_map("", R"(
[[skip]]
class = "write_off"
all = [{ from = "{who}", is = "empty" }, { from = "{n}", is = "negative" }]
[[skip]]
class = "fee"
of = "row"
all = [{ from = "{sku}", equals = "FEE" }]
)"));
    const std::string at = ",2011-05-03 08:27,";
    (void)reading.read(
        {kHeader + "1" + at + ",a,-1,0\n1" + at + ",b,-2,0\n" + "2" + at + ",a,-1,0\n2" + at +
         ",a,1,0\n" + "3" + at + "7,FEE,1,9\n3" + at + "7,a,1,1\n"}
    );
    CHECK(reading.ids == Texts{"2", "3"});
    CHECK(reading.sink.skips == Texts{"fee 1", "write_off 2"});
}

TEST_CASE("credits: the latest earlier purchase with enough left is taken", "[import]") {
    Reading reading(order_map("", kCredits));
    // The credit notes stand first: only their times count.
    const auto bodies = reading.read(
        {kHeader + "C9,2011-05-04 10:00,7,a,-3,2.50\nC9,2011-05-04 10:00,7,a,-2,2.5\n"
                   "C9,2011-05-04 10:00,7,a,-4,2.5\nC9,2011-05-04 10:00,7,x,-1,1\n"
                   "C9,2011-05-04 10:00,7,a,-1,2.4\nC8,2011-05-04 11:00,7,a,-1,2.5\n",
         kHeader + "1,2011-05-01 10:00,7,a,5,2.50\n2,2011-05-02 10:00,7.0,b,1,1\n"
                   "2,2011-05-02 10:00,7.0,a,5,2.5\n3,2011-05-03 10:00,8,a,50,2.5\n"
                   "4,2011-05-05 10:00,7,a,50,2.5\n"}
    );
    CHECK(reading.ids == Texts{"1", "2", "3", "C9~2", "C9~1", "C9", "C8~1", "4"});
    CHECK(
        bodies[3] ==
        R"({"specversion":"1.0","id":"C9~2","source":"//shop/till","type":"order.refunded",)"
        R"("subject":"order/2",)"
        R"("time":"2011-05-04T09:00:00Z",)"
        R"("data":{"order_id":"2","refund_id":"C9~2","currency":"GBP",)"
        R"("lines":[{"line_id":"2","quantity":5,"amount":"12.50"}]}})"
    );
    CHECK(
        part(bodies[4], "\"lines\":", "}}") == R"([{"line_id":"1","quantity":4,"amount":"10.00"}])"
    );
    CHECK(
        part(bodies[5], "\"data\":", "}}") ==
        R"({"order_id":"C9","refund_id":"C9","currency":"GBP","amount":"3.40","final":true)"
    );
    CHECK(
        part(bodies[6], "\"lines\":", "}}") == R"([{"line_id":"1","quantity":1,"amount":"2.50"}])"
    );
}

TEST_CASE("credits: guests match nothing and a positive quantity is refused", "[import]") {
    Reading reading(order_map("", kCredits));
    (void)reading.read(
        {kHeader + "1,2011-05-01 10:00,,a,5,2\nC1,2011-05-02 10:00,,a,-5,2\n"
                   "C2,2011-05-02 10:00,7,a,1,2\n"}
    );
    CHECK(reading.ids == Texts{"1", "C1"});
    CHECK(
        reading.sink.rejects ==
        Texts{"4:25 bad_number n: the quantity of a credit note must be negative"}
    );
}

TEST_CASE("credits: parts of a line never add up to more than the line", "[import]") {
    Reading reading(order_map("", kCredits));
    const auto bodies = reading.read(
        {kHeader + "1,2011-05-01 10:00,7,a,3,0.125\nC1,2011-05-02 10:00,7,a,-1,0.125\n"
                   "C2,2011-05-03 10:00,7,a,-1,0.125\nC3,2011-05-04 10:00,7,a,-1,0.125\n"}
    );
    REQUIRE(bodies.size() == 4);
    CHECK(part(bodies[0], "\"total\":\"", "\"") == "0.38");
    CHECK(part(bodies[1], "\"amount\":\"", "\"") == "0.12");
    CHECK(part(bodies[2], "\"amount\":\"", "\"") == "0.12");
    CHECK(part(bodies[3], "\"amount\":\"", "\"") == "0.14");
}

TEST_CASE("credits: the order of the files does not matter", "[import]") {
    const std::string first = kHeader + "1,2011-05-01 10:00,7,a,5,2\n2,2011-05-01 10:00,7,a,5,2\n";
    const std::string second =
        kHeader + "C1,2011-05-01 10:00,7,a,-5,2\n3,2011-06-01 10:00,7,a,5,2\n";
    Reading forward(order_map("", kCredits));
    Reading backward(order_map("", kCredits));
    CHECK(forward.read({first, second}) == backward.read({second, first}));
    CHECK(forward.ids == Texts{"1", "2", "C1~2", "3"});
}

TEST_CASE("data: rows become fields of every kind", "[import]") {
    Reading reading(R"([input]
format = "csv"
separator = ";"
encoding = "iso-8859-1"
header = ["sku", "stars", "text", "who", "ok"]
[event]
type = "review.published"
source = "//shop/reviews"
id = "{#file}-{#line}"
time = "2016-01-01T00:00:00Z"
[data]
review_id = "r{#line}"
verified = { from = "{ok}", as = "boolean" }
rating = { from = "{stars}", as = "integer" }
text_length = { from = "{text}", as = "characters" }
year = 2016
customer.id = "{who}"
customer.email = "{who}"
)");
    const auto bodies = reading.read({"a;5;caf\xE9;ann;yes\nb;x;;;no\nb;4;;;maybe\nc;1;;;no\n"});
    REQUIRE(bodies.size() == 2);
    CHECK(
        part(bodies[0], "\"data\":", "}}") ==
        R"({"customer":{"email":"ann","id":"ann"},"rating":5,"review_id":"r1","text_length":4,)"
        R"("verified":true,"year":2016)"
    );
    CHECK(bodies[1].find("customer") == std::string::npos);
    CHECK(reading.ids == Texts{"0-1", "0-4"});
    CHECK(
        reading.sink.rejects ==
        Texts{
            "2:3 bad_number stars: \"x\" is no whole number",
            "3:7 bad_boolean ok: \"maybe\" is none of true, false, yes, no, 1, 0"}
    );
}

TEST_CASE("ndjson: events go as they are and broken lines are named", "[import]") {
    Reading reading("[input]\nformat = \"ndjson\"\n");
    const std::string event = R"({"id":"1","data":{"order_id":"o1"}})";
    const auto bodies =
        reading.read({"\xEF\xBB\xBF" + event + "\r\n\n{\"id\":1,}\n[]\n{\"id\":\"\xFF\"}\n" + event}
        );
    CHECK(bodies == Texts{event, event});
    REQUIRE(reading.sink.rejects.size() == 3);
    CHECK(reading.sink.rejects[0].starts_with("3:9 malformed_json "));
    CHECK(reading.sink.rejects[1] == "4:1 invalid_event is no JSON object");
    CHECK(reading.sink.rejects[2] == "5:1 bad_utf8 is not UTF-8");
}
