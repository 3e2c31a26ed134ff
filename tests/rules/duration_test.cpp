#include "rules/duration.hpp"

#include <chrono>
#include <random>
#include <string>
#include <vector>

#include <date/tz.h>

#include "tests/rules/instants.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

namespace {

using ledger::Timestamp;
using rules::Calendar;
using rules::DurationSpec;
using rules_test::at;
using rules_test::show;

std::string add(const std::string& zone, const std::string& from, const std::string& duration) {
    const date::time_zone* found = rules::find_zone(zone);
    REQUIRE(found != nullptr);
    const auto spec = rules::parse_duration(duration);
    REQUIRE(spec.has_value());
    Calendar calendar;
    const Timestamp first = calendar.add(*found, at(from), *spec);
    // The second time the offsets are remembered.
    CHECK(show(calendar.add(*found, at(from), *spec)) == show(first));
    return show(first);
}

TEST_CASE("duration: the three forms are read and written", "[rules]") {
    using Unit = DurationSpec::Unit;
    CHECK(rules::parse_duration("14d") == DurationSpec{Unit::days, 14});
    CHECK(rules::parse_duration("12M") == DurationSpec{Unit::months, 12});
    CHECK(rules::parse_duration("end_of_month+12M") == DurationSpec{Unit::months_end_of_month, 12});
    CHECK(rules::parse_duration("9999d") == DurationSpec{Unit::days, 9999});
    for (const char* text : {"1d", "365d", "12M", "end_of_month+1M"}) {
        CHECK(rules::to_string(*rules::parse_duration(text)) == text);
    }
}

TEST_CASE("duration: other text is no duration", "[rules]") {
    for (const char* text :
         {"",
          "d",
          "14",
          "0d",
          "014d",
          "10000d",
          "-1d",
          "+1d",
          "1.5d",
          "14D",
          "12m",
          "1h",
          "14d ",
          " 14d",
          "14dd",
          "1_M",
          "end_of_month",
          "end_of_month+",
          "end_of_month+M",
          "end_of_month+0M",
          "end_of_month+12d",
          "end_of_month+12",
          "end_of_month-1M",
          "END_OF_MONTH+1M",
          "P14D"}) {
        INFO(text);
        CHECK_FALSE(rules::parse_duration(text).has_value());
    }
}

TEST_CASE("duration: days and months add in the zone of the program", "[rules]") {
    struct Row {
        const char* zone;
        const char* from;
        const char* duration;
        const char* to;
    };
    const std::vector<Row> rows{
        // days are 24 hours, also over a change of the clock
        {"UTC", "2026-03-02T10:15:30Z", "14d", "2026-03-16T10:15:30.000000Z"},
        {"Europe/Paris", "2026-03-28T12:00:00Z", "1d", "2026-03-29T12:00:00.000000Z"},
        {"Europe/Paris", "2026-03-28T12:00:00.123456Z", "365d", "2027-03-28T12:00:00.123456Z"},
        // months keep the local time of day, and the day if the month has it
        {"UTC", "2026-01-15T08:00:00.5Z", "1M", "2026-02-15T08:00:00.500000Z"},
        {"UTC", "2026-01-31T08:00:00Z", "1M", "2026-02-28T08:00:00.000000Z"},
        {"UTC", "2024-01-31T08:00:00Z", "1M", "2024-02-29T08:00:00.000000Z"},
        {"UTC", "2024-02-29T08:00:00Z", "12M", "2025-02-28T08:00:00.000000Z"},
        {"UTC", "2024-02-29T08:00:00Z", "48M", "2028-02-29T08:00:00.000000Z"},
        {"UTC", "2026-08-31T23:59:59Z", "1M", "2026-09-30T23:59:59.000000Z"},
        {"UTC", "2026-12-31T00:00:00Z", "2M", "2027-02-28T00:00:00.000000Z"},
        {"UTC", "1969-11-30T12:00:00.25Z", "3M", "1970-02-28T12:00:00.250000Z"},
        {"Europe/Paris", "2026-01-15T08:00:00Z", "6M", "2026-07-15T07:00:00.000000Z"},
        {"Asia/Tokyo", "2026-01-30T20:00:00Z", "1M", "2026-02-27T20:00:00.000000Z"},
        // 02:30 on 29 March 2026 does not exist in Paris: the instant of the jump
        {"Europe/Paris", "2026-02-28T01:30:00.7Z", "1M", "2026-03-28T01:30:00.700000Z"},
        {"Europe/Paris", "2026-01-29T01:30:00.7Z", "2M", "2026-03-29T01:00:00.000000Z"},
        // 02:30 on 25 October 2026 exists twice: the earlier
        {"Europe/Paris", "2026-09-25T00:30:00Z", "1M", "2026-10-25T00:30:00.000000Z"},
        // the local midnight that begins the month after
        {"Europe/Paris", "2026-03-02T10:15:30Z", "end_of_month+12M", "2027-03-31T22:00:00.000000Z"},
        {"UTC", "2026-03-02T10:15:30Z", "end_of_month+12M", "2027-04-01T00:00:00.000000Z"},
        {"UTC", "2026-01-31T23:59:59.999999Z", "end_of_month+1M", "2026-03-01T00:00:00.000000Z"},
        {"UTC", "2024-01-31T12:00:00Z", "end_of_month+1M", "2024-03-01T00:00:00.000000Z"},
        {"UTC", "2026-12-31T12:00:00Z", "end_of_month+12M", "2028-01-01T00:00:00.000000Z"},
        // 23:30 UTC is already the next month in Paris
        {"Europe/Paris", "2026-06-30T22:30:00Z", "end_of_month+1M", "2026-08-31T22:00:00.000000Z"},
        {"Europe/Paris", "2026-06-30T21:30:00Z", "end_of_month+1M", "2026-07-31T22:00:00.000000Z"},
        {"America/New_York",
         "2026-03-01T04:59:59Z",
         "end_of_month+1M",
         "2026-04-01T04:00:00.000000Z"},
        // 1 October 2017 begins at 01:00 in Asuncion: there is no midnight
        {"America/Asuncion",
         "2017-08-10T12:00:00Z",
         "end_of_month+1M",
         "2017-10-01T04:00:00.000000Z"},
    };
    for (const Row& row : rows) {
        INFO(row.zone << " " << row.from << " + " << row.duration);
        CHECK(add(row.zone, row.from, row.duration) == row.to);
    }
}

TEST_CASE("duration: remembered offsets give what the database gives", "[rules]") {
    std::mt19937_64 random(test_support::seed());
    const std::vector<const char*> zones{
        "UTC",
        "Europe/Paris",
        "America/New_York",
        "Asia/Kolkata",
        "Pacific/Apia",
        "America/Sao_Paulo",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
    };
    const std::vector<const char*> durations{
        "1M", "12M", "37M", "end_of_month+1M", "end_of_month+12M"};
    Calendar reused;
    std::uniform_int_distribution<Timestamp> instants(
        at("1995-01-01T00:00:00Z"), at("2036-01-01T00:00:00Z")
    );
    for (int i = 0; i < 4'000; ++i) {
        const date::time_zone* zone = rules::find_zone(zones[random() % zones.size()]);
        REQUIRE(zone != nullptr);
        const auto spec = rules::parse_duration(durations[random() % durations.size()]);
        const Timestamp from = instants(random);
        Calendar fresh;
        INFO(zone->name() << " " << show(from) << " + " << rules::to_string(*spec));
        REQUIRE(show(reused.add(*zone, from, *spec)) == show(fresh.add(*zone, from, *spec)));
    }
}

TEST_CASE("duration: instants outside the calendar are clamped", "[rules]") {
    Calendar calendar;
    const date::time_zone* zone = rules::find_zone("Europe/Paris");
    REQUIRE(zone != nullptr);
    const auto spec = *rules::parse_duration("9999M");
    CHECK(calendar.add(*zone, ledger::kNever, spec) > at("9999-12-31T00:00:00Z"));
    CHECK(calendar.add(*zone, -ledger::kNever, spec) < at("1970-01-01T00:00:00Z"));
}

TEST_CASE("duration: only zones of the database are found", "[rules]") {
    CHECK(rules::find_zone("Europe/Paris") != nullptr);
    CHECK(rules::find_zone("UTC") != nullptr);
    CHECK(rules::find_zone("Etc/GMT+5") != nullptr);
    for (const char* name :
         {"",
          "Europe/Pari",
          "europe/paris",
          "localtime",
          "right/Europe/Paris",
          "posix/UTC",
          "../zoneinfo/UTC",
          "/etc/localtime",
          "tzdata.zi",
          "Europe",
          "+02:00"}) {
        INFO(name);
        CHECK(rules::find_zone(name) == nullptr);
    }
}

TEST_CASE("duration: the database says its version", "[rules]") {
    CHECK_FALSE(rules::zone_database_version().empty());
}

}  // namespace
