// Grammar: entry.proto. Every message is written by one function and read by one, in the order of
// the file.
#include "ledger/entry_codec.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include <protozero/pbf_reader.hpp>

#include "ledger/wire.hpp"

namespace ledger {
namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;
using wire::Malformed;
using wire::Writer;

bool is_system(Account account) {
    return account >= Account::issued;
}

template <std::size_t Size>
std::string_view view(const std::array<std::uint8_t, Size>& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// ---------------------------------------------------------------------------------------- writing

std::size_t bound(std::span<const OrderLine> lines) {
    std::size_t size = 0;
    for (const OrderLine& line : lines) {
        size += wire::kFrameMax + wire::bound(line.line_id) + wire::bound(line.sku) +
                3 * wire::kNumberMax;
    }
    return size;
}

std::size_t bound(const EventPart& event) {
    std::size_t size = wire::kFrameMax + wire::bound(event.source) + wire::bound(event.id) +
                       wire::bound(event.type) + wire::bound(event.subject) +
                       wire::bound(event.tz_version) + 2 * wire::kNumberMax;
    if (event.facts == FactsKind::order) {
        size += wire::kFrameMax + wire::bound(event.order.order_id) +
                wire::bound(event.order.currency) + wire::bound(event.order.channel) +
                bound(event.order.lines) + 10 * wire::kNumberMax;
    } else if (event.facts == FactsKind::refund) {
        size += wire::kFrameMax + wire::bound(event.refund.order_id) +
                wire::bound(event.refund.refund_id) + wire::bound(event.refund.currency) +
                bound(event.refund.lines) + 4 * wire::kNumberMax + wire::kFrameMax +
                event.refund.taken.size() * wire::kNumberMax;
    }
    for (const Input& input : event.inputs) {
        size += wire::kFrameMax + wire::bound(input.name) + wire::bound(input.text) +
                2 * wire::kNumberMax;
    }
    for (const RuleOutcome& rule : event.rules) {
        size += wire::kFrameMax + wire::bound(rule.rule) + wire::bound(rule.reason) +
                wire::kFrameMax + rule.per_line.size() * wire::kNumberMax + 6 * wire::kNumberMax;
    }
    return size;
}

std::size_t bound(const KeyPart& key) {
    std::size_t size = wire::kFrameMax + wire::bound(key.label) + wire::bound(key.public_key) +
                       wire::bound(view(key.secret_hash)) + 4 * wire::kNumberMax;
    for (const std::string_view scope : key.scopes)
        size += wire::bound(scope);
    for (const std::string_view origin : key.origins)
        size += wire::bound(origin);
    return size;
}

std::size_t bound(const RefusalPart& part) {
    std::size_t size = wire::kFrameMax + wire::bound(part.detail);
    for (const FieldFault& fault : part.faults) {
        size += wire::kFrameMax + wire::bound(fault.pointer) + wire::bound(fault.detail);
    }
    return size;
}

// The greatest number of bytes that `entry` can take.
std::size_t bound(const Entry& entry) {
    constexpr std::size_t kNumbers = 12;
    constexpr std::size_t kHashes = 3 * (wire::kFrameMax + sizeof(Hash16));
    std::size_t size = kNumbers * wire::kNumberMax + kHashes + wire::bound(entry.sealed);
    size += entry.activations.size() * (wire::kFrameMax + 3 * wire::kNumberMax);
    size += entry.lots.size() * (wire::kFrameMax + 6 * wire::kNumberMax);
    size += entry.allocations.size() * (wire::kFrameMax + 4 * wire::kNumberMax);
    size += entry.postings.size() * (wire::kFrameMax + 4 * wire::kNumberMax);
    for (const CounterChange& change : entry.counters)
        size += wire::kFrameMax + wire::bound(change.slot) + 2 * wire::kNumberMax;
    size += entry.links.size() * (wire::kFrameMax + 2 * wire::kNumberMax);
    size += entry.balances_after.size() * (wire::kFrameMax + 7 * wire::kNumberMax);
    if (entry.has_event) size += bound(entry.event);
    if (entry.kind == EntryKind::adjust) {
        size += wire::kFrameMax + wire::bound(entry.adjustment.reason_code) + 4 * wire::kNumberMax;
    }
    if (entry.kind == EntryKind::program_version) {
        const ProgramVersionPart& part = entry.program_version;
        size += wire::kFrameMax + wire::bound(part.program_id) + wire::bound(part.document) +
                wire::bound(part.tz_version) + wire::bound(view(part.content_hash)) +
                2 * wire::kNumberMax;
    }
    if (entry.kind == EntryKind::program_activate) size += wire::kFrameMax + 3 * wire::kNumberMax;
    if (entry.kind == EntryKind::key) size += bound(entry.key);
    if (entry.kind == EntryKind::rejected) size += bound(entry.refusal);
    if (entry.kind == EntryKind::board_window)
        size += wire::kFrameMax + wire::bound(entry.board_window.id) + 3 * wire::kNumberMax;
    if (entry.has_parking)
        size += wire::kFrameMax + wire::bound(view(entry.parking.order_hash)) + wire::kNumberMax;
    return size;
}

template <std::uint32_t Field>
void write_member(Writer& out, MemberId member, MemberId implied) {
    if (member != implied) out.explicit_number<Field>(member.value);
}

template <std::uint32_t Field>
void write_packed(Writer& out, std::span<const Points> numbers, bool zigzag) {
    if (numbers.empty()) return;
    out.nested<Field>([&] {
        for (const Points number : numbers) {
            out.varint(
                zigzag ? protozero::encode_zigzag64(number) : static_cast<std::uint64_t>(number)
            );
        }
    });
}

void write_effects(Writer& out, const Entry& entry) {
    for (const Activation& activation : entry.activations) {
        out.nested<15>([&] {
            write_member<1>(out, activation.member, entry.member);
            out.number<2>(activation.lot);
            out.number<3>(activation.amount);
        });
    }
    for (const LotGrant& lot : entry.lots) {
        out.nested<16>([&] {
            write_member<1>(out, lot.member, entry.member);
            out.number<2>(lot.lot);
            out.number<3>(std::uint32_t{lot.currency});
            out.number<4>(lot.amount);
            out.number<5>(lot.activates_at);
            if (lot.expires_at != kNever) {
                out.explicit_number<6>(static_cast<std::uint64_t>(lot.expires_at));
            }
        });
    }
    for (const Allocation& allocation : entry.allocations) {
        out.nested<17>([&] {
            write_member<1>(out, allocation.member, entry.member);
            out.number<2>(allocation.lot);
            out.zigzag<3>(allocation.amount);
            out.number<4>(static_cast<std::uint32_t>(allocation.purpose));
        });
    }
    for (const Posting& posting : entry.postings) {
        out.nested<18>([&] {
            out.number<1>(static_cast<std::uint32_t>(posting.account));
            write_member<2>(
                out, posting.member, is_system(posting.account) ? MemberId{} : entry.member
            );
            out.number<3>(std::uint32_t{posting.currency});
            out.zigzag<4>(posting.amount);
        });
    }
    for (const CounterChange& change : entry.counters) {
        out.nested<19>([&] {
            out.number<1>(std::uint32_t{change.counter});
            out.text<2>(change.slot);
            out.zigzag<3>(change.delta);
        });
    }
    for (const Link& link : entry.links) {
        out.nested<20>([&] {
            out.number<1>(static_cast<std::uint32_t>(link.kind));
            out.number<2>(link.seq.value);
        });
    }
    for (const Balance& balance : entry.balances_after) {
        out.nested<21>([&] {
            write_member<1>(out, balance.member, entry.member);
            out.number<2>(std::uint32_t{balance.currency});
            out.number<3>(balance.available);
            out.number<4>(balance.pending);
            out.number<5>(balance.held);
            out.number<6>(balance.debt);
            out.number<7>(balance.lifetime_earned);
        });
    }
}

template <std::uint32_t Field>
void write_lines(Writer& out, std::span<const OrderLine> lines) {
    for (const OrderLine& line : lines) {
        out.nested<Field>([&] {
            out.text<1>(line.line_id);
            out.text<2>(line.sku);
            out.number<3>(line.quantity);
            out.number<4>(line.amount);
            out.number<5>(std::uint32_t{line.gift_card});
        });
    }
}

void write_order(Writer& out, const OrderFacts& order) {
    out.text<1>(order.order_id);
    out.text<2>(order.currency);
    out.number<3>(std::uint32_t{order.exponent});
    out.number<4>(order.total);
    out.number<5>(order.net);
    out.text<6>(order.channel);
    write_lines<7>(out, order.lines);
    out.number<8>(order.shipping);
    out.number<9>(order.tax);
    out.number<10>(order.discount);
    out.number<11>(order.gift_card_amount);
    out.number<12>(order.points_amount);
    out.number<13>(order.subtotal);
    out.number<14>(order.present);
}

void write_refund(Writer& out, const RefundFacts& refund) {
    out.text<1>(refund.order_id);
    out.text<2>(refund.refund_id);
    out.text<3>(refund.currency);
    out.number<4>(refund.amount);
    write_lines<5>(out, refund.lines);
    out.number<6>(refund.shipping);
    out.number<7>(std::uint32_t{refund.cancel});
    out.number<8>(std::uint32_t{refund.has_amount});
    write_packed<9>(out, refund.taken, false);
}

void write_event(Writer& out, const EventPart& event) {
    out.text<1>(event.source);
    out.text<2>(event.id);
    out.text<3>(event.type);
    out.text<4>(event.subject);
    if (event.facts == FactsKind::order) out.nested<5>([&] { write_order(out, event.order); });
    if (event.facts == FactsKind::refund) out.nested<6>([&] { write_refund(out, event.refund); });
    for (const Input& input : event.inputs) {
        out.nested<7>([&] {
            out.text<1>(input.name);
            out.zigzag<2>(input.number);
            out.text<3>(input.text);
            out.number<4>(std::uint32_t{input.type});
        });
    }
    for (const RuleOutcome& rule : event.rules) {
        out.nested<8>([&] {
            out.text<1>(rule.rule);
            out.number<2>(static_cast<std::uint32_t>(rule.code));
            out.zigzag<3>(rule.amount);
            out.number<4>(std::uint32_t{rule.currency});
            out.text<5>(rule.reason);
            write_packed<6>(out, rule.per_line, true);
            out.number<7>(rule.lot);
            out.number<8>(rule.effect);
            if (rule.posted != rule.amount) {
                out.explicit_number<9>(protozero::encode_zigzag64(rule.posted));
            }
        });
    }
    out.number<9>(event.program_version);
    out.number<10>(event.engine_abi);
    out.text<11>(event.tz_version);
}

void write_adjustment(Writer& out, const AdjustmentPart& part) {
    out.number<1>(std::uint32_t{part.currency});
    out.zigzag<2>(part.amount);
    out.text<3>(part.reason_code);
    out.number<4>(std::uint32_t{part.visible_to_member});
    out.number<5>(std::uint32_t{part.counts_for_tier});
}

void write_program_version(Writer& out, const ProgramVersionPart& part) {
    out.number<1>(part.program.value);
    out.text<2>(part.program_id);
    out.number<3>(part.version);
    out.text<4>(view(part.content_hash));
    out.text<5>(part.document);
    out.text<6>(part.tz_version);
}

void write_program_activate(Writer& out, const ProgramActivatePart& part) {
    out.number<1>(part.program.value);
    out.number<2>(part.version);
    out.number<3>(part.effective_at);
}

void write_key(Writer& out, const KeyPart& key) {
    out.number<1>(key.key_id);
    out.number<2>(key.program.value);
    out.text<3>(view(key.secret_hash));
    for (const std::string_view scope : key.scopes)
        out.explicit_text<4>(scope);
    out.number<5>(std::uint32_t{key.revoked});
    out.number<6>(static_cast<std::uint32_t>(key.kind));
    for (const std::string_view origin : key.origins)
        out.explicit_text<7>(origin);
    out.text<8>(key.label);
    out.text<9>(key.public_key);
}

void write_board_window(Writer& out, const BoardWindowPart& part) {
    out.number<1>(static_cast<std::uint32_t>(part.kind));
    out.text<2>(part.id);
    out.number<3>(part.starts_at);
    out.number<4>(part.ends_at);
}

void write_parking(Writer& out, const ParkingPart& part) {
    out.text<1>(view(part.order_hash));
    out.number<2>(part.until);
}

void write_refusal(Writer& out, const RefusalPart& part) {
    out.text<1>(part.detail);
    for (const FieldFault& fault : part.faults) {
        out.nested<2>([&] {
            out.text<1>(fault.pointer);
            out.text<2>(fault.detail);
        });
    }
}

void write_head(Writer& out, const Entry& entry) {
    out.number<1>(kEntryFormat);
    out.number<2>(entry.program.value);
    out.number<3>(entry.seq.value);
    out.number<4>(static_cast<std::uint32_t>(entry.kind));
    out.number<5>(entry.recorded_at);
    if (entry.occurred_at != entry.recorded_at) {
        out.explicit_number<6>(static_cast<std::uint64_t>(entry.occurred_at));
    }
    if (entry.evaluated_at != entry.occurred_at) {
        out.explicit_number<7>(static_cast<std::uint64_t>(entry.evaluated_at));
    }
    out.number<8>(static_cast<std::uint32_t>(entry.actor_kind));
    out.number<9>(entry.actor_id);
    if (entry.has_key_hash) out.text<10>(view(entry.key_hash));
    if (entry.has_natural_hash) out.text<11>(view(entry.natural_hash));
    if (entry.has_request_hash) out.text<12>(view(entry.request_hash));
    out.number<13>(entry.member.value);
    out.number<14>(static_cast<std::uint32_t>(entry.outcome));
}

void write_entry(Writer& out, const Entry& entry) {
    write_head(out, entry);
    write_effects(out, entry);
    out.text<22>(entry.sealed);
    out.number<23>(entry.sealed_for);
    if (entry.has_event) out.nested<24>([&] { write_event(out, entry.event); });
    switch (entry.kind) {
        case EntryKind::adjust:
            out.nested<25>([&] { write_adjustment(out, entry.adjustment); });
            break;
        case EntryKind::program_version:
            out.nested<26>([&] { write_program_version(out, entry.program_version); });
            break;
        case EntryKind::program_activate:
            out.nested<27>([&] { write_program_activate(out, entry.program_activate); });
            break;
        case EntryKind::key: out.nested<28>([&] { write_key(out, entry.key); }); break;
        case EntryKind::rejected: out.nested<29>([&] { write_refusal(out, entry.refusal); }); break;
        case EntryKind::board_window:
            out.nested<30>([&] { write_board_window(out, entry.board_window); });
            break;
        default: break;
    }
    if (entry.has_parking) out.nested<31>([&] { write_parking(out, entry.parking); });
}

// ---------------------------------------------------------------------------------------- reading

class NewerFormat : public Malformed {
public:
    NewerFormat() : Malformed("written by a newer release") {}
};

constexpr std::uint32_t number_field(std::uint32_t field) {
    return protozero::tag_and_type(field, pbf_wire_type::varint);
}

constexpr std::uint32_t text_field(std::uint32_t field) {
    return protozero::tag_and_type(field, pbf_wire_type::length_delimited);
}

template <typename Number>
Number read_number(pbf_reader& in) {
    const std::uint64_t value = in.get_uint64();
    if (value > std::numeric_limits<Number>::max()) throw Malformed("a number is out of range");
    return static_cast<Number>(value);
}

template <typename Enum>
Enum read_enum(pbf_reader& in, Enum last) {
    const std::uint64_t value = in.get_uint64();
    if (value > static_cast<std::uint64_t>(last)) throw Malformed("an unknown enumerator");
    return static_cast<Enum>(value);
}

std::string_view read_text(pbf_reader& in) {
    const protozero::data_view bytes = in.get_view();
    return {bytes.data(), bytes.size()};
}

template <typename Hash>
Hash read_hash(pbf_reader& in) {
    const protozero::data_view bytes = in.get_view();
    Hash hash;
    if (bytes.size() != hash.size()) throw Malformed("a hash of the wrong length");
    std::copy_n(bytes.data(), hash.size(), hash.begin());
    return hash;
}

bool read_bool(pbf_reader& in) {
    return in.get_uint64() != 0;
}

Activation read_activation(pbf_reader in, MemberId member) {
    Activation activation{.member = member};
    while (in.next()) {
        switch (in.tag_and_type()) {
            case number_field(1): activation.member = MemberId{in.get_uint64()}; break;
            case number_field(2): activation.lot = read_number<std::uint32_t>(in); break;
            case number_field(3): activation.amount = in.get_int64(); break;
            default: in.skip();
        }
    }
    return activation;
}

LotGrant read_lot(pbf_reader in, MemberId member) {
    LotGrant lot{.member = member};
    while (in.next()) {
        switch (in.tag_and_type()) {
            case number_field(1): lot.member = MemberId{in.get_uint64()}; break;
            case number_field(2): lot.lot = read_number<std::uint32_t>(in); break;
            case number_field(3): lot.currency = read_number<std::uint16_t>(in); break;
            case number_field(4): lot.amount = in.get_int64(); break;
            case number_field(5): lot.activates_at = in.get_int64(); break;
            case number_field(6): lot.expires_at = in.get_int64(); break;
            default: in.skip();
        }
    }
    return lot;
}

Allocation read_allocation(pbf_reader in, MemberId member) {
    Allocation allocation{.member = member, .purpose = Purpose{}};
    while (in.next()) {
        switch (in.tag_and_type()) {
            case number_field(1): allocation.member = MemberId{in.get_uint64()}; break;
            case number_field(2): allocation.lot = read_number<std::uint32_t>(in); break;
            case number_field(3): allocation.amount = in.get_sint64(); break;
            case number_field(4): allocation.purpose = read_enum(in, Purpose::restore); break;
            default: in.skip();
        }
    }
    if (allocation.purpose == Purpose{}) throw Malformed("an allocation without purpose");
    return allocation;
}

CounterChange read_counter(pbf_reader in) {
    CounterChange change;
    while (in.next()) {
        switch (in.tag_and_type()) {
            case number_field(1): change.counter = read_number<std::uint16_t>(in); break;
            case text_field(2): change.slot = read_text(in); break;
            case number_field(3): change.delta = in.get_sint64(); break;
            default: in.skip();
        }
    }
    return change;
}

Posting read_posting(pbf_reader in, MemberId entry_member) {
    Posting posting;
    posting.account = Account{};
    bool has_member = false;
    while (in.next()) {
        switch (in.tag_and_type()) {
            case number_field(1): posting.account = read_enum(in, Account::external); break;
            case number_field(2):
                posting.member = MemberId{in.get_uint64()};
                has_member = true;
                break;
            case number_field(3): posting.currency = read_number<std::uint16_t>(in); break;
            case number_field(4): posting.amount = in.get_sint64(); break;
            default: in.skip();
        }
    }
    const bool known = posting.account == Account::member_points ||
                       posting.account == Account::member_debt || is_system(posting.account);
    if (!known) throw Malformed("a posting to an unknown account");
    if (!has_member && !is_system(posting.account)) posting.member = entry_member;
    return posting;
}

Link read_link(pbf_reader in) {
    Link link{.kind = LinkKind{}, .seq = {}};
    while (in.next()) {
        switch (in.tag_and_type()) {
            case number_field(1): link.kind = read_enum(in, LinkKind::parked); break;
            case number_field(2): link.seq = Seq{in.get_uint64()}; break;
            default: in.skip();
        }
    }
    if (link.kind == LinkKind{}) throw Malformed("a link without kind");
    return link;
}

Balance read_balance(pbf_reader in, MemberId member) {
    Balance balance{.member = member};
    while (in.next()) {
        switch (in.tag_and_type()) {
            case number_field(1): balance.member = MemberId{in.get_uint64()}; break;
            case number_field(2): balance.currency = read_number<std::uint16_t>(in); break;
            case number_field(3): balance.available = in.get_int64(); break;
            case number_field(4): balance.pending = in.get_int64(); break;
            case number_field(5): balance.held = in.get_int64(); break;
            case number_field(6): balance.debt = in.get_int64(); break;
            case number_field(7): balance.lifetime_earned = in.get_int64(); break;
            default: in.skip();
        }
    }
    return balance;
}

OrderLine read_line(pbf_reader in) {
    OrderLine line;
    line.quantity = 0;
    while (in.next()) {
        switch (in.tag_and_type()) {
            case text_field(1): line.line_id = read_text(in); break;
            case text_field(2): line.sku = read_text(in); break;
            case number_field(3): line.quantity = in.get_int64(); break;
            case number_field(4): line.amount = in.get_int64(); break;
            case number_field(5): line.gift_card = read_bool(in); break;
            default: in.skip();
        }
    }
    return line;
}

OrderFacts read_order(pbf_reader in, std::vector<OrderLine>& lines) {
    OrderFacts order;
    order.exponent = 0;
    while (in.next()) {
        switch (in.tag_and_type()) {
            case text_field(1): order.order_id = read_text(in); break;
            case text_field(2): order.currency = read_text(in); break;
            case number_field(3): order.exponent = read_number<std::uint8_t>(in); break;
            case number_field(4): order.total = in.get_int64(); break;
            case number_field(5): order.net = in.get_int64(); break;
            case text_field(6): order.channel = read_text(in); break;
            case text_field(7): lines.push_back(read_line(in.get_message())); break;
            case number_field(8): order.shipping = in.get_int64(); break;
            case number_field(9): order.tax = in.get_int64(); break;
            case number_field(10): order.discount = in.get_int64(); break;
            case number_field(11): order.gift_card_amount = in.get_int64(); break;
            case number_field(12): order.points_amount = in.get_int64(); break;
            case number_field(13): order.subtotal = in.get_int64(); break;
            case number_field(14): order.present = read_number<std::uint32_t>(in); break;
            default: in.skip();
        }
    }
    order.lines = lines;
    return order;
}

RefundFacts read_refund(pbf_reader in, std::vector<OrderLine>& lines, std::vector<Points>& taken) {
    RefundFacts refund;
    while (in.next()) {
        switch (in.tag_and_type()) {
            case text_field(1): refund.order_id = read_text(in); break;
            case text_field(2): refund.refund_id = read_text(in); break;
            case text_field(3): refund.currency = read_text(in); break;
            case number_field(4): refund.amount = in.get_int64(); break;
            case text_field(5): lines.push_back(read_line(in.get_message())); break;
            case number_field(6): refund.shipping = in.get_int64(); break;
            case number_field(7): refund.cancel = read_bool(in); break;
            case number_field(8): refund.has_amount = read_bool(in); break;
            case number_field(9): taken.push_back(in.get_int64()); break;
            case text_field(9):
                for (const Points amount : in.get_packed_int64())
                    taken.push_back(amount);
                break;
            default: in.skip();
        }
    }
    refund.lines = lines;
    refund.taken = taken;
    return refund;
}

Input read_input(pbf_reader in) {
    constexpr std::uint8_t kLastType = 2;
    Input input;
    while (in.next()) {
        switch (in.tag_and_type()) {
            case text_field(1): input.name = read_text(in); break;
            case number_field(2): input.number = in.get_sint64(); break;
            case text_field(3): input.text = read_text(in); break;
            case number_field(4): input.type = read_enum(in, kLastType); break;
            default: in.skip();
        }
    }
    return input;
}

RuleOutcome read_rule(pbf_reader in, std::vector<Points>& per_line) {
    RuleOutcome rule;
    rule.code = RuleCode{};
    bool has_posted = false;
    while (in.next()) {
        switch (in.tag_and_type()) {
            case text_field(1): rule.rule = read_text(in); break;
            case number_field(2): rule.code = read_enum(in, RuleCode::refunded); break;
            case number_field(3): rule.amount = in.get_sint64(); break;
            case number_field(4): rule.currency = read_number<std::uint16_t>(in); break;
            case text_field(5): rule.reason = read_text(in); break;
            case number_field(6): per_line.push_back(in.get_sint64()); break;
            case text_field(6):
                for (const Points amount : in.get_packed_sint64())
                    per_line.push_back(amount);
                break;
            case number_field(7): rule.lot = read_number<std::uint32_t>(in); break;
            case number_field(8): rule.effect = read_number<std::uint32_t>(in); break;
            case number_field(9):
                rule.posted = in.get_sint64();
                has_posted = true;
                break;
            default: in.skip();
        }
    }
    if (rule.code == RuleCode{}) throw Malformed("a rule outcome without code");
    if (!has_posted) rule.posted = rule.amount;
    rule.per_line = per_line;
    return rule;
}

void set_facts(EventPart& event, FactsKind facts) {
    if (event.facts != FactsKind::none) throw Malformed("an event with facts twice");
    event.facts = facts;
}

// The next of the vectors that survive from entry to entry, empty.
std::vector<Points>& next_per_line(OwnedEntry& owned) {
    const std::size_t used = owned.entry.event.rules.size();
    if (used == owned.per_line.size()) owned.per_line.emplace_back();
    owned.per_line[used].clear();
    return owned.per_line[used];
}

void read_event(pbf_reader in, OwnedEntry& owned) {
    if (owned.entry.has_event) throw Malformed("an entry with two events");
    owned.entry.has_event = true;
    EventPart& event = owned.entry.event;
    while (in.next()) {
        switch (in.tag_and_type()) {
            case text_field(1): event.source = read_text(in); break;
            case text_field(2): event.id = read_text(in); break;
            case text_field(3): event.type = read_text(in); break;
            case text_field(4): event.subject = read_text(in); break;
            case text_field(5):
                set_facts(event, FactsKind::order);
                event.order = read_order(in.get_message(), owned.order_lines);
                break;
            case text_field(6):
                set_facts(event, FactsKind::refund);
                event.refund = read_refund(in.get_message(), owned.refund_lines, owned.taken);
                break;
            case text_field(7): event.inputs.push_back(read_input(in.get_message())); break;
            case text_field(8):
                event.rules.push_back(read_rule(in.get_message(), next_per_line(owned)));
                break;
            case number_field(9): event.program_version = read_number<std::uint32_t>(in); break;
            case number_field(10): event.engine_abi = read_number<std::uint32_t>(in); break;
            case text_field(11): event.tz_version = read_text(in); break;
            default: in.skip();
        }
    }
}

AdjustmentPart read_adjustment(pbf_reader in) {
    AdjustmentPart part;
    while (in.next()) {
        switch (in.tag_and_type()) {
            case number_field(1): part.currency = read_number<std::uint16_t>(in); break;
            case number_field(2): part.amount = in.get_sint64(); break;
            case text_field(3): part.reason_code = read_text(in); break;
            case number_field(4): part.visible_to_member = read_bool(in); break;
            case number_field(5): part.counts_for_tier = read_bool(in); break;
            default: in.skip();
        }
    }
    return part;
}

ProgramVersionPart read_program_version(pbf_reader in) {
    ProgramVersionPart part;
    while (in.next()) {
        switch (in.tag_and_type()) {
            case number_field(1): part.program = ProgramId{read_number<std::uint32_t>(in)}; break;
            case text_field(2): part.program_id = read_text(in); break;
            case number_field(3): part.version = read_number<std::uint32_t>(in); break;
            case text_field(4): part.content_hash = read_hash<Hash32>(in); break;
            case text_field(5): part.document = read_text(in); break;
            case text_field(6): part.tz_version = read_text(in); break;
            default: in.skip();
        }
    }
    return part;
}

ProgramActivatePart read_program_activate(pbf_reader in) {
    ProgramActivatePart part;
    while (in.next()) {
        switch (in.tag_and_type()) {
            case number_field(1): part.program = ProgramId{read_number<std::uint32_t>(in)}; break;
            case number_field(2): part.version = read_number<std::uint32_t>(in); break;
            case number_field(3): part.effective_at = in.get_int64(); break;
            default: in.skip();
        }
    }
    return part;
}

void read_key(pbf_reader in, KeyPart& key) {
    key.kind = ApiKeyKind{};
    while (in.next()) {
        switch (in.tag_and_type()) {
            case number_field(1): key.key_id = in.get_uint64(); break;
            case number_field(2): key.program = ProgramId{read_number<std::uint32_t>(in)}; break;
            case text_field(3): key.secret_hash = read_hash<Hash32>(in); break;
            case text_field(4): key.scopes.push_back(read_text(in)); break;
            case number_field(5): key.revoked = read_bool(in); break;
            case number_field(6): key.kind = read_enum(in, ApiKeyKind::shopper_es256); break;
            case text_field(7): key.origins.push_back(read_text(in)); break;
            case text_field(8): key.label = read_text(in); break;
            case text_field(9): key.public_key = read_text(in); break;
            default: in.skip();
        }
    }
    if (key.kind == ApiKeyKind{}) throw Malformed("a key without kind");
}

BoardWindowPart read_board_window(pbf_reader in) {
    BoardWindowPart part;
    part.kind = WindowKind{};
    while (in.next()) {
        switch (in.tag_and_type()) {
            case number_field(1): part.kind = read_enum(in, WindowKind::week); break;
            case text_field(2): part.id = read_text(in); break;
            case number_field(3): part.starts_at = in.get_int64(); break;
            case number_field(4): part.ends_at = in.get_int64(); break;
            default: in.skip();
        }
    }
    if (part.kind == WindowKind{}) throw Malformed("a board window without kind");
    return part;
}

ParkingPart read_parking(pbf_reader in) {
    ParkingPart part;
    bool has_order = false;
    while (in.next()) {
        switch (in.tag_and_type()) {
            case text_field(1):
                part.order_hash = read_hash<Hash16>(in);
                has_order = true;
                break;
            case number_field(2): part.until = in.get_int64(); break;
            default: in.skip();
        }
    }
    if (!has_order) throw Malformed("parked without an order");
    return part;
}

FieldFault read_fault(pbf_reader in) {
    FieldFault fault;
    while (in.next()) {
        switch (in.tag_and_type()) {
            case text_field(1): fault.pointer = read_text(in); break;
            case text_field(2): fault.detail = read_text(in); break;
            default: in.skip();
        }
    }
    return fault;
}

void read_refusal(pbf_reader in, RefusalPart& part) {
    while (in.next()) {
        switch (in.tag_and_type()) {
            case text_field(1): part.detail = read_text(in); break;
            case text_field(2): part.faults.push_back(read_fault(in.get_message())); break;
            default: in.skip();
        }
    }
}

void read_member(pbf_reader& in, Entry& entry) {
    const bool first = entry.activations.empty() && entry.lots.empty() &&
                       entry.allocations.empty() && entry.postings.empty() &&
                       entry.balances_after.empty();
    if (!first) throw Malformed("the member comes after what refers to it");
    entry.member = MemberId{in.get_uint64()};
}

void read_entry(pbf_reader in, OwnedEntry& owned) {
    Entry& entry = owned.entry;
    std::uint64_t format = 0;
    bool has_occurred_at = false;
    bool has_evaluated_at = false;
    while (in.next()) {
        switch (in.tag_and_type()) {
            case number_field(1):
                format = in.get_uint64();
                if (format > kEntryFormat) throw NewerFormat();
                break;
            case number_field(2): entry.program = ProgramId{read_number<std::uint32_t>(in)}; break;
            case number_field(3): entry.seq = Seq{in.get_uint64()}; break;
            case number_field(4): entry.kind = read_enum(in, EntryKind::board_window); break;
            case number_field(5): entry.recorded_at = in.get_int64(); break;
            case number_field(6):
                entry.occurred_at = in.get_int64();
                has_occurred_at = true;
                break;
            case number_field(7):
                entry.evaluated_at = in.get_int64();
                has_evaluated_at = true;
                break;
            case number_field(8): entry.actor_kind = read_enum(in, ActorKind::staff); break;
            case number_field(9): entry.actor_id = in.get_uint64(); break;
            case text_field(10):
                entry.key_hash = read_hash<Hash16>(in);
                entry.has_key_hash = true;
                break;
            case text_field(11):
                entry.natural_hash = read_hash<Hash16>(in);
                entry.has_natural_hash = true;
                break;
            case text_field(12):
                entry.request_hash = read_hash<Hash16>(in);
                entry.has_request_hash = true;
                break;
            case number_field(13): read_member(in, entry); break;
            case number_field(14):
                entry.outcome = static_cast<ErrorCode>(read_number<std::uint16_t>(in));
                break;
            case text_field(15):
                entry.activations.push_back(read_activation(in.get_message(), entry.member));
                break;
            case text_field(16):
                entry.lots.push_back(read_lot(in.get_message(), entry.member));
                break;
            case text_field(17):
                entry.allocations.push_back(read_allocation(in.get_message(), entry.member));
                break;
            case text_field(18):
                entry.postings.push_back(read_posting(in.get_message(), entry.member));
                break;
            case text_field(19): entry.counters.push_back(read_counter(in.get_message())); break;
            case text_field(20): entry.links.push_back(read_link(in.get_message())); break;
            case text_field(21):
                entry.balances_after.push_back(read_balance(in.get_message(), entry.member));
                break;
            case text_field(22): entry.sealed = read_text(in); break;
            case number_field(23): entry.sealed_for = in.get_uint64(); break;
            case text_field(24): read_event(in.get_message(), owned); break;
            case text_field(25): entry.adjustment = read_adjustment(in.get_message()); break;
            case text_field(26):
                entry.program_version = read_program_version(in.get_message());
                break;
            case text_field(27):
                entry.program_activate = read_program_activate(in.get_message());
                break;
            case text_field(28): read_key(in.get_message(), entry.key); break;
            case text_field(29): read_refusal(in.get_message(), entry.refusal); break;
            case text_field(30): entry.board_window = read_board_window(in.get_message()); break;
            case text_field(31):
                entry.parking = read_parking(in.get_message());
                entry.has_parking = true;
                break;
            default: in.skip();
        }
    }
    if (format != kEntryFormat) throw Malformed("no format number");
    if (!has_occurred_at) entry.occurred_at = entry.recorded_at;
    if (!has_evaluated_at) entry.evaluated_at = entry.occurred_at;
}

}  // namespace

std::size_t encoded_size_max(const Entry& entry) {
    return bound(entry);
}

void encode(const Entry& entry, std::string& out) {
    const std::size_t begin = out.size();
    const std::size_t size_max = bound(entry);
    out.resize(begin + size_max);
    Writer writer(out.data() + begin);
    write_entry(writer, entry);
    const auto end = static_cast<std::size_t>(writer.at() - out.data());
    INVARIANT(end - begin <= size_max);
    out.resize(end);
}

Result<std::unique_ptr<OwnedEntry>> decode(std::string bytes) {
    auto owned = std::make_unique<OwnedEntry>();
    owned->bytes = std::move(bytes);
    if (Result<void> read = decode_into(owned->bytes, *owned); !read) return read.error();
    return owned;
}

Result<void> decode_into(std::string_view bytes, OwnedEntry& owned) {
    owned.entry.clear();
    owned.personal_bytes.clear();
    owned.order_lines.clear();
    owned.refund_lines.clear();
    owned.taken.clear();
    try {
        read_entry(pbf_reader{bytes.data(), bytes.size()}, owned);
    } catch (const NewerFormat&) {
        return make_error(ErrorCode::newer_format, "an entry was written by a newer release");
    } catch (const protozero::exception& malformed) {
        return make_error(ErrorCode::corrupt, std::string("entry: ") + malformed.what());
    }
    return {};
}

}  // namespace ledger
