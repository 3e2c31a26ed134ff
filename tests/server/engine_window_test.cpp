// Windows of boards turn over in the log, at program midnight.
#include "rules/duration.hpp"
#include "rules/window.hpp"
#include "tests/server/engine_fixture.hpp"

using ledger::kMicrosPerSecond;
using server_test::EngineFolder;
using server_test::Outcome;

TEST_CASE("engine: the first entry after a board is declared finds its window open", "[engine]") {
    EngineFolder folder;
    folder.start();
    folder.put_program("shop", EngineFolder::kBoards);
    const Outcome first = folder.pay({"o1", "anna"});
    // The window, then the member, then the order.
    CHECK(first.seq.value == 3);
    CHECK(folder.pay({"o2", "anna"}).seq.value == 4);
    folder.stop();
    folder.verified();
}

TEST_CASE("engine: a board without windows that turn writes no window", "[engine]") {
    EngineFolder folder;
    folder.start();
    folder.put_program("shop");
    CHECK(folder.pay({"o1", "anna"}).seq.value == 2);
}

TEST_CASE("engine: a window turns over before the first entry after midnight", "[engine]") {
    EngineFolder folder;
    folder.start();
    folder.put_program("shop", EngineFolder::kBoards);
    // To the last second of the month.
    const ledger::Timestamp now = folder.clock().now();
    const rules::WindowSpan month =
        rules::window_at(rules::BoardWindow::month, *rules::find_zone("UTC"), now);
    folder.clock().advance(month.ends_at - now - kMicrosPerSecond / 2);
    const Outcome before = folder.pay({"o1", "anna", {1'000}, "", folder.clock().now()});
    const ledger::Timestamp at = server_test::entry_of(before)->entry.recorded_at;
    CHECK(at < month.ends_at);
    folder.clock().advance(kMicrosPerSecond);
    const Outcome after = folder.pay({"o2", "anna", {1'000}, "", folder.clock().now()});
    CHECK(server_test::entry_of(after)->entry.recorded_at >= month.ends_at);
    // One entry lies between the two, whoever asked for it first.
    CHECK(after.seq.value == before.seq.value + 2);
    folder.restart();
    CHECK(folder.pay({"o3", "anna"}).seq.value == after.seq.value + 1);
    folder.stop();
    folder.verified();
}

TEST_CASE("engine: a window turns over at midnight even if nobody earns", "[engine]") {
    EngineFolder folder;
    folder.start();
    folder.put_program("shop", EngineFolder::kBoards);
    const Outcome before = folder.pay({"o1", "anna"});
    const ledger::Timestamp now = folder.clock().now();
    const rules::WindowSpan month =
        rules::window_at(rules::BoardWindow::month, *rules::find_zone("UTC"), now);
    folder.clock().advance(month.ends_at - now + kMicrosPerSecond);
    folder.await("the new month", [&] {
        return folder.look().last_seq.value == before.seq.value + 1;
    });
    CHECK(folder.pay({"o2", "anna"}).seq.value == before.seq.value + 2);
    folder.stop();
    folder.verified();
}
