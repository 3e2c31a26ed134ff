#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "rules/cel/value.hpp"

namespace rules::cel {

// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z.
inline constexpr std::int64_t kTimestampSecondsMin = -62'135'596'800;
inline constexpr std::int64_t kTimestampSecondsMax = 253'402'300'799;
inline constexpr std::int64_t kNanosPerSecond = 1'000'000'000;

/// A timestamp, or overflow when it is outside of the years 1 to 9999. `nanoseconds` may be
/// negative or larger than a second.
[[nodiscard]] Value make_timestamp(std::int64_t seconds, std::int64_t nanoseconds);
/// RFC 3339, up to nine digits of a second. Errors: invalid_conversion, overflow.
[[nodiscard]] Value parse_timestamp(std::string_view text);
/// As in Go: "1h30m", "-1.5s", "10ms". Errors: invalid_conversion, overflow.
[[nodiscard]] Value parse_duration(std::string_view text);
[[nodiscard]] std::string timestamp_text(const Value& timestamp);
/// Seconds with as many decimals as needed: "1.5s".
[[nodiscard]] std::string duration_text(const Value& duration);

/// Offset in seconds for "", "UTC", "Z", "+hh:mm", "-hh:mm", "hh:mm"; nullopt for other names.
[[nodiscard]] std::optional<std::int64_t> zone_offset(std::string_view zone);

struct CivilTime {
    std::int64_t year = 0;
    std::int64_t month = 0;        // 1..12
    std::int64_t day = 0;          // 1..31
    std::int64_t day_of_week = 0;  // 0 = Sunday
    std::int64_t day_of_year = 0;  // 0..365
    std::int64_t hour = 0;
    std::int64_t minute = 0;
    std::int64_t second = 0;
};
/// Proleptic Gregorian calendar at this many seconds since 1970.
[[nodiscard]] CivilTime civil_time(std::int64_t seconds);

}  // namespace rules::cel
