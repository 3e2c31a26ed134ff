#include "ledger/digest.hpp"

#include "tests/ledger/ledger_fixture.hpp"

using namespace ledger;
using namespace ledger::test_ledger;

namespace {

Hash32 content(const TestLedger& ledger) {
    ContentDigests digests;
    for (const auto& [entry, blind] : ledger.entries())
        digests.add(entry);
    const std::vector<ContentDigests::Named> all = digests.digests();
    REQUIRE(all.size() == 1);
    REQUIRE(all[0].name == "shop");
    REQUIRE(all[0].program == kProgram);
    return all[0].digest;
}

struct Story {
    Timestamp pause = 0;
    Timestamp expires_in = 0;
    Points second = 20;
    std::string_view event_prefix = "o";
    bool alias = false;
    bool settle_alone = false;
};

/// Three orders and a taking back, recorded with pauses.
void tell(TestLedger& ledger, const Story& story) {
    const MemberId member = ledger.new_member();
    const Timestamp expires = story.expires_in == 0 ? kNever : kStart + story.expires_in;
    const Points amounts[] = {10, story.second, 30};
    int number = 0;
    for (const Points amount : amounts) {
        if (story.settle_alone) ledger.settle(member);
        const std::string id = std::string(story.event_prefix) + std::to_string(++number);
        REQUIRE(ledger.plan(EntryKind::event, member, [&](WalletPlan& plan, Entry& entry) {
            entry.has_event = true;
            entry.occurred_at = kStart + number;
            entry.event.source = "//shop/test";
            entry.event.id = ledger.keep(id);
            entry.event.program_version = 1;
            return plan.grant(0, amount, Account::issued, 0, number == 1 ? expires : kNever);
        }) == PlanOutcome::done);
        if (story.alias) {
            Entry alias = ledger.next(kProgram, EntryKind::alias);
            alias.links.push_back({LinkKind::original, Seq{alias.seq.value - 1}});
            ledger.commit(alias);
        }
        ledger.pass(story.pause);
    }
    REQUIRE(ledger.take_back(member, 30, 3, NegativePolicy::to_debt) == PlanOutcome::done);
}

Hash32 content_of(const Story& story) {
    TestLedger ledger;
    tell(ledger, story);
    return content(ledger);
}

}  // namespace

TEST_CASE("content digest: it knows facts and no recording", "[ledger]") {
    const Hash32 plain = content_of({});
    REQUIRE(content_of({}) == plain);
    REQUIRE(content_of({.pause = kMicrosPerHour}) == plain);
    REQUIRE(content_of({.alias = true}) == plain);
    REQUIRE(content_of({.second = 21}) != plain);
    REQUIRE(content_of({.event_prefix = "p"}) != plain);
}

TEST_CASE("content digest: when an expiry was recorded does not matter", "[ledger]") {
    const Hash32 never_due = content_of({.expires_in = kMicrosPerDay});
    REQUIRE(content_of({.pause = kMicrosPerDay, .expires_in = kMicrosPerDay}) == never_due);
    REQUIRE(
        content_of({.pause = kMicrosPerDay, .expires_in = kMicrosPerDay, .settle_alone = true}) ==
        never_due
    );
    REQUIRE(content_of({.expires_in = 2 * kMicrosPerDay}) != never_due);
}

TEST_CASE("content digest: a parked refund counts and its time-out does not", "[ledger]") {
    const auto told = [](bool parks, bool times_out, bool is_final) {
        TestLedger ledger;
        const auto refund = [&](EntryKind kind) {
            Entry entry = ledger.next(kProgram, kind);
            entry.has_event = true;
            entry.occurred_at = kStart;
            entry.event.source = "//shop/test";
            entry.event.id = "refund";
            entry.event.facts = FactsKind::refund;
            return entry;
        };
        if (parks) {
            Entry parked = refund(EntryKind::parked);
            parked.has_parking = true;
            parked.parking = {hash_of(7), ledger.now() + kMicrosPerDay};
            ledger.commit(parked);
        }
        if (is_final) ledger.commit(refund(EntryKind::orphaned));
        if (times_out) {
            Entry orphaned = ledger.next(kProgram, EntryKind::orphaned);
            orphaned.has_parking = true;
            orphaned.parking.order_hash = hash_of(7);
            orphaned.links.push_back({LinkKind::parked, Seq{orphaned.seq.value - 1}});
            ledger.commit(orphaned);
        }
        ledger.new_member();
        return content(ledger);
    };
    const Hash32 nothing = told(false, false, false);
    const Hash32 parked = told(true, false, false);
    const Hash32 orphan = told(false, false, true);
    REQUIRE(told(true, true, false) == parked);
    REQUIRE(parked != nothing);
    REQUIRE(orphan != nothing);
    REQUIRE(orphan != parked);
}

TEST_CASE("state digest: any changed row changes it and derived rows do not count", "[ledger]") {
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    for (int n = 0; n < 40; ++n)
        ledger.earn(member, 1 + n, 0, ledger.now() + kMicrosPerDay + n);
    Entry claim = ledger.next(kProgram, EntryKind::ignored);
    claim.has_key_hash = true;
    claim.key_hash = hash_of(1);
    ledger.commit(claim);
    const Hash32 before = ledger.digest();
    for (const auto& [at, value] : RowMap(ledger.views()).rows) {
        CAPTURE(name(at.first));
        RowMap spoiled = ledger.views();
        spoiled.rows.erase(at);
        const Result<Hash32> digest = state_digest(spoiled);
        REQUIRE((!digest || *digest != before));
    }
    RowMap more = ledger.views();
    more.rows[{ViewFamily::tree, std::string(13, 'x')}] = "anything";
    more.rows[{ViewFamily::blind, std::string(13, 'x')}] = "anything";
    more.rows[{ViewFamily::meta, "applied_group"}] = "anything";
    REQUIRE(*state_digest(more) == before);
}

TEST_CASE("state digest: a malformed row is corrupt", "[ledger]") {
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    ledger.digest();
    RowMap spoiled = ledger.views();
    spoiled.rows[{ViewFamily::member, member_row_key(kProgram, member)}].pop_back();
    REQUIRE(state_digest(spoiled).error().code == ErrorCode::corrupt);
}
