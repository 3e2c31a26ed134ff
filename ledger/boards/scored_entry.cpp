#include "ledger/boards/scored_entry.hpp"

#include <protozero/pbf_reader.hpp>

#include "ledger/counter_slot.hpp"

// Field numbers: ledger/entry.proto. A test compares it with the codec that reads everything.
namespace ledger::boards {
namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;

constexpr std::uint32_t number_field(std::uint32_t field) {
    return protozero::tag_and_type(field, pbf_wire_type::varint);
}

constexpr std::uint32_t text_field(std::uint32_t field) {
    return protozero::tag_and_type(field, pbf_wire_type::length_delimited);
}

ScoredEntry::Earned read_balance(pbf_reader in, MemberId member) {
    ScoredEntry::Earned earned{.member = member};
    while (in.next()) {
        switch (in.tag_and_type()) {
            case number_field(1): earned.member = MemberId{in.get_uint64()}; break;
            case number_field(2):
                earned.currency = static_cast<std::uint16_t>(in.get_uint64());
                break;
            case number_field(7): earned.lifetime = in.get_int64(); break;
            default: in.skip();
        }
    }
    return earned;
}

void read_counter(pbf_reader in, ScoredEntry& entry) {
    ScoredEntry::Counted counted;
    while (in.next()) {
        switch (in.tag_and_type()) {
            case number_field(1):
                counted.counter = static_cast<std::uint16_t>(in.get_uint64());
                break;
            case text_field(2): {
                const protozero::data_view slot = in.get_view();
                if (const auto parsed = parse_counter_slot({slot.data(), slot.size()}))
                    counted.member = parsed->member;
                break;
            }
            case number_field(3): counted.delta = in.get_sint64(); break;
            default: in.skip();
        }
    }
    if (!counted.member.none()) entry.counted.push_back(counted);
}

void read_link(pbf_reader in, ScoredEntry& entry) {
    std::uint64_t kind = 0;
    std::uint64_t seq = 0;
    while (in.next()) {
        switch (in.tag_and_type()) {
            case number_field(1): kind = in.get_uint64(); break;
            case number_field(2): seq = in.get_uint64(); break;
            default: in.skip();
        }
    }
    if (kind == static_cast<std::uint64_t>(LinkKind::original)) entry.original = Seq{seq};
}

void read_window(pbf_reader in, BoardWindowPart& window) {
    while (in.next()) {
        switch (in.tag_and_type()) {
            case number_field(1): window.kind = static_cast<WindowKind>(in.get_uint64()); break;
            case text_field(2): {
                const protozero::data_view text = in.get_view();
                window.id = {text.data(), text.size()};
                break;
            }
            case number_field(3): window.starts_at = in.get_int64(); break;
            case number_field(4): window.ends_at = in.get_int64(); break;
            default: in.skip();
        }
    }
}

void read_entry(pbf_reader in, ScoredEntry& entry) {
    bool has_occurred_at = false;
    bool has_evaluated_at = false;
    bool has_sealed = false;
    std::uint64_t sealed_for = 0;
    Timestamp occurred_at = 0;
    while (in.next()) {
        switch (in.tag_and_type()) {
            case number_field(4): entry.kind = static_cast<EntryKind>(in.get_uint64()); break;
            case number_field(5): entry.recorded_at = in.get_int64(); break;
            case number_field(6):
                occurred_at = in.get_int64();
                has_occurred_at = true;
                break;
            case number_field(7):
                entry.evaluated_at = in.get_int64();
                has_evaluated_at = true;
                break;
            case number_field(13): entry.member = MemberId{in.get_uint64()}; break;
            case text_field(19): read_counter(in.get_message(), entry); break;
            case text_field(20): read_link(in.get_message(), entry); break;
            case text_field(21):
                entry.earned.push_back(read_balance(in.get_message(), entry.member));
                break;
            case text_field(22):
                in.skip();
                has_sealed = true;
                break;
            case number_field(23): sealed_for = in.get_uint64(); break;
            case text_field(30): read_window(in.get_message(), entry.window); break;
            default: in.skip();
        }
    }
    if (!has_occurred_at) occurred_at = entry.recorded_at;
    if (!has_evaluated_at) entry.evaluated_at = occurred_at;
    entry.sealed = has_sealed && sealed_for != 0 && sealed_for == entry.member.value;
}

}  // namespace

Result<void> scan_entry(std::string_view bytes, ScoredEntry& entry) {
    entry.kind = EntryKind::none;
    entry.recorded_at = entry.evaluated_at = 0;
    entry.member = {};
    entry.original = {};
    entry.earned.clear();
    entry.counted.clear();
    entry.window = {};
    try {
        read_entry(pbf_reader{bytes.data(), bytes.size()}, entry);
    } catch (const protozero::exception& malformed) {
        return make_error(ErrorCode::corrupt, std::string("entry: ") + malformed.what());
    }
    return {};
}

}  // namespace ledger::boards
