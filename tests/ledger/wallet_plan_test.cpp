#include "ledger/wallet_plan.hpp"

#include "tests/ledger/ledger_fixture.hpp"

using namespace ledger;
using namespace ledger::test_ledger;

namespace {

Points posted(const Entry& entry, Account account) {
    Points sum = 0;
    for (const Posting& posting : entry.postings) {
        if (posting.account == account) sum += posting.amount;
    }
    return sum;
}

Points allocated(const Entry& entry, Purpose purpose) {
    Points sum = 0;
    for (const Allocation& allocation : entry.allocations) {
        if (allocation.purpose == purpose) sum += allocation.amount;
    }
    return sum;
}

}  // namespace

TEST_CASE("wallet plan: a grant is available at once and posts issued", "[ledger]") {
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    REQUIRE(ledger.earn(member, 100) == 1);
    REQUIRE(ledger.earn(member, 50) == 2);
    const Wallet wallet = ledger.wallet(member);
    REQUIRE(wallet.available == 150);
    REQUIRE(wallet.lifetime_earned == 150);
    REQUIRE(wallet.version == 2);
    REQUIRE(posted(ledger.last(), Account::issued) == -50);
    REQUIRE(posted(ledger.last(), Account::member_points) == 50);
}

TEST_CASE("wallet plan: a burn takes the soonest expiry first", "[ledger]") {
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    ledger.earn(member, 10);
    ledger.earn(member, 10, 0, ledger.now() + 9 * kMicrosPerDay);
    ledger.earn(member, 10, 0, ledger.now() + 3 * kMicrosPerDay);
    REQUIRE(ledger.burn(member, 15) == PlanOutcome::done);
    REQUIRE(ledger.last().allocations.size() == 2);
    REQUIRE(ledger.last().allocations[0].lot == 3);
    REQUIRE(ledger.last().allocations[0].amount == 10);
    REQUIRE(ledger.last().allocations[1].lot == 2);
    REQUIRE(ledger.last().allocations[1].amount == 5);
    REQUIRE(ledger.burn(member, 6) == PlanOutcome::done);
    REQUIRE(ledger.last().allocations[1].lot == 1);
}

TEST_CASE("wallet plan: a burn of more than there is records nothing", "[ledger]") {
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    ledger.earn(member, 10);
    const Seq before = ledger.state().program(kProgram)->last_seq;
    REQUIRE(ledger.burn(member, 11) == PlanOutcome::insufficient_points);
    REQUIRE(ledger.last().postings.empty());
    REQUIRE(ledger.last().allocations.empty());
    REQUIRE(ledger.state().program(kProgram)->last_seq == before);
    REQUIRE(ledger.burn(member, 10) == PlanOutcome::done);
}

TEST_CASE("wallet plan: pending points are not spendable until they activate", "[ledger]") {
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    ledger.earn(member, 10, ledger.now() + kMicrosPerDay);
    REQUIRE(ledger.wallet(member).pending == 10);
    REQUIRE(ledger.burn(member, 1) == PlanOutcome::insufficient_points);
    ledger.pass(kMicrosPerDay);
    REQUIRE(ledger.burn(member, 4) == PlanOutcome::done);
    REQUIRE(ledger.last().activations.size() == 1);
    REQUIRE(ledger.last().activations[0].amount == 10);
    REQUIRE(ledger.wallet(member).available == 6);
    REQUIRE(ledger.wallet(member).pending == 0);
}

TEST_CASE("wallet plan: points are spendable only before their expiry", "[ledger]") {
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    ledger.earn(member, 10, 0, ledger.now() + 100);
    ledger.pass(99);
    REQUIRE(ledger.burn(member, 1) == PlanOutcome::done);
    ledger.pass(1);
    REQUIRE(ledger.burn(member, 1) == PlanOutcome::insufficient_points);
    // The refused command carries the expiry.
    REQUIRE(ledger.last().kind == EntryKind::rejected);
    REQUIRE(posted(ledger.last(), Account::breakage) == 9);
    REQUIRE(ledger.wallet(member).available == 0);
    REQUIRE(ledger.wallet(member).lifetime_earned == 10);
}

TEST_CASE("wallet plan: a lot expired at grant is granted and expired in one entry", "[ledger]") {
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    ledger.earn(member, 10, 0, ledger.now());
    REQUIRE(ledger.last().lots.size() == 1);
    REQUIRE(allocated(ledger.last(), Purpose::expire) == 10);
    REQUIRE(ledger.wallet(member).available == 0);
    REQUIRE(ledger.wallet(member).lifetime_earned == 10);
    REQUIRE(ledger.lots(member).empty());
}

TEST_CASE("wallet plan: an activation that is due already makes the lot active", "[ledger]") {
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    ledger.earn(member, 10, ledger.now());
    REQUIRE(ledger.last().lots[0].activates_at == 0);
    REQUIRE(ledger.wallet(member).available == 10);
}

TEST_CASE("wallet plan: activation comes before an expiry at the same instant", "[ledger]") {
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    const Timestamp when = ledger.now() + 50;
    ledger.earn(member, 10, when, when);
    ledger.pass(50);
    ledger.settle(member);
    REQUIRE(ledger.last().activations.size() == 1);
    REQUIRE(allocated(ledger.last(), Purpose::expire) == 10);
    REQUIRE(ledger.wallet(member).pending == 0);
    REQUIRE(ledger.wallet(member).available == 0);
}

TEST_CASE("wallet plan: settling twice records nothing the second time", "[ledger]") {
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    ledger.earn(member, 10, 0, ledger.now() + 50);
    ledger.pass(50);
    ledger.settle(member);
    const std::uint64_t version = ledger.member(member).version;
    ledger.settle(member);
    REQUIRE(ledger.last().postings.empty());
    REQUIRE(ledger.member(member).version == version);
}

TEST_CASE("wallet plan: each policy takes back what is spent in its own way", "[ledger]") {
    struct Row {
        NegativePolicy policy;
        PlanOutcome outcome;
        Points available, debt, written_off;
    };
    // 100 earned in lot 1, 20 in lot 2, 80 of lot 1 spent: 20 and 20 are left. 50 are taken back.
    const Row rows[] = {
        {NegativePolicy::forbid, PlanOutcome::insufficient_points, 40, 0, 0},
        {NegativePolicy::to_debt, PlanOutcome::done, 0, 10, 0},
        {NegativePolicy::take_available, PlanOutcome::done, 0, 0, 10},
        {NegativePolicy::write_off, PlanOutcome::done, 20, 0, 30},
    };
    for (const Row& row : rows) {
        TestLedger ledger;
        const MemberId member = ledger.new_member();
        ledger.earn(member, 100, 0, ledger.now() + kMicrosPerDay);
        ledger.earn(member, 20);
        REQUIRE(ledger.burn(member, 80) == PlanOutcome::done);
        CAPTURE(static_cast<int>(row.policy));
        REQUIRE(ledger.take_back(member, 50, 1, row.policy) == row.outcome);
        const Wallet wallet = ledger.wallet(member);
        REQUIRE(wallet.available == row.available);
        REQUIRE(wallet.debt == row.debt);
        REQUIRE(posted(ledger.last(), Account::written_off) == -row.written_off);
        REQUIRE(wallet.lifetime_earned == (row.outcome == PlanOutcome::done ? 70 : 120));
    }
}

TEST_CASE("wallet plan: enough other points satisfy forbid", "[ledger]") {
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    ledger.earn(member, 30, 0, ledger.now() + kMicrosPerDay);
    ledger.earn(member, 30);
    REQUIRE(ledger.burn(member, 30) == PlanOutcome::done);
    REQUIRE(ledger.take_back(member, 30, 1, NegativePolicy::forbid) == PlanOutcome::done);
    REQUIRE(ledger.wallet(member).available == 0);
    REQUIRE(ledger.wallet(member).debt == 0);
}

TEST_CASE("wallet plan: a pending lot gives back its own points", "[ledger]") {
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    ledger.earn(member, 30, ledger.now() + kMicrosPerDay);
    ledger.earn(member, 5);
    REQUIRE(ledger.take_back(member, 10, 1, NegativePolicy::to_debt) == PlanOutcome::done);
    REQUIRE(ledger.wallet(member).pending == 20);
    REQUIRE(ledger.wallet(member).available == 5);
    ledger.pass(kMicrosPerDay);
    ledger.settle(member);
    REQUIRE(ledger.wallet(member).available == 25);
}

TEST_CASE("wallet plan: later earnings repay debt by explicit postings", "[ledger]") {
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    ledger.earn(member, 30);
    REQUIRE(ledger.burn(member, 30) == PlanOutcome::done);
    REQUIRE(ledger.take_back(member, 30, 1, NegativePolicy::to_debt) == PlanOutcome::done);
    REQUIRE(ledger.wallet(member).debt == 30);
    ledger.earn(member, 10);
    REQUIRE(posted(ledger.last(), Account::member_debt) == 10);
    REQUIRE(allocated(ledger.last(), Purpose::repay) == 10);
    REQUIRE(ledger.wallet(member).debt == 20);
    REQUIRE(ledger.wallet(member).available == 0);
    ledger.earn(member, 25, ledger.now() + kMicrosPerDay);
    REQUIRE(ledger.wallet(member).debt == 20);
    ledger.pass(kMicrosPerDay);
    ledger.settle(member);
    REQUIRE(ledger.wallet(member).debt == 0);
    REQUIRE(ledger.wallet(member).available == 5);
    REQUIRE(ledger.wallet(member).lifetime_earned == 35);
}

TEST_CASE("wallet plan: adjustments do not count as earned", "[ledger]") {
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    REQUIRE(ledger.plan(EntryKind::adjust, member, [](WalletPlan& plan, Entry&) {
        return plan.grant(0, 40, Account::adjusted, 0, kNever);
    }) == PlanOutcome::done);
    REQUIRE(ledger.wallet(member).available == 40);
    REQUIRE(ledger.wallet(member).lifetime_earned == 0);
    REQUIRE(posted(ledger.last(), Account::adjusted) == -40);
}

TEST_CASE("wallet plan: a result beyond 2^53 - 1 is invalid_amount", "[ledger]") {
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    ledger.earn(member, kWireMax - 10);
    REQUIRE(ledger.plan(EntryKind::event, member, [](WalletPlan& plan, Entry& entry) {
        const PlanOutcome outcome = plan.grant(0, 11, Account::issued, 0, kNever);
        REQUIRE(entry.lots.empty());
        return outcome;
    }) == PlanOutcome::invalid_amount);
    ledger.earn(member, 10);
    REQUIRE(ledger.wallet(member).available == kWireMax);
    REQUIRE(ledger.burn(member, kWireMax) == PlanOutcome::done);
    // The lifetime of the member and the program's issued account are full.
    REQUIRE(ledger.plan(EntryKind::event, member, [](WalletPlan& plan, Entry&) {
        return plan.grant(0, 1, Account::issued, 0, kNever);
    }) == PlanOutcome::invalid_amount);
}

TEST_CASE("wallet plan: several operations of one entry see each other", "[ledger]") {
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    REQUIRE(ledger.plan(EntryKind::event, member, [](WalletPlan& plan, Entry&) {
        REQUIRE(plan.grant(0, 30, Account::issued, 0, kNever) == PlanOutcome::done);
        REQUIRE(plan.grant(1, 7, Account::issued, 0, kNever) == PlanOutcome::done);
        REQUIRE(plan.burn(0, 12, Account::redeemed) == PlanOutcome::done);
        REQUIRE(plan.burn(0, 19, Account::redeemed) == PlanOutcome::insufficient_points);
        REQUIRE(plan.grant(0, 1, Account::issued, 0, kNever) == PlanOutcome::done);
        return plan.burn(0, 19, Account::redeemed);
    }) == PlanOutcome::done);
    REQUIRE(ledger.last().balances_after.size() == 2);
    REQUIRE(ledger.wallet(member, 0).available == 0);
    REQUIRE(ledger.wallet(member, 1).available == 7);
    REQUIRE(ledger.lots(member).size() == 1);
}

TEST_CASE("wallet plan: a member above the last one is new and needs no row", "[ledger]") {
    TestLedger ledger;
    ledger.checkpoint();  // from here on an unknown row is missing
    Entry entry = ledger.next(kProgram, EntryKind::event);
    WalletPlan plan(ledger.state(), kProgram, MemberId{1}, ledger.now(), entry);
    REQUIRE(plan.settle() == PlanOutcome::done);
    REQUIRE(plan.grant(0, 5, Account::issued, 0, kNever) == PlanOutcome::done);
    REQUIRE(plan.granted_lot() == 1);
    REQUIRE(ledger.state().misses().empty());
}

TEST_CASE("wallet plan: a missing member row is noted", "[ledger]") {
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    ledger.earn(member, 5);
    ledger.checkpoint();
    ledger.restart();
    Entry entry = ledger.next(kProgram, EntryKind::event);
    WalletPlan plan(ledger.state(), kProgram, member, ledger.now(), entry);
    REQUIRE(plan.settle() == PlanOutcome::needs_rows);
    REQUIRE(plan.grant(0, 5, Account::issued, 0, kNever) == PlanOutcome::needs_rows);
    REQUIRE(ledger.state().misses().rows.size() == 1);
    REQUIRE(ledger.state().misses().rows[0].family == ViewFamily::member);
}

TEST_CASE("wallet plan: lots spill at 32 and stay exact at every boundary", "[ledger]") {
    for (const std::uint32_t count : {15U, 16U, 17U, 31U, 32U, 33U, 1000U}) {
        CAPTURE(count);
        TestLedger ledger;
        const MemberId member = ledger.new_member();
        for (std::uint32_t n = 1; n <= count; ++n) {
            ledger.earn(member, n, 0, ledger.now() + (count + 1 - n) * kMicrosPerDay);
        }
        const Member row = ledger.member(member);
        REQUIRE(row.lots.size() < 32);
        REQUIRE(row.spilled.count + row.lots.size() == count);
        REQUIRE(ledger.lots(member).size() == count);
        ledger.checkpoint();
        ledger.restart();
        REQUIRE(ledger.lots(member).size() == count);
        // The youngest lot expires first; the oldest is in a chunk if there are any.
        ledger.pass(kMicrosPerDay);
        ledger.settle(member);
        REQUIRE(ledger.last().allocations.size() == 1);
        REQUIRE(ledger.last().allocations[0].lot == count);
        const Points all = ledger.wallet(member).available;
        REQUIRE(all == Points{count} * (count - 1) / 2);
        REQUIRE(ledger.burn(member, all) == PlanOutcome::done);
        REQUIRE(ledger.lots(member).empty());
        REQUIRE(ledger.member(member).next_due() == kNever);
        ledger.checkpoint();
        for (const auto& [key, value] : ledger.views().rows)
            REQUIRE(key.first != ViewFamily::lot);
        for (const auto& [key, value] : ledger.views().rows)
            REQUIRE(key.first != ViewFamily::due);
    }
}

TEST_CASE("wallet plan: spilled lots are loaded only when they matter", "[ledger]") {
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    for (int n = 0; n < 32; ++n)
        ledger.earn(member, 10, 0, ledger.now() + kMicrosPerDay);
    ledger.earn(member, 5, 0, ledger.now() + kMicrosPerHour);
    ledger.checkpoint();
    ledger.restart();
    ledger.member(member);
    // Enough that expires sooner than anything spilled: no chunk is asked for.
    Entry entry = ledger.next(kProgram, EntryKind::adjust);
    WalletPlan cheap(ledger.state(), kProgram, member, ledger.now(), entry);
    REQUIRE(cheap.settle() == PlanOutcome::done);
    REQUIRE(cheap.burn(0, 5, Account::redeemed) == PlanOutcome::done);
    REQUIRE(ledger.state().misses().empty());
    Entry other = ledger.next(kProgram, EntryKind::adjust);
    WalletPlan dear(ledger.state(), kProgram, member, ledger.now(), other);
    REQUIRE(dear.settle() == PlanOutcome::done);
    REQUIRE(dear.burn(0, 6, Account::redeemed) == PlanOutcome::needs_rows);
    REQUIRE(other.allocations.empty());
    REQUIRE(ledger.state().misses().rows.size() == 1);
}
