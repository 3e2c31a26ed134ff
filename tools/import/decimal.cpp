#include "tools/import/decimal.hpp"

namespace importer {

namespace {

__extension__ typedef __int128 Wide;

constexpr int kDigitsMax = 18;

Wide power_of_ten(int exponent) {
    Wide power = 1;
    for (; exponent > 0; --exponent)
        power *= 10;
    return power;
}

/// numerator / 10^places, half to even.
Wide divide_half_even(Wide numerator, int places) {
    const Wide divisor = power_of_ten(places);
    Wide quotient = numerator / divisor;
    const Wide rest = numerator % divisor;
    const Wide twice = (rest < 0 ? -rest : rest) * 2;
    if (twice > divisor || (twice == divisor && quotient % 2 != 0))
        quotient += numerator < 0 ? -1 : 1;
    return quotient;
}

std::optional<std::int64_t> rounded(Wide digits, int scale, int exponent) {
    const Wide multiplied_max = power_of_ten(30);
    if (scale <= exponent && (digits > multiplied_max || digits < -multiplied_max))
        return std::nullopt;
    const Wide value = scale > exponent ? divide_half_even(digits, scale - exponent)
                                        : digits * power_of_ten(exponent - scale);
    const Wide limit = power_of_ten(15 + exponent);
    constexpr Wide kInt64Max = INT64_MAX;
    if (value >= limit || value <= -limit || value > kInt64Max || value < -kInt64Max)
        return std::nullopt;
    return static_cast<std::int64_t>(value);
}

}  // namespace

std::optional<Decimal> Decimal::parse(std::string_view text) {
    const bool negative = text.starts_with('-');
    if (negative) text.remove_prefix(1);
    Decimal made;
    int digits = 0;
    bool point = false;
    for (const char c : text) {
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9' || ++digits > kDigitsMax) return std::nullopt;
        made.digits_ = made.digits_ * 10 + (c - '0');
        if (point) ++made.scale_;
    }
    if (digits == 0 || text.ends_with('.')) return std::nullopt;
    if (negative) made.digits_ = -made.digits_;
    return made;
}

std::optional<std::int64_t> Decimal::whole() const {
    const Decimal plain = normal();
    return plain.scale_ == 0 ? std::optional(plain.digits_) : std::nullopt;
}

Decimal Decimal::normal() const {
    Decimal made = *this;
    while (made.scale_ > 0 && made.digits_ % 10 == 0) {
        made.digits_ /= 10;
        --made.scale_;
    }
    return made;
}

Decimal Decimal::absolute() const {
    Decimal made = *this;
    if (made.digits_ < 0) made.digits_ = -made.digits_;
    return made;
}

std::optional<std::int64_t> product(const Decimal& left, const Decimal& right, int exponent) {
    // 18 digits times 18 digits fit in 128 bits.
    return rounded(
        static_cast<Wide>(left.digits()) * right.digits(), left.scale() + right.scale(), exponent
    );
}

std::optional<std::int64_t> minor_units(const Decimal& value, int exponent) {
    return rounded(value.digits(), value.scale(), exponent);
}

std::string money_text(std::int64_t minor, int exponent) {
    std::string digits = std::to_string(minor < 0 ? -minor : minor);
    const auto places = static_cast<std::size_t>(exponent);
    if (digits.size() <= places) digits.insert(0, places + 1 - digits.size(), '0');
    if (places > 0) digits.insert(digits.size() - places, 1, '.');
    return minor < 0 ? "-" + digits : digits;
}

}  // namespace importer
