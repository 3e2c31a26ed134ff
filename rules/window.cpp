#include "rules/window.hpp"

#include <chrono>
#include <cstdio>

#include <date/tz.h>

namespace rules {
namespace {

using ledger::Timestamp;

using Days = std::chrono::days;
using LocalDay = std::chrono::sys_days;  // a local date, counted as if it were UTC

LocalDay local_day(const date::time_zone& zone, Timestamp at) {
    const std::chrono::sys_seconds utc = std::chrono::floor<std::chrono::seconds>(
        std::chrono::sys_time<std::chrono::microseconds>(std::chrono::microseconds(at))
    );
    const date::sys_info info = zone.get_info(utc);
    return std::chrono::floor<Days>(utc + info.offset);
}

Timestamp midnight(const date::time_zone& zone, LocalDay day) {
    const date::local_seconds local(std::chrono::seconds(day.time_since_epoch()));
    const date::local_info info = zone.get_info(local);
    const std::int64_t seconds = info.result == date::local_info::nonexistent
                                     ? info.first.end.time_since_epoch().count()
                                     : local.time_since_epoch().count() - info.first.offset.count();
    return seconds * ledger::kMicrosPerSecond;
}

std::string text_of(const char* format, int year, unsigned number) {
    char text[24];
    const int size = std::snprintf(text, sizeof text, format, year, number);
    return {text, static_cast<std::size_t>(size)};
}

WindowSpan month_of(const date::time_zone& zone, LocalDay day) {
    const std::chrono::year_month_day date(day);
    const auto month = date.year() / date.month();
    return {
        text_of("%04d-%02u", static_cast<int>(date.year()), static_cast<unsigned>(date.month())),
        midnight(zone, LocalDay(month / std::chrono::day(1))),
        midnight(zone, LocalDay((month + std::chrono::months(1)) / std::chrono::day(1)))};
}

WindowSpan week_of(const date::time_zone& zone, LocalDay day) {
    const LocalDay monday = day - (std::chrono::weekday(day) - std::chrono::Monday);
    // ISO 8601: a week belongs to the year that has its Thursday.
    const LocalDay thursday = monday + Days(3);
    const std::chrono::year year = std::chrono::year_month_day(thursday).year();
    const LocalDay new_year(year / std::chrono::January / std::chrono::day(1));
    const auto number = static_cast<unsigned>((thursday - new_year).count() / 7 + 1);
    return {
        text_of("%04d-W%02u", static_cast<int>(year), number),
        midnight(zone, monday),
        midnight(zone, monday + Days(7))};
}

}  // namespace

WindowSpan window_at(BoardWindow kind, const date::time_zone& zone, Timestamp at) {
    switch (kind) {
        case BoardWindow::all: break;
        case BoardWindow::month: return month_of(zone, local_day(zone, at));
        case BoardWindow::week: return week_of(zone, local_day(zone, at));
    }
    return {"all", 0, ledger::kNever};
}

std::int32_t period_at(CounterWindow window, const date::time_zone& zone, Timestamp at) {
    if (window == CounterWindow::lifetime) return 0;
    const LocalDay day = local_day(zone, at);
    if (window == CounterWindow::day)
        return static_cast<std::int32_t>(day.time_since_epoch().count());
    const std::chrono::year_month_day date(day);
    return (static_cast<int>(date.year()) - 1970) * 12 +
           static_cast<std::int32_t>(static_cast<unsigned>(date.month())) - 1;
}

Timestamp day_begin(const date::time_zone& zone, Timestamp at) {
    return midnight(zone, local_day(zone, at));
}

}  // namespace rules
