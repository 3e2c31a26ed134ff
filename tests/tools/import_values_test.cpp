#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/catch.hpp"
#include "tools/import/decimal.hpp"
#include "tools/import/local_time.hpp"
#include "tools/import/row_text.hpp"

namespace {

using importer::Decimal;

std::string amount(const char* quantity, const char* price, int exponent) {
    const auto minor =
        importer::product(*Decimal::parse(quantity), *Decimal::parse(price), exponent);
    return minor ? importer::money_text(*minor, exponent) : "too large";
}

std::string london(const char* text, importer::TimeFormat policy = {}) {
    policy.format = "%Y-%m-%d %H:%M:%S";
    policy.zone = "Europe/London";
    importer::LocalTimes times(policy);
    std::string why;
    const auto utc = times.utc(text, why);
    return utc ? importer::rfc3339(*utc) : why;
}

}  // namespace

TEST_CASE("decimal: what is no plain decimal number is refused", "[import]") {
    for (const char* text :
         {"",
          "-",
          ".",
          "1.",
          "1,5",
          "+1",
          "1e3",
          "0x1",
          " 1",
          "1 ",
          "1.2.3",
          "--1",
          "nan",
          "1234567890123456789"}) {
        INFO(text);
        CHECK_FALSE(Decimal::parse(text).has_value());
    }
    CHECK(Decimal::parse("-.5")->is_negative());
    CHECK(Decimal::parse("0.000")->is_zero());
    CHECK(Decimal::parse("12.00")->whole() == std::optional<std::int64_t>(12));
    CHECK_FALSE(Decimal::parse("12.50")->whole().has_value());
}

TEST_CASE("decimal: amounts are rounded half to even without a double", "[import]") {
    CHECK(amount("6", "2.55", 2) == "15.30");
    CHECK(amount("1", "0.125", 2) == "0.12");
    CHECK(amount("1", "0.135", 2) == "0.14");
    CHECK(amount("1", "0.1351", 2) == "0.14");
    CHECK(amount("-1", "0.125", 2) == "-0.12");
    CHECK(amount("-3", "0.045", 2) == "-0.14");
    CHECK(amount("3", "0.1", 0) == "0");
    CHECK(amount("5", "0.1", 0) == "0");
    CHECK(amount("15", "0.1", 0) == "2");
    CHECK(amount("7", "1.1", 3) == "7.700");
    CHECK(amount("1", "1.005", 2) == "1.00");  // as a double 1.00499… would say so by luck
    CHECK(amount("1", "1.015", 2) == "1.02");  // as a double it would be 1.01
    CHECK(amount("0", "5", 2) == "0.00");
    CHECK(amount("999999999999999999", "999999999999999999", 2) == "too large");
    CHECK(amount("1000000000000000", "1", 2) == "too large");
    CHECK(amount("999999999999999", "1", 2) == "999999999999999.00");
}

TEST_CASE("local time: summer and winter become UTC", "[import]") {
    CHECK(london("2011-05-03 08:26:00") == "2011-05-03T07:26:00Z");
    CHECK(london("2010-12-01 08:26:00") == "2010-12-01T08:26:00Z");
}

TEST_CASE("local time: an hour shown twice follows the policy", "[import]") {
    using importer::Ambiguous;
    const char* const twice = "2011-10-30 01:30:00";
    importer::TimeFormat policy;
    CHECK(london(twice, policy) == "2011-10-30T00:30:00Z");
    policy.ambiguous = Ambiguous::later;
    CHECK(london(twice, policy) == "2011-10-30T01:30:00Z");
    policy.ambiguous = Ambiguous::reject;
    CHECK(london(twice, policy) == "is shown twice by the clocks of Europe/London");
}

TEST_CASE("local time: an hour left out follows the policy", "[import]") {
    const char* const missing = "2011-03-27 01:30:00";
    importer::TimeFormat policy;
    CHECK(london(missing, policy) == "2011-03-27T01:30:00Z");  // 02:30 in summer time
    policy.nonexistent = importer::Nonexistent::reject;
    CHECK(london(missing, policy) == "is left out by the clocks of Europe/London");
}

TEST_CASE("local time: text of another form is refused", "[import]") {
    for (const char* text :
         {"",
          "2011-05-03",
          "03/05/2011 08:26:00",
          "2011-02-30 08:00:00",
          "2011-05-03 25:00:00",
          "2011-05-03 08:26:00Z",
          "2011-05-03 08:26:00 "}) {
        INFO(text);
        CHECK(london(text) == "is not a time of the form %Y-%m-%d %H:%M:%S");
    }
}

TEST_CASE("template: columns and built-ins are filled in", "[import]") {
    std::vector<std::string> columns;
    std::string why;
    const auto made =
        importer::Template::parse("{{{A}}}-{B} {#line}/{#file}/{#order}{A}", columns, why);
    REQUIRE(made.has_value());
    CHECK(columns == std::vector<std::string>{"A", "B"});
    const std::vector<std::string_view> values = {"x", "y"};
    std::string out;
    made->render({values, 7, "2010-12", "o1"}, out);
    CHECK(out == "{x}-y 7/2010-12/o1x");
}

TEST_CASE("template: a broken brace or an unknown built-in is refused", "[import]") {
    for (const char* text : {"{", "}", "a{b", "{}", "a}b", "{#row}"}) {
        INFO(text);
        std::vector<std::string> columns;
        std::string why;
        CHECK_FALSE(importer::Template::parse(text, columns, why).has_value());
        CHECK_FALSE(why.empty());
    }
}

TEST_CASE("value: trim and strip and lower work in this order", "[import]") {
    std::vector<std::string> columns;
    std::string why;
    importer::Value value;
    value.text = *importer::Template::parse("{A}", columns, why);
    value.trim = true;
    value.lower = true;
    value.strip_prefix = "ID";
    value.strip_suffix = ".0";
    const auto of = [&](std::string_view text) {
        const std::vector<std::string_view> values = {text};
        return value.of({values, 1, {}, {}});
    };
    CHECK(of(" ID17850.0\t") == "17850");
    CHECK(of("ABC.00") == "abc.00");
    CHECK(of("  ").empty());
    CHECK(of(".0").empty());
}
