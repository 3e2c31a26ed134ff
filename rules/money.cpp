#include "rules/money.hpp"

#include <array>
#include <cstddef>
#include <string>

namespace rules {
namespace {

using ledger::ErrorCode;
using ledger::Points;
using ledger::Result;

// ISO 4217 list one as of 2026, and codes withdrawn since 2022, which late events may still carry.
constexpr std::string_view kTwoDigits =
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN "
    "BZD "
    "CAD CDF CHE CHF CHW CNY COP COU CRC CUC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP "
    "GEL "
    "GHS GIP GMD GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP "
    "LKR "
    "LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD "
    "PAB "
    "PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC "
    "SYP "
    "SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG "
    "ZWL";
constexpr std::string_view kNoDigits =
    "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF";
constexpr std::string_view kThreeDigits = "BHD IQD JOD KWD LYD OMR TND";
constexpr std::string_view kFourDigits = "CLF UYW";

constexpr std::size_t kLetters = 26;
constexpr std::uint8_t kNoCurrency = 0xFF;

constexpr std::size_t table_index(std::string_view code) {
    std::size_t index = 0;
    for (const char letter : code)
        index = index * kLetters + static_cast<std::size_t>(letter - 'A');
    return index;
}

using ExponentTable = std::array<std::uint8_t, kLetters * kLetters * kLetters>;

constexpr void mark(ExponentTable& table, std::string_view codes, std::uint8_t exponent) {
    for (std::size_t i = 0; i < codes.size(); i += 4)
        table[table_index(codes.substr(i, 3))] = exponent;
}

constexpr ExponentTable make_table() {
    ExponentTable table{};
    table.fill(kNoCurrency);
    mark(table, kNoDigits, 0);
    mark(table, kTwoDigits, 2);
    mark(table, kThreeDigits, 3);
    mark(table, kFourDigits, 4);
    return table;
}

constexpr ExponentTable kExponents = make_table();

constexpr std::size_t kWholeDigitsMax = 15;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

std::size_t digits_at(std::string_view text, std::size_t begin) {
    std::size_t end = begin;
    while (end < text.size() && is_digit(text[end]))
        ++end;
    return end - begin;
}

ledger::Error invalid(std::string detail) {
    return ledger::make_error(ErrorCode::invalid_amount, std::move(detail));
}

/// The two runs of digits of "-12.34".
struct Decimal {
    std::string_view whole;
    std::string_view fraction;
    bool negative = false;
    bool well_formed = false;
};

Decimal split(std::string_view text) {
    Decimal decimal;
    decimal.negative = text.starts_with('-');
    const std::size_t begin = decimal.negative ? 1 : 0;
    const std::size_t whole = digits_at(text, begin);
    decimal.whole = text.substr(begin, whole);
    std::size_t end = begin + whole;
    if (end < text.size() && text[end] == '.') {
        const std::size_t fraction = digits_at(text, end + 1);
        decimal.fraction = text.substr(end + 1, fraction);
        end = fraction == 0 ? 0 : end + 1 + fraction;
    }
    decimal.well_formed = whole >= 1 && whole <= kWholeDigitsMax && end == text.size();
    return decimal;
}

}  // namespace

std::optional<std::uint8_t> currency_exponent(std::string_view code) {
    if (code.size() != 3) return std::nullopt;
    for (const char letter : code) {
        if (letter < 'A' || letter > 'Z') return std::nullopt;
    }
    const std::uint8_t exponent = kExponents[table_index(code)];
    if (exponent == kNoCurrency) return std::nullopt;
    return exponent;
}

Points currency_unit(std::uint8_t exponent) {
    Points unit = 1;
    for (std::uint8_t i = 0; i < exponent; ++i)
        unit *= 10;
    return unit;
}

Result<Points> parse_money(std::string_view text, std::uint8_t exponent) {
    const Decimal decimal = split(text);
    if (!decimal.well_formed) {
        return invalid(
            "an amount is decimal text such as \"12.34\", with at most 15 digits before the point"
        );
    }
    Points value = 0;
    for (const char digit : decimal.whole)
        value = value * 10 + (digit - '0');
    for (std::size_t i = 0; i < exponent; ++i) {
        const int digit = i < decimal.fraction.size() ? decimal.fraction[i] - '0' : 0;
        const auto scaled = ledger::checked_mul(value, 10);
        if (!scaled) return invalid("the amount is larger than 2^53 - 1 minor units");
        value = *scaled + digit;  // a multiple of 10 leaves room for one digit
    }
    for (std::size_t i = exponent; i < decimal.fraction.size(); ++i) {
        if (decimal.fraction[i] != '0') {
            return invalid(
                "the currency has " + std::to_string(exponent) + " digits after the point"
            );
        }
    }
    if (!ledger::fits_wire(value)) return invalid("the amount is larger than 2^53 - 1 minor units");
    if (decimal.negative && value != 0) return invalid("the amount is negative");
    return value;
}

}  // namespace rules
