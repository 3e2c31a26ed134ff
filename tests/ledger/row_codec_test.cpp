#include "ledger/row_codec.hpp"

#include <random>

#include "tests/ledger/ledger_fixture.hpp"
#include "tests/support/seed.hpp"

using namespace ledger;
using namespace ledger::test_ledger;

namespace {

/// A ledger with every kind of row.
void fill(TestLedger& ledger) {
    Entry key = ledger.next(kSystemProgram, EntryKind::key);
    key.key.key_id = 5;
    key.key.scopes = {"events:write", "members:read"};
    key.key.origins = {"https://shop.example"};
    ledger.commit(key);
    Entry shopper = ledger.next(kSystemProgram, EntryKind::key);
    shopper.key.key_id = 6;
    shopper.key.kind = ApiKeyKind::shopper_es256;
    shopper.key.public_key = "a public key";
    ledger.commit(shopper);
    Entry member = ledger.next(kProgram, EntryKind::member);
    member.member = MemberId{1};
    BlindHashes blind;
    blind.external_id = hash_of(1);
    blind.email = hash_of(2);
    ledger.commit(member, &blind);
    for (int n = 0; n < 40; ++n) {
        ledger.earn(
            MemberId{1},
            1 + n * 1'000'000,
            n % 3 == 0 ? ledger.now() + kMicrosPerDay : 0,
            n % 2 == 0 ? kNever : ledger.now() + n * kMicrosPerDay
        );
    }
    Entry refund = ledger.next(kProgram, EntryKind::event);
    const Points taken[] = {1, 200'000};
    refund.has_event = refund.has_key_hash = refund.has_natural_hash = true;
    refund.event.source = "//maison/prestashop";
    refund.key_hash = hash_of(9);
    refund.natural_hash = hash_of(10);
    refund.event.facts = FactsKind::refund;
    refund.event.refund.taken = taken;
    refund.links.push_back({LinkKind::original, Seq{2}});
    ledger.commit(refund);
    for (int n = 0; n < 3; ++n) {
        Entry parked = ledger.next(kProgram, EntryKind::parked);
        parked.has_parking = true;
        parked.parking = {hash_of(n == 0 ? 20 : 21), ledger.now() + kMicrosPerDay};
        ledger.commit(parked);
    }
    Entry orphaned = ledger.next(kProgram, EntryKind::orphaned);
    orphaned.has_event = true;
    orphaned.event.source = "//maison/prestashop";
    ledger.commit(orphaned);
    ViewRecord index;
    index.family = ViewFamily::seqidx;
    index.key = seq_index_row_key(kProgram, Seq{300});
    encode_row(SeqIndex{GroupId{1'000}, 300}, index.value);
    ledger.state().append(index);
    ledger.checkpoint();
}

template <typename Row>
std::string again(const std::string& key, const std::string& value) {
    Row row{};
    REQUIRE(decode_row(key, value, row));
    std::string bytes;
    encode_row(row, bytes);
    return bytes;
}

std::string encoded_again(ViewFamily family, const std::string& key, const std::string& value) {
    switch (family) {
        case ViewFamily::program: return again<Program>(key, value);
        case ViewFamily::api_key: return again<ApiKey>(key, value);
        case ViewFamily::member: return again<Member>(key, value);
        case ViewFamily::lot: return again<LotChunk>(key, value);
        case ViewFamily::keys: return again<Seq>(key, value);
        case ViewFamily::rev: return again<OrderState>(key, value);
        case ViewFamily::seqidx: return again<SeqIndex>(key, value);
        case ViewFamily::waiting: return again<WaitingRefunds>(key, value);
        case ViewFamily::orphan: return again<Orphan>(key, value);
        case ViewFamily::blind:
            if (parse_blind_key(key)->kind == BlindKind::external_id)
                return again<MemberId>(key, value);
            if (parse_blind_key(key)->kind == BlindKind::profile)
                return again<ProfileHashes>(key, value);
            return value;
        default: return value;
    }
}

}  // namespace

TEST_CASE("row codec: every row decodes and encodes to the same bytes", "[ledger]") {
    TestLedger ledger;
    fill(ledger);
    std::map<ViewFamily, int> rows;
    for (const auto& [at, value] : ledger.views().rows) {
        CAPTURE(name(at.first));
        ++rows[at.first];
        REQUIRE(check_row(at.first, at.second, value));
        REQUIRE(encoded_again(at.first, at.second, value) == value);
    }
    for (const ViewFamily family :
         {ViewFamily::program,
          ViewFamily::api_key,
          ViewFamily::member,
          ViewFamily::lot,
          ViewFamily::stmt,
          ViewFamily::keys,
          ViewFamily::rev,
          ViewFamily::due,
          ViewFamily::blind,
          ViewFamily::seqidx,
          ViewFamily::waiting,
          ViewFamily::orphan}) {
        CAPTURE(name(family));
        REQUIRE(rows[family] > 0);
    }
}

TEST_CASE("row codec: a cut row is corrupt at every length", "[ledger]") {
    TestLedger ledger;
    fill(ledger);
    for (const auto& [at, value] : ledger.views().rows) {
        CAPTURE(name(at.first));
        for (std::size_t size = 0; size < value.size(); ++size) {
            REQUIRE_FALSE(check_row(at.first, at.second, std::string_view(value).substr(0, size)));
        }
        REQUIRE_FALSE(check_row(at.first, at.second, value + '\0'));
        REQUIRE_FALSE(check_row(at.first, at.second.substr(1), value));
    }
}

TEST_CASE("row codec: random bytes never crash a decoder", "[ledger]") {
    TestLedger ledger;
    fill(ledger);
    std::mt19937_64 random(test_support::seed());
    std::size_t refused = 0;
    for (int round = 0; round < 200; ++round) {
        for (const auto& [at, value] : ledger.views().rows) {
            std::string bytes = value;
            for (int flips = 0; flips < 3; ++flips) {
                bytes[random() % bytes.size()] = static_cast<char>(random());
            }
            refused += !check_row(at.first, at.second, bytes);
        }
    }
    REQUIRE(refused > 0);
}

TEST_CASE("row codec: a newer version is refused by name", "[ledger]") {
    Member row;
    const std::string key = member_row_key(kProgram, MemberId{1});
    REQUIRE(decode_row(key, "\x02", row).error().code == ErrorCode::newer_format);
    REQUIRE(decode_row(key, std::string_view("\0", 1), row).error().code == ErrorCode::corrupt);
    REQUIRE(decode_row(key, "", row).error().code == ErrorCode::corrupt);
}

TEST_CASE("row codec: keys parse back and sort like what they name", "[ledger]") {
    const Timestamp times[] = {-5, 0, 7, kNever - 1};
    std::string last;
    for (const Timestamp when : times) {
        const std::string key = due_row_key(kProgram, when, MemberId{3});
        REQUIRE(key > last);
        last = key;
        REQUIRE(parse_due_key(key)->when == when);
        REQUIRE(parse_due_key(key)->member == MemberId{3});
        REQUIRE(parse_due_key(key)->parked.none());
        const std::string parked = parked_due_row_key(kProgram, when, Seq{3});
        REQUIRE(parse_due_key(parked)->when == when);
        REQUIRE(parse_due_key(parked)->parked == Seq{3});
        REQUIRE(parse_due_key(parked)->member.none());
    }
    const std::string chunk = chunk_row_key(kProgram, MemberId{300}, 70'000);
    REQUIRE(parse_chunk_key(chunk)->member == MemberId{300});
    REQUIRE(parse_chunk_key(chunk)->chunk == 70'000);
    REQUIRE(chunk.rfind(member_row_key(kProgram, MemberId{300}), 0) == 0);
    const std::string contact = contact_row_key(kProgram, BlindKind::phone, 77, MemberId{4});
    REQUIRE(contact.rfind(contact_row_prefix(kProgram, BlindKind::phone, 77), 0) == 0);
    REQUIRE(parse_blind_key(contact)->contact_hash == 77);
    REQUIRE(parse_blind_key(contact)->member == MemberId{4});
    REQUIRE(parse_blind_key(external_id_row_key(kProgram, hash_of(3)))->hash == hash_of(3));
    REQUIRE(parse_blind_key(profile_row_key(kProgram, MemberId{8}))->member == MemberId{8});
    REQUIRE(parse_seen_key(seen_row_key(kProgram, hash_of(4)))->hash == hash_of(4));
    REQUIRE_FALSE(parse_member_key("short"));
    REQUIRE_FALSE(parse_blind_key(std::string(21, '\x07')));
}

TEST_CASE("row codec: a statement line keeps every field", "[ledger]") {
    StatementLine line;
    line.seq = Seq{1'234'567};
    line.recorded_at = kStart;
    line.occurred_at = kStart - 9 * kMicrosPerDay;
    line.kind = EntryKind::adjust;
    line.currency = 3;
    line.delta = -42;
    line.after = {MemberId{9}, 3, 1, 2, 3, 4, -5};
    line.reason = "goodwill";
    line.rule = "core/purchase";
    line.reference = "order-1";
    std::string packed;
    pack_line(line, packed);
    pack_line(StatementLine{}, packed);
    std::string_view rest = packed;
    const Result<StatementLine> back = unpack_line(rest, MemberId{9});
    REQUIRE(back);
    REQUIRE(back->seq == line.seq);
    REQUIRE(back->recorded_at == line.recorded_at);
    REQUIRE(back->occurred_at == line.occurred_at);
    REQUIRE(back->kind == line.kind);
    REQUIRE(back->delta == line.delta);
    REQUIRE(back->after == line.after);
    REQUIRE(back->reason == line.reason);
    REQUIRE(back->rule == line.rule);
    REQUIRE(back->reference == line.reference);
    REQUIRE(packed_length(packed, 1) == packed.size() - rest.size());
    REQUIRE(packed_length(packed, 2) == packed.size());
    REQUIRE_FALSE(packed_length(packed, 3));
}
