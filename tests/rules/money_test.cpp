#include "rules/money.hpp"

#include <string>
#include <vector>

#include "tests/support/catch.hpp"

namespace {

using ledger::ErrorCode;
using rules::currency_exponent;
using rules::parse_money;

TEST_CASE("money: decimal text is minor units of its currency", "[rules]") {
    struct Row {
        const char* text;
        std::uint8_t exponent;
        ledger::Points minor;
    };
    const std::vector<Row> rows{
        {"0", 2, 0},
        {"12.34", 2, 1234},
        {"12.3", 2, 1230},
        {"12", 2, 1200},
        {"0.01", 2, 1},
        {"007.50", 2, 750},
        {"8990", 0, 8990},
        {"8990.00", 0, 8990},
        {"1.234", 3, 1234},
        {"1.2", 3, 1200},
        {"1.2345", 4, 12345},
        {"-0.00", 2, 0},
        {"-0", 0, 0},
        {"12.3400000000000000000000000000000000000000", 2, 1234},
        {"90071992547409.91", 2, ledger::kWireMax},
        {"900719925474099.1", 1, ledger::kWireMax},
        {"999999999999999", 0, 999'999'999'999'999},
    };
    for (const Row& row : rows) {
        INFO(row.text);
        const auto result = parse_money(row.text, row.exponent);
        REQUIRE(result.has_value());
        CHECK(*result == row.minor);
    }
}

TEST_CASE("money: other text is invalid_amount", "[rules]") {
    struct Row {
        const char* text;
        std::uint8_t exponent;
        const char* because;
    };
    const std::vector<Row> rows{
        {"", 2, "decimal text"},
        {"-", 2, "decimal text"},
        {".5", 2, "decimal text"},
        {"1.", 2, "decimal text"},
        {"1.2.3", 2, "decimal text"},
        {"+1", 2, "decimal text"},
        {" 1", 2, "decimal text"},
        {"1 ", 2, "decimal text"},
        {"1,5", 2, "decimal text"},
        {"1e2", 2, "decimal text"},
        {"0x10", 2, "decimal text"},
        {"NaN", 2, "decimal text"},
        {"--1", 2, "decimal text"},
        {"\xD9\xA1", 2, "decimal text"},
        {"1000000000000000", 0, "decimal text"},
        {"0000000000000001", 0, "decimal text"},
        {"0.001", 2, "2 digits"},
        {"12.345", 2, "2 digits"},
        {"1.5", 0, "0 digits"},
        {"1.00001", 4, "4 digits"},
        {"-0.01", 2, "negative"},
        {"-5", 2, "negative"},
        {"90071992547409.92", 2, "larger"},
        {"999999999999999.99", 2, "larger"},
        {"999999999999999", 4, "larger"},
    };
    for (const Row& row : rows) {
        INFO(row.text);
        const auto result = parse_money(row.text, row.exponent);
        REQUIRE(result.has_error());
        CHECK(result.error().code == ErrorCode::invalid_amount);
        CHECK(result.error().detail.find(row.because) != std::string::npos);
    }
}

TEST_CASE("money: ISO 4217 says how many digits", "[rules]") {
    CHECK(currency_exponent("EUR") == 2);
    CHECK(currency_exponent("GBP") == 2);
    CHECK(currency_exponent("CHF") == 2);
    CHECK(currency_exponent("ZWG") == 2);
    CHECK(currency_exponent("JPY") == 0);
    CHECK(currency_exponent("KRW") == 0);
    CHECK(currency_exponent("XPF") == 0);
    CHECK(currency_exponent("KWD") == 3);
    CHECK(currency_exponent("TND") == 3);
    CHECK(currency_exponent("CLF") == 4);
    CHECK(currency_exponent("AED") == 2);
    CHECK(currency_exponent("MGA") == 2);
    for (const char* unknown :
         {"", "EU", "EURO", "eur", "XXX", "XAU", "XTS", "ABC", "E1R", "\xC3\x89T"}) {
        INFO(unknown);
        CHECK_FALSE(currency_exponent(unknown).has_value());
    }
}

TEST_CASE("money: the unit of a currency is a power of ten", "[rules]") {
    CHECK(rules::currency_unit(0) == 1);
    CHECK(rules::currency_unit(2) == 100);
    CHECK(rules::currency_unit(4) == 10'000);
}

}  // namespace
