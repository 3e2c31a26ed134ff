#pragma once

#include <chrono>
#include <string>

#include <date/date.h>

#include "ledger/base/clock.hpp"
#include "tests/support/catch.hpp"

namespace rules_test {

/// "2026-03-02T10:15:30.25Z" in microseconds.
inline ledger::Timestamp at(const std::string& text) {
    const auto number = [&](std::size_t begin, std::size_t size) {
        return std::stoll(text.substr(begin, size));
    };
    const std::chrono::year_month_day day(
        std::chrono::year(static_cast<int>(number(0, 4))),
        std::chrono::month(static_cast<unsigned>(number(5, 2))),
        std::chrono::day(static_cast<unsigned>(number(8, 2)))
    );
    REQUIRE(day.ok());
    const std::int64_t days = std::chrono::sys_days(day).time_since_epoch().count();
    const std::int64_t seconds = number(11, 2) * 3600 + number(14, 2) * 60 + number(17, 2);
    std::string fraction = text.size() > 20 ? text.substr(20, text.size() - 21) : "0";
    fraction.resize(6, '0');
    return days * ledger::kMicrosPerDay + seconds * ledger::kMicrosPerSecond + std::stoll(fraction);
}

inline std::string show(ledger::Timestamp instant) {
    return date::format(
        "%FT%TZ", date::sys_time<std::chrono::microseconds>(std::chrono::microseconds(instant))
    );
}

}  // namespace rules_test
