#include "ledger/overlay.hpp"

#include "tests/ledger/ledger_fixture.hpp"

using namespace ledger;
using namespace ledger::test_ledger;

namespace {

Entry granting(const View& view, MemberId member, Points amount, Timestamp now) {
    Entry entry;
    entry.program = kProgram;
    entry.seq = Seq{view.program(kProgram)->last_seq.value + 1};
    entry.kind = EntryKind::event;
    entry.recorded_at = entry.occurred_at = entry.evaluated_at = now;
    entry.member = member;
    WalletPlan plan(view, kProgram, member, now, entry);
    REQUIRE(plan.settle() == PlanOutcome::done);
    REQUIRE(plan.grant(0, amount, Account::issued, 0, kNever) == PlanOutcome::done);
    plan.finish();
    return entry;
}

}  // namespace

TEST_CASE("overlay: a linked group is decided on its own earlier entries", "[ledger]") {
    TestLedger ledger;
    Overlay overlay(ledger.state());
    Entry member = ledger.next(kProgram, EntryKind::member);
    member.member = MemberId{1};
    member.has_key_hash = true;
    member.key_hash = hash_of(3);
    BlindHashes blind;
    blind.external_id = hash_of(4);
    REQUIRE(overlay.check(member));
    overlay.apply(member, &blind);
    REQUIRE(overlay.member(kProgram, MemberId{1}).found());
    REQUIRE(overlay.member_by_external_id(kProgram, hash_of(4)).value == MemberId{1});
    REQUIRE(overlay.profile(kProgram, MemberId{1}).found());
    REQUIRE(overlay.seen(kProgram, hash_of(3)).value == member.seq);

    const Entry earn = granting(overlay, MemberId{1}, 10, ledger.now());
    REQUIRE(overlay.prepared(earn));
    REQUIRE(overlay.check(earn));
    overlay.apply(earn, nullptr);
    REQUIRE(overlay.member(kProgram, MemberId{1}).row->wallets[0].available == 10);

    // The base knows nothing of it, and takes the same entries.
    REQUIRE(ledger.state().member(kProgram, MemberId{1}).presence == Presence::absent);
    REQUIRE(ledger.state().program(kProgram)->last_seq == Seq{0});
    ledger.commit(member, &blind);
    ledger.commit(earn);
    REQUIRE(ledger.wallet(MemberId{1}).available == 10);
}

TEST_CASE("overlay: dropping it undoes everything", "[ledger]") {
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    for (int n = 0; n < 40; ++n)
        ledger.earn(member, 10);
    const Hash32 before = ledger.digest();
    Overlay overlay(ledger.state());
    Entry entry = ledger.next(kProgram, EntryKind::adjust);
    entry.member = member;
    WalletPlan plan(overlay, kProgram, member, ledger.now(), entry);
    REQUIRE(plan.settle() == PlanOutcome::done);
    REQUIRE(plan.burn(0, 400, Account::adjusted) == PlanOutcome::done);
    plan.finish();
    REQUIRE(overlay.check(entry));
    overlay.apply(entry, nullptr);
    REQUIRE(overlay.lot_chunk(kProgram, member, 0).presence == Presence::absent);
    REQUIRE(ledger.state().lot_chunk(kProgram, member, 0).found());
    overlay.reset();
    REQUIRE(overlay.member(kProgram, member).row->wallets[0].available == 400);
    REQUIRE(overlay.lot_chunk(kProgram, member, 0).found());
    REQUIRE(ledger.digest() == before);
}

TEST_CASE("overlay: a refund waits and is an orphan in it alone", "[ledger]") {
    TestLedger ledger;
    Entry parked = ledger.next(kProgram, EntryKind::parked);
    parked.has_parking = true;
    parked.parking = {hash_of(7), ledger.now() + kMicrosPerDay};
    ledger.commit(parked);
    Overlay overlay(ledger.state());
    Entry orphaned = ledger.next(kProgram, EntryKind::orphaned);
    orphaned.has_parking = true;
    orphaned.parking.order_hash = hash_of(7);
    orphaned.links.push_back({LinkKind::parked, parked.seq});
    REQUIRE(overlay.prepared(orphaned));
    REQUIRE(overlay.check(orphaned));
    overlay.apply(orphaned, nullptr);
    REQUIRE(overlay.waiting(kProgram, hash_of(7)).presence == Presence::absent);
    REQUIRE(overlay.orphan(kProgram, orphaned.seq).row->facts == parked.seq);

    Entry attached = orphaned;
    attached.seq = Seq{orphaned.seq.value + 1};
    attached.kind = EntryKind::parked;
    attached.has_parking = false;
    attached.links = {{LinkKind::parked, orphaned.seq}};
    REQUIRE(overlay.prepared(attached));
    REQUIRE(overlay.check(attached));
    overlay.apply(attached, nullptr);
    REQUIRE(overlay.orphan(kProgram, orphaned.seq).presence == Presence::absent);

    REQUIRE(ledger.state().waiting(kProgram, hash_of(7)).row->refunds.size() == 1);
    overlay.reset();
    REQUIRE(overlay.waiting(kProgram, hash_of(7)).row->refunds.size() == 1);
}

TEST_CASE("overlay: an illegal entry is refused as the state refuses it", "[ledger]") {
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    Overlay overlay(ledger.state());
    Entry entry = granting(overlay, member, 10, ledger.now());
    entry.balances_after[0].available = 11;
    REQUIRE_FALSE(overlay.check(entry));
    REQUIRE(overlay.check(entry).error().detail == ledger.state().check(entry).error().detail);
}

TEST_CASE("overlay: it changes programs and keys alone", "[ledger]") {
    TestLedger ledger;
    Overlay overlay(ledger.state());
    Entry version = ledger.next(kSystemProgram, EntryKind::program_version);
    version.program_version.program = ProgramId{2};
    version.program_version.program_id = "cafe";
    version.program_version.version = 1;
    REQUIRE(overlay.check(version));
    overlay.apply(version, nullptr);
    REQUIRE(overlay.program_by_name("cafe") != nullptr);
    REQUIRE(overlay.program_by_name("shop")->id == kProgram);
    REQUIRE(ledger.state().program_by_name("cafe") == nullptr);
    Entry key;
    key.program = kSystemProgram;
    key.kind = EntryKind::key;
    key.seq = Seq{version.seq.value + 1};
    key.recorded_at = ledger.now();
    key.key.key_id = 3;
    REQUIRE(overlay.check(key));
    overlay.apply(key, nullptr);
    REQUIRE(overlay.api_key(3) != nullptr);
    REQUIRE(ledger.state().api_key(3) == nullptr);
}

TEST_CASE("overlay: misses are noted in the base", "[ledger]") {
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    ledger.checkpoint();
    ledger.restart();
    const Overlay overlay(ledger.state());
    REQUIRE(overlay.member(kProgram, member).missing());
    REQUIRE(ledger.state().misses().rows.size() == 1);
}
