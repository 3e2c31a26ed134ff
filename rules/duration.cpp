#include "rules/duration.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <fstream>
#include <stdexcept>

#include <date/tz.h>

namespace rules {
namespace {

using ledger::Timestamp;

constexpr std::string_view kEndOfMonth = "end_of_month+";
constexpr std::size_t kCountDigitsMax = 4;
constexpr std::int64_t kSecondsPerDay = 86'400;
// No offset from UTC, and no change of one, is larger.
constexpr std::int64_t kChangeMargin = 2 * kSecondsPerDay;
constexpr std::int64_t kMinSeconds = -62'135'596'800;  // 0001-01-01T00:00:00Z
constexpr std::int64_t kMaxSeconds = 253'402'300'799;  // 9999-12-31T23:59:59Z

std::int64_t floor_divide(std::int64_t value, std::int64_t divisor) {
    return value / divisor - (value % divisor < 0 ? 1 : 0);
}

std::int64_t seconds_of(std::chrono::sys_days day) {
    return day.time_since_epoch().count() * kSecondsPerDay;
}

std::chrono::year_month_day date_of(std::int64_t local_seconds) {
    const auto days = std::chrono::days(floor_divide(local_seconds, kSecondsPerDay));
    return std::chrono::year_month_day(std::chrono::sys_days(days));
}

std::int64_t add_months(std::int64_t local_seconds, std::int32_t count) {
    const auto from = date_of(local_seconds);
    auto to = from + std::chrono::months(count);
    if (!to.ok()) to = to.year() / to.month() / std::chrono::last;
    return local_seconds + seconds_of(std::chrono::sys_days(to)) -
           seconds_of(std::chrono::sys_days(from));
}

std::int64_t begin_of_month_after(std::int64_t local_seconds, std::int32_t count) {
    const auto from = date_of(local_seconds);
    const auto month = from.year() / from.month() + std::chrono::months(count + 1);
    return seconds_of(std::chrono::sys_days(month / std::chrono::day(1)));
}

std::string read_database_version() {
    // Debian writes "# version 2025b" on top of the source form; the library looks elsewhere.
    std::ifstream file("/usr/share/zoneinfo/tzdata.zi");
    std::string hash;
    std::string word;
    std::string version;
    if (file >> hash >> word >> version && hash == "#" && word == "version") return version;
    return "unknown";
}

}  // namespace

std::optional<ledger::Timestamp> parse_wait(std::string_view text) {
    constexpr std::size_t kDigitsMax = 5;
    constexpr Timestamp kMax = 30 * ledger::kMicrosPerDay;
    if (text.size() < 2 || text.size() > kDigitsMax + 1 || text[0] < '1' || text[0] > '9') {
        return std::nullopt;
    }
    Timestamp unit = 0;
    switch (text.back()) {
        case 'm': unit = ledger::kMicrosPerMinute; break;
        case 'h': unit = ledger::kMicrosPerHour; break;
        case 'd': unit = ledger::kMicrosPerDay; break;
        default: return std::nullopt;
    }
    Timestamp count = 0;
    const char* const end = text.data() + text.size() - 1;
    const auto parsed = std::from_chars(text.data(), end, count);
    if (parsed.ec != std::errc() || parsed.ptr != end || count > kMax / unit) return std::nullopt;
    return count * unit;
}

std::optional<DurationSpec> parse_duration(std::string_view text) {
    DurationSpec spec;
    const bool end_of_month = text.starts_with(kEndOfMonth);
    if (end_of_month) text.remove_prefix(kEndOfMonth.size());
    if (text.size() < 2 || text.size() > kCountDigitsMax + 1 || text[0] < '1' || text[0] > '9') {
        return std::nullopt;
    }
    const char unit = text.back();
    if (unit != 'M' && (unit != 'd' || end_of_month)) return std::nullopt;
    spec.unit = DurationSpec::Unit::days;
    if (unit == 'M') spec.unit = DurationSpec::Unit::months;
    if (end_of_month) spec.unit = DurationSpec::Unit::months_end_of_month;
    const char* const end = text.data() + text.size() - 1;
    const auto parsed = std::from_chars(text.data(), end, spec.count);
    if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
    return spec;
}

std::string to_string(const DurationSpec& spec) {
    const std::string count = std::to_string(spec.count);
    switch (spec.unit) {
        case DurationSpec::Unit::days: return count + "d";
        case DurationSpec::Unit::months: return count + "M";
        case DurationSpec::Unit::months_end_of_month: return std::string(kEndOfMonth) + count + "M";
    }
    return {};
}

const date::time_zone* find_zone(std::string_view name) {
    // This machine's own zone is no property of a program.
    if (name == "localtime") return nullptr;
    try {
        return date::locate_zone(name);
    } catch (const std::runtime_error&) {
        return nullptr;
    }
}

std::string_view zone_database_version() {
    static const std::string version = read_database_version();
    return version;
}

Timestamp Calendar::add(const date::time_zone& zone, Timestamp from, const DurationSpec& spec) {
    const Timestamp start = std::clamp(
        from, kMinSeconds * ledger::kMicrosPerSecond, kMaxSeconds * ledger::kMicrosPerSecond
    );
    if (spec.unit == DurationSpec::Unit::days) return start + spec.count * ledger::kMicrosPerDay;
    const std::int64_t utc = floor_divide(start, ledger::kMicrosPerSecond);
    const std::int64_t local = utc + offset_at(zone, utc).seconds;
    if (spec.unit == DurationSpec::Unit::months_end_of_month) {
        return to_utc(zone, begin_of_month_after(local, spec.count)).seconds *
               ledger::kMicrosPerSecond;
    }
    const Instant to = to_utc(zone, add_months(local, spec.count));
    const Timestamp fraction = start - utc * ledger::kMicrosPerSecond;
    return to.seconds * ledger::kMicrosPerSecond + (to.exact ? fraction : 0);
}

const Calendar::Offset& Calendar::offset_at(const date::time_zone& zone, std::int64_t utc) {
    for (const Offset& offset : offsets_) {
        if (offset.zone == &zone && utc >= offset.begin && utc < offset.end) return offset;
    }
    const date::sys_info info = zone.get_info(date::sys_seconds(std::chrono::seconds(utc)));
    return remember({
        &zone,
        info.begin.time_since_epoch().count(),
        info.end.time_since_epoch().count(),
        info.offset.count(),
    });
}

Calendar::Instant Calendar::to_utc(const date::time_zone& zone, std::int64_t local) {
    for (const Offset& offset : offsets_) {
        const std::int64_t utc = local - offset.seconds;
        const bool clear = utc >= offset.begin + kChangeMargin && utc < offset.end - kChangeMargin;
        if (offset.zone == &zone && clear) return {utc, true};
    }
    const date::local_info info = zone.get_info(date::local_seconds(std::chrono::seconds(local)));
    if (info.result == date::local_info::nonexistent) {
        return {info.first.end.time_since_epoch().count(), false};
    }
    const std::int64_t utc = local - info.first.offset.count();
    offset_at(zone, utc);
    return {utc, true};
}

const Calendar::Offset& Calendar::remember(const Offset& offset) {
    Offset& place = offsets_[next_];
    next_ = next_ + 1 == offsets_.size() ? 0 : next_ + 1;
    place = offset;
    return place;
}

}  // namespace rules
