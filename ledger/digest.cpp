#include "ledger/digest.hpp"

#include <algorithm>
#include <tuple>

#include "ledger/row_codec.hpp"
#include "ledger/sha256.hpp"
#include "ledger/state_table.hpp"

namespace ledger {
namespace {

/// Length-prefixed fields, so that no two different rows read the same.
class Fields {
public:
    void number(std::uint64_t value) {
        for (int shift = 56; shift >= 0; shift -= 8)
            bytes_.push_back(static_cast<char>(value >> shift));
    }
    void signed_number(std::int64_t value) { number(static_cast<std::uint64_t>(value)); }
    void text(std::string_view value) {
        number(value.size());
        bytes_.append(value);
    }
    void raw(std::string_view value) { bytes_.append(value); }
    [[nodiscard]] const std::string& bytes() const { return bytes_; }
    void clear() { bytes_.clear(); }

private:
    std::string bytes_;
};

std::string_view as_text(const Hash32& hash) {
    return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

// ---- state ----

class StateDigest {
public:
    explicit StateDigest(const RowSource& rows) : rows_(rows) {}

    Result<Hash32> run() {
        for (const ViewFamily family :
             {ViewFamily::program,
              ViewFamily::api_key,
              ViewFamily::member,
              ViewFamily::keys,
              ViewFamily::rev,
              ViewFamily::due,
              ViewFamily::seqidx,
              ViewFamily::waiting,
              ViewFamily::orphan,
              ViewFamily::ctr}) {
            Result<void> failed;
            Result<void> scanned =
                rows_.scan(family, [&](std::string_view key, std::string_view value) {
                    failed = family == ViewFamily::member ? add_member(key, value)
                                                          : add_row(family, key, value);
                    return failed.has_value();
                });
            if (!scanned) return scanned.error();
            if (!failed) return failed.error();
        }
        return sha_.finish();
    }

private:
    void flush() {
        sha_.update(fields_.bytes());
        fields_.clear();
    }

    void begin(ViewFamily family, std::string_view key) {
        fields_.number(static_cast<std::uint64_t>(family));
        fields_.text(key);
    }

    Result<void> add_row(ViewFamily family, std::string_view key, std::string_view value) {
        if (Result<void> valid = check_row(family, key, value); !valid) return valid.error();
        begin(family, key);
        fields_.text(value);
        flush();
        return {};
    }

    /// The row without its chunk bookkeeping, then live lots, then all lines.
    Result<void> add_member(std::string_view key, std::string_view value) {
        Member member;
        if (Result<void> r = decode_row(key, value, member); !r) return r.error();
        const MemberKey id = *parse_member_key(key);
        begin(ViewFamily::member, key);
        Member scalars = member;
        scalars.lots.clear();
        scalars.next_lot = 1;
        scalars.spilled = {};
        scalars.statement_lines = scalars.statement_spilled = 0;
        scalars.statement_tail.clear();
        encode_row(scalars, scratch_);
        fields_.text(scratch_);
        fields_.number(member.next_lot);
        if (Result<void> r = add_spilled_lots(id, member.spilled); !r) return r.error();
        for (const Lot& lot : member.lots)
            add_lot(lot);
        fields_.number(0);  // no lot has this number: the end of the lots
        fields_.number(member.statement_lines);
        for (std::uint32_t n = 0; n < member.statement_spilled / kChunk; ++n) {
            if (Result<void> r = add_statement_chunk(id, n); !r) return r.error();
        }
        fields_.raw(member.statement_tail);
        flush();
        return {};
    }

    Result<void> add_spilled_lots(const MemberKey& id, const SpilledLots& spilled) {
        for (std::uint32_t n = (spilled.first_live - 1) / kChunk; n < spilled.count / kChunk; ++n) {
            const std::string key = chunk_row_key(id.program, id.member, n);
            Result<std::optional<std::string>> value = rows_.get(ViewFamily::lot, key);
            if (!value) return value.error();
            if (!value->has_value()) continue;
            LotChunk chunk;
            if (Result<void> r = decode_row(key, **value, chunk); !r) return r.error();
            for (const Lot& lot : chunk.lots)
                add_lot(lot);
        }
        return {};
    }

    Result<void> add_statement_chunk(const MemberKey& id, std::uint32_t n) {
        const std::string key = chunk_row_key(id.program, id.member, n);
        Result<std::optional<std::string>> value = rows_.get(ViewFamily::stmt, key);
        if (!value) return value.error();
        if (!value->has_value()) {
            return make_error(ErrorCode::corrupt, "a row of view stmt is missing");
        }
        Result<std::string_view> packed = decode_lines(**value);
        if (!packed) return packed.error();
        fields_.raw(*packed);
        return {};
    }

    void add_lot(const Lot& lot) {
        if (!lot.live()) return;
        fields_.number(lot.no);
        fields_.number(lot.currency);
        fields_.signed_number(lot.amount);
        fields_.signed_number(lot.remaining);
        fields_.signed_number(lot.activates_at);
        fields_.signed_number(lot.expires_at);
        fields_.number(lot.source.value);
    }

    const RowSource& rows_;
    Sha256 sha_;
    Fields fields_;
    std::string scratch_;
};

}  // namespace

Result<void> RowMap::scan(
    ViewFamily family, const std::function<bool(std::string_view, std::string_view)>& visit
) const {
    for (auto at = rows.lower_bound(std::pair(family, std::string())); at != rows.end(); ++at) {
        if (at->first.first != family || !visit(at->first.second, at->second)) break;
    }
    return {};
}

Result<std::optional<std::string>> RowMap::get(ViewFamily family, std::string_view key) const {
    const auto at = rows.find(std::pair(family, std::string(key)));
    if (at == rows.end()) return std::optional<std::string>();
    return std::optional<std::string>(at->second);
}

void RowMap::apply(CheckpointBatch batch) {
    batch.expand();
    for (ViewRecord& record : batch.records) {
        if (record.erase) {
            rows.erase(std::pair(record.family, record.key));
        } else {
            rows[std::pair(record.family, std::move(record.key))] = std::move(record.value);
        }
    }
}

Result<Hash32> state_digest(const RowSource& rows) {
    return StateDigest(rows).run();
}

// ---- content ----

namespace {

/// One program's digest in the making.
struct ProgramContent {
    std::string name;
    Sha256 sha;
    std::map<std::uint32_t, Hash32> versions;
    /// Short names of lots, by (member, lot).
    PartedMap<RowKey, std::uint64_t> lots;
    /// What has expired so far, by (member, currency): balances are hashed as if nothing had.
    std::map<std::pair<std::uint64_t, std::uint16_t>, Points> expired;
};

/// Net postings of one entry without those that time alone caused.
class NetPostings {
public:
    using Key = std::tuple<Account, MemberId, std::uint16_t>;

    void add(Account account, MemberId member, std::uint16_t currency, Points amount) {
        sums_[{account, member, currency}] += amount;
    }
    void write(Fields& fields) const {
        for (const auto& [key, amount] : sums_) {
            if (amount == 0) continue;
            fields.number(static_cast<std::uint64_t>(std::get<Account>(key)));
            fields.number(std::get<MemberId>(key).value);
            fields.number(std::get<std::uint16_t>(key));
            fields.signed_number(amount);
        }
        fields.number(0);  // no account has this number
    }

private:
    std::map<Key, Points> sums_;
};

class ContentEntry {
public:
    ContentEntry(ProgramContent& program, const Entry& entry, Fields& fields)
        : program_(program), entry_(entry), fields_(fields) {}

    void write() {
        fields_.clear();
        name_lots();
        note_expiries();
        if (entry_.kind == EntryKind::activate || entry_.kind == EntryKind::expire ||
            entry_.kind == EntryKind::board_window)
            return;
        // A refund whose order did not come in time.
        if (entry_.kind == EntryKind::orphaned && !entry_.has_event) return;
        fields_.number(static_cast<std::uint64_t>(entry_.kind));
        // Other kinds happen when they are recorded, which the digest leaves out.
        if (entry_.has_event) fields_.signed_number(entry_.occurred_at);
        fields_.number(entry_.member.value);
        fields_.number(static_cast<std::uint64_t>(entry_.outcome));
        if (entry_.has_event) write_event();
        if (entry_.kind == EntryKind::adjust) write_adjustment();
        write_effects();
        program_.sha.update(fields_.bytes());
    }

private:
    static RowKey lot_key(MemberId member, std::uint32_t lot) { return {0, lot, member.value}; }

    void name_lots() {
        std::uint64_t n = 0;
        for (const LotGrant& grant : entry_.lots) {
            ++n;
            Fields name;
            if (entry_.has_event) {
                name.raw(entry_.event.source);
                name.raw("#");
                name.raw(entry_.event.id);
                name.raw("#");
                name.raw(std::to_string(n));
            } else {
                name.raw(
                    "#" + std::to_string(grant.member.value) + "#" + std::to_string(grant.lot)
                );
            }
            const Hash32 hash = sha256(name.bytes());
            std::uint64_t short_name = 0;
            for (std::size_t i = 0; i < 8; ++i)
                short_name = (short_name << 8) | hash[i];
            program_.lots.emplace(lot_key(grant.member, grant.lot), short_name);
        }
    }

    void note_expiries() {
        for (const Posting& posting : entry_.postings) {
            if (posting.account == Account::breakage)
                expired_here_[posting.currency] += posting.amount;
        }
        // Postings to breakage do not name the member; an entry settles one member.
        const MemberId member = settled_member();
        for (const auto& [currency, amount] : expired_here_) {
            program_.expired[{member.value, currency}] += amount;
        }
    }

    [[nodiscard]] MemberId settled_member() const {
        for (const Allocation& allocation : entry_.allocations) {
            if (allocation.purpose == Purpose::expire) return allocation.member;
        }
        return {};
    }

    void write_event() {
        const EventPart& event = entry_.event;
        fields_.text(event.source);
        fields_.text(event.id);
        fields_.text(event.type);
        fields_.text(event.subject);
        fields_.number(static_cast<std::uint64_t>(event.facts));
        if (event.facts == FactsKind::order) write_order(event.order);
        if (event.facts == FactsKind::refund) write_refund(event.refund);
        const auto version = program_.versions.find(event.program_version);
        fields_.text(
            version == program_.versions.end() ? std::string_view() : as_text(version->second)
        );
        fields_.number(event.rules.size());
        for (const RuleOutcome& outcome : event.rules) {
            fields_.text(outcome.rule);
            fields_.number(outcome.effect);
            fields_.number(static_cast<std::uint64_t>(outcome.code));
            fields_.number(outcome.currency);
            fields_.signed_number(outcome.amount);
            fields_.signed_number(outcome.posted);
        }
    }

    void write_lines(std::span<const OrderLine> lines) {
        fields_.number(lines.size());
        for (const OrderLine& line : lines) {
            fields_.text(line.line_id);
            fields_.text(line.sku);
            fields_.signed_number(line.quantity);
            fields_.signed_number(line.amount);
            fields_.number(line.gift_card ? 1 : 0);
        }
    }

    void write_order(const OrderFacts& order) {
        fields_.text(order.order_id);
        fields_.text(order.currency);
        fields_.number(order.exponent);
        fields_.text(order.channel);
        fields_.number(order.present);
        for (const Points amount :
             {order.total,
              order.net,
              order.shipping,
              order.tax,
              order.discount,
              order.gift_card_amount,
              order.points_amount,
              order.subtotal}) {
            fields_.signed_number(amount);
        }
        write_lines(order.lines);
    }

    void write_refund(const RefundFacts& refund) {
        fields_.text(refund.order_id);
        fields_.text(refund.refund_id);
        fields_.text(refund.currency);
        fields_.signed_number(refund.amount);
        fields_.signed_number(refund.shipping);
        fields_.number(refund.cancel ? 1 : 0);
        fields_.number(refund.has_amount ? 1 : 0);
        write_lines(refund.lines);
        fields_.number(refund.taken.size());
        for (const Points amount : refund.taken)
            fields_.signed_number(amount);
    }

    void write_adjustment() {
        const AdjustmentPart& part = entry_.adjustment;
        fields_.number(part.currency);
        fields_.signed_number(part.amount);
        fields_.text(part.reason_code);
        fields_.number(part.visible_to_member ? 1 : 0);
        fields_.number(part.counts_for_tier ? 1 : 0);
    }

    [[nodiscard]] bool activated_here(const Allocation& allocation) const {
        return std::any_of(
            entry_.activations.begin(),
            entry_.activations.end(),
            [&](const Activation& activation) {
                return activation.member == allocation.member && activation.lot == allocation.lot;
            }
        );
    }

    /// Postings, allocations and balances without activations, expiries and what an activation
    /// repaid.
    void write_effects() {
        NetPostings net;
        for (const Posting& posting : entry_.postings) {
            net.add(posting.account, posting.member, posting.currency, posting.amount);
        }
        for (const auto& [currency, amount] : expired_here_) {
            net.add(Account::breakage, {}, currency, -amount);
            net.add(Account::member_points, settled_member(), currency, amount);
        }
        std::map<std::pair<std::uint64_t, std::uint64_t>, Points> taken;
        for (const Allocation& allocation : entry_.allocations) {
            if (allocation.purpose == Purpose::expire) continue;
            if (allocation.purpose == Purpose::repay && activated_here(allocation)) continue;
            const std::uint64_t* lot =
                program_.lots.find(lot_key(allocation.member, allocation.lot));
            taken[{lot == nullptr ? 0 : *lot, static_cast<std::uint64_t>(allocation.purpose)}] +=
                allocation.amount;
        }
        net.write(fields_);
        fields_.number(taken.size());
        for (const auto& [key, amount] : taken) {
            fields_.number(key.first);
            fields_.number(key.second);
            fields_.signed_number(amount);
        }
        for (const LotGrant& grant : entry_.lots) {
            fields_.number(*program_.lots.find(lot_key(grant.member, grant.lot)));
            fields_.number(grant.currency);
            fields_.signed_number(grant.amount);
            fields_.signed_number(grant.expires_at);
        }
        for (const Balance& after : entry_.balances_after)
            write_balance(after);
    }

    void write_balance(const Balance& after) {
        const auto expired = program_.expired.find({after.member.value, after.currency});
        const Points gone = expired == program_.expired.end() ? 0 : expired->second;
        fields_.number(after.member.value);
        fields_.number(after.currency);
        fields_.signed_number(after.available + after.pending + after.held - after.debt + gone);
        fields_.signed_number(after.lifetime_earned);
    }

    ProgramContent& program_;
    const Entry& entry_;
    Fields& fields_;
    std::map<std::uint16_t, Points> expired_here_;
};

}  // namespace

struct ContentDigests::Impl {
    std::map<ProgramId, ProgramContent> programs;
    Fields fields;
};

ContentDigests::ContentDigests() : impl_(std::make_unique<Impl>()) {}
ContentDigests::~ContentDigests() = default;

void ContentDigests::add(const Entry& entry) {
    if (entry.program == kSystemProgram) {
        if (entry.kind != EntryKind::program_version) return;
        const ProgramVersionPart& part = entry.program_version;
        ProgramContent& program = impl_->programs[part.program];
        program.name = part.program_id;
        program.versions[part.version] = part.content_hash;
        return;
    }
    if (entry.kind == EntryKind::alias || entry.kind == EntryKind::key) return;
    ContentEntry(impl_->programs[entry.program], entry, impl_->fields).write();
}

std::vector<ContentDigests::Named> ContentDigests::digests() const {
    std::vector<Named> all;
    for (const auto& [id, program] : impl_->programs) {
        Sha256 copy = program.sha;
        all.push_back({id, program.name, copy.finish()});
    }
    return all;
}

}  // namespace ledger
