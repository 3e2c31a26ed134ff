#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace importer {

/// An exact decimal number: digits × 10^-scale. There is no floating point anywhere in the
/// importer.
class Decimal {
public:
    Decimal() = default;
    /// `-?[0-9]+(\.[0-9]+)?` or `-?\.[0-9]+` of at most 18 digits; nullopt otherwise.
    [[nodiscard]] static std::optional<Decimal> parse(std::string_view text);

    [[nodiscard]] bool is_zero() const { return digits_ == 0; }
    [[nodiscard]] bool is_negative() const { return digits_ < 0; }
    /// The value if it is a whole number.
    [[nodiscard]] std::optional<std::int64_t> whole() const;
    /// Without trailing zeros after the point, so that equal values compare equal.
    [[nodiscard]] Decimal normal() const;
    [[nodiscard]] Decimal absolute() const;
    [[nodiscard]] std::int64_t digits() const { return digits_; }
    [[nodiscard]] int scale() const { return scale_; }

private:
    std::int64_t digits_ = 0;
    int scale_ = 0;
};

/// left × right in units of 10^-exponent, rounded half to even; nullopt beyond 15 digits before the
/// point, which is what the API takes.
[[nodiscard]] std::optional<std::int64_t> product(
    const Decimal& left, const Decimal& right, int exponent
);

/// `value` in units of 10^-exponent, rounded half to even; nullopt as for `product`.
[[nodiscard]] std::optional<std::int64_t> minor_units(const Decimal& value, int exponent);

/// 1234 with exponent 2 is "12.34".
[[nodiscard]] std::string money_text(std::int64_t minor, int exponent);

}  // namespace importer
