#include "rules/cel/time.hpp"

#include <array>
#include <utility>

#include "rules/cel/text.hpp"

namespace rules::cel {

namespace {

constexpr std::int64_t kSecondsPerDay = 86'400;

std::int64_t floor_divide(std::int64_t value, std::int64_t divisor) {
    return value / divisor - (value % divisor < 0 ? 1 : 0);
}

/// Days since 1970-01-01 (after Howard Hinnant's civil calendar algorithms).
std::int64_t days_from_civil(std::int64_t year, std::int64_t month, std::int64_t day) {
    year -= month <= 2 ? 1 : 0;
    const std::int64_t era = floor_divide(year, 400);
    const std::int64_t year_of_era = year - era * 400;
    const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    const std::int64_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146'097 + day_of_era - 719'468;
}

bool is_leap(std::int64_t year) {
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

std::int64_t days_in_month(std::int64_t year, std::int64_t month) {
    constexpr std::array<std::int64_t, 12> kDays{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : kDays[static_cast<std::size_t>(month - 1)];
}

/// Reads a text from the front; every function returns false when the text differs.
class Reader {
public:
    explicit Reader(std::string_view text) : rest_(text) {}

    [[nodiscard]] bool done() const { return rest_.empty(); }
    [[nodiscard]] char peek() const { return rest_.empty() ? '\0' : rest_.front(); }
    bool accept(char c) {
        if (peek() != c || rest_.empty()) return false;
        rest_.remove_prefix(1);
        return true;
    }
    bool digits(std::size_t count, std::int64_t& value) {
        value = 0;
        for (; count > 0; --count) {
            if (!is_digit(peek())) return false;
            value = value * 10 + (peek() - '0');
            rest_.remove_prefix(1);
        }
        return true;
    }
    /// One to nine digits after the point, as nanoseconds.
    bool fraction(std::int64_t& nanoseconds) {
        std::int64_t unit = kNanosPerSecond / 10;
        nanoseconds = 0;
        if (!is_digit(peek())) return false;
        for (; is_digit(peek()); unit /= 10) {
            if (unit == 0) return false;
            nanoseconds += (peek() - '0') * unit;
            rest_.remove_prefix(1);
        }
        return true;
    }
    std::string_view word() {
        std::size_t size = 0;
        while (size < rest_.size() && !is_digit(rest_[size]) && rest_[size] != '.')
            ++size;
        const auto result = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return result;
    }

private:
    std::string_view rest_;
};

bool read_offset(Reader& reader, std::int64_t& offset) {
    if (reader.accept('Z') || reader.accept('z')) {
        offset = 0;
        return true;
    }
    const bool negative = reader.peek() == '-';
    if (!reader.accept('+') && !reader.accept('-')) return false;
    std::int64_t hours = 0;
    std::int64_t minutes = 0;
    if (!reader.digits(2, hours) || !reader.accept(':') || !reader.digits(2, minutes)) return false;
    if (hours > 23 || minutes > 59) return false;
    offset = (hours * 60 + minutes) * (negative ? -60 : 60);
    return true;
}

__extension__ typedef __int128
    Wide;  // NOLINT(modernize-use-using): the keyword goes before a typedef only

std::int64_t unit_nanoseconds(std::string_view unit) {
    constexpr std::array<std::pair<std::string_view, std::int64_t>, 8> kUnits{{
        {"h", 3'600 * kNanosPerSecond},
        {"m", 60 * kNanosPerSecond},
        {"s", kNanosPerSecond},
        {"ms", 1'000'000},
        {"us", 1'000},
        {"\xC2\xB5s", 1'000},
        {"\xCE\xBCs", 1'000},
        {"ns", 1},
    }};
    for (const auto& [name, nanoseconds] : kUnits) {
        if (name == unit) return nanoseconds;
    }
    return 0;
}

/// One "1.5h" of a duration, added to `total`. False if the text is malformed or far too large.
bool read_amount(Reader& reader, Wide& total) {
    Wide whole = 0;
    Wide fraction = 0;
    Wide scale = 1;
    std::size_t digits = 0;
    constexpr Wide kFarTooLarge = Wide{1} << 80;
    for (std::int64_t digit = 0; is_digit(reader.peek()); ++digits) {
        if (!reader.digits(1, digit)) return false;
        whole = whole * 10 + digit;
        if (whole > kFarTooLarge) return false;
    }
    if (reader.accept('.')) {
        for (std::int64_t digit = 0; is_digit(reader.peek()); ++digits) {
            if (!reader.digits(1, digit)) return false;
            if (scale > Wide{1'000'000'000'000'000}) continue;
            fraction = fraction * 10 + digit;
            scale *= 10;
        }
    }
    const std::int64_t unit = unit_nanoseconds(reader.word());
    if (digits == 0 || unit == 0 || whole > kFarTooLarge / unit) return false;
    total += whole * unit + fraction * unit / scale;
    return total <= kFarTooLarge;
}

std::string padded(std::int64_t value, std::size_t width) {
    std::string text = std::to_string(value);
    return text.size() < width ? std::string(width - text.size(), '0') + text : text;
}

/// ".5" for 500'000'000, "" for 0.
std::string fraction_text(std::int64_t nanoseconds) {
    if (nanoseconds == 0) return {};
    std::string text(1, '.');
    text.append(padded(nanoseconds, 9));
    while (text.back() == '0')
        text.pop_back();
    return text;
}

Value not_convertible() {
    return Value::error(EvaluationErrorKind::invalid_conversion);
}

}  // namespace

Value make_timestamp(std::int64_t seconds, std::int64_t nanoseconds) {
    const std::int64_t carry = floor_divide(nanoseconds, kNanosPerSecond);
    if (__builtin_add_overflow(seconds, carry, &seconds) || seconds < kTimestampSecondsMin ||
        seconds > kTimestampSecondsMax) {
        return Value::error(EvaluationErrorKind::overflow);
    }
    return Value::timestamp(
        seconds, static_cast<std::uint32_t>(nanoseconds - carry * kNanosPerSecond)
    );
}

Value parse_timestamp(std::string_view text) {
    Reader reader(text);
    std::int64_t year = 0;
    std::int64_t month = 0;
    std::int64_t day = 0;
    std::int64_t hour = 0;
    std::int64_t minute = 0;
    std::int64_t second = 0;
    std::int64_t nanoseconds = 0;
    std::int64_t offset = 0;
    const bool date = reader.digits(4, year) && reader.accept('-') && reader.digits(2, month) &&
                      reader.accept('-') && reader.digits(2, day);
    if (!date || (!reader.accept('T') && !reader.accept('t'))) return not_convertible();
    const bool clock = reader.digits(2, hour) && reader.accept(':') && reader.digits(2, minute) &&
                       reader.accept(':') && reader.digits(2, second);
    if (!clock || (reader.accept('.') && !reader.fraction(nanoseconds))) return not_convertible();
    if (!read_offset(reader, offset) || !reader.done()) return not_convertible();
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 ||
        minute > 59 || second > 59) {
        return not_convertible();
    }
    const std::int64_t days = days_from_civil(year, month, day);
    return make_timestamp(
        days * kSecondsPerDay + hour * 3'600 + minute * 60 + second - offset, nanoseconds
    );
}

Value parse_duration(std::string_view text) {
    Reader reader(text);
    const bool negative = reader.peek() == '-';
    if (negative || reader.peek() == '+') reader.accept(reader.peek());
    if (reader.done()) return not_convertible();
    Wide total = 0;
    if (text.substr(negative || text.front() == '+' ? 1 : 0) == "0") return Value::duration(0);
    while (!reader.done()) {
        if (!read_amount(reader, total)) return not_convertible();
    }
    if (negative) total = -total;
    const auto nanoseconds = static_cast<std::int64_t>(total);
    if (Wide{nanoseconds} != total) return Value::error(EvaluationErrorKind::overflow);
    return Value::duration(nanoseconds);
}

std::string timestamp_text(const Value& timestamp) {
    const CivilTime time = civil_time(timestamp.seconds());
    return padded(time.year, 4) + "-" + padded(time.month, 2) + "-" + padded(time.day, 2) + "T" +
           padded(time.hour, 2) + ":" + padded(time.minute, 2) + ":" + padded(time.second, 2) +
           fraction_text(timestamp.nanoseconds()) + "Z";
}

std::string duration_text(const Value& duration) {
    const std::int64_t value = duration.as_int();
    const std::int64_t seconds = value / kNanosPerSecond;
    const std::int64_t rest = value % kNanosPerSecond;
    const std::string sign(value < 0 ? 1 : 0, '-');
    return sign + std::to_string(seconds < 0 ? -seconds : seconds) +
           fraction_text(rest < 0 ? -rest : rest) + "s";
}

std::optional<std::int64_t> zone_offset(std::string_view zone) {
    if (zone.empty() || zone == "UTC" || zone == "Z" || zone == "GMT" || zone == "Etc/UTC")
        return 0;
    Reader reader(zone);
    const bool negative = reader.accept('-');
    if (!negative) reader.accept('+');
    std::int64_t hours = 0;
    std::int64_t minutes = 0;
    if (!reader.digits(2, hours) || !reader.accept(':') || !reader.digits(2, minutes))
        return std::nullopt;
    if (!reader.done() || hours > 23 || minutes > 59) return std::nullopt;
    return (hours * 60 + minutes) * (negative ? -60 : 60);
}

CivilTime civil_time(std::int64_t seconds) {
    const std::int64_t days = floor_divide(seconds, kSecondsPerDay);
    const std::int64_t of_day = seconds - days * kSecondsPerDay;
    const std::int64_t shifted = days + 719'468;
    const std::int64_t era = floor_divide(shifted, 146'097);
    const std::int64_t day_of_era = shifted - era * 146'097;
    const std::int64_t year_of_era =
        (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
    const std::int64_t from_march =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const std::int64_t month_from_march = (5 * from_march + 2) / 153;
    CivilTime time;
    time.day = from_march - (153 * month_from_march + 2) / 5 + 1;
    time.month = month_from_march + (month_from_march < 10 ? 3 : -9);
    time.year = year_of_era + era * 400 + (time.month <= 2 ? 1 : 0);
    time.day_of_year = days - days_from_civil(time.year, 1, 1);
    const std::int64_t weekday = (days + 4) % 7;
    time.day_of_week = weekday < 0 ? weekday + 7 : weekday;
    time.hour = of_day / 3'600;
    time.minute = of_day / 60 % 60;
    time.second = of_day % 60;
    return time;
}

}  // namespace rules::cel
