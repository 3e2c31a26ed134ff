#include "ledger/entry_codec.hpp"

#include <deque>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "ledger/boards/scored_entry.hpp"
#include "ledger/entry.pb.h"
#include "ledger/keyring.hpp"
#include "ledger/seal.hpp"
#include "ledger/sha256.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

namespace {

using namespace ledger;
namespace wire_format = guerdon::ledger;  // protoc's classes

/// Random entries, far stranger than decide makes them. Owns what their views point to.
class EntryMaker {
public:
    explicit EntryMaker(std::uint64_t seed) : random_(seed) {}

    Entry make() {
        strings_.clear();
        lines_.clear();
        points_.clear();
        Entry entry;
        entry.program = ProgramId{static_cast<std::uint32_t>(number())};
        entry.seq = Seq{number()};
        entry.kind = pick<EntryKind>(0, 26);
        entry.recorded_at = amount();
        entry.occurred_at = coin() ? entry.recorded_at : amount();
        entry.evaluated_at = coin() ? entry.occurred_at : amount();
        entry.actor_kind = pick<ActorKind>(0, 2);
        entry.actor_id = number();
        if ((entry.has_key_hash = coin())) fill(entry.key_hash);
        if ((entry.has_natural_hash = coin())) fill(entry.natural_hash);
        if ((entry.has_request_hash = coin())) fill(entry.request_hash);
        entry.member = MemberId{coin() ? 0 : number()};
        entry.outcome = coin() ? ErrorCode::ok : ErrorCode::refund_exceeds_order;
        add_effects(entry);
        entry.sealed = text();
        entry.sealed_for = number();
        if ((entry.has_event = coin())) make_event(entry.event);
        add_part(entry);
        return entry;
    }

private:
    std::uint64_t below(std::uint64_t end) { return random_() % end; }
    bool coin() { return below(2) == 0; }
    /// Any magnitude, 0 and the largest included.
    std::uint64_t number() { return below(4) == 0 ? 0 : random_() >> below(64); }
    std::int64_t amount() { return static_cast<std::int64_t>(coin() ? number() : -number()); }
    std::uint16_t u16() { return static_cast<std::uint16_t>(number()); }
    std::uint32_t u32() { return static_cast<std::uint32_t>(number()); }
    template <typename Enum>
    Enum pick(std::uint64_t first, std::uint64_t last) {
        return static_cast<Enum>(first + below(last - first + 1));
    }
    template <typename Hash>
    void fill(Hash& hash) {
        for (auto& byte : hash)
            byte = static_cast<std::uint8_t>(random_());
    }
    std::string_view text() {
        const std::size_t size = below(4) == 0 ? 0 : below(coin() ? 20 : 400);
        std::string made(size, ' ');
        for (char& c : made)
            c = static_cast<char>('!' + below(94));
        return strings_.emplace_back(std::move(made));
    }
    MemberId member(const Entry& entry) {
        return below(3) == 0 ? MemberId{number()} : entry.member;
    }
    Account account() { return coin() ? pick<Account>(1, 2) : pick<Account>(10, 15); }
    std::span<const OrderLine> lines() {
        std::vector<OrderLine>& made = lines_.emplace_back();
        for (std::uint64_t i = below(4); i > 0; --i) {
            made.push_back({text(), text(), amount(), amount(), coin()});
        }
        return made;
    }
    std::span<const Points> points() {
        std::vector<Points>& made = points_.emplace_back();
        for (std::uint64_t i = below(5); i > 0; --i)
            made.push_back(amount());
        return made;
    }

    void add_effects(Entry& entry) {
        for (std::uint64_t i = below(3); i > 0; --i) {
            entry.activations.push_back({member(entry), u32(), amount()});
        }
        for (std::uint64_t i = below(4); i > 0; --i) {
            const Timestamp expires = coin() ? kNever : amount();
            entry.lots.push_back({member(entry), u32(), u16(), amount(), amount(), expires});
        }
        for (std::uint64_t i = below(6); i > 0; --i) {
            entry.allocations.push_back({member(entry), u32(), amount(), pick<Purpose>(1, 5)});
        }
        for (std::uint64_t i = below(6); i > 0; --i) {
            const Account to = account();
            const MemberId whose = coin() ? MemberId{} : member(entry);
            entry.postings.push_back({to, whose, u16(), amount()});
        }
        for (std::uint64_t i = below(3); i > 0; --i)
            entry.counters.push_back({u16(), text(), amount()});
        for (std::uint64_t i = below(3); i > 0; --i) {
            entry.links.push_back({pick<LinkKind>(1, 4), Seq{number()}});
        }
        for (std::uint64_t i = below(3); i > 0; --i) {
            entry.balances_after.push_back(
                {member(entry), u16(), amount(), amount(), amount(), amount(), amount()}
            );
        }
    }

    void make_event(EventPart& event) {
        event.source = text();
        event.id = text();
        event.type = text();
        event.subject = text();
        event.facts = pick<FactsKind>(0, 2);
        if (event.facts == FactsKind::order) {
            event.order = {
                text(),
                text(),
                static_cast<std::uint8_t>(number()),
                amount(),
                amount(),
                text(),
                lines(),
                amount(),
                amount(),
                amount(),
                amount(),
                amount(),
                amount(),
                u32()};
        }
        if (event.facts == FactsKind::refund) {
            event.refund = {
                text(), text(), text(), amount(), lines(), amount(), coin(), coin(), points()};
        }
        for (std::uint64_t i = below(4); i > 0; --i) {
            event.inputs.push_back({text(), amount(), text(), static_cast<std::uint8_t>(below(3))});
        }
        for (std::uint64_t i = below(6); i > 0; --i) {
            const Points before_caps = amount();
            const Points posted = coin() ? before_caps : amount();
            event.rules.push_back(
                {text(),
                 pick<RuleCode>(1, 6),
                 before_caps,
                 u16(),
                 text(),
                 points(),
                 u32(),
                 u32(),
                 posted}
            );
        }
        event.program_version = u32();
        event.engine_abi = u32();
        event.tz_version = text();
    }

    void add_part(Entry& entry) {
        if (entry.kind == EntryKind::adjust) {
            entry.adjustment = {u16(), amount(), text(), coin(), coin()};
        }
        if (entry.kind == EntryKind::program_version) {
            Hash32 hash;
            fill(hash);
            entry.program_version = {ProgramId{u32()}, text(), u32(), hash, text(), text()};
        }
        if (entry.kind == EntryKind::program_activate) {
            entry.program_activate = {ProgramId{u32()}, u32(), amount()};
        }
        if (entry.kind == EntryKind::key) {
            entry.key.key_id = number();
            entry.key.program = ProgramId{u32()};
            fill(entry.key.secret_hash);
            for (std::uint64_t i = below(6); i > 0; --i)
                entry.key.scopes.push_back(text());
            entry.key.revoked = coin();
            entry.key.kind = static_cast<ApiKeyKind>(1 + number() % 4);
            for (std::uint64_t i = below(3); i > 0; --i)
                entry.key.origins.push_back(text());
            entry.key.label = text();
            entry.key.public_key = text();
        }
        if (entry.kind == EntryKind::board_window) {
            entry.board_window = {pick<WindowKind>(1, 2), text(), amount(), amount()};
        }
        if (below(4) == 0) {
            entry.has_parking = true;
            fill(entry.parking.order_hash);
            entry.parking.until = coin() ? 0 : amount();
        }
        if (entry.kind == EntryKind::rejected) {
            entry.refusal.detail = text();
            for (std::uint64_t i = below(3); i > 0; --i)
                entry.refusal.faults.push_back({text(), text()});
        }
    }

    std::mt19937_64 random_;
    std::deque<std::string> strings_;
    std::deque<std::vector<OrderLine>> lines_;
    std::deque<std::vector<Points>> points_;
};

std::string str(std::string_view text) {
    return std::string(text);
}

template <typename Hash>
std::string str(const Hash& hash) requires(!std::is_convertible_v<Hash, std::string_view>) {
    return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

// The mapping of entry.hpp to entry.proto written a second time, field by field, by name.

template <typename Message>
void set_member(Message& message, MemberId member, MemberId implied) {
    if (member != implied) message.set_member(member.value);
}

void set_effects(const Entry& entry, wire_format::Entry& out) {
    for (const Activation& from : entry.activations) {
        auto& to = *out.add_activations();
        set_member(to, from.member, entry.member);
        to.set_lot(from.lot);
        to.set_amount(from.amount);
    }
    for (const LotGrant& from : entry.lots) {
        auto& to = *out.add_lots();
        set_member(to, from.member, entry.member);
        to.set_lot(from.lot);
        to.set_currency(from.currency);
        to.set_amount(from.amount);
        to.set_activates_at(from.activates_at);
        if (from.expires_at != kNever) to.set_expires_at(from.expires_at);
    }
    for (const Allocation& from : entry.allocations) {
        auto& to = *out.add_allocations();
        set_member(to, from.member, entry.member);
        to.set_lot(from.lot);
        to.set_amount(from.amount);
        to.set_purpose(static_cast<std::uint32_t>(from.purpose));
    }
    for (const Posting& from : entry.postings) {
        auto& to = *out.add_postings();
        const bool members =
            from.account == Account::member_points || from.account == Account::member_debt;
        to.set_account(static_cast<std::uint32_t>(from.account));
        set_member(to, from.member, members ? entry.member : MemberId{});
        to.set_currency(from.currency);
        to.set_amount(from.amount);
    }
    for (const CounterChange& from : entry.counters) {
        auto& to = *out.add_counters();
        to.set_counter(from.counter);
        to.set_slot(std::string(from.slot));
        to.set_delta(from.delta);
    }
    for (const Link& from : entry.links) {
        auto& to = *out.add_links();
        to.set_kind(static_cast<std::uint32_t>(from.kind));
        to.set_seq(from.seq.value);
    }
    for (const Balance& from : entry.balances_after) {
        auto& to = *out.add_balances_after();
        set_member(to, from.member, entry.member);
        to.set_currency(from.currency);
        to.set_available(from.available);
        to.set_pending(from.pending);
        to.set_held(from.held);
        to.set_debt(from.debt);
        to.set_lifetime_earned(from.lifetime_earned);
    }
}

template <typename Message>
void set_lines(std::span<const OrderLine> lines, Message& out) {
    for (const OrderLine& from : lines) {
        auto& to = *out.add_lines();
        to.set_line_id(str(from.line_id));
        to.set_sku(str(from.sku));
        to.set_quantity(from.quantity);
        to.set_amount(from.amount);
        to.set_gift_card(from.gift_card);
    }
}

void set_order(const OrderFacts& from, wire_format::Order& to) {
    to.set_order_id(str(from.order_id));
    to.set_currency(str(from.currency));
    to.set_exponent(from.exponent);
    to.set_total(from.total);
    to.set_net(from.net);
    to.set_channel(str(from.channel));
    set_lines(from.lines, to);
    to.set_shipping(from.shipping);
    to.set_tax(from.tax);
    to.set_discount(from.discount);
    to.set_gift_card_amount(from.gift_card_amount);
    to.set_points_amount(from.points_amount);
    to.set_subtotal(from.subtotal);
    to.set_present(from.present);
}

void set_refund(const RefundFacts& from, wire_format::Refund& to) {
    to.set_order_id(str(from.order_id));
    to.set_refund_id(str(from.refund_id));
    to.set_currency(str(from.currency));
    to.set_amount(from.amount);
    set_lines(from.lines, to);
    to.set_shipping(from.shipping);
    to.set_cancel(from.cancel);
    to.set_has_amount(from.has_amount);
    for (const Points amount : from.taken)
        to.add_taken(amount);
}

void set_event(const EventPart& event, wire_format::Event& out) {
    out.set_source(str(event.source));
    out.set_id(str(event.id));
    out.set_type(str(event.type));
    out.set_subject(str(event.subject));
    if (event.facts == FactsKind::order) set_order(event.order, *out.mutable_order());
    if (event.facts == FactsKind::refund) set_refund(event.refund, *out.mutable_refund());
    for (const Input& from : event.inputs) {
        auto& to = *out.add_inputs();
        to.set_name(str(from.name));
        to.set_number(from.number);
        to.set_text(str(from.text));
        to.set_type(from.type);
    }
    for (const RuleOutcome& from : event.rules) {
        auto& to = *out.add_rules();
        to.set_rule(str(from.rule));
        to.set_code(static_cast<std::uint32_t>(from.code));
        to.set_amount(from.amount);
        to.set_currency(from.currency);
        to.set_reason(str(from.reason));
        for (const Points amount : from.per_line)
            to.add_per_line(amount);
        to.set_lot(from.lot);
        to.set_effect(from.effect);
        if (from.posted != from.amount) to.set_posted(from.posted);
    }
    out.set_program_version(event.program_version);
    out.set_engine_abi(event.engine_abi);
    out.set_tz_version(str(event.tz_version));
}

void set_part(const Entry& entry, wire_format::Entry& out) {
    if (entry.kind == EntryKind::adjust) {
        auto& to = *out.mutable_adjustment();
        to.set_currency(entry.adjustment.currency);
        to.set_amount(entry.adjustment.amount);
        to.set_reason_code(str(entry.adjustment.reason_code));
        to.set_visible_to_member(entry.adjustment.visible_to_member);
        to.set_counts_for_tier(entry.adjustment.counts_for_tier);
    }
    if (entry.kind == EntryKind::program_version) {
        auto& to = *out.mutable_program_version();
        to.set_program(entry.program_version.program.value);
        to.set_program_id(str(entry.program_version.program_id));
        to.set_version(entry.program_version.version);
        to.set_content_hash(str(entry.program_version.content_hash));
        to.set_document(str(entry.program_version.document));
        to.set_tz_version(str(entry.program_version.tz_version));
    }
    if (entry.kind == EntryKind::program_activate) {
        auto& to = *out.mutable_program_activate();
        to.set_program(entry.program_activate.program.value);
        to.set_version(entry.program_activate.version);
        to.set_effective_at(entry.program_activate.effective_at);
    }
    if (entry.kind == EntryKind::key) {
        auto& to = *out.mutable_key();
        to.set_key_id(entry.key.key_id);
        to.set_program(entry.key.program.value);
        to.set_secret_hash(str(entry.key.secret_hash));
        for (const std::string_view scope : entry.key.scopes)
            to.add_scopes(str(scope));
        to.set_revoked(entry.key.revoked);
        to.set_kind(static_cast<std::uint32_t>(entry.key.kind));
        for (const std::string_view origin : entry.key.origins)
            to.add_origins(str(origin));
        to.set_label(str(entry.key.label));
        to.set_public_key(str(entry.key.public_key));
    }
    if (entry.kind == EntryKind::board_window) {
        auto& to = *out.mutable_board_window();
        to.set_kind(static_cast<std::uint32_t>(entry.board_window.kind));
        to.set_id(str(entry.board_window.id));
        to.set_starts_at(entry.board_window.starts_at);
        to.set_ends_at(entry.board_window.ends_at);
    }
    if (entry.has_parking) {
        auto& to = *out.mutable_parking();
        to.set_order_hash(str(entry.parking.order_hash));
        to.set_until(entry.parking.until);
    }
    if (entry.kind == EntryKind::rejected) {
        auto& to = *out.mutable_refusal();
        to.set_detail(str(entry.refusal.detail));
        for (const FieldFault& from : entry.refusal.faults) {
            auto& fault = *to.add_faults();
            fault.set_pointer(str(from.pointer));
            fault.set_detail(str(from.detail));
        }
    }
}

wire_format::Entry to_message(const Entry& entry) {
    wire_format::Entry out;
    out.set_format(1);
    out.set_program(entry.program.value);
    out.set_seq(entry.seq.value);
    out.set_kind(static_cast<std::uint32_t>(entry.kind));
    out.set_recorded_at(entry.recorded_at);
    if (entry.occurred_at != entry.recorded_at) out.set_occurred_at(entry.occurred_at);
    if (entry.evaluated_at != entry.occurred_at) out.set_evaluated_at(entry.evaluated_at);
    out.set_actor_kind(static_cast<std::uint32_t>(entry.actor_kind));
    out.set_actor_id(entry.actor_id);
    if (entry.has_key_hash) out.set_key_hash(str(entry.key_hash));
    if (entry.has_natural_hash) out.set_natural_hash(str(entry.natural_hash));
    if (entry.has_request_hash) out.set_request_hash(str(entry.request_hash));
    out.set_member(entry.member.value);
    out.set_outcome(static_cast<std::uint32_t>(entry.outcome));
    set_effects(entry, out);
    out.set_sealed(str(entry.sealed));
    out.set_sealed_for(entry.sealed_for);
    if (entry.has_event) set_event(entry.event, *out.mutable_event());
    set_part(entry, out);
    return out;
}

std::string encoded(const Entry& entry) {
    std::string bytes;
    encode(entry, bytes);
    return bytes;
}

ErrorCode decode_error(const std::string& bytes) {
    const auto decoded = decode(bytes);
    return decoded ? ErrorCode::ok : decoded.error().code;
}

/// A small valid message to spoil.
wire_format::Entry valid_message() {
    wire_format::Entry message;
    message.set_format(1);
    message.set_program(1);
    message.set_seq(1);
    message.set_kind(1);
    message.set_recorded_at(1'000'000);
    message.set_member(5);
    return message;
}

}  // namespace

TEST_CASE("entry_codec: random entries have the bytes that protoc writes", "[entry_codec]") {
    EntryMaker maker(test_support::seed());
    for (int i = 0; i < 2'000; ++i) {
        const Entry entry = maker.make();
        REQUIRE(encoded(entry) == to_message(entry).SerializeAsString());
    }
}

TEST_CASE("scored_entry: boards read the same as everybody else", "[entry_codec]") {
    EntryMaker maker(test_support::seed());
    boards::ScoredEntry scanned;
    for (int i = 0; i < 2'000; ++i) {
        const Entry entry = maker.make();
        const std::string bytes = encoded(entry);
        REQUIRE(boards::scan_entry(bytes, scanned));
        REQUIRE(scanned.kind == entry.kind);
        REQUIRE(scanned.recorded_at == entry.recorded_at);
        REQUIRE(scanned.evaluated_at == entry.evaluated_at);
        REQUIRE(scanned.member == entry.member);
        REQUIRE(scanned.earned.size() == entry.balances_after.size());
        for (std::size_t b = 0; b < scanned.earned.size(); ++b) {
            REQUIRE(scanned.earned[b].member == entry.balances_after[b].member);
            REQUIRE(scanned.earned[b].currency == entry.balances_after[b].currency);
            REQUIRE(scanned.earned[b].lifetime == entry.balances_after[b].lifetime_earned);
        }
        const bool own = entry.sealed_for != 0 && entry.sealed_for == entry.member.value;
        REQUIRE(scanned.sealed == (!entry.sealed.empty() && own));
        if (entry.kind == EntryKind::board_window) {
            REQUIRE(scanned.window.kind == entry.board_window.kind);
            REQUIRE(scanned.window.id == entry.board_window.id);
            REQUIRE(scanned.window.starts_at == entry.board_window.starts_at);
            REQUIRE(scanned.window.ends_at == entry.board_window.ends_at);
        }
    }
}

TEST_CASE("entry_codec: a decoded random entry encodes to the same bytes", "[entry_codec]") {
    EntryMaker maker(test_support::seed());
    OwnedEntry reused;
    for (int i = 0; i < 2'000; ++i) {
        const std::string bytes = encoded(maker.make());
        const auto fresh = decode(bytes);
        REQUIRE(fresh);
        REQUIRE((*fresh)->bytes == bytes);
        REQUIRE(encoded((*fresh)->entry) == bytes);
        REQUIRE(decode_into(bytes, reused));
        REQUIRE(encoded(reused.entry) == bytes);
    }
}

TEST_CASE("entry_codec: encode appends and leaves what is before", "[entry_codec]") {
    EntryMaker maker(test_support::seed());
    std::string group = "before";
    const Entry entry = maker.make();
    encode(entry, group);
    REQUIRE(group == "before" + encoded(entry));
}

TEST_CASE("entry_codec: what is absent reads as its meaning", "[entry_codec]") {
    wire_format::Entry message = valid_message();
    message.add_lots()->set_amount(10);
    message.add_postings()->set_account(1);
    message.add_postings()->set_account(10);
    message.mutable_event()->add_rules()->set_code(1);
    message.mutable_event()->mutable_rules(0)->set_amount(-7);

    const auto decoded = decode(message.SerializeAsString());
    REQUIRE(decoded);
    const Entry& entry = (*decoded)->entry;
    REQUIRE(entry.occurred_at == 1'000'000);
    REQUIRE(entry.evaluated_at == 1'000'000);
    REQUIRE(entry.lots[0].member == MemberId{5});
    REQUIRE(entry.lots[0].expires_at == kNever);
    REQUIRE(entry.lots[0].activates_at == 0);
    REQUIRE(entry.postings[0].member == MemberId{5});
    REQUIRE(entry.postings[1].member.none());
    REQUIRE(entry.event.rules[0].posted == -7);
    REQUIRE_FALSE(entry.has_key_hash);
    REQUIRE(entry.event.facts == FactsKind::none);
}

TEST_CASE("entry_codec: zero differs from absent where absent means more", "[entry_codec]") {
    Entry entry;
    entry.recorded_at = 1'000;
    entry.occurred_at = 0;
    entry.evaluated_at = 0;
    entry.has_event = true;
    RuleOutcome rule;
    rule.code = RuleCode::capped;
    rule.amount = 12;
    entry.event.rules.push_back(rule);
    const auto decoded = decode(encoded(entry));
    REQUIRE(decoded);
    REQUIRE((*decoded)->entry.occurred_at == 0);
    REQUIRE((*decoded)->entry.evaluated_at == 0);
    REQUIRE((*decoded)->entry.event.rules[0].posted == 0);
    REQUIRE((*decoded)->entry.event.rules[0].amount == 12);
}

TEST_CASE("entry_codec: decode_into forgets the entry before", "[entry_codec]") {
    EntryMaker maker(test_support::seed());
    OwnedEntry reused;
    const std::string rich = encoded(maker.make());
    REQUIRE(decode_into(rich, reused));
    const std::string poor = valid_message().SerializeAsString();
    REQUIRE(decode_into(poor, reused));
    REQUIRE(encoded(reused.entry) == poor);
}

TEST_CASE("entry_codec: unknown fields are skipped", "[entry_codec]") {
    wire_format::Entry message = valid_message();
    auto* unknown = message.GetReflection()->MutableUnknownFields(&message);
    unknown->AddVarint(99, 7);
    unknown->AddLengthDelimited(100, "later");
    unknown->AddFixed32(101, 7);
    const auto decoded = decode(message.SerializeAsString());
    REQUIRE(decoded);
    REQUIRE(encoded((*decoded)->entry) == valid_message().SerializeAsString());
}

TEST_CASE("entry_codec: a higher format is newer_format", "[entry_codec]") {
    wire_format::Entry message = valid_message();
    message.set_format(2);
    message.set_kind(999);  // whatever else is wrong
    REQUIRE(decode_error(message.SerializeAsString()) == ErrorCode::newer_format);
}

TEST_CASE("entry_codec: malformed entries are corrupt", "[entry_codec]") {
    struct Case {
        const char* what;
        void (*spoil)(wire_format::Entry&);
    };
    const std::vector<Case> cases{
        {"no format", [](wire_format::Entry& m) { m.clear_format(); }},
        {"unknown kind", [](wire_format::Entry& m) { m.set_kind(27); }},
        {"unknown actor kind", [](wire_format::Entry& m) { m.set_actor_kind(3); }},
        {"outcome out of range", [](wire_format::Entry& m) { m.set_outcome(65'536); }},
        {"short hash", [](wire_format::Entry& m) { m.set_key_hash(std::string(15, 'x')); }},
        {"long hash", [](wire_format::Entry& m) { m.set_request_hash(std::string(17, 'x')); }},
        {"currency out of range",
         [](wire_format::Entry& m) { m.add_lots()->set_currency(65'536); }},
        {"unknown account", [](wire_format::Entry& m) { m.add_postings()->set_account(3); }},
        {"no account", [](wire_format::Entry& m) { m.add_postings()->set_amount(3); }},
        {"account past the last", [](wire_format::Entry& m) { m.add_postings()->set_account(16); }},
        {"no purpose", [](wire_format::Entry& m) { m.add_allocations()->set_amount(1); }},
        {"unknown purpose", [](wire_format::Entry& m) { m.add_allocations()->set_purpose(6); }},
        {"no link kind", [](wire_format::Entry& m) { m.add_links()->set_seq(1); }},
        {"no rule code", [](wire_format::Entry& m) { m.mutable_event()->add_rules()->set_lot(1); }},
        {"unknown rule code",
         [](wire_format::Entry& m) { m.mutable_event()->add_rules()->set_code(7); }},
        {"unknown input type",
         [](wire_format::Entry& m) { m.mutable_event()->add_inputs()->set_type(3); }},
        {"exponent out of range",
         [](wire_format::Entry& m) { m.mutable_event()->mutable_order()->set_exponent(256); }},
        {"two kinds of facts",
         [](wire_format::Entry& m) {
             m.mutable_event()->mutable_order()->set_order_id("1");
             m.mutable_event()->mutable_refund()->set_order_id("1");
         }},
        {"short secret hash", [](wire_format::Entry& m) { m.mutable_key()->set_secret_hash("x"); }},
    };
    for (const Case& each : cases) {
        INFO(each.what);
        wire_format::Entry message = valid_message();
        REQUIRE(decode_error(message.SerializeAsString()) == ErrorCode::ok);
        each.spoil(message);
        REQUIRE(decode_error(message.SerializeAsString()) == ErrorCode::corrupt);
    }
    const std::string valid = valid_message().SerializeAsString();
    const std::string event = [] {
        wire_format::Entry message;
        message.mutable_event()->set_id("1");
        return message.SerializeAsString();
    }();
    const std::string lot_before_member = [] {
        wire_format::Entry message;
        message.add_lots()->set_lot(1);
        return message.SerializeAsString();
    }();
    REQUIRE(decode_error("") == ErrorCode::corrupt);
    REQUIRE(decode_error(valid + event) == ErrorCode::ok);
    REQUIRE(decode_error(valid + event + event) == ErrorCode::corrupt);
    REQUIRE(decode_error(lot_before_member + valid) == ErrorCode::corrupt);
    REQUIRE(decode_error(valid + "\xff") == ErrorCode::corrupt);
    REQUIRE(decode_error(valid + std::string(12, '\xff')) == ErrorCode::corrupt);
    REQUIRE(decode_error(valid + std::string("\x00\x01", 2)) == ErrorCode::corrupt);  // field 0
    REQUIRE(decode_error(valid + "\xc2\x01\x7f") == ErrorCode::corrupt);  // event past the end
}

TEST_CASE("entry_codec: spoiled bytes are refused or read but never crash", "[entry_codec]") {
    EntryMaker maker(test_support::seed());
    std::mt19937_64 random(test_support::seed());
    OwnedEntry reused;
    std::size_t refused = 0;
    for (int i = 0; i < 300; ++i) {
        const std::string bytes = encoded(maker.make());
        // Exactly sized, so that a sanitizer sees a read past the end.
        for (std::size_t size = 0; size < bytes.size(); size += 1 + size / 16) {
            const std::vector<char> cut(
                bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)
            );
            if (!decode_into({cut.data(), cut.size()}, reused)) ++refused;
        }
        for (int flip = 0; flip < 40; ++flip) {
            std::vector<char> changed(bytes.begin(), bytes.end());
            const std::size_t at = random() % changed.size();
            changed[at] = static_cast<char>(random());
            const Result<void> read = decode_into({changed.data(), changed.size()}, reused);
            if (read) {
                std::string again;
                encode(reused.entry, again);
                REQUIRE_FALSE(again.empty());
            } else {
                const ErrorCode code = read.error().code;
                REQUIRE((code == ErrorCode::corrupt || code == ErrorCode::newer_format));
                ++refused;
            }
        }
    }
    REQUIRE(refused > 0);
}

TEST_CASE("entry_codec: personal fields never enter the bytes", "[entry_codec]") {
    const std::string canary = "canary-7f3a@example.org";
    const SecretKey key = SecretKey::random();
    Entry entry;
    entry.kind = EntryKind::member;
    entry.member = MemberId{1};
    entry.personal = {canary, canary, canary, canary, canary, canary, canary};
    REQUIRE(encoded(entry).find(canary) == std::string::npos);
    const std::string without = encoded(entry);
    Entry bare = entry;
    bare.personal = {};
    REQUIRE(encoded(bare) == without);

    std::string sealed;
    seal(entry.personal, key, sealed);
    entry.sealed = sealed;
    entry.sealed_for = 1;
    const std::string bytes = encoded(entry);
    const Hash32 hash = sha256(canary);
    REQUIRE(bytes.find(sealed) != std::string::npos);
    REQUIRE(bytes.find(canary) == std::string::npos);
    REQUIRE(bytes.find(str(hash)) == std::string::npos);

    const auto decoded = decode(bytes);
    REQUIRE(decoded);
    REQUIRE((*decoded)->entry.personal.empty());
    REQUIRE(open_personal(**decoded, key));
    REQUIRE((*decoded)->entry.personal.email == canary);
}

TEST_CASE("entry: clear gives the default entry", "[entry]") {
    EntryMaker maker(test_support::seed());
    for (int i = 0; i < 200; ++i) {
        Entry entry = maker.make();
        entry.personal.email = "x";
        entry.clear();
        REQUIRE(entry.personal.empty());
        REQUIRE(entry.event.facts == FactsKind::none);
        REQUIRE(entry.key.kind == ApiKeyKind::secret);
        // Parts are only written for their kind: look at each through it.
        for (const EntryKind kind :
             {EntryKind::none,
              EntryKind::adjust,
              EntryKind::key,
              EntryKind::program_version,
              EntryKind::program_activate}) {
            Entry fresh;
            fresh.kind = entry.kind = kind;
            fresh.has_event = entry.has_event = true;
            REQUIRE(encoded(entry) == encoded(fresh));
        }
    }
}

TEST_CASE("entry: names are the wire strings", "[entry]") {
    REQUIRE(name(EntryKind::program_activate) == "program_activate");
    REQUIRE(name(EntryKind::board_window) == "board_window");
    REQUIRE(name(Account::written_off) == "written_off");
    REQUIRE(name(RuleCode::not_matched) == "not_matched");
}
