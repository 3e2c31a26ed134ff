#include "ledger/statement.hpp"

#include "tests/ledger/ledger_fixture.hpp"

using namespace ledger;
using namespace ledger::test_ledger;

namespace {

/// `count` lines, one a minute: line n earns n + 1 points.
MemberId earn_lines(TestLedger& ledger, std::uint32_t count) {
    const MemberId member = ledger.new_member();
    for (std::uint32_t n = 0; n < count; ++n) {
        ledger.earn(member, n + 1);
        ledger.pass(kMicrosPerMinute);
    }
    return member;
}

}  // namespace

TEST_CASE("statement: pages run from the newest line to the oldest", "[ledger]") {
    for (const std::uint32_t count : {0U, 1U, 15U, 16U, 31U, 32U, 33U, 100U}) {
        CAPTURE(count);
        TestLedger ledger;
        const MemberId member = earn_lines(ledger, count);
        ledger.checkpoint();
        const MemberHistory history = ledger.history(member);
        REQUIRE(history.statement_chunks.empty());
        const RowReader reader = ledger.reader();
        const Statement statement(history, reader);
        std::optional<std::uint32_t> before;
        std::uint32_t expected = count;
        do {
            const Result<StatementPage> page = statement.page(before, 7);
            REQUIRE(page);
            for (const StatementPage::NumberedLine& line : page->lines) {
                --expected;
                REQUIRE(line.number == expected);
                REQUIRE(line.line.delta == expected + 1);
                REQUIRE(line.line.after.available == Points{expected + 1} * (expected + 2) / 2);
                REQUIRE(line.line.kind == EntryKind::event);
                REQUIRE(line.line.reason == "purchase");
                REQUIRE(line.line.rule == "core/purchase");
                REQUIRE(line.line.reference.substr(0, 6) == "event-");
            }
            before = page->next;
        } while (before);
        REQUIRE(expected == 0);
    }
}

TEST_CASE("statement: chunks that are not in views come from the writer", "[ledger]") {
    TestLedger ledger;
    const MemberId member = earn_lines(ledger, 40);
    ledger.checkpoint();
    for (int n = 0; n < 40; ++n)
        ledger.earn(member, 1);
    ledger.cut();
    for (int n = 0; n < 40; ++n)
        ledger.earn(member, 1);
    const MemberHistory history = ledger.history(member);
    REQUIRE(history.statement_chunks.size() == 5);
    REQUIRE_FALSE(history.lot_chunks.empty());
    const RowReader reader = ledger.reader();
    const Statement statement(history, reader);
    const Result<StatementPage> page = statement.page(std::nullopt, 1000);
    REQUIRE(page);
    REQUIRE(page->lines.size() == 120);
    REQUIRE_FALSE(page->next);
    REQUIRE(statement.live_lots()->size() == 120);
    ledger.finish_checkpoint();
    ledger.checkpoint();
    REQUIRE(ledger.history(member).statement_chunks.empty());
    REQUIRE(ledger.history(member).lot_chunks.empty());
}

TEST_CASE("statement: a balance is found at any past seq and time", "[ledger]") {
    TestLedger ledger;
    const Timestamp start = ledger.now();
    const MemberId member = earn_lines(ledger, 100);
    ledger.checkpoint();
    const MemberHistory history = ledger.history(member);
    int reads = 0;
    const RowReader counting = [&](ViewFamily family, std::string_view key) {
        ++reads;
        return ledger.views().get(family, key);
    };
    const Statement statement(history, counting);
    for (std::uint32_t n = 0; n < 100; ++n) {
        const Points expected = Points{n + 1} * (n + 2) / 2;
        // Entry 1 is the member's; line n is entry n + 2.
        REQUIRE(statement.balance_at_seq(0, Seq{n + 2})->available == expected);
        const Timestamp at = start + n * kMicrosPerMinute;
        REQUIRE(statement.balance_at_time(0, at)->available == expected);
        REQUIRE(statement.balance_at_time(0, at + kMicrosPerMinute - 1)->available == expected);
    }
    REQUIRE(reads <= 300 * 5);
    REQUIRE(statement.balance_at_seq(0, Seq{1})->available == 0);
    REQUIRE(statement.balance_at_time(0, start - 1)->available == 0);
    REQUIRE(statement.balance_at_seq(1, Seq{1'000'000})->available == 0);
}

TEST_CASE("statement: a page of one currency leaves out the others", "[ledger]") {
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    for (int n = 0; n < 60; ++n)
        ledger.earn(member, 1, 0, kNever, n % 10 == 0 ? 1 : 0);
    const MemberHistory history = ledger.history(member);
    const RowReader reader = ledger.reader();
    const Statement statement(history, reader);
    const Result<StatementPage> page = statement.page(std::nullopt, 100, std::uint16_t{1});
    REQUIRE(page);
    REQUIRE(page->lines.size() == 6);
    REQUIRE(statement.balance_at_seq(1, Seq{1'000})->available == 6);
}

TEST_CASE("statement: what a refused command settled reads as an expiry", "[ledger]") {
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    ledger.earn(member, 10, 0, ledger.now() + 1);
    ledger.pass(1);
    REQUIRE(ledger.burn(member, 5) == PlanOutcome::insufficient_points);
    const MemberHistory history = ledger.history(member);
    const RowReader reader = ledger.reader();
    const Result<StatementPage> page = Statement(history, reader).page(std::nullopt, 1);
    REQUIRE(page);
    REQUIRE(page->lines[0].line.kind == EntryKind::expire);
    REQUIRE(page->lines[0].line.delta == -10);
}

TEST_CASE("statement: what an order settled has a line of its own", "[ledger]") {
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    ledger.earn(member, 100, 0, ledger.now() + 1);
    ledger.earn(member, 30, ledger.now() + 1);
    ledger.pass(1);
    ledger.earn(member, 10);
    const MemberHistory history = ledger.history(member);
    const RowReader reader = ledger.reader();
    const Statement statement(history, reader);
    const Result<StatementPage> page = statement.page(std::nullopt, 2);
    REQUIRE(page);
    const StatementLine& own = page->lines[0].line;
    const StatementLine& due = page->lines[1].line;
    REQUIRE(own.seq == due.seq);
    REQUIRE(own.kind == EntryKind::event);
    REQUIRE(own.delta == 10);
    REQUIRE(own.after.available == 40);
    REQUIRE(due.kind == EntryKind::expire);
    REQUIRE(due.delta == -100);
    REQUIRE(due.after.available == 30);
    REQUIRE(due.after.pending == 0);
    REQUIRE(due.after.lifetime_earned == 130);
    REQUIRE(statement.balance_at_seq(0, own.seq)->available == 40);
}

TEST_CASE("statement: what is settled alone has one line", "[ledger]") {
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    ledger.earn(member, 100, 0, ledger.now() + 1);
    ledger.pass(1);
    ledger.settle(member);
    const MemberHistory history = ledger.history(member);
    const RowReader reader = ledger.reader();
    const Result<StatementPage> page = Statement(history, reader).page(std::nullopt, 10);
    REQUIRE(page);
    REQUIRE(page->lines.size() == 2);
    REQUIRE(page->lines[0].line.kind == EntryKind::expire);
    REQUIRE(page->lines[0].line.delta == -100);
}

TEST_CASE("statement: a missing chunk is corrupt", "[ledger]") {
    TestLedger ledger;
    const MemberId member = earn_lines(ledger, 40);
    ledger.checkpoint();
    ledger.views().rows.erase({ViewFamily::stmt, chunk_row_key(kProgram, member, 0)});
    const MemberHistory history = ledger.history(member);
    const RowReader reader = ledger.reader();
    const Statement statement(history, reader);
    REQUIRE(statement.page(std::nullopt, 10));
    REQUIRE(statement.page(std::nullopt, 40).error().code == ErrorCode::corrupt);
}
