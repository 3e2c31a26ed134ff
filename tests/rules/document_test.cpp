#include <string>
#include <vector>

#include <boost/json.hpp>

#include "rules/json_fault.hpp"
#include "rules/rule_set.hpp"
#include "tests/rules/document_case.hpp"
#include "tests/support/catch.hpp"

namespace {

namespace json = boost::json;

using ledger::ErrorCode;
using rules::load_rule_set;

const std::string kMinimal = "docs/examples/minimal.json";

json::value build(const json::value& base, const json::object& test_case) {
    json::value document = base;
    if (const json::value* set = test_case.if_contains("set")) {
        for (const auto& change : set->as_object())
            rules_test::put(document, change.key(), change.value());
    }
    if (const json::value* remove = test_case.if_contains("remove")) {
        for (const json::value& pointer : remove->as_array())
            rules_test::drop(document, pointer.as_string());
    }
    return document;
}

std::vector<std::string> pointers_of(const ledger::Error& error) {
    std::vector<std::string> pointers;
    for (const ledger::FieldError& field : error.fields)
        pointers.push_back(field.pointer);
    return pointers;
}

TEST_CASE("document: each complaint of the case table has its code and pointers", "[rules]") {
    const json::value table =
        json::parse(rules_test::read_file("tests/cases/rules/documents.json"));
    const json::array& cases = table.at("cases").as_array();
    REQUIRE(cases.size() > 100);
    for (const json::value& item : cases) {
        const json::object& test_case = item.as_object();
        INFO(test_case.at("name").as_string().c_str());
        const std::string text = json::serialize(build(table.at("base"), test_case));
        const auto result = load_rule_set(text, "maison");
        const json::value* code = test_case.if_contains("code");
        if (code == nullptr) {
            INFO((result.has_error() ? result.error().detail : ""));
            CHECK(result.has_value());
            continue;
        }
        REQUIRE(result.has_error());
        const auto expected = json::value_to<std::vector<std::string>>(test_case.at("pointers"));
        CHECK(ledger::name(result.error().code) == std::string_view(code->as_string()));
        CHECK(pointers_of(result.error()) == expected);
        CHECK_FALSE(result.error().detail.empty());
    }
}

TEST_CASE("document: the examples of the documentation load", "[rules]") {
    CHECK(load_rule_set(rules_test::read_file(kMinimal), "maison").has_value());
    const auto laurier =
        load_rule_set(rules_test::read_file("docs/examples/maison-laurier.json"), "maison-laurier");
    INFO((laurier.has_error() ? laurier.error().detail : ""));
    REQUIRE(laurier.has_value());
    CHECK((*laurier)->zone_name() == "Europe/Paris");
    CHECK(load_rule_set(rules_test::read_file("docs/examples/maison-laurier.json"), "maison")
              .has_error());
}

TEST_CASE("document: text that is no JSON is malformed_json with line and column", "[rules]") {
    struct Row {
        const char* text;
        const char* place;
    };
    const std::vector<Row> rows{
        {"", "line 1, column 1: the text ends too early"},
        {"   ", "line 1, column 4: the text ends too early"},
        {"{", "line 1, column 2: the text ends too early"},
        {"{\"tz\":\n  \"UTC\",}", "line 2, column 9: a key in double quotes is missing"},
        {"{\"tz\" \"UTC\"}", "line 1, column 7: a colon is missing"},
        {"{\"tz\":\"UTC\"\n \"x\":1}", "line 2, column 2: a comma or } is missing"},
        {"{'tz':1}", "line 1, column 2: a key in double quotes is missing"},
        {"[1 2]", "line 1, column 4: a comma or ] is missing"},
        {"[1,]", "line 1, column 4: a value is missing"},
        {"{\"a\":tru}", "line 1, column 6: a value is missing"},
        {"{\"a\":01}", "line 1, column 7: a number may not begin with 0"},
        {"{\"a\":1.}", "line 1, column 8: a digit is missing"},
        {"{\"a\":-}", "line 1, column 7: a digit is missing"},
        {"{\"a\":1e}", "line 1, column 8: a digit is missing"},
        {"{\"a\":\"\\x\"}", "line 1, column 7: an unknown escape"},
        {"{\"a\":\"\\ud800\"}", "line 1, column 7: a \\u escape that names no character"},
        {"{\"a\":\"\\u12g4\"}", "line 1, column 7: a \\u escape that names no character"},
        {"{\"a\":\"\t\"}", "line 1, column 7: a control character in a string must be escaped"},
        {"{\"é\":\"abc", "line 1, column 10: the text ends too early"},
        {"{} {}", "line 1, column 4: nothing may follow the document"},
        {"// comment\n{}", "line 1, column 1: a value is missing"},
    };
    for (const Row& row : rows) {
        INFO(row.text);
        const auto result = load_rule_set(row.text, "maison");
        REQUIRE(result.has_error());
        CHECK(result.error().code == ErrorCode::malformed_json);
        CHECK(result.error().detail == row.place);
    }
}

TEST_CASE("document: JSON has no fault", "[rules]") {
    for (const char* text :
         {"{}",
          " [ ] ",
          "null",
          "-0.5e+10",
          "\"\\ud83d\\ude00 \\u00e9 \\\" \\/\"",
          "[[1,2],{\"a\":[true,false]}]"}) {
        INFO(text);
        CHECK_FALSE(rules::find_json_fault(text).has_value());
    }
}

TEST_CASE("document: bad UTF-8 is bad_utf8", "[rules]") {
    CHECK(load_rule_set("{\"tz\":\"\xC3\x28\"}", "maison").error().code == ErrorCode::bad_utf8);
    CHECK(load_rule_set("\xFF", "maison").error().code == ErrorCode::bad_utf8);
}

TEST_CASE("document: more than 256 KiB is too_large", "[rules]") {
    const std::string minimal = rules_test::read_file(kMinimal);
    const std::string fits = minimal + std::string(rules::kDocumentBytesMax - minimal.size(), ' ');
    CHECK(load_rule_set(fits, "maison").has_value());
    CHECK(load_rule_set(fits + " ", "maison").error().code == ErrorCode::too_large);
}

TEST_CASE("document: more than 32 levels is too_deep", "[rules]") {
    const auto nested = [](std::size_t depth) {
        return std::string(depth, '[') + std::string(depth, ']');
    };
    CHECK(load_rule_set(nested(32), "maison").error().code == ErrorCode::invalid_document);
    CHECK(load_rule_set(nested(33), "maison").error().code == ErrorCode::too_deep);
    CHECK(load_rule_set(nested(100'000), "maison").error().code == ErrorCode::too_deep);
    CHECK(
        load_rule_set("{\"tz\":" + nested(32) + "}", "maison").error().code == ErrorCode::too_deep
    );
}

TEST_CASE("document: a number beyond 64 bits is invalid_document", "[rules]") {
    const auto result = load_rule_set("{\"tz\":100000000000000000000000000}", "maison");
    CHECK(result.error().code == ErrorCode::invalid_document);
}

TEST_CASE("document: a field that occurs twice is invalid_document", "[rules]") {
    std::string text = rules_test::read_file(kMinimal);
    text.insert(text.find("\"tz\""), "\"tz\":\"UTC\",");
    const auto result = load_rule_set(text, "maison");
    REQUIRE(result.has_error());
    CHECK(pointers_of(result.error()) == std::vector<std::string>{"/tz"});
}

TEST_CASE("document: a bad expression is shown with line and column and caret", "[rules]") {
    const auto result = load_rule_set(rules_test::one_rule("order.net >\n  = 5", "1"), "maison");
    REQUIRE(result.has_error());
    CHECK(result.error().code == ErrorCode::invalid_expression);
    CHECK(result.error().detail.starts_with("/campaigns/0/rules/0/if: line 2, column 3"));
    REQUIRE(result.error().fields.size() == 1);
    CHECK(result.error().fields[0].pointer == "/campaigns/0/rules/0/if");
    CHECK(result.error().fields[0].detail.find("line 2, column 3") != std::string::npos);
    CHECK(result.error().fields[0].detail.ends_with("\n    = 5\n    ^"));
}

TEST_CASE("document: a costly expression is refused with its estimate", "[rules]") {
    const std::string costly = "order.lines.all(a, order.lines.all(b, a.amount <= b.amount))";
    const auto result = load_rule_set(rules_test::one_rule(costly, "1"), "maison");
    REQUIRE(result.has_error());
    CHECK(result.error().code == ErrorCode::expression_too_costly);
    CHECK(result.error().detail.find("5000") != std::string::npos);
}

TEST_CASE("document: the detail is the first complaint of the code", "[rules]") {
    CHECK(load_rule_set("[]", "maison").error().detail == "the document: must be an object");
    const auto result = load_rule_set(
        R"({"caps":[],"tz":"UTC","currencies":[{"id":"p"}],"campaigns":[],"zone":1})", "maison"
    );
    REQUIRE(result.has_error());
    CHECK(result.error().detail == "/zone: unknown field (and 1 other complaint)");
}

TEST_CASE("document: no more than 50 complaints are kept", "[rules]") {
    json::object document;
    for (int i = 0; i < 80; ++i)
        document["unknown" + std::to_string(i)] = 1;
    const auto result = load_rule_set(json::serialize(document), "maison");
    REQUIRE(result.has_error());
    CHECK(result.error().fields.size() == rules::kComplaintsMax);
    CHECK(result.error().detail.find("49 or more other complaints") != std::string::npos);
}

}  // namespace
