#include "server/http/rfc3339.hpp"

#include <array>
#include <chrono>

namespace server::http {

namespace {

void append_digits(std::string& out, std::int64_t value, int width) {
    std::array<char, 8> digits;
    for (int i = width - 1; i >= 0; --i) {
        digits[static_cast<std::size_t>(i)] = static_cast<char>('0' + value % 10);
        value /= 10;
    }
    out.append(digits.data(), static_cast<std::size_t>(width));
}

/// Reads from the front of a text; remembers the first failure.
class Reader {
public:
    explicit Reader(std::string_view text) : text_(text) {}
    [[nodiscard]] bool failed() const { return failed_; }
    [[nodiscard]] bool at_end() const { return text_.empty(); }

    int digits(std::size_t count) {
        int value = 0;
        for (std::size_t i = 0; i < count; ++i) {
            if (!next_is_digit()) return fail();
            value = value * 10 + (take() - '0');
        }
        return value;
    }
    void expect(std::string_view any_of) {
        if (text_.empty() || any_of.find(text_.front()) == std::string_view::npos) {
            fail();
            return;
        }
        take();
    }
    bool accept(std::string_view any_of) {
        if (text_.empty() || any_of.find(text_.front()) == std::string_view::npos) return false;
        take();
        return true;
    }
    /// ".25" in microseconds; digits beyond the sixth are dropped.
    std::int64_t fraction() {
        if (!accept(".")) return 0;
        if (!next_is_digit()) return fail();
        std::int64_t micros = 0;
        std::int64_t unit = ledger::kMicrosPerSecond;
        while (next_is_digit()) {
            unit /= 10;
            micros += (take() - '0') * unit;
        }
        return micros;
    }
    int fail() {
        failed_ = true;
        return 0;
    }

private:
    [[nodiscard]] bool next_is_digit() const {
        return !text_.empty() && text_.front() >= '0' && text_.front() <= '9';
    }
    char take() {
        const char c = text_.front();
        text_.remove_prefix(1);
        return c;
    }
    std::string_view text_;
    bool failed_ = false;
};

/// "Z" or "+05:30", in microseconds.
std::int64_t read_offset(Reader& reader) {
    if (reader.accept("Zz")) return 0;
    const bool west = reader.accept("-");
    if (!west) reader.expect("+");
    const int hours = reader.digits(2);
    reader.expect(":");
    const int minutes = reader.digits(2);
    if (hours > 23 || minutes > 59) reader.fail();
    const std::int64_t offset = hours * ledger::kMicrosPerHour + minutes * ledger::kMicrosPerMinute;
    return west ? -offset : offset;
}

}  // namespace

void append_rfc3339(std::string& out, ledger::Timestamp time) {
    using namespace std::chrono;
    const sys_time<microseconds> instant{microseconds(time)};
    const auto day = floor<days>(instant);
    const year_month_day date{day};
    const hh_mm_ss<microseconds> clock{instant - day};
    append_digits(out, static_cast<int>(date.year()), 4);
    out.push_back('-');
    append_digits(out, static_cast<unsigned>(date.month()), 2);
    out.push_back('-');
    append_digits(out, static_cast<unsigned>(date.day()), 2);
    out.push_back('T');
    append_digits(out, clock.hours().count(), 2);
    out.push_back(':');
    append_digits(out, clock.minutes().count(), 2);
    out.push_back(':');
    append_digits(out, clock.seconds().count(), 2);
    if (clock.subseconds().count() != 0) {
        out.push_back('.');
        append_digits(out, clock.subseconds().count(), 6);
    }
    out.push_back('Z');
}

std::string rfc3339(ledger::Timestamp time) {
    std::string out;
    append_rfc3339(out, time);
    return out;
}

bool has_four_digit_year(ledger::Timestamp time) {
    using namespace std::chrono;
    const auto begin = [](int number) {
        return sys_days(year(number) / January / 1).time_since_epoch().count() *
               ledger::kMicrosPerDay;
    };
    return time >= begin(0) && time < begin(10'000);
}

std::optional<ledger::Timestamp> parse_rfc3339(std::string_view text) {
    using namespace std::chrono;
    Reader reader(text);
    const int year_number = reader.digits(4);
    reader.expect("-");
    const int month_number = reader.digits(2);
    reader.expect("-");
    const int day_number = reader.digits(2);
    reader.expect("Tt ");
    const int hour = reader.digits(2);
    reader.expect(":");
    const int minute = reader.digits(2);
    reader.expect(":");
    const int second = reader.digits(2);
    const std::int64_t fraction = reader.fraction();
    const std::int64_t offset = read_offset(reader);
    const year_month_day date{
        year(year_number),
        month(static_cast<unsigned>(month_number)),
        day(static_cast<unsigned>(day_number))};
    if (reader.failed() || !reader.at_end() || !date.ok()) return std::nullopt;
    if (hour > 23 || minute > 59 || second > 60) return std::nullopt;
    const std::int64_t whole_days = sys_days(date).time_since_epoch().count();
    return whole_days * ledger::kMicrosPerDay + hour * ledger::kMicrosPerHour +
           minute * ledger::kMicrosPerMinute + second * ledger::kMicrosPerSecond + fraction -
           offset;
}

}  // namespace server::http
