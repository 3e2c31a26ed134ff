// Parts of timestamps and durations. A zone is UTC or a fixed offset; names of places need a time
// zone database, which this folder does not link.
#include <array>

#include "rules/cel/functions.hpp"
#include "rules/cel/time.hpp"

namespace rules::cel {

namespace {

constexpr std::int64_t kNanosPerMilli = 1'000'000;

/// Applies `part` to the local time of a timestamp; the optional second argument is the zone.
template <typename Part>
Value of_timestamp(std::span<const Value> arguments, Part part) {
    std::int64_t offset = 0;
    if (arguments.size() == 2) {
        if (!arguments[1].is(Kind::string)) return no_overload();
        const auto found = zone_offset(arguments[1].as_text());
        if (!found) return failure(EvaluationErrorKind::invalid_argument);
        offset = *found;
    }
    return Value::integer(part(civil_time(arguments[0].seconds() + offset)));
}

template <typename Part>
Value date_part(std::span<const Value> arguments, Part part) {
    return arguments[0].is(Kind::timestamp) ? of_timestamp(arguments, part) : no_overload();
}

/// Of a duration the total number of whole units, of a timestamp the part of the local time.
template <typename Part>
Value clock_part(std::span<const Value> arguments, std::int64_t unit, Part part) {
    if (arguments[0].is(Kind::duration)) {
        if (arguments.size() != 1) return no_overload();
        return Value::integer(arguments[0].as_int() / unit);
    }
    return date_part(arguments, part);
}

Value full_year(Context&, std::span<const Value> arguments) {
    return date_part(arguments, [](const CivilTime& time) { return time.year; });
}
Value month(Context&, std::span<const Value> arguments) {
    return date_part(arguments, [](const CivilTime& time) { return time.month - 1; });
}
Value date(Context&, std::span<const Value> arguments) {
    return date_part(arguments, [](const CivilTime& time) { return time.day; });
}
Value day_of_month(Context&, std::span<const Value> arguments) {
    return date_part(arguments, [](const CivilTime& time) { return time.day - 1; });
}
Value day_of_week(Context&, std::span<const Value> arguments) {
    return date_part(arguments, [](const CivilTime& time) { return time.day_of_week; });
}
Value day_of_year(Context&, std::span<const Value> arguments) {
    return date_part(arguments, [](const CivilTime& time) { return time.day_of_year; });
}
Value hours(Context&, std::span<const Value> arguments) {
    return clock_part(arguments, 3'600 * kNanosPerSecond, [](const CivilTime& time) {
        return time.hour;
    });
}
Value minutes(Context&, std::span<const Value> arguments) {
    return clock_part(arguments, 60 * kNanosPerSecond, [](const CivilTime& time) {
        return time.minute;
    });
}
Value seconds(Context&, std::span<const Value> arguments) {
    return clock_part(arguments, kNanosPerSecond, [](const CivilTime& time) {
        return time.second;
    });
}

/// Only the millisecond part, for durations too.
Value milliseconds(Context&, std::span<const Value> arguments) {
    if (arguments[0].is(Kind::duration)) {
        if (arguments.size() != 1) return no_overload();
        return Value::integer(arguments[0].as_int() % kNanosPerSecond / kNanosPerMilli);
    }
    if (!arguments[0].is(Kind::timestamp)) return no_overload();
    const auto part = static_cast<std::int64_t>(arguments[0].nanoseconds()) / kNanosPerMilli;
    return of_timestamp(arguments, [part](const CivilTime&) { return part; });
}

constexpr Overload plain(
    std::string_view name, Builtin function, TypeKind of = TypeKind::timestamp
) {
    return {name, true, function, 1, {of}, TypeKind::int_};
}
constexpr Overload zoned(std::string_view name, Builtin function) {
    return {name, true, function, 2, {TypeKind::timestamp, TypeKind::string}, TypeKind::int_};
}

constexpr std::array kTable{
    plain("getFullYear", full_year),
    zoned("getFullYear", full_year),
    plain("getMonth", month),
    zoned("getMonth", month),
    plain("getDate", date),
    zoned("getDate", date),
    plain("getDayOfMonth", day_of_month),
    zoned("getDayOfMonth", day_of_month),
    plain("getDayOfWeek", day_of_week),
    zoned("getDayOfWeek", day_of_week),
    plain("getDayOfYear", day_of_year),
    zoned("getDayOfYear", day_of_year),
    plain("getHours", hours),
    zoned("getHours", hours),
    plain("getHours", hours, TypeKind::duration),
    plain("getMinutes", minutes),
    zoned("getMinutes", minutes),
    plain("getMinutes", minutes, TypeKind::duration),
    plain("getSeconds", seconds),
    zoned("getSeconds", seconds),
    plain("getSeconds", seconds, TypeKind::duration),
    plain("getMilliseconds", milliseconds),
    zoned("getMilliseconds", milliseconds),
    plain("getMilliseconds", milliseconds, TypeKind::duration),
};

}  // namespace

std::span<const Overload> time_functions() {
    return kTable;
}

}  // namespace rules::cel
