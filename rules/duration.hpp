#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ledger/base/clock.hpp"

namespace date {
class time_zone;
}

namespace rules {

/// A span of time as a program document writes it.
struct DurationSpec {
    enum class Unit : std::uint8_t {
        days,                 ///< "14d": 24 hours each, whatever the zone does
        months,               ///< "12M": calendar months, clamped to the month's last day
        months_end_of_month,  ///< "end_of_month+12M": the local midnight that begins the month
                              ///< after
    };
    Unit unit = Unit::days;
    std::int32_t count = 0;  ///< 1..9999
    friend bool operator==(const DurationSpec&, const DurationSpec&) = default;
};

/// Reads "14d", "12M" or "end_of_month+12M"; nullopt for anything else.
[[nodiscard]] std::optional<DurationSpec> parse_duration(std::string_view text);
/// The text that parse_duration reads.
[[nodiscard]] std::string to_string(const DurationSpec& spec);

/// Reads a wait such as "90m", "72h" or "3d" (exact hours and days, no calendar): microseconds;
/// nullopt for anything else, and for what is not within 1 minute and 30 days.
[[nodiscard]] std::optional<ledger::Timestamp> parse_wait(std::string_view text);

/// The zone called `name`, e.g. "Europe/Paris", "UTC"; nullptr for names that are no IANA zone (the
/// files of leap-second time and "localtime" included). Lives as long as the process. Thread-safe.
[[nodiscard]] const date::time_zone* find_zone(std::string_view name);

/// The version of the time zone database in use, e.g. "2025b"; "unknown" when the system does not
/// say.
[[nodiscard]] std::string_view zone_database_version();

/// Adds durations to instants in one zone at a time, and remembers the zone's last offsets, so that
/// the events of one season cost no look-up. Not thread-safe: one per worker.
class Calendar {
public:
    /// `from` + `spec` in `zone`. A local time that does not exist becomes the instant of the jump;
    /// one that exists twice, the earlier. Results outside the years ±9999 are clamped to them.
    [[nodiscard]] ledger::Timestamp add(
        const date::time_zone& zone, ledger::Timestamp from, const DurationSpec& spec
    );

private:
    /// An interval of UTC seconds [begin, end) with one offset from UTC.
    struct Offset {
        const date::time_zone* zone = nullptr;
        std::int64_t begin = 0;
        std::int64_t end = 0;
        std::int64_t seconds = 0;
    };

    /// UTC seconds; not exact: the local time does not exist, and this is the instant of the jump.
    struct Instant {
        std::int64_t seconds = 0;
        bool exact = true;
    };

    const Offset& offset_at(const date::time_zone& zone, std::int64_t utc_seconds);
    Instant to_utc(const date::time_zone& zone, std::int64_t local_seconds);
    const Offset& remember(const Offset& offset);

    std::array<Offset, 4> offsets_{};
    std::uint32_t next_ = 0;
};

}  // namespace rules
