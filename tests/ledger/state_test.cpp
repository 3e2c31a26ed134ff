#include "ledger/state.hpp"

#include "ledger/blind.hpp"
#include "ledger/state_apply.hpp"
#include "tests/ledger/ledger_fixture.hpp"

using namespace ledger;
using namespace ledger::test_ledger;

namespace {

Entry claiming(TestLedger& ledger, EntryKind kind, std::uint64_t key, std::uint64_t natural) {
    Entry entry = ledger.next(kProgram, kind);
    entry.has_key_hash = true;
    entry.key_hash = hash_of(key);
    entry.has_natural_hash = natural != 0;
    entry.natural_hash = hash_of(natural);
    entry.has_event = true;
    entry.event.source = "//maison/prestashop";
    return entry;
}

Seq seen_at(TestLedger& ledger, std::uint64_t key) {
    while (ledger.state().seen(kProgram, hash_of(key)).missing())
        ledger.fetch();
    return ledger.state().seen(kProgram, hash_of(key)).value;
}

BlindHashes email_hash(std::uint64_t number) {
    BlindHashes blind;
    blind.email = hash_of(number);
    return blind;
}

std::size_t rows_of(const TestLedger& ledger, ViewFamily family) {
    std::size_t rows = 0;
    REQUIRE(const_cast<TestLedger&>(ledger).views().scan(
        family, [&rows](std::string_view, std::string_view) { return ++rows, true; }
    ));
    return rows;
}

}  // namespace

TEST_CASE("state: entries claim their keys by kind", "[ledger]") {
    struct Row {
        EntryKind kind;
        bool natural;
    };
    const Row rows[] = {
        {EntryKind::event, true},
        {EntryKind::parked, true},
        {EntryKind::rejected, false},
        {EntryKind::ignored, false},
        {EntryKind::alias, false},
    };
    TestLedger ledger;
    std::uint64_t number = 100;
    for (const Row& row : rows) {
        CAPTURE(name(row.kind));
        const std::uint64_t key = ++number;
        const std::uint64_t natural = ++number;
        Entry entry = claiming(ledger, row.kind, key, natural);
        if (row.kind == EntryKind::alias) entry.links.push_back({LinkKind::original, Seq{1}});
        ledger.commit(entry);
        REQUIRE(seen_at(ledger, key) == entry.seq);
        REQUIRE(seen_at(ledger, natural) == (row.natural ? entry.seq : Seq{}));
    }
    REQUIRE(ledger.state().program(kProgram)->shops == std::vector<std::string>{"maison"});
}

TEST_CASE("state: a key stays known through checkpoints and restarts", "[ledger]") {
    TestLedger ledger;
    ledger.commit(claiming(ledger, EntryKind::ignored, 1, 0));
    ledger.cut();
    ledger.commit(claiming(ledger, EntryKind::ignored, 2, 0));
    REQUIRE(seen_at(ledger, 1) == Seq{1});
    REQUIRE(seen_at(ledger, 2) == Seq{2});
    ledger.finish_checkpoint();
    REQUIRE(seen_at(ledger, 1) == Seq{1});
    REQUIRE(seen_at(ledger, 2) == Seq{2});
    ledger.restart();
    REQUIRE(seen_at(ledger, 1) == Seq{1});
    REQUIRE(seen_at(ledger, 2) == Seq{2});
    REQUIRE(seen_at(ledger, 3) == Seq{});
}

TEST_CASE("state: the answer that a key is unknown is forgotten when it is claimed", "[ledger]") {
    TestLedger ledger;
    ledger.checkpoint();
    REQUIRE(seen_at(ledger, 1) == Seq{});  // fetched: views/ have no such row
    ledger.commit(claiming(ledger, EntryKind::ignored, 1, 0));
    // A fetch that began earlier comes back late.
    REQUIRE(
        ledger.state().insert({ViewFamily::keys, seen_row_key(kProgram, hash_of(1))}, std::nullopt)
    );
    ledger.checkpoint();
    REQUIRE(seen_at(ledger, 1) == Seq{1});
}

TEST_CASE("state: the filter answers for keys that are not in views", "[ledger]") {
    State::Options options;
    int asked = 0;
    options.key_may_exist = [&asked](ProgramId, const Hash16& hash) {
        ++asked;
        return hash == hash_of(7);
    };
    State state(options);
    REQUIRE(state.seen(kProgram, hash_of(1)).presence == Presence::absent);
    REQUIRE(state.misses().empty());
    REQUIRE(state.seen(kProgram, hash_of(7)).missing());
    REQUIRE(state.misses().rows.size() == 1);
    REQUIRE(asked == 2);
}

TEST_CASE("state: check names what does not follow", "[ledger]") {
    struct Row {
        const char* detail;
        std::function<void(Entry&)> spoil;
    };
    const Row rows[] = {
        {"sequence number", [](Entry& e) { ++e.seq.value; }},
        {"recorded_at goes back", [](Entry& e) { e.recorded_at -= 1; }},
        {"unknown program", [](Entry& e) { e.program = ProgramId{9}; }},
        {"do not sum to zero", [](Entry& e) { e.postings[0].amount += 1; }},
        {"wrong account", [](Entry& e) { e.postings[0].member = {}; }},
        {"lot number", [](Entry& e) { e.lots[0].lot += 1; }},
        {"lot amount", [](Entry& e) { e.lots[0].amount = 0; }},
        {"lots and postings differ", [](Entry& e) { e.lots[0].amount += 1; }},
        {"balance after", [](Entry& e) { e.balances_after[0].available += 1; }},
        {"lifetime earned", [](Entry& e) { e.balances_after[0].lifetime_earned += 1; }},
        {"has no balance", [](Entry& e) { e.balances_after.clear(); }},
        {"unknown member", [](Entry& e) { e.balances_after[0].member = MemberId{77}; }},
        {"two balances", [](Entry& e) { e.balances_after.push_back(e.balances_after[0]); }},
        {"allocation of an unknown lot",
         [](Entry& e) {
             e.allocations.push_back({e.member, 99, 1, Purpose::burn});
         }},
        {"cannot give",
         [](Entry& e) {
             e.allocations.push_back({e.member, 1, 11, Purpose::burn});
         }},
        {"activation",
         [](Entry& e) {
             e.activations.push_back({e.member, 1, 10});
         }},
    };
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    ledger.earn(member, 10);
    ledger.earn(member, 10);
    Entry good = ledger.last();
    ++good.seq.value;
    good.lots[0].lot = 3;
    good.balances_after[0].available += 10;
    good.balances_after[0].lifetime_earned += 10;
    REQUIRE(ledger.state().check(good));
    for (const Row& row : rows) {
        Entry bad = good;
        row.spoil(bad);
        const Result<void> legal = ledger.state().check(bad);
        CAPTURE(row.detail);
        REQUIRE_FALSE(legal);
        CAPTURE(legal.error().detail);
        REQUIRE(legal.error().detail.find(row.detail) != std::string::npos);
    }
}

TEST_CASE("state: refunds change the row of their order", "[ledger]") {
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    ledger.earn(member, 10);
    const Seq order = ledger.last().seq;
    const Points first[] = {60, 0};
    const Points second[] = {0, 40};
    const auto refund = [&](std::span<const Points> taken, Points posted, bool cancel) {
        Entry entry = ledger.next(kProgram, EntryKind::event);
        entry.member = member;
        entry.has_event = true;
        entry.event.source = "//shop/test";
        entry.event.facts = FactsKind::refund;
        entry.event.refund.taken = taken;
        entry.event.refund.cancel = cancel;
        entry.links.push_back({LinkKind::original, order});
        RuleOutcome outcome;
        outcome.code = RuleCode::refunded;
        outcome.posted = posted;
        entry.event.rules.push_back(outcome);
        return entry;
    };
    ledger.commit(refund(first, -6, false));
    ledger.checkpoint();
    ledger.restart();
    ledger.commit(refund(second, -4, true));
    ledger.checkpoint();
    ledger.restart();
    while (ledger.state().order_state(kProgram, order).missing())
        ledger.fetch();
    const Lookup<OrderState> row = ledger.state().order_state(kProgram, order);
    REQUIRE(row.found());
    REQUIRE(row.row->closed);
    REQUIRE(row.row->refunded[0] == 60);
    REQUIRE(row.row->refunded[1] == 40);
    REQUIRE(row.row->taken_back.size() == 1);
    REQUIRE(row.row->taken_back[0] == 10);
    REQUIRE_FALSE(ledger.state().check(refund(first, 0, false)));  // it was cancelled
}

TEST_CASE("state: programs and keys are entries of _system", "[ledger]") {
    TestLedger ledger;
    Entry key = ledger.next(kSystemProgram, EntryKind::key);
    key.key.key_id = 5;
    key.key.program = kProgram;
    key.key.scopes = {"events:write"};
    key.key.label = "till";
    ledger.commit(key);
    Entry revoke = ledger.next(kSystemProgram, EntryKind::key);
    revoke.key.key_id = 5;
    revoke.key.revoked = true;
    ledger.commit(revoke);
    Entry shopper = ledger.next(kSystemProgram, EntryKind::key);
    shopper.key.key_id = 6;
    shopper.key.program = kProgram;
    shopper.key.kind = ApiKeyKind::shopper_es256;
    shopper.key.public_key = "a public key";
    ledger.commit(shopper);
    Entry version = ledger.next(kSystemProgram, EntryKind::program_version);
    version.program_version.program = kProgram;
    version.program_version.program_id = "shop";
    version.program_version.version = 2;
    ledger.commit(version);
    Entry activate = ledger.next(kSystemProgram, EntryKind::program_activate);
    activate.program_activate = {kProgram, 2, kStart + 100};
    ledger.commit(activate);
    ledger.checkpoint();
    ledger.restart();

    const ApiKey* row = ledger.state().api_key(5);
    REQUIRE(row != nullptr);
    REQUIRE(row->revoked);
    REQUIRE(row->label == "till");
    REQUIRE(row->scopes == std::vector<std::string>{"events:write"});
    REQUIRE(row->public_key.empty());
    const ApiKey* shopper_row = ledger.state().api_key(6);
    REQUIRE(shopper_row != nullptr);
    REQUIRE(shopper_row->kind == ApiKeyKind::shopper_es256);
    REQUIRE(shopper_row->public_key == "a public key");
    const Program* program = ledger.state().program_by_name("shop");
    REQUIRE(program != nullptr);
    REQUIRE(program->versions.size() == 2);
    REQUIRE(program->version_at(kStart + 99) == 1);
    REQUIRE(program->version_at(kStart + 100) == 2);
    REQUIRE(ledger.state().programs() == std::vector<ProgramId>{kSystemProgram, kProgram});
    REQUIRE(ledger.state().program(kSystemProgram)->last_seq == Seq{6});

    Entry wrong = ledger.next(kSystemProgram, EntryKind::program_version);
    wrong.program_version.program = ProgramId{2};
    wrong.program_version.program_id = "shop";  // taken by another program
    wrong.program_version.version = 1;
    REQUIRE_FALSE(ledger.state().check(wrong));
}

TEST_CASE("state: a changed e-mail moves its look-up", "[ledger]") {
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    const auto change = [&](std::uint64_t number) {
        Entry entry = ledger.next(kProgram, EntryKind::event);
        entry.member = member;
        entry.personal.email = "x";
        ledger.commit(entry, [&] {
            static BlindHashes blind;
            blind = email_hash(number);
            return &blind;
        }());
    };
    change(1);
    REQUIRE(ledger.state().recent_by_blind(kProgram, BlindKind::email, hash_of(1)).size() == 1);
    ledger.cut();
    change(2);
    ledger.finish_checkpoint();
    const std::string old_key =
        contact_row_key(kProgram, BlindKind::email, short_hash(hash_of(1)), member);
    const std::string new_key =
        contact_row_key(kProgram, BlindKind::email, short_hash(hash_of(2)), member);
    REQUIRE(ledger.views().rows.count({ViewFamily::blind, old_key}) == 1);
    REQUIRE(ledger.state().recent_by_blind(kProgram, BlindKind::email, hash_of(1)).empty());
    REQUIRE(ledger.state().recent_by_blind(kProgram, BlindKind::email, hash_of(2)).size() == 1);
    ledger.checkpoint();
    REQUIRE(ledger.views().rows.count({ViewFamily::blind, old_key}) == 0);
    REQUIRE(ledger.views().rows.count({ViewFamily::blind, new_key}) == 1);
    ledger.restart();
    while (ledger.state().profile(kProgram, member).missing())
        ledger.fetch();
    REQUIRE(ledger.state().profile(kProgram, member).value.email == short_hash(hash_of(2)));
}

TEST_CASE("state: a member is found by external id", "[ledger]") {
    TestLedger ledger;
    Entry entry = ledger.next(kProgram, EntryKind::member);
    entry.member = MemberId{1};
    entry.personal.external_id = "c-1";
    BlindHashes blind;
    blind.external_id = hash_of(5);
    ledger.commit(entry, &blind);
    REQUIRE(ledger.state().member_by_external_id(kProgram, hash_of(5)).value == MemberId{1});
    ledger.checkpoint();
    ledger.restart();
    REQUIRE(ledger.state().member_by_external_id(kProgram, hash_of(5)).missing());
    ledger.fetch();
    REQUIRE(ledger.state().member_by_external_id(kProgram, hash_of(5)).value == MemberId{1});
    REQUIRE(ledger.state().member_by_external_id(kProgram, hash_of(6)).missing());
    ledger.fetch();
    REQUIRE(
        ledger.state().member_by_external_id(kProgram, hash_of(6)).presence == Presence::absent
    );
}

TEST_CASE("state: a row that changes after the cut is saved as it was", "[ledger]") {
    TestLedger ledger;
    const MemberId member = ledger.new_member();
    ledger.earn(member, 10, 0, ledger.now() + 1000);
    ledger.cut();
    ledger.earn(member, 5, 0, ledger.now() + 500);
    ledger.finish_checkpoint();
    const std::string key = member_row_key(kProgram, member);
    Member row;
    REQUIRE(decode_row(key, ledger.views().rows.at({ViewFamily::member, key}), row));
    REQUIRE(row.wallets[0].available == 10);
    REQUIRE(
        ledger.views().rows.count({ViewFamily::due, due_row_key(kProgram, kStart + 1000, member)}
        ) == 1
    );
    ledger.checkpoint();
    REQUIRE(decode_row(key, ledger.views().rows.at({ViewFamily::member, key}), row));
    REQUIRE(row.wallets[0].available == 15);
    REQUIRE(rows_of(ledger, ViewFamily::due) == 1);
    REQUIRE(
        ledger.views().rows.count({ViewFamily::due, due_row_key(kProgram, kStart + 500, member)}) ==
        1
    );
}

TEST_CASE("state: only clean rows are evicted", "[ledger]") {
    TestLedger ledger(0);
    const MemberId member = ledger.new_member();
    ledger.earn(member, 10);
    ledger.state().evict(kAllRows);
    REQUIRE(ledger.state().member(kProgram, member).found());
    ledger.cut();
    ledger.state().evict(kAllRows);
    REQUIRE(ledger.state().member(kProgram, member).found());
    ledger.finish_checkpoint();
    ledger.state().evict(kAllRows);
    REQUIRE(ledger.state().member(kProgram, member).missing());
    REQUIRE(ledger.wallet(member).available == 10);
}

TEST_CASE("state: memory is counted and comes back", "[ledger]") {
    TestLedger ledger(0);
    const std::size_t empty = ledger.state().memory_bytes();
    for (int n = 0; n < 100; ++n) {
        const MemberId member = ledger.new_member();
        for (int k = 0; k < 40; ++k)
            ledger.earn(member, 1);
    }
    const std::size_t full = ledger.state().memory_bytes();
    REQUIRE(full > empty + 100 * 2'000);
    ledger.checkpoint();
    ledger.commit(claiming(ledger, EntryKind::ignored, 1, 0));
    ledger.checkpoint();
    ledger.state().evict(kAllRows);
    REQUIRE(ledger.state().memory_bytes() < empty + 2'000);
}

TEST_CASE("state: appended rows and empty checkpoints pass through", "[ledger]") {
    TestLedger ledger;
    ledger.checkpoint();
    REQUIRE(ledger.state().dirty_rows() == 0);
    ledger.checkpoint();
    ViewRecord record;
    record.family = ViewFamily::seqidx;
    record.key = seq_index_row_key(kProgram, Seq{1});
    encode_row(SeqIndex{GroupId{3}, 2}, record.value);
    ledger.state().append(record);
    REQUIRE(ledger.state().dirty_rows() == 1);
    ledger.checkpoint();
    REQUIRE(ledger.views().rows.at({ViewFamily::seqidx, record.key}) == record.value);
}

TEST_CASE("state: a parked refund waits once and ends once", "[ledger]") {
    TestLedger ledger;
    const Hash16 order = hash_of(7);
    const auto parked = [&] {
        Entry entry = ledger.next(kProgram, EntryKind::parked);
        entry.has_parking = true;
        entry.parking = {order, ledger.now() + kMicrosPerDay};
        return entry;
    };
    const auto ended = [&](EntryKind kind, Seq which) {
        Entry entry = ledger.next(kProgram, kind);
        entry.has_parking = true;
        entry.parking.order_hash = order;
        entry.links.push_back({LinkKind::parked, which});
        return entry;
    };
    REQUIRE(ledger.state().waiting(kProgram, order).presence == Presence::absent);
    const Entry first = parked();
    ledger.commit(first);
    const Entry second = parked();
    ledger.commit(second);
    REQUIRE(ledger.state().waiting(kProgram, order).row->refunds.size() == 2);
    REQUIRE(ledger.state().program(kProgram)->waiting == 2);
    ledger.checkpoint();
    REQUIRE(ledger.views().rows.contains(
        {ViewFamily::due, parked_due_row_key(kProgram, first.parking.until, first.seq)}
    ));

    // Dropped from RAM, the row is fetched again.
    ledger.state().evict(kAllRows);
    ledger.state().evict(kAllRows);
    const Entry orphaned = ended(EntryKind::orphaned, first.seq);
    ledger.commit(orphaned);
    REQUIRE(ledger.state().orphan(kProgram, orphaned.seq).row->facts == first.seq);
    REQUIRE_FALSE(ledger.state().check(ended(EntryKind::orphaned, first.seq)));
    ledger.commit(ended(EntryKind::rejected, second.seq));
    REQUIRE(ledger.state().waiting(kProgram, order).presence == Presence::absent);
    REQUIRE(ledger.state().program(kProgram)->waiting == 0);
    REQUIRE(ledger.state().program(kProgram)->orphans == 1);
    ledger.checkpoint();
    REQUIRE_FALSE(
        ledger.views().rows.contains({ViewFamily::waiting, waiting_row_key(kProgram, order)})
    );
    REQUIRE_FALSE(ledger.views().rows.contains(
        {ViewFamily::due, parked_due_row_key(kProgram, first.parking.until, first.seq)}
    ));

    Entry attached = ledger.next(kProgram, EntryKind::parked);
    attached.links.push_back({LinkKind::parked, orphaned.seq});
    ledger.commit(attached);
    REQUIRE(ledger.state().orphan(kProgram, orphaned.seq).presence == Presence::absent);
    Entry again = ledger.next(kProgram, EntryKind::parked);
    again.links.push_back({LinkKind::parked, orphaned.seq});
    REQUIRE_FALSE(ledger.state().check(again));
    ledger.checkpoint();
    REQUIRE_FALSE(
        ledger.views().rows.contains({ViewFamily::orphan, orphan_row_key(kProgram, orphaned.seq)})
    );
}

TEST_CASE("state: a malformed row is corrupt and is not taken", "[ledger]") {
    TestLedger ledger;
    ledger.checkpoint();
    for (const ViewFamily family :
         {ViewFamily::member,
          ViewFamily::lot,
          ViewFamily::rev,
          ViewFamily::waiting,
          ViewFamily::orphan,
          ViewFamily::keys,
          ViewFamily::blind,
          ViewFamily::program,
          ViewFamily::api_key}) {
        CAPTURE(name(family));
        const Result<void> taken = ledger.state().insert({family, "short"}, "\x01");
        REQUIRE_FALSE(taken);
        REQUIRE(taken.error().code == ErrorCode::corrupt);
    }
    const RowRef row{ViewFamily::member, member_row_key(kProgram, MemberId{1})};
    REQUIRE(ledger.state().insert(row, "\x02").error().code == ErrorCode::newer_format);
    REQUIRE(ledger.state().member(kProgram, MemberId{1}).missing());
}

TEST_CASE("state: looking ahead notes everything that is missing at once", "[ledger]") {
    TestLedger ledger;
    Entry entry = ledger.next(kProgram, EntryKind::member);
    entry.member = MemberId{1};
    entry.has_key_hash = true;
    entry.key_hash = hash_of(1);
    BlindHashes blind;
    blind.external_id = hash_of(5);
    ledger.commit(entry, &blind);
    ledger.checkpoint();
    ledger.restart();
    const Hash16 key = hash_of(1);
    const Hash16 natural = hash_of(2);
    const Hash16 member = hash_of(5);
    State::LookAhead ahead;
    ahead.program = kProgram;
    ahead.keys = {&key, &natural, nullptr};
    ahead.external_id = &member;
    ahead.profile = true;
    ledger.state().look_ahead({&ahead, 1});
    REQUIRE(ledger.state().misses().rows.size() == 3);  // two keys and the external id
    ledger.fetch();
    ledger.state().look_ahead({&ahead, 1});
    REQUIRE(ledger.state().misses().rows.size() == 2);  // now the member and its profile
    ledger.fetch();
    ledger.state().look_ahead({&ahead, 1});
    REQUIRE(ledger.state().misses().empty());
    REQUIRE(ledger.state().seen(kProgram, key).value == entry.seq);
    REQUIRE(ledger.state().member(kProgram, MemberId{1}).found());
}

TEST_CASE("state: entries are cached up to a bound", "[ledger]") {
    State state(State::Options{});
    for (std::uint64_t seq = 1; seq <= 9'000; ++seq) {
        auto entry = std::make_unique<OwnedEntry>();
        entry->entry.program = kProgram;
        entry->entry.seq = Seq{seq};
        state.insert(std::move(entry));
    }
    REQUIRE(state.entry(kProgram, Seq{9'000}).found());
    REQUIRE(state.entry(kProgram, Seq{5'000}).found());
    REQUIRE(state.entry(kProgram, Seq{1}).missing());
    REQUIRE(state.misses().entries.size() == 1);
}
