#include "rules/rule_set.hpp"

#include <string>
#include <vector>

#include <boost/json.hpp>

#include "rules/event.hpp"
#include "tests/rules/document_case.hpp"
#include "tests/support/catch.hpp"

namespace {

namespace json = boost::json;

using rules::load_rule_set;

json::value base() {
    return json::parse(rules_test::read_file("tests/cases/rules/documents.json")).at("base");
}

rules::RuleSetPtr load(const json::value& document) {
    auto result = load_rule_set(json::serialize(document), "maison");
    INFO((result.has_error() ? result.error().detail : ""));
    REQUIRE(result.has_value());
    return *result;
}

json::object rule(const std::string& id) {
    const auto awards = {rules_test::award("points", "1", "reason")};
    return json::parse(rules_test::rule(id, "true", awards)).as_object();
}

TEST_CASE("rule_set: defaults of a currency are filled in", "[rules]") {
    const auto rule_set = load(base());
    REQUIRE(rule_set->currencies().size() == 2);
    const rules::Currency& miles = rule_set->currencies()[1];
    CHECK(miles.id == "miles");
    CHECK(miles.scale == 0);
    CHECK(miles.kind == rules::CurrencyKind::spendable);
    CHECK(miles.negative == rules::NegativePolicy::to_debt);
    CHECK(rule_set->currency("miles") == 1);
    CHECK_FALSE(rule_set->currency("stars").has_value());
}

TEST_CASE("rule_set: what the document says of currencies and boards is kept", "[rules]") {
    json::value document = base();
    rules_test::put(
        document,
        "/currencies/1",
        json::parse(R"({"id":"miles","scale":2,"kind":"status","negative":"write_off"})")
    );
    rules_test::put(
        document,
        "/boards/0",
        json::parse(R"({"id":"top","score":{"currency":"miles"},"windows":["week","all"]})")
    );
    const auto rule_set = load(document);
    CHECK(rule_set->currencies()[1].scale == 2);
    CHECK(rules::name(rule_set->currencies()[1].kind) == "status");
    CHECK(rules::name(rule_set->currencies()[1].negative) == "write_off");
    REQUIRE(rule_set->boards().size() == 1);
    CHECK(rule_set->boards()[0].currency == 1);
    CHECK(rules::name(rule_set->boards()[0].windows.at(0)) == "week");
    CHECK(rules::name(rule_set->boards()[0].windows.at(1)) == "all");
}

TEST_CASE("rule_set: rules run by stage then priority then name", "[rules]") {
    json::value document = base();
    json::array first;
    json::array second;
    const auto add = [](json::array& list, const char* id, const char* stage, int priority) {
        json::object item = rule(id);
        item["stage"] = stage;
        item["priority"] = priority;
        list.push_back(item);
    };
    add(first, "late", "bonus", 500);
    add(first, "b", "base", 0);
    add(first, "low", "base", -5);
    add(first, "a", "base", 0);
    add(second, "high", "base", 10);
    add(second, "a", "base", 0);
    add(second, "later", "bonus", 1);
    rules_test::put(
        document,
        "/campaigns",
        json::array{{{"id", "m"}, {"rules", first}}, {{"id", "k"}, {"rules", second}}}
    );
    CHECK(
        load(document)->rule_names() ==
        std::vector<std::string_view>{"k/high", "k/a", "m/a", "m/b", "m/low", "m/late", "k/later"}
    );
}

TEST_CASE("rule_set: the canonical form does not depend on order and white space", "[rules]") {
    const auto compact = load_rule_set(
        R"({"tz":"UTC","currencies":[{"id":"p","scale":2}],"campaigns":[]})", "maison"
    );
    const auto spaced = load_rule_set(
        "\n{ \"campaigns\" : [ ],\n \"currencies\":[{\"scale\": 2.0, \"\\u0069d\":\"p\"}], "
        "\"tz\":\"UTC\"}\n",
        "maison"
    );
    REQUIRE(compact.has_value());
    REQUIRE(spaced.has_value());
    CHECK(
        (*compact)->canonical() ==
        R"({"campaigns":[],"currencies":[{"id":"p","scale":2}],"tz":"UTC"})"
    );
    CHECK((*spaced)->canonical() == (*compact)->canonical());
}

TEST_CASE("rule_set: loading the canonical form gives it again", "[rules]") {
    json::value document = base();
    rules_test::put(document, "/campaigns/0/rules/0/if", "order.id != \"\\\"\\\\\\n\u00e9\" \t");
    const auto rule_set = load(document);
    const auto again = load_rule_set(rule_set->canonical(), "maison");
    REQUIRE(again.has_value());
    CHECK((*again)->canonical() == rule_set->canonical());
}

TEST_CASE("rule_set: a version may add currencies at the end only", "[rules]") {
    const auto before = load(base());
    CHECK(rules::check_succession(*before, *before).has_value());

    json::value appended = base();
    rules_test::put(appended, "/currencies/2", json::object{{"id", "stars"}});
    CHECK(rules::check_succession(*before, *load(appended)).has_value());

    json::value swapped = base();
    rules_test::put(swapped, "/currencies", json::array{{{"id", "miles"}}, {{"id", "points"}}});
    const auto refused = rules::check_succession(*before, *load(swapped));
    REQUIRE(refused.has_error());
    CHECK(refused.error().code == ledger::ErrorCode::invalid_document);
    CHECK(refused.error().fields.size() == 2);

    json::value dropped = base();
    rules_test::put(dropped, "/currencies", json::array{{{"id", "points"}}});
    const auto missing = rules::check_succession(*before, *load(dropped));
    REQUIRE(missing.has_error());
    CHECK(missing.error().fields.at(0).pointer == "/currencies/1");

    json::value scaled = base();
    rules_test::put(scaled, "/currencies/0/scale", 2);
    CHECK(rules::check_succession(*before, *load(scaled)).has_error());
}

TEST_CASE("event: a type is built or known or derived or unknown", "[rules]") {
    using rules::EventStanding;
    using rules::standing;
    for (const char* type : {"order.paid", "order.refunded", "order.cancelled"}) {
        CHECK(standing(type) == EventStanding::built);
    }
    for (const char* type :
         {"customer.created", "review.published", "social.shared", "custom.picnic"}) {
        CHECK(standing(type) == EventStanding::known);
    }
    for (const char* type :
         {"review.approved",
          "share.verified",
          "referral.bound",
          "referral.qualified",
          "goal.reached",
          "tier.changed"}) {
        CHECK(standing(type) == EventStanding::derived);
    }
    for (const char* type :
         {"", "order", "order.paid.v1", "ORDER.PAID", "custom.", "order.shipped"}) {
        CHECK(standing(type) == EventStanding::unknown);
    }
}

}  // namespace
