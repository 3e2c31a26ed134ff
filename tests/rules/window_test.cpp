#include "rules/window.hpp"

#include <string>

#include "rules/duration.hpp"
#include "tests/rules/instants.hpp"
#include "tests/support/catch.hpp"

namespace {

using rules::BoardWindow;
using rules_test::at;

/// Without the fraction, which is always zero.
std::string seconds_of(ledger::Timestamp instant) {
    const std::string text = rules_test::show(instant);
    return text.substr(0, text.find('.')) + "Z";
}

std::string window(BoardWindow kind, const std::string& zone, const std::string& when) {
    const date::time_zone* found = rules::find_zone(zone);
    REQUIRE(found != nullptr);
    const rules::WindowSpan span = rules::window_at(kind, *found, at(when));
    return span.id + " " + seconds_of(span.starts_at) + " " + seconds_of(span.ends_at);
}

}  // namespace

TEST_CASE("window: months begin and end at local midnight", "[rules]") {
    CHECK(
        window(BoardWindow::month, "UTC", "2026-11-22T20:00:00Z") ==
        "2026-11 2026-11-01T00:00:00Z 2026-12-01T00:00:00Z"
    );
    CHECK(
        window(BoardWindow::month, "Europe/Paris", "2026-10-31T22:59:59Z") ==
        "2026-10 2026-09-30T22:00:00Z 2026-10-31T23:00:00Z"
    );
    CHECK(
        window(BoardWindow::month, "Europe/Paris", "2026-10-31T23:00:00Z") ==
        "2026-11 2026-10-31T23:00:00Z 2026-11-30T23:00:00Z"
    );
    CHECK(
        window(BoardWindow::month, "America/New_York", "2027-01-01T04:59:59Z") ==
        "2026-12 2026-12-01T05:00:00Z 2027-01-01T05:00:00Z"
    );
}

TEST_CASE("window: weeks are those of ISO 8601", "[rules]") {
    CHECK(
        window(BoardWindow::week, "UTC", "2026-11-22T23:59:59Z") ==
        "2026-W47 2026-11-16T00:00:00Z 2026-11-23T00:00:00Z"
    );
    // The days around a new year belong to the year that has the week's Thursday.
    CHECK(
        window(BoardWindow::week, "UTC", "2027-01-01T12:00:00Z") ==
        "2026-W53 2026-12-28T00:00:00Z 2027-01-04T00:00:00Z"
    );
    CHECK(
        window(BoardWindow::week, "UTC", "2024-12-30T12:00:00Z") ==
        "2025-W01 2024-12-30T00:00:00Z 2025-01-06T00:00:00Z"
    );
    // The week in which summer time ends has an hour more.
    CHECK(
        window(BoardWindow::week, "Europe/Paris", "2026-10-25T12:00:00Z") ==
        "2026-W43 2026-10-18T22:00:00Z 2026-10-25T23:00:00Z"
    );
}

TEST_CASE("window: a midnight that the clocks skip is the instant of the jump", "[rules]") {
    // Cuba moves from 00:00 to 01:00 on 2026-03-08.
    const date::time_zone* zone = rules::find_zone("America/Havana");
    REQUIRE(zone != nullptr);
    CHECK(
        seconds_of(rules::day_begin(*zone, at("2026-03-08T15:00:00Z"))) == "2026-03-08T05:00:00Z"
    );
    // Twice midnight, on 2026-11-01: the earlier.
    CHECK(
        seconds_of(rules::day_begin(*zone, at("2026-11-01T15:00:00Z"))) == "2026-11-01T04:00:00Z"
    );
}

TEST_CASE("window: all has neither begin nor end", "[rules]") {
    const rules::WindowSpan span =
        rules::window_at(BoardWindow::all, *rules::find_zone("UTC"), at("2026-11-22T20:00:00Z"));
    CHECK(span.id == "all");
    CHECK(span.starts_at == 0);
    CHECK(span.ends_at == ledger::kNever);
}
