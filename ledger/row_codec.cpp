#include "ledger/row_codec.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "ledger/big_endian.hpp"
#include "ledger/counter_slot.hpp"

namespace ledger {
namespace {

// ---- keys ----

template <typename Number>
void put_big(std::string& out, Number number) {
    std::array<char, sizeof(Number)> bytes;
    for (std::size_t i = 0; i < sizeof(Number); ++i) {
        bytes[i] = static_cast<char>(number >> (8 * (sizeof(Number) - 1 - i)));
    }
    out.append(bytes.data(), bytes.size());
}

template <typename Number>
Number big(std::string_view key, std::size_t at) {
    Number number = 0;
    for (std::size_t i = 0; i < sizeof(Number); ++i) {
        number = static_cast<Number>((number << 8) | static_cast<std::uint8_t>(key[at + i]));
    }
    return number;
}

void put_hash(std::string& out, const Hash16& hash) {
    out.append(reinterpret_cast<const char*>(hash.data()), hash.size());
}

Hash16 hash_at(std::string_view key, std::size_t at) {
    Hash16 hash;
    std::memcpy(hash.data(), key.data() + at, hash.size());
    return hash;
}

/// Keys sort as unsigned bytes, so the sign bit is flipped.
constexpr std::uint64_t kSignBit = std::uint64_t{1} << 63;

// ---- values ----

std::uint64_t zigzag(std::int64_t value) {
    return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}

std::int64_t unzigzag(std::uint64_t value) {
    return static_cast<std::int64_t>((value >> 1) ^ (~(value & 1) + 1));
}

char* write_varint(char* at, std::uint64_t value) {
    while (value >= 0x80) {
        *at++ = static_cast<char>(value | 0x80);
        value >>= 7;
    }
    *at++ = static_cast<char>(value);
    return at;
}

/// kNever is as common as any date, so it is 0 and a date is its zigzag + 1.
std::uint64_t expiry_code(Timestamp expires_at) {
    return expires_at == kNever ? 0 : zigzag(expires_at) + 1;
}

class Writer {
public:
    explicit Writer(std::string& out) : out_(out) {
        out_.clear();
        out_.push_back(kRowVersion);
    }
    void number(std::uint64_t value) {
        std::array<char, 10> bytes;
        const char* end = write_varint(bytes.data(), value);
        out_.append(bytes.data(), static_cast<std::size_t>(end - bytes.data()));
    }
    void signed_number(std::int64_t value) { number(zigzag(value)); }
    void expiry(Timestamp value) { number(expiry_code(value)); }
    void text(std::string_view value) {
        number(value.size());
        out_.append(value);
    }
    void bytes(const void* data, std::size_t size) {
        out_.append(static_cast<const char*>(data), size);
    }

private:
    std::string& out_;
};

/// Reads until the first fault, then answers zeros; the caller asks once at the end.
class Reader {
public:
    explicit Reader(std::string_view bytes) : rest_(bytes) {}

    std::uint64_t number() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            if (rest_.empty()) return fail();
            const auto byte = static_cast<std::uint8_t>(rest_.front());
            rest_.remove_prefix(1);
            if (shift == 63 && byte > 1) return fail();
            value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
            if (byte < 0x80) return value;
        }
        return fail();
    }
    std::int64_t signed_number() { return unzigzag(number()); }
    /// A number that the row type holds in fewer bits.
    template <typename Number>
    Number narrow() {
        const std::uint64_t value = number();
        if (value > static_cast<std::uint64_t>(std::numeric_limits<Number>::max())) fail();
        return static_cast<Number>(value);
    }
    /// Points that are never negative.
    Points amount() { return narrow<Points>(); }
    Timestamp expiry() {
        const std::uint64_t code = number();
        return code == 0 ? kNever : unzigzag(code - 1);
    }
    bool flag() {
        const std::uint64_t value = number();
        if (value > 1) fail();
        return value == 1;
    }
    std::string_view text() {
        const std::uint64_t size = number();
        if (size > rest_.size()) {
            fail();
            return {};
        }
        const std::string_view value = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return value;
    }
    void bytes(void* data, std::size_t size) {
        if (size > rest_.size()) {
            fail();
            return;
        }
        std::memcpy(data, rest_.data(), size);
        rest_.remove_prefix(size);
    }
    /// Number of items that follow; each takes at least one byte, so that a wrong count cannot
    /// reserve memory.
    std::uint64_t count() {
        const std::uint64_t value = number();
        return value > rest_.size() ? fail() : value;
    }
    std::uint64_t fail() {
        failed_ = true;
        rest_ = {};
        return 0;
    }
    void require(bool condition) {
        if (!condition) fail();
    }
    [[nodiscard]] bool ok() const { return !failed_; }
    [[nodiscard]] bool complete() const { return !failed_ && rest_.empty(); }
    [[nodiscard]] std::string_view rest() const { return rest_; }

private:
    std::string_view rest_;
    bool failed_ = false;
};

Error malformed(const char* what) {
    return make_error(ErrorCode::corrupt, std::string("malformed view row: ") + what);
}

Result<void> check_version(std::string_view value) {
    if (value.empty()) return malformed("empty");
    const auto version = static_cast<std::uint8_t>(value.front());
    if (version > static_cast<std::uint8_t>(kRowVersion)) {
        return make_error(ErrorCode::newer_format, "view row of a newer release");
    }
    if (version != static_cast<std::uint8_t>(kRowVersion)) return malformed("version");
    return {};
}

/// Runs `read` over the value after its version byte; all of it must be used.
template <typename Read>
Result<void> decode(std::string_view value, const char* what, Read read) {
    if (Result<void> version = check_version(value); !version) return version.error();
    Reader reader(value.substr(1));
    read(reader);
    if (!reader.complete()) return malformed(what);
    return {};
}

void write_lot(Writer& writer, const Lot& lot) {
    writer.number(lot.currency);
    writer.number(static_cast<std::uint64_t>(lot.amount));
    writer.number(static_cast<std::uint64_t>(lot.remaining));
    writer.signed_number(lot.activates_at);
    writer.expiry(lot.expires_at);
    writer.number(lot.source.value);
}

Lot read_lot(Reader& reader, std::uint32_t no) {
    Lot lot;
    lot.no = no;
    lot.currency = reader.narrow<std::uint16_t>();
    lot.amount = reader.amount();
    lot.remaining = reader.amount();
    lot.activates_at = reader.signed_number();
    lot.expires_at = reader.expiry();
    lot.source = Seq{reader.number()};
    reader.require(lot.remaining <= lot.amount);
    return lot;
}

}  // namespace

// ---- keys ----

std::string program_row_key(ProgramId program) {
    std::string key;
    put_big(key, program.value);
    return key;
}

std::string api_key_row_key(std::uint64_t id) {
    std::string key;
    put_big(key, id);
    return key;
}

std::string member_row_key(ProgramId program, MemberId member) {
    std::string key;
    put_big(key, program.value);
    put_big(key, member.value);
    return key;
}

std::string chunk_row_key(ProgramId program, MemberId member, std::uint32_t chunk) {
    std::string key;
    key.reserve(16);
    put_big(key, program.value);
    put_big(key, member.value);
    put_big(key, chunk);
    return key;
}

std::string seen_row_key(ProgramId program, const Hash16& hash) {
    std::string key;
    key.reserve(20);
    put_big(key, program.value);
    put_hash(key, hash);
    return key;
}

std::string order_row_key(ProgramId program, Seq order) {
    std::string key;
    put_big(key, program.value);
    put_big(key, order.value);
    return key;
}

std::string due_row_key(ProgramId program, Timestamp when, MemberId member) {
    std::string key;
    key.reserve(20);
    put_big(key, program.value);
    put_big(key, static_cast<std::uint64_t>(when) ^ kSignBit);
    put_big(key, member.value);
    return key;
}

std::string parked_due_row_key(ProgramId program, Timestamp when, Seq parked) {
    // No member has such a number.
    return due_row_key(program, when, MemberId{parked.value | kSignBit});
}

std::string waiting_row_key(ProgramId program, const Hash16& order) {
    return seen_row_key(program, order);
}

std::string orphan_row_key(ProgramId program, Seq seq) {
    return order_row_key(program, seq);
}

Hash16 waiting_filter_hash(const Hash16& order) {
    Hash16 other = order;
    for (std::uint8_t& byte : other)
        byte = static_cast<std::uint8_t>(~byte);
    return other;
}

std::string external_id_row_key(ProgramId program, const Hash16& hash) {
    std::string key;
    key.reserve(21);
    key.push_back(static_cast<char>(BlindKind::external_id));
    put_big(key, program.value);
    put_hash(key, hash);
    return key;
}

std::string profile_row_key(ProgramId program, MemberId member) {
    std::string key;
    key.push_back(static_cast<char>(BlindKind::profile));
    put_big(key, program.value);
    put_big(key, member.value);
    return key;
}

std::string contact_row_key(
    ProgramId program, BlindKind kind, std::uint64_t hash, MemberId member
) {
    std::string key = contact_row_prefix(program, kind, hash);
    put_big(key, member.value);
    return key;
}

std::string contact_row_prefix(ProgramId program, BlindKind kind, std::uint64_t hash) {
    std::string key;
    key.reserve(21);
    key.push_back(static_cast<char>(kind));
    put_big(key, program.value);
    put_big(key, hash);
    return key;
}

std::string counter_row_key(ProgramId program, std::uint16_t counter, std::string_view slot) {
    std::string key(6, '\0');
    store_big_endian(key.data(), program.value);
    store_big_endian(key.data() + 4, counter);
    key.append(slot);
    return key;
}

std::string seq_index_row_key(ProgramId program, Seq first) {
    return order_row_key(program, first);
}

std::uint64_t short_hash(const Hash16& hash) {
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < 8; ++i)
        number = (number << 8) | hash[i];
    return number == 0 ? 1 : number;
}

std::optional<ProgramId> parse_program_key(std::string_view key) {
    if (key.size() != 4) return std::nullopt;
    return ProgramId{big<std::uint32_t>(key, 0)};
}

std::optional<std::uint64_t> parse_api_key_key(std::string_view key) {
    if (key.size() != 8) return std::nullopt;
    return big<std::uint64_t>(key, 0);
}

std::optional<MemberKey> parse_member_key(std::string_view key) {
    if (key.size() != 12) return std::nullopt;
    return MemberKey{ProgramId{big<std::uint32_t>(key, 0)}, MemberId{big<std::uint64_t>(key, 4)}};
}

std::optional<ChunkKey> parse_chunk_key(std::string_view key) {
    if (key.size() != 16) return std::nullopt;
    return ChunkKey{
        ProgramId{big<std::uint32_t>(key, 0)},
        MemberId{big<std::uint64_t>(key, 4)},
        big<std::uint32_t>(key, 12)};
}

std::optional<SeenRowKey> parse_seen_key(std::string_view key) {
    if (key.size() != 20) return std::nullopt;
    return SeenRowKey{ProgramId{big<std::uint32_t>(key, 0)}, hash_at(key, 4)};
}

std::optional<SeqKey> parse_seq_key(std::string_view key) {
    if (key.size() != 12) return std::nullopt;
    return SeqKey{ProgramId{big<std::uint32_t>(key, 0)}, Seq{big<std::uint64_t>(key, 4)}};
}

std::optional<DueKey> parse_due_key(std::string_view key) {
    if (key.size() != 20) return std::nullopt;
    DueKey parsed;
    parsed.program = ProgramId{big<std::uint32_t>(key, 0)};
    parsed.when = static_cast<Timestamp>(big<std::uint64_t>(key, 4) ^ kSignBit);
    const auto who = big<std::uint64_t>(key, 12);
    if ((who & kSignBit) != 0) {
        parsed.parked = Seq{who ^ kSignBit};
    } else {
        parsed.member = MemberId{who};
    }
    return parsed;
}

std::optional<CounterKey> parse_counter_key(std::string_view key) {
    constexpr std::size_t kSlotAt = 6;
    if (key.size() < kSlotAt || !parse_counter_slot(key.substr(kSlotAt))) return std::nullopt;
    return CounterKey{
        ProgramId{big<std::uint32_t>(key, 0)}, big<std::uint16_t>(key, 4), key.substr(kSlotAt)};
}

std::optional<BlindKey> parse_blind_key(std::string_view key) {
    if (key.size() < 5) return std::nullopt;
    BlindKey parsed;
    parsed.kind = static_cast<BlindKind>(static_cast<std::uint8_t>(key[0]));
    parsed.program = ProgramId{big<std::uint32_t>(key, 1)};
    switch (parsed.kind) {
        case BlindKind::external_id:
            if (key.size() != 21) return std::nullopt;
            parsed.hash = hash_at(key, 5);
            return parsed;
        case BlindKind::email:
        case BlindKind::phone:
            if (key.size() != 21) return std::nullopt;
            parsed.contact_hash = big<std::uint64_t>(key, 5);
            parsed.member = MemberId{big<std::uint64_t>(key, 13)};
            return parsed;
        case BlindKind::profile:
            if (key.size() != 13) return std::nullopt;
            parsed.member = MemberId{big<std::uint64_t>(key, 5)};
            return parsed;
    }
    return std::nullopt;
}

// ---- values ----

void encode_row(const Program& row, std::string& out) {
    Writer writer(out);
    writer.text(row.name);
    writer.number(row.last_seq.value);
    writer.number(row.last_member.value);
    writer.signed_number(row.last_recorded);
    writer.number(row.versions.size());
    for (const Program::Version& version : row.versions) {
        writer.number(version.number);
        writer.number(version.entry.value);
        writer.bytes(version.content_hash.data(), version.content_hash.size());
        writer.signed_number(version.created_at);
    }
    writer.number(row.activations.size());
    for (const Program::ActivationRecord& record : row.activations) {
        writer.signed_number(record.effective_at);
        writer.number(record.version);
    }
    writer.number(row.accounts.size());
    for (const auto& [account, points] : row.accounts) {
        writer.number(account.first);
        writer.number(static_cast<std::uint64_t>(account.second));
        writer.signed_number(points);
    }
    writer.number(row.shops.size());
    for (const std::string& shop : row.shops)
        writer.text(shop);
    for (const Program::OpenWindow& window : row.windows) {
        writer.number(window.opened.value);
        if (window.opened.none()) continue;
        writer.text(window.id);
        writer.signed_number(window.starts_at);
        writer.signed_number(window.ends_at);
    }
    writer.number(row.waiting);
    writer.number(row.orphans);
}

Result<void> decode_row(std::string_view key, std::string_view value, Program& row) {
    const std::optional<ProgramId> id = parse_program_key(key);
    if (!id) return malformed("key of program");
    row = Program{};
    row.id = *id;
    return decode(value, "program", [&row](Reader& reader) {
        row.name = reader.text();
        row.last_seq = Seq{reader.number()};
        row.last_member = MemberId{reader.number()};
        row.last_recorded = reader.signed_number();
        for (std::uint64_t n = reader.count(); n > 0 && reader.ok(); --n) {
            Program::Version& version = row.versions.emplace_back();
            version.number = reader.narrow<std::uint32_t>();
            version.entry = Seq{reader.number()};
            reader.bytes(version.content_hash.data(), version.content_hash.size());
            version.created_at = reader.signed_number();
            reader.require(version.number == row.versions.size());
        }
        for (std::uint64_t n = reader.count(); n > 0 && reader.ok(); --n) {
            Program::ActivationRecord& record = row.activations.emplace_back();
            record.effective_at = reader.signed_number();
            record.version = reader.narrow<std::uint32_t>();
        }
        for (std::uint64_t n = reader.count(); n > 0 && reader.ok(); --n) {
            const auto currency = reader.narrow<std::uint16_t>();
            const auto account = static_cast<Account>(reader.narrow<std::uint8_t>());
            reader.require(
                row.accounts.emplace(std::pair(currency, account), reader.signed_number()).second
            );
        }
        for (std::uint64_t n = reader.count(); n > 0 && reader.ok(); --n) {
            row.shops.emplace_back(reader.text());
        }
        for (Program::OpenWindow& window : row.windows) {
            window.opened = Seq{reader.number()};
            if (window.opened.none()) continue;
            window.id = reader.text();
            window.starts_at = reader.signed_number();
            window.ends_at = reader.signed_number();
        }
        row.waiting = reader.number();
        row.orphans = reader.number();
    });
}

void encode_row(const ApiKey& row, std::string& out) {
    Writer writer(out);
    writer.number(row.program.value);
    writer.bytes(row.secret_hash.data(), row.secret_hash.size());
    writer.number(row.scopes.size());
    for (const std::string& scope : row.scopes)
        writer.text(scope);
    writer.number(row.origins.size());
    for (const std::string& origin : row.origins)
        writer.text(origin);
    writer.text(row.label);
    writer.number(static_cast<std::uint64_t>(row.kind));
    writer.number(row.revoked ? 1 : 0);
    writer.signed_number(row.created_at);
    if (row.kind == ApiKeyKind::shopper_es256) writer.text(row.public_key);
}

Result<void> decode_row(std::string_view key, std::string_view value, ApiKey& row) {
    const std::optional<std::uint64_t> id = parse_api_key_key(key);
    if (!id) return malformed("key of api_key");
    row = ApiKey{};
    row.id = *id;
    return decode(value, "api_key", [&row](Reader& reader) {
        row.program = ProgramId{reader.narrow<std::uint32_t>()};
        reader.bytes(row.secret_hash.data(), row.secret_hash.size());
        for (std::uint64_t n = reader.count(); n > 0 && reader.ok(); --n) {
            row.scopes.emplace_back(reader.text());
        }
        for (std::uint64_t n = reader.count(); n > 0 && reader.ok(); --n) {
            row.origins.emplace_back(reader.text());
        }
        row.label = reader.text();
        row.kind = ApiKeyKind{reader.narrow<std::uint8_t>()};
        row.revoked = reader.flag();
        row.created_at = reader.signed_number();
        if (row.kind == ApiKeyKind::shopper_es256) row.public_key = reader.text();
    });
}

void encode_row(const Member& row, std::string& out) {
    Writer writer(out);
    writer.number(row.created.value);
    writer.signed_number(row.created_at);
    writer.number(row.version);
    writer.number(row.last.value);
    writer.number(row.wallets.size());
    for (const Wallet& wallet : row.wallets) {
        writer.number(wallet.currency);
        writer.number(static_cast<std::uint64_t>(wallet.available));
        writer.number(static_cast<std::uint64_t>(wallet.pending));
        writer.number(static_cast<std::uint64_t>(wallet.held));
        writer.number(static_cast<std::uint64_t>(wallet.debt));
        writer.signed_number(wallet.lifetime_earned);
        writer.number(wallet.version);
    }
    writer.number(row.next_lot);
    writer.number(row.spilled.count);
    writer.number(row.spilled.first_live);
    writer.expiry(row.spilled.next_due);
    for (const Lot& lot : row.lots)
        write_lot(writer, lot);
    writer.number(row.statement_lines);
    writer.number(row.statement_spilled);
    writer.text(row.statement_tail);
}

Result<void> decode_row(std::string_view key, std::string_view value, Member& row) {
    const std::optional<MemberKey> id = parse_member_key(key);
    if (!id) return malformed("key of member");
    row = Member{};
    row.id = id->member;
    Result<void> decoded = decode(value, "member", [&row](Reader& reader) {
        row.created = Seq{reader.number()};
        row.created_at = reader.signed_number();
        row.version = reader.number();
        row.last = Seq{reader.number()};
        for (std::uint64_t n = reader.count(); n > 0 && reader.ok(); --n) {
            Wallet& wallet = row.wallets.emplace_back();
            wallet.currency = reader.narrow<std::uint16_t>();
            wallet.available = reader.amount();
            wallet.pending = reader.amount();
            wallet.held = reader.amount();
            wallet.debt = reader.amount();
            wallet.lifetime_earned = reader.signed_number();
            wallet.version = reader.number();
        }
        row.next_lot = reader.narrow<std::uint32_t>();
        row.spilled.count = reader.narrow<std::uint32_t>();
        row.spilled.first_live = reader.narrow<std::uint32_t>();
        row.spilled.next_due = reader.expiry();
        reader.require(row.next_lot > row.spilled.count && row.spilled.count % kChunk == 0);
        reader.require(
            row.spilled.first_live >= 1 && row.spilled.first_live <= row.spilled.count + 1
        );
        for (std::uint32_t no = row.spilled.count + 1; reader.ok() && no < row.next_lot; ++no) {
            row.lots.push_back(read_lot(reader, no));
        }
        row.statement_lines = reader.narrow<std::uint32_t>();
        row.statement_spilled = reader.narrow<std::uint32_t>();
        row.statement_tail = reader.text();
        reader.require(
            row.statement_spilled <= row.statement_lines && row.statement_spilled % kChunk == 0
        );
    });
    if (!decoded) return decoded.error();
    const std::optional<std::size_t> length =
        packed_length(row.statement_tail, row.statement_lines - row.statement_spilled);
    if (length != row.statement_tail.size()) return malformed("statement of member");
    row.refresh_due();
    return {};
}

void encode_row(const LotChunk& row, std::string& out) {
    Writer writer(out);
    writer.number(row.lots.size());
    for (const Lot& lot : row.lots)
        write_lot(writer, lot);
}

Result<void> decode_row(std::string_view key, std::string_view value, LotChunk& row) {
    const std::optional<ChunkKey> id = parse_chunk_key(key);
    if (!id || id->chunk > std::numeric_limits<std::uint32_t>::max() / kChunk - 1) {
        return malformed("key of lot");
    }
    row.lots.clear();
    return decode(value, "lot", [&row, &id](Reader& reader) {
        reader.require(reader.count() == kChunk);
        for (std::uint32_t n = 1; reader.ok() && n <= kChunk; ++n) {
            row.lots.push_back(read_lot(reader, id->chunk * kChunk + n));
        }
    });
}

void encode_row(const OrderState& row, std::string& out) {
    Writer writer(out);
    writer.number(row.closed ? 1 : 0);
    writer.number(row.refunded.size());
    for (const Points amount : row.refunded)
        writer.signed_number(amount);
    writer.number(row.taken_back.size());
    for (const Points amount : row.taken_back)
        writer.signed_number(amount);
}

Result<void> decode_row(std::string_view key, std::string_view value, OrderState& row) {
    if (!parse_seq_key(key)) return malformed("key of rev");
    row = OrderState{};
    return decode(value, "rev", [&row](Reader& reader) {
        row.closed = reader.flag();
        for (std::uint64_t n = reader.count(); n > 0 && reader.ok(); --n) {
            row.refunded.push_back(reader.signed_number());
        }
        for (std::uint64_t n = reader.count(); n > 0 && reader.ok(); --n) {
            row.taken_back.push_back(reader.signed_number());
        }
    });
}

void encode_row(const WaitingRefunds& row, std::string& out) {
    Writer writer(out);
    writer.number(row.refunds.size());
    for (const WaitingRefunds::Refund& refund : row.refunds) {
        writer.number(refund.parked.value);
        writer.signed_number(refund.until);
    }
}

Result<void> decode_row(std::string_view key, std::string_view value, WaitingRefunds& row) {
    if (!parse_seen_key(key)) return malformed("key of waiting");
    row = WaitingRefunds{};
    return decode(value, "waiting", [&row](Reader& reader) {
        const std::uint64_t count = reader.count();
        reader.require(count > 0 && count <= kWaitingMax);
        for (std::uint64_t n = count; n > 0 && reader.ok(); --n) {
            const Seq parked{reader.number()};
            row.refunds.push_back({parked, reader.signed_number()});
        }
    });
}

void encode_row(const Orphan& row, std::string& out) {
    Writer writer(out);
    writer.number(row.facts.value);
}

Result<void> decode_row(std::string_view key, std::string_view value, Orphan& row) {
    if (!parse_seq_key(key)) return malformed("key of orphan");
    return decode(value, "orphan", [&row](Reader& reader) {
        row.facts = Seq{reader.number()};
        reader.require(!row.facts.none());
    });
}

void encode_row(const CounterValue& row, std::string& out) {
    Writer writer(out);
    writer.signed_number(row.count);
}

Result<void> decode_row(std::string_view key, std::string_view value, CounterValue& row) {
    if (!parse_counter_key(key)) return malformed("key of ctr");
    row = CounterValue{};
    return decode(value, "ctr", [&row](Reader& reader) { row.count = reader.signed_number(); });
}

void encode_row(const ProfileHashes& row, std::string& out) {
    out.clear();
    out.push_back(kRowVersion);
    for (const std::uint64_t hash :
         {row.external_id, row.email, row.phone, row.name, row.address, row.board}) {
        put_big(out, hash);
    }
}

Result<void> decode_row(std::string_view key, std::string_view value, ProfileHashes& row) {
    const std::optional<BlindKey> id = parse_blind_key(key);
    if (!id || id->kind != BlindKind::profile) return malformed("key of a profile");
    if (Result<void> version = check_version(value); !version) return version.error();
    if (value.size() != 49) return malformed("profile");
    row.external_id = big<std::uint64_t>(value, 1);
    row.email = big<std::uint64_t>(value, 9);
    row.phone = big<std::uint64_t>(value, 17);
    row.name = big<std::uint64_t>(value, 25);
    row.address = big<std::uint64_t>(value, 33);
    row.board = big<std::uint64_t>(value, 41);
    return {};
}

void encode_row(Seq seen, std::string& out) {
    Writer writer(out);
    writer.number(seen.value);
}

Result<void> decode_row(std::string_view key, std::string_view value, Seq& seen) {
    if (!parse_seen_key(key)) return malformed("key of keys");
    return decode(value, "keys", [&seen](Reader& reader) {
        seen = Seq{reader.number()};
        reader.require(!seen.none());
    });
}

void encode_row(MemberId member, std::string& out) {
    Writer writer(out);
    writer.number(member.value);
}

Result<void> decode_row(std::string_view key, std::string_view value, MemberId& member) {
    const std::optional<BlindKey> id = parse_blind_key(key);
    if (!id || id->kind != BlindKind::external_id) return malformed("key of an external id");
    return decode(value, "external id", [&member](Reader& reader) {
        member = MemberId{reader.number()};
        reader.require(!member.none());
    });
}

void encode_row(const SeqIndex& row, std::string& out) {
    Writer writer(out);
    writer.number(row.group.value);
    writer.number(row.part);
}

Result<void> decode_row(std::string_view key, std::string_view value, SeqIndex& row) {
    if (!parse_seq_key(key)) return malformed("key of seqidx");
    return decode(value, "seqidx", [&row](Reader& reader) {
        row.group = GroupId{reader.number()};
        row.part = reader.narrow<std::uint16_t>();
    });
}

void encode_empty_row(std::string& out) {
    out.assign(1, kRowVersion);
}

namespace {

template <typename Row>
Result<void> check_as(std::string_view key, std::string_view value) {
    Row row{};
    return decode_row(key, value, row);
}

Result<void> check_empty(bool key_parsed, std::string_view value) {
    if (!key_parsed) return malformed("key");
    return decode(value, "not empty", [](Reader&) {});
}

Result<void> check_statement_chunk(std::string_view key, std::string_view value) {
    const std::optional<ChunkKey> id = parse_chunk_key(key);
    if (!id) return malformed("key of stmt");
    Result<std::string_view> lines = decode_lines(value);
    if (!lines) return lines.error();
    std::string_view rest = *lines;
    for (std::uint32_t n = 0; n < kChunk; ++n) {
        Result<StatementLine> line = unpack_line(rest, id->member);
        if (!line) return line.error();
    }
    if (!rest.empty()) return malformed("stmt");
    return {};
}

Result<void> check_blind(std::string_view key, std::string_view value) {
    const std::optional<BlindKey> id = parse_blind_key(key);
    if (!id) return malformed("key of blind");
    if (id->kind == BlindKind::external_id) return check_as<MemberId>(key, value);
    if (id->kind == BlindKind::profile) return check_as<ProfileHashes>(key, value);
    return check_empty(true, value);
}

}  // namespace

Result<void> check_row(ViewFamily family, std::string_view key, std::string_view value) {
    switch (family) {
        case ViewFamily::program: return check_as<Program>(key, value);
        case ViewFamily::api_key: return check_as<ApiKey>(key, value);
        case ViewFamily::member: return check_as<Member>(key, value);
        case ViewFamily::lot: return check_as<LotChunk>(key, value);
        case ViewFamily::stmt: return check_statement_chunk(key, value);
        case ViewFamily::keys: return check_as<Seq>(key, value);
        case ViewFamily::rev: return check_as<OrderState>(key, value);
        case ViewFamily::ctr: return check_as<CounterValue>(key, value);
        case ViewFamily::due: return check_empty(parse_due_key(key).has_value(), value);
        case ViewFamily::blind: return check_blind(key, value);
        case ViewFamily::seqidx: return check_as<SeqIndex>(key, value);
        case ViewFamily::waiting: return check_as<WaitingRefunds>(key, value);
        case ViewFamily::orphan: return check_as<Orphan>(key, value);
        case ViewFamily::meta:
        case ViewFamily::tree:
        case ViewFamily::count_: break;
    }
    return {};
}

// ---- statement lines ----

void pack_line(const StatementLine& line, std::string& out) {
    std::array<char, 12 * 10 + 3 * 10> numbers;
    char* at = numbers.data();
    for (const std::uint64_t number : {
             line.seq.value,
             zigzag(line.recorded_at),
             zigzag(static_cast<std::int64_t>(
                 static_cast<std::uint64_t>(line.occurred_at) -
                 static_cast<std::uint64_t>(line.recorded_at)
             )),
             static_cast<std::uint64_t>(line.kind),
             static_cast<std::uint64_t>(line.currency),
             zigzag(line.delta),
             static_cast<std::uint64_t>(line.after.available),
             static_cast<std::uint64_t>(line.after.pending),
             static_cast<std::uint64_t>(line.after.held),
             static_cast<std::uint64_t>(line.after.debt),
             zigzag(line.after.lifetime_earned),
             static_cast<std::uint64_t>(line.reason.size()),
             static_cast<std::uint64_t>(line.rule.size()),
             static_cast<std::uint64_t>(line.reference.size()),
         }) {
        at = write_varint(at, number);
    }
    const auto size = static_cast<std::size_t>(at - numbers.data());
    std::array<char, 10> length;
    const char* length_end = write_varint(
        length.data(), size + line.reason.size() + line.rule.size() + line.reference.size()
    );
    out.append(length.data(), static_cast<std::size_t>(length_end - length.data()));
    out.append(numbers.data(), size);
    out.append(line.reason);
    out.append(line.rule);
    out.append(line.reference);
}

std::optional<std::size_t> packed_length(std::string_view packed, std::size_t count) {
    Reader reader(packed);
    for (; count > 0; --count) {
        reader.text();
        if (!reader.ok()) return std::nullopt;
    }
    return packed.size() - reader.rest().size();
}

Result<StatementLine> unpack_line(std::string_view& packed, MemberId member) {
    Reader outer(packed);
    Reader reader(outer.text());
    StatementLine line;
    line.seq = Seq{reader.number()};
    line.recorded_at = reader.signed_number();
    line.occurred_at = static_cast<Timestamp>(
        static_cast<std::uint64_t>(line.recorded_at) +
        static_cast<std::uint64_t>(reader.signed_number())
    );
    line.kind = static_cast<EntryKind>(reader.narrow<std::uint8_t>());
    line.currency = reader.narrow<std::uint16_t>();
    line.delta = reader.signed_number();
    line.after.member = member;
    line.after.currency = line.currency;
    line.after.available = reader.amount();
    line.after.pending = reader.amount();
    line.after.held = reader.amount();
    line.after.debt = reader.amount();
    line.after.lifetime_earned = reader.signed_number();
    const std::uint64_t reason = reader.number();
    const std::uint64_t rule = reader.number();
    const std::uint64_t reference = reader.number();
    const std::string_view text = reader.rest();
    if (!outer.ok() || !reader.ok() || reason > text.size() || rule > text.size() - reason ||
        reference != text.size() - reason - rule) {
        return malformed("statement line");
    }
    line.reason = text.substr(0, reason);
    line.rule = text.substr(reason, rule);
    line.reference = text.substr(reason + rule);
    packed = outer.rest();
    return line;
}

void encode_lines(std::string_view packed, std::string& out) {
    out.clear();
    out.reserve(packed.size() + 1);
    out.push_back(kRowVersion);
    out.append(packed);
}

Result<std::string_view> decode_lines(std::string_view value) {
    if (Result<void> version = check_version(value); !version) return version.error();
    return value.substr(1);
}

}  // namespace ledger
