#include "tools/import/local_time.hpp"

#include <chrono>
#include <cstdio>
#include <sstream>

#include <date/tz.h>

namespace importer {

LocalTimes::LocalTimes(TimeFormat format)
    : format_(std::move(format)), zone_(date::locate_zone(format_.zone)) {}

std::optional<std::int64_t> LocalTimes::utc(std::string_view text, std::string& why) {
    if (last_ && text == last_text_) return last_;
    last_text_ = text;
    last_ = convert(last_text_, why);
    return last_;
}

std::optional<std::int64_t> LocalTimes::convert(const std::string& text, std::string& why) const {
    std::istringstream in(text);
    date::local_seconds local;
    in >> date::parse(format_.format, local);
    if (in.fail() || in.peek() != std::istringstream::traits_type::eof()) {
        why = "is not a time of the form " + format_.format;
        return std::nullopt;
    }
    const date::local_info info = zone_->get_info(local);
    const bool twice = info.result == date::local_info::ambiguous;
    if (twice && format_.ambiguous == Ambiguous::reject) {
        why = "is shown twice by the clocks of " + format_.zone;
        return std::nullopt;
    }
    if (info.result == date::local_info::nonexistent &&
        format_.nonexistent == Nonexistent::reject) {
        why = "is left out by the clocks of " + format_.zone;
        return std::nullopt;
    }
    const date::sys_info& offset =
        twice && format_.ambiguous == Ambiguous::later ? info.second : info.first;
    return local.time_since_epoch().count() - offset.offset.count();
}

std::string rfc3339(std::int64_t seconds) {
    const std::chrono::sys_seconds at{std::chrono::seconds(seconds)};
    const auto day = std::chrono::floor<std::chrono::days>(at);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss time(at - day);
    char text[48];
    const int size = std::snprintf(
        text,
        sizeof text,
        "%04d-%02u-%02uT%02d:%02d:%02dZ",
        static_cast<int>(date.year()),
        static_cast<unsigned>(date.month()),
        static_cast<unsigned>(date.day()),
        static_cast<int>(time.hours().count()),
        static_cast<int>(time.minutes().count()),
        static_cast<int>(time.seconds().count())
    );
    return {text, static_cast<std::size_t>(size)};
}

}  // namespace importer
