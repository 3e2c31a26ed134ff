#include "ledger/state.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "ledger/base/invariant.hpp"
#include "ledger/state_apply.hpp"
#include "ledger/state_table.hpp"

namespace ledger {
namespace {

// ---- what each table holds and how a row of it is written ----

struct MemberRow {
    Member member;
    Timestamp stored_due = kNever;  ///< the `due` row that views/ have for the member
};

RowKey member_key(ProgramId program, MemberId id) {
    return {program.value, 0, id.value};
}

struct MemberTraits {
    using Key = RowKey;
    using Row = MemberRow;
    static std::size_t heap_bytes(const Row& row) {
        const Member& m = row.member;
        std::size_t bytes = m.statement_tail.capacity() > 15 ? m.statement_tail.capacity() : 0;
        if (m.lots.capacity() > 4) bytes += m.lots.capacity() * sizeof(Lot);
        if (m.wallets.capacity() > 1) bytes += m.wallets.capacity() * sizeof(Wallet);
        return bytes;
    }
    static void save(CheckpointClock& clock, Slot<Key, Row>& slot) {
        const ProgramId program{slot.key.program};
        const MemberId id{slot.key.number};
        ViewRecord& row = clock.record(ViewFamily::member);
        row.key = member_row_key(program, id);
        encode_row(slot.row.member, clock.scratch);
        row.value = clock.scratch;
        const Timestamp due = slot.row.member.next_due();
        if (due == slot.row.stored_due) return;
        if (slot.row.stored_due != kNever) {
            ViewRecord& old = clock.record(ViewFamily::due);
            old.erase = true;
            old.key = due_row_key(program, slot.row.stored_due, id);
        }
        if (due != kNever) {
            ViewRecord& fresh = clock.record(ViewFamily::due);
            fresh.key = due_row_key(program, due, id);
            encode_empty_row(fresh.value);
        }
        slot.row.stored_due = due;
    }
};

template <typename Row>
void save_row(
    CheckpointClock& clock, ViewFamily family, std::string key, bool present, const Row& row
) {
    ViewRecord& record = clock.record(family);
    record.key = std::move(key);
    record.erase = !present;
    if (!present) return;
    encode_row(row, clock.scratch);
    record.value = clock.scratch;
}

/// Rows that are one record each, under the key that `KeyOf` makes.
template <typename TableKey, typename TableRow, ViewFamily Family, auto KeyOf>
struct PlainTraits {
    using Key = TableKey;
    using Row = TableRow;
    static std::size_t heap_bytes(const Row&) { return 0; }
    static void save(CheckpointClock& clock, Slot<Key, Row>& slot) {
        save_row(clock, Family, KeyOf(slot.key), slot.present, slot.row);
    }
};

using LotChunkTraits = PlainTraits<RowKey, LotChunk, ViewFamily::lot, [](const RowKey& key) {
    return chunk_row_key(ProgramId{key.program}, MemberId{key.number}, key.chunk);
}>;

struct OrderTraits : PlainTraits<RowKey, OrderState, ViewFamily::rev, [](const RowKey& key) {
    return order_row_key(ProgramId{key.program}, Seq{key.number});
}> {
    static std::size_t heap_bytes(const Row& row) {
        return (row.refunded.size() > 4 ? row.refunded.size() * sizeof(Points) : 0) +
               (row.taken_back.size() > 2 ? row.taken_back.size() * sizeof(Points) : 0);
    }
};

struct WaitingTraits
    : PlainTraits<HashKey, WaitingRefunds, ViewFamily::waiting, [](const HashKey& key) {
        return waiting_row_key(ProgramId{key.program}, key.bytes);
    }> {
    static std::size_t heap_bytes(const Row& row) {
        return row.refunds.capacity() * sizeof(WaitingRefunds::Refund);
    }
};

using OrphanTraits = PlainTraits<RowKey, Orphan, ViewFamily::orphan, [](const RowKey& key) {
    return orphan_row_key(ProgramId{key.program}, Seq{key.number});
}>;

using CounterTraits =
    PlainTraits<CounterRowKey, CounterValue, ViewFamily::ctr, [](const CounterRowKey& key) {
        return counter_row_key(ProgramId{key.program}, key.counter, key.slot);
    }>;

using ExternalIdTraits = PlainTraits<HashKey, MemberId, ViewFamily::blind, [](const HashKey& key) {
    return external_id_row_key(ProgramId{key.program}, key.bytes);
}>;

using ProfileTraits = PlainTraits<RowKey, ProfileHashes, ViewFamily::blind, [](const RowKey& key) {
    return profile_row_key(ProgramId{key.program}, MemberId{key.number});
}>;

using ProgramTraits = PlainTraits<RowKey, Program, ViewFamily::program, [](const RowKey& key) {
    return program_row_key(ProgramId{key.program});
}>;

using ApiKeyTraits = PlainTraits<RowKey, ApiKey, ViewFamily::api_key, [](const RowKey& key) {
    return api_key_row_key(key.number);
}>;

// ---- what is kept a generation: one for each epoch that is not in views/ yet ----

/// Keys claimed in one epoch: a map to ask, blocks to hand to the checkpoint.
struct SeenGeneration {
    static constexpr std::size_t kBlock = 4096;
    PartedMap<HashKey, std::uint64_t> map;
    std::vector<std::vector<SeenKey>> blocks;
    std::size_t cleared_parts = 0;

    void claim(const HashKey& key, std::uint64_t seq) {
        if (!map.emplace(key, seq).second) return;  // the first claim stands
        if (blocks.empty() || blocks.back().size() == kBlock) blocks.emplace_back().reserve(kBlock);
        blocks.back().push_back({key.program, key.bytes, seq});
    }
    /// Clears one part of the map; false when all are clear.
    bool clear_step() {
        if (cleared_parts == map.parts()) return false;
        map.clear_part(cleared_parts++);
        return true;
    }
    [[nodiscard]] std::size_t memory_bytes() const {
        return map.size() * (3 * (sizeof(HashKey) + 8) / 2 + sizeof(SeenKey));
    }
};

/// Statement chunks, e-mail/phone look-ups and timers of parked refunds made in one epoch, and
/// which orphans it made or attached. Written, never changed: only readers that need what views/ do
/// not have yet ask for them.
struct SideGeneration {
    struct ContactKey {
        std::uint32_t program = 0;
        BlindKind kind = BlindKind::email;
        std::uint64_t hash = 0;
        std::uint64_t member = 0;
        friend auto operator<=>(const ContactKey&, const ContactKey&) = default;
    };
    PartedMap<RowKey, std::string> lines;
    std::deque<RowKey> line_order;
    struct TimerKey {
        std::uint32_t program = 0;
        Timestamp when = 0;
        std::uint64_t parked = 0;
        friend auto operator<=>(const TimerKey&, const TimerKey&) = default;
    };
    using OrphanKey = std::pair<std::uint32_t, std::uint64_t>;  ///< program, seq
    std::map<ContactKey, bool> contacts;                        ///< true: erased
    std::map<TimerKey, bool> timers;                            ///< true: erased
    std::map<OrphanKey, bool> orphans;                          ///< true: attached
    std::size_t bytes = 0;
    std::size_t lines_copied = 0;
    std::map<ContactKey, bool>::const_iterator contact_at;
    std::map<TimerKey, bool>::const_iterator timer_at;

    void begin_copy() {
        lines_copied = 0;
        contact_at = contacts.begin();
        timer_at = timers.begin();
    }
    [[nodiscard]] std::size_t rows() const {
        return line_order.size() + contacts.size() + timers.size();
    }
    void copy(CheckpointClock& clock, std::size_t& rows) {
        for (; rows > 0 && lines_copied < line_order.size(); --rows, ++lines_copied) {
            const RowKey& key = line_order[lines_copied];
            ViewRecord& record = clock.record(ViewFamily::stmt);
            record.key = chunk_row_key(ProgramId{key.program}, MemberId{key.number}, key.chunk);
            record.value = *lines.find(key);
        }
        for (; rows > 0 && contact_at != contacts.end(); --rows, ++contact_at) {
            const ContactKey& key = contact_at->first;
            ViewRecord& record = clock.record(ViewFamily::blind);
            record.erase = contact_at->second;
            record.key =
                contact_row_key(ProgramId{key.program}, key.kind, key.hash, MemberId{key.member});
            if (!record.erase) encode_empty_row(record.value);
        }
        for (; rows > 0 && timer_at != timers.end(); --rows, ++timer_at) {
            const TimerKey& key = timer_at->first;
            ViewRecord& record = clock.record(ViewFamily::due);
            record.erase = timer_at->second;
            record.key = parked_due_row_key(ProgramId{key.program}, key.when, Seq{key.parked});
            if (!record.erase) encode_empty_row(record.value);
        }
    }
    [[nodiscard]] bool copied() const {
        return lines_copied == line_order.size() && contact_at == contacts.end() &&
               timer_at == timers.end();
    }
    /// Frees a little; false when all is free.
    bool clear_step() {
        for (int n = 0; n < 4 && !line_order.empty(); ++n) {
            const std::string* value = lines.find(line_order.front());
            if (value != nullptr) bytes -= value->size();
            lines.erase(line_order.front());
            line_order.pop_front();
        }
        for (int n = 0; n < 4 && !contacts.empty(); ++n)
            contacts.erase(contacts.begin());
        for (int n = 0; n < 4 && !timers.empty(); ++n)
            timers.erase(timers.begin());
        for (int n = 0; n < 4 && !orphans.empty(); ++n)
            orphans.erase(orphans.begin());
        return !line_order.empty() || !contacts.empty() || !timers.empty() || !orphans.empty();
    }
};

/// Answers that views/ gave about keys (seq, or 0: not there). Two halves: when the younger is full
/// the older is forgotten.
class FetchedKeys {
public:
    const std::uint64_t* find(const HashKey& key) const {
        if (const auto at = young_.find(key); at != young_.end()) return &at->second;
        if (const auto at = old_.find(key); at != old_.end()) return &at->second;
        return nullptr;
    }
    void insert(const HashKey& key, std::uint64_t seq) {
        if (young_.size() >= kHalf) {
            std::swap(young_, old_);
            young_.clear();
        }
        young_[key] = seq;
    }
    /// The key was claimed: what views/ said is no longer the whole truth.
    void forget(const HashKey& key) {
        if (young_.empty() && old_.empty()) return;
        young_.erase(key);
        old_.erase(key);
    }

private:
    static constexpr std::size_t kHalf = 32'768;
    struct Hasher {
        using is_avalanching = void;
        std::size_t operator()(const HashKey& key) const { return key.hash(); }
    };
    boost::unordered_flat_map<HashKey, std::uint64_t, Hasher> young_, old_;
};

/// Decoded entries of the log: the newest few thousand that were asked for.
class EntryCache {
public:
    const OwnedEntry* find(const RowKey& key) const {
        const std::unique_ptr<OwnedEntry>* at = map_.find(key);
        return at == nullptr ? nullptr : at->get();
    }
    void insert(std::unique_ptr<OwnedEntry> entry) {
        const RowKey key{entry->entry.program.value, 0, entry->entry.seq.value};
        const std::size_t bytes = size_of(*entry);
        if (!map_.emplace(key, std::move(entry)).second) return;
        bytes_ += bytes;
        order_.emplace_back(key, bytes);
        while (order_.size() > kEntriesMax || (bytes_ > kBytesMax && order_.size() > 1)) {
            bytes_ -= order_.front().second;
            map_.erase(order_.front().first);
            order_.pop_front();
        }
    }
    [[nodiscard]] std::size_t memory_bytes() const { return bytes_; }

private:
    static constexpr std::size_t kEntriesMax = 8'192;
    static constexpr std::size_t kBytesMax = std::size_t{256} << 20;
    static std::size_t size_of(const OwnedEntry& entry) {
        return sizeof(OwnedEntry) + entry.bytes.capacity() + entry.personal_bytes.capacity() +
               (entry.order_lines.capacity() + entry.refund_lines.capacity()) * sizeof(OrderLine) +
               entry.per_line.capacity() * 64;
    }
    PartedMap<RowKey, std::unique_ptr<OwnedEntry>> map_;
    std::deque<std::pair<RowKey, std::size_t>> order_;
    std::size_t bytes_ = 0;
};

Error bad_key(ViewFamily family) {
    return make_error(ErrorCode::corrupt, "malformed key in view " + std::string(name(family)));
}

}  // namespace

struct State::Impl final : RowWriter {
    explicit Impl(State::Options given) : options(std::move(given)) {
        side[0].begin_copy();
        side[1].begin_copy();
        // The reserved program exists before its first entry.
        Program system;
        system.id = kSystemProgram;
        system.name = "_system";
        programs.insert({}, std::move(system), true).stored = false;
        names.emplace("_system", kSystemProgram);
    }

    // ---- RowWriter ----

    Program& change_program(ProgramId id) override {
        Program& program = programs.change({id.value, 0, 0}).row;
        program.id = id;
        return program;
    }
    void name_program(ProgramId id, std::string_view given) override {
        names.emplace(std::string(given), id);
    }
    void note_shop(ProgramId id, std::string_view shop) override {
        auto& known = shops[id.value];
        if (known.contains(shop)) return;
        Program& program = programs.change({id.value, 0, 0}).row;
        if (program.shops.size() >= kShopsMax) return;
        program.shops.emplace_back(shop);
        known.emplace(shop);
    }
    ApiKey& change_api_key(std::uint64_t id) override { return api_keys.change({0, 0, id}).row; }
    Member& create_member(ProgramId program, MemberId id) override {
        return members.change(member_key(program, id)).row.member;
    }
    Member& change_member(ProgramId program, MemberId id) override {
        return members.change(member_key(program, id)).row.member;
    }
    void member_changed(ProgramId program, Member& member) override {
        members.account(*members.find(member_key(program, member.id)));
    }
    LotChunk& change_lot_chunk(ProgramId program, MemberId id, std::uint32_t chunk) override {
        return chunks.change({program.value, chunk, id.value}).row;
    }
    void drop_lot_chunk(ProgramId program, MemberId id, std::uint32_t chunk) override {
        chunks.erase({program.value, chunk, id.value});
    }
    void add_statement_chunk(
        ProgramId program, MemberId id, std::uint32_t chunk, std::string_view packed
    ) override {
        const RowKey key{program.value, chunk, id.value};
        std::string value;
        encode_lines(packed, value);
        SideGeneration& now = side[current];
        now.bytes += value.size();
        now.lines.emplace(key, std::move(value));
        now.line_order.push_back(key);
    }
    OrderState& change_order(ProgramId program, Seq order) override {
        return orders.change({program.value, 0, order.value}).row;
    }
    WaitingRefunds& change_waiting(ProgramId program, const Hash16& order) override {
        return waiting.change({program.value, order}).row;
    }
    void drop_waiting(ProgramId program, const Hash16& order) override {
        waiting.erase({program.value, order});
    }
    void put_parked_due(ProgramId program, Timestamp when, Seq parked, bool erase) override {
        side[current].timers[{program.value, when, parked.value}] = erase;
    }
    void add_orphan(ProgramId program, Seq seq, const Orphan& orphan) override {
        orphans.change({program.value, 0, seq.value}).row = orphan;
        side[current].orphans[{program.value, seq.value}] = false;
    }
    void drop_orphan(ProgramId program, Seq seq) override {
        orphans.erase({program.value, 0, seq.value});
        side[current].orphans[{program.value, seq.value}] = true;
    }
    CounterValue& change_counter(ProgramId program, std::uint16_t counter, std::string_view slot)
        override {
        return counters.change({program.value, counter, std::string(slot)}).row;
    }
    void claim(ProgramId program, const Hash16& hash, Seq seq) override {
        const HashKey key{program.value, hash};
        seen[current].claim(key, seq.value);
        fetched.forget(key);
        retire_step();
    }
    void put_external_id(ProgramId program, const Hash16& hash, MemberId member) override {
        external_ids.change({program.value, hash}).row = member;
    }
    ProfileHashes& change_profile(ProgramId program, MemberId member) override {
        return profiles.change(member_key(program, member)).row;
    }
    void put_contact(
        ProgramId program, BlindKind kind, std::uint64_t hash, MemberId member, bool erase
    ) override {
        side[current].contacts[{program.value, kind, hash, member.value}] = erase;
    }

    // ---- look-ups ----

    template <typename Table>
    auto lookup(Table& table, const typename Table::Key& key, ViewFamily family, auto make_key) {
        Lookup<typename Table::Row> answer;
        if (auto* slot = table.find(key); slot != nullptr) {
            answer.presence = slot->present ? Presence::found : Presence::absent;
            answer.row = slot->present ? &slot->row : nullptr;
            return answer;
        }
        answer.presence = unknown(family, make_key);
        return answer;
    }

    Presence unknown(ViewFamily family, auto make_key) {
        if (options.views_empty) return Presence::absent;
        RowRef row{family, make_key()};
        // A decision asks for few rows, some of them twice; a replayed group may ask for many.
        const std::size_t recent = std::min<std::size_t>(misses.rows.size(), 16);
        const auto tail = misses.rows.end() - static_cast<std::ptrdiff_t>(recent);
        if (std::find(tail, misses.rows.end(), row) == misses.rows.end()) {
            misses.rows.push_back(std::move(row));
        }
        return Presence::missing;
    }

    const std::uint64_t* recent_claim(const HashKey& key) const {
        const std::uint64_t* seq = seen[current].map.find(key);
        if (seq == nullptr && clock.running) seq = seen[1 - current].map.find(key);
        return seq;
    }

    ValueLookup<Seq> seen_by(ProgramId program, const Hash16& hash) {
        const HashKey key{program.value, hash};
        const std::uint64_t* seq = recent_claim(key);
        if (seq == nullptr) seq = fetched.find(key);
        if (seq != nullptr) {
            return {*seq == 0 ? Presence::absent : Presence::found, Seq{*seq}};
        }
        if (options.key_may_exist && !options.key_may_exist(program, hash)) {
            return {Presence::absent, {}};
        }
        const Presence presence =
            unknown(ViewFamily::keys, [&] { return seen_row_key(program, hash); });
        return {presence, {}};
    }

    // ---- rows from views/ ----

    template <typename Table>
    Result<void> put(
        Table& table,
        const typename Table::Key& key,
        const RowRef& ref,
        std::optional<std::string_view> value
    ) {
        if (table.find(key) != nullptr) return {};
        typename Table::Row row{};
        if (value) {
            if (Result<void> r = decode_row(ref.key, *value, row); !r) return r.error();
        }
        table.insert(key, std::move(row), value.has_value());
        return {};
    }

    Result<void> put_member(const RowRef& ref, std::optional<std::string_view> value) {
        const std::optional<MemberKey> key = parse_member_key(ref.key);
        if (!key) return bad_key(ref.family);
        const RowKey at = member_key(key->program, key->member);
        if (members.find(at) != nullptr) return {};
        MemberRow row;
        if (value) {
            if (Result<void> r = decode_row(ref.key, *value, row.member); !r) return r.error();
            row.stored_due = row.member.next_due();
        }
        members.insert(at, std::move(row), value.has_value());
        return {};
    }

    Result<void> put_seen(const RowRef& ref, std::optional<std::string_view> value) {
        const std::optional<SeenRowKey> key = parse_seen_key(ref.key);
        if (!key) return bad_key(ref.family);
        Seq seq;
        if (value) {
            if (Result<void> r = decode_row(ref.key, *value, seq); !r) return r.error();
        }
        const HashKey at{key->program.value, key->hash};
        if (recent_claim(at) == nullptr) fetched.insert(at, seq.value);
        return {};
    }

    Result<void> put_program(const RowRef& ref, std::optional<std::string_view> value) {
        const std::optional<ProgramId> id = parse_program_key(ref.key);
        if (!id) return bad_key(ref.family);
        if (!value) return {};
        Program row;
        if (Result<void> r = decode_row(ref.key, *value, row); !r) return r.error();
        const RowKey key{id->value, 0, 0};
        if (auto* slot = programs.find(key); slot != nullptr) {
            if (slot->epoch != 0 || slot->stored) return {};  // known better, or given twice
            slot->row = std::move(row);
            slot->stored = true;
        } else {
            names.emplace(row.name, *id);
            programs.insert(key, std::move(row), true);
        }
        auto& known = shops[id->value];
        for (const std::string& shop : programs.find(key)->row.shops)
            known.emplace(shop);
        return {};
    }

    Result<void> put_blind(const RowRef& ref, std::optional<std::string_view> value) {
        const std::optional<BlindKey> key = parse_blind_key(ref.key);
        if (!key) return bad_key(ref.family);
        if (key->kind == BlindKind::external_id) {
            return put(external_ids, {key->program.value, key->hash}, ref, value);
        }
        if (key->kind == BlindKind::profile) {
            return put(profiles, member_key(key->program, key->member), ref, value);
        }
        return {};
    }

    // ---- checkpoint ----

    /// Frees a little of the generation that was ingested last.
    void retire_step() {
        if (!retiring) return;
        const bool more_keys = seen[1 - current].clear_step();
        const bool more_lines = side[1 - current].clear_step();
        retiring = more_keys || more_lines;
    }

    void for_each_table(auto visit) {
        visit(programs);
        visit(api_keys);
        visit(members);
        visit(chunks);
        visit(orders);
        visit(waiting);
        visit(orphans);
        visit(counters);
        visit(external_ids);
        visit(profiles);
    }

    [[nodiscard]] bool copied() {
        bool all = side[1 - current].copied() && cut_records.empty();
        for_each_table([&all](auto& table) { all = all && table.copied(); });
        return all;
    }

    [[nodiscard]] std::size_t memory_bytes() const {
        return members.memory_bytes() + chunks.memory_bytes() + orders.memory_bytes() +
               counters.memory_bytes() + waiting.memory_bytes() + orphans.memory_bytes() +
               external_ids.memory_bytes() + profiles.memory_bytes() + entries.memory_bytes() +
               seen[0].memory_bytes() + seen[1].memory_bytes() + side[0].bytes + side[1].bytes;
    }

    bool evict_one() {
        switch (evict_turn++ % 8) {
            case 0: return members.evict_one();
            case 1: return chunks.evict_one();
            case 2: return orders.evict_one();
            case 3: return external_ids.evict_one();
            case 4: return waiting.evict_one();
            case 5: return orphans.evict_one();
            case 6: return counters.evict_one();
            default: return profiles.evict_one();
        }
    }

    State::Options options;
    CheckpointClock clock;
    RowTable<ProgramTraits> programs{clock};
    RowTable<ApiKeyTraits> api_keys{clock};
    RowTable<MemberTraits> members{clock};
    RowTable<LotChunkTraits> chunks{clock};
    RowTable<OrderTraits> orders{clock};
    RowTable<WaitingTraits> waiting{clock};
    RowTable<OrphanTraits> orphans{clock};
    RowTable<CounterTraits> counters{clock};
    RowTable<ExternalIdTraits> external_ids{clock};
    RowTable<ProfileTraits> profiles{clock};
    std::map<std::string, ProgramId, std::less<>> names;
    std::map<std::uint32_t, std::set<std::string, std::less<>>> shops;
    /// Index `current`: the running epoch; the other: the cut's while a checkpoint runs, else it is
    /// being cleared.
    std::array<SeenGeneration, 2> seen;
    std::array<SideGeneration, 2> side;
    std::size_t current = 0;
    bool retiring = false;
    FetchedKeys fetched;
    EntryCache entries;
    std::deque<ViewRecord> appended;
    std::deque<ViewRecord> cut_records;
    std::size_t evict_turn = 0;
    std::vector<std::pair<ProgramId, MemberId>> ahead_members;  ///< scratch of look_ahead
    std::vector<const Member*> ahead_rows;
    mutable Misses misses;
};

State::State(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
State::~State() = default;

const Program* State::program(ProgramId id) const {
    const auto* slot = impl_->programs.find({id.value, 0, 0});
    return slot == nullptr ? nullptr : &slot->row;
}

const Program* State::program_by_name(std::string_view name) const {
    const auto at = impl_->names.find(name);
    return at == impl_->names.end() ? nullptr : program(at->second);
}

const ApiKey* State::api_key(std::uint64_t id) const {
    const auto* slot = impl_->api_keys.find({0, 0, id});
    return slot == nullptr ? nullptr : &slot->row;
}

Lookup<Member> State::member(ProgramId program, MemberId id) const {
    const Lookup<MemberRow> row =
        impl_->lookup(impl_->members, member_key(program, id), ViewFamily::member, [&] {
            return member_row_key(program, id);
        });
    return {row.presence, row.row == nullptr ? nullptr : &row.row->member};
}

Lookup<LotChunk> State::lot_chunk(ProgramId program, MemberId id, std::uint32_t chunk) const {
    return impl_->lookup(impl_->chunks, {program.value, chunk, id.value}, ViewFamily::lot, [&] {
        return chunk_row_key(program, id, chunk);
    });
}

ValueLookup<std::int64_t> State::counter(
    ProgramId program, std::uint16_t counter, std::string_view slot
) const {
    const auto found = impl_->lookup(
        impl_->counters,
        {program.value, counter, std::string(slot)},
        ViewFamily::ctr,
        [&] { return counter_row_key(program, counter, slot); }
    );
    return {found.presence, found.found() ? found.row->count : 0};
}

Lookup<OrderState> State::order_state(ProgramId program, Seq order) const {
    return impl_->lookup(impl_->orders, {program.value, 0, order.value}, ViewFamily::rev, [&] {
        return order_row_key(program, order);
    });
}

Lookup<WaitingRefunds> State::waiting(ProgramId program, const Hash16& order) const {
    const HashKey key{program.value, order};
    // Asked for every paid order: nearly always nothing waits, and that must cost nothing.
    if (const Program* row = this->program(program); row == nullptr || row->waiting == 0) {
        return {Presence::absent, nullptr};
    }
    if (impl_->waiting.find(key) == nullptr && impl_->options.key_may_exist &&
        !impl_->options.key_may_exist(program, waiting_filter_hash(order))) {
        return {Presence::absent, nullptr};
    }
    return impl_->lookup(impl_->waiting, key, ViewFamily::waiting, [&] {
        return waiting_row_key(program, order);
    });
}

Lookup<Orphan> State::orphan(ProgramId program, Seq seq) const {
    return impl_->lookup(impl_->orphans, {program.value, 0, seq.value}, ViewFamily::orphan, [&] {
        return orphan_row_key(program, seq);
    });
}

ValueLookup<Seq> State::seen(ProgramId program, const Hash16& hash) const {
    return impl_->seen_by(program, hash);
}

ValueLookup<MemberId> State::member_by_external_id(ProgramId program, const Hash16& hash) const {
    const Lookup<MemberId> row =
        impl_->lookup(impl_->external_ids, {program.value, hash}, ViewFamily::blind, [&] {
            return external_id_row_key(program, hash);
        });
    return {row.presence, row.row == nullptr ? MemberId{} : *row.row};
}

ValueLookup<ProfileHashes> State::profile(ProgramId program, MemberId id) const {
    const Lookup<ProfileHashes> row =
        impl_->lookup(impl_->profiles, member_key(program, id), ViewFamily::blind, [&] {
            return profile_row_key(program, id);
        });
    return {row.presence, row.row == nullptr ? ProfileHashes{} : *row.row};
}

Lookup<OwnedEntry> State::entry(ProgramId program, Seq seq) const {
    if (const OwnedEntry* known = impl_->entries.find({program.value, 0, seq.value})) {
        return {Presence::found, known};
    }
    impl_->misses.entries.emplace_back(program, seq);
    return {Presence::missing, nullptr};
}

Misses& State::misses() const {
    return impl_->misses;
}

void State::look_ahead(std::span<const LookAhead> commands) const {
    // Each pass touches what the pass before made known. The look-ups of one pass do not depend on
    // each other, so the processor has several of them under way.
    std::vector<std::pair<ProgramId, MemberId>>& members = impl_->ahead_members;
    std::vector<const Member*>& rows = impl_->ahead_rows;
    members.clear();
    rows.clear();
    for (const LookAhead& command : commands) {
        for (const Hash16* key : command.keys) {
            if (key != nullptr) impl_->seen_by(command.program, *key);
        }
        if (command.external_id == nullptr) continue;
        const ValueLookup<MemberId> id =
            member_by_external_id(command.program, *command.external_id);
        if (!id.found()) continue;
        members.emplace_back(command.program, id.value);
        if (command.profile) profile(command.program, id.value);
    }
    for (const auto& [program, id] : members) {
        const Lookup<Member> row = member(program, id);
        if (!row.found()) continue;
        rows.push_back(row.row);
        const auto* bytes = reinterpret_cast<const char*>(row.row);
        for (std::size_t at = 0; at < sizeof(Member); at += 64)
            __builtin_prefetch(bytes + at, 1);
    }
    for (const Member* row : rows) {
        __builtin_prefetch(row->lots.data() + row->lots.size(), 1);
        __builtin_prefetch(row->statement_tail.data() + row->statement_tail.size(), 1);
        __builtin_prefetch(row->statement_tail.data() + row->statement_tail.size() + 64, 1);
    }
}

Result<void> State::insert(const RowRef& row, std::optional<std::string_view> value) {
    switch (row.family) {
        case ViewFamily::member: return impl_->put_member(row, value);
        case ViewFamily::keys: return impl_->put_seen(row, value);
        case ViewFamily::program: return impl_->put_program(row, value);
        case ViewFamily::blind: return impl_->put_blind(row, value);
        case ViewFamily::lot: {
            const std::optional<ChunkKey> key = parse_chunk_key(row.key);
            if (!key) return bad_key(row.family);
            const RowKey at{key->program.value, key->chunk, key->member.value};
            return impl_->put(impl_->chunks, at, row, value);
        }
        case ViewFamily::rev: {
            const std::optional<SeqKey> key = parse_seq_key(row.key);
            if (!key) return bad_key(row.family);
            return impl_->put(impl_->orders, {key->program.value, 0, key->seq.value}, row, value);
        }
        case ViewFamily::waiting: {
            const std::optional<SeenRowKey> key = parse_seen_key(row.key);
            if (!key) return bad_key(row.family);
            return impl_->put(impl_->waiting, {key->program.value, key->hash}, row, value);
        }
        case ViewFamily::orphan: {
            const std::optional<SeqKey> key = parse_seq_key(row.key);
            if (!key) return bad_key(row.family);
            return impl_->put(impl_->orphans, {key->program.value, 0, key->seq.value}, row, value);
        }
        case ViewFamily::ctr: {
            const std::optional<CounterKey> key = parse_counter_key(row.key);
            if (!key) return bad_key(row.family);
            return impl_->put(
                impl_->counters,
                {key->program.value, key->counter, std::string(key->slot)},
                row,
                value
            );
        }
        case ViewFamily::api_key: {
            const std::optional<std::uint64_t> id = parse_api_key_key(row.key);
            if (!id) return bad_key(row.family);
            if (!value) return {};
            return impl_->put(impl_->api_keys, {0, 0, *id}, row, value);
        }
        case ViewFamily::meta:
        case ViewFamily::stmt:
        case ViewFamily::due:
        case ViewFamily::seqidx:
        case ViewFamily::tree:
        case ViewFamily::count_: break;
    }
    return {};  // nothing of these is kept in RAM
}

void State::insert(std::unique_ptr<OwnedEntry> entry) {
    impl_->entries.insert(std::move(entry));
}

bool State::prepared(const Entry& entry) const {
    return entry_prepared(*this, entry);
}

Result<void> State::check(const Entry& entry) const {
    return check_entry(*this, entry);
}

void State::apply(const Entry& entry, const BlindHashes* blind) noexcept {
    apply_entry(*this, *impl_, entry, blind);
}

void State::append(ViewRecord record) {
    impl_->appended.push_back(std::move(record));
}

void State::cut(GroupId group) {
    Impl& impl = *impl_;
    INVARIANT(!impl.clock.running);
    while (impl.retiring)
        impl.retire_step();  // usually done long before
    std::size_t rows = impl.appended.size() + impl.side[impl.current].rows();
    impl.for_each_table([&rows](auto& table) { rows += table.dirty(); });
    impl.clock.batch.applied_group = group.value;
    impl.clock.batch.records.reserve(rows + 2 * impl.members.dirty());  // and two `due` rows each
    impl.for_each_table([](auto& table) { table.cut(); });
    impl.side[impl.current].begin_copy();
    std::swap(impl.appended, impl.cut_records);
    impl.current = 1 - impl.current;
    impl.seen[impl.current].cleared_parts = 0;
    ++impl.clock.epoch;
    impl.clock.running = true;
}

bool State::copy_slice(std::size_t rows) {
    Impl& impl = *impl_;
    INVARIANT(impl.clock.running);
    impl.for_each_table([&rows](auto& table) { table.copy(rows); });
    impl.side[1 - impl.current].copy(impl.clock, rows);
    for (; rows > 0 && !impl.cut_records.empty(); --rows) {
        impl.clock.batch.records.push_back(std::move(impl.cut_records.front()));
        impl.cut_records.pop_front();
    }
    return impl.copied();
}

CheckpointBatch State::take_checkpoint() {
    Impl& impl = *impl_;
    INVARIANT(impl.clock.running && impl.copied());
    CheckpointBatch batch = std::move(impl.clock.batch);
    batch.seen = std::move(impl.seen[1 - impl.current].blocks);
    impl.clock.batch = {};
    impl.seen[1 - impl.current].blocks = {};
    return batch;
}

void State::checkpoint_ingested() {
    Impl& impl = *impl_;
    INVARIANT(impl.clock.running);
    impl.clock.running = false;
    impl.clock.ingested = impl.clock.epoch - 1;
    impl.options.views_empty = false;
    impl.retiring = true;
}

bool State::checkpoint_running() const {
    return impl_->clock.running;
}

std::size_t State::dirty_rows() const {
    const Impl& impl = *impl_;
    std::size_t rows =
        impl.appended.size() + impl.seen[impl.current].map.size() + impl.side[impl.current].rows();
    impl_->for_each_table([&rows](auto& table) { rows += table.dirty(); });
    return rows;
}

void State::evict(std::size_t rows_max) {
    for (std::size_t n = 0; n < rows_max; ++n) {
        if (impl_->memory_bytes() <= impl_->options.memory_bytes_max) return;
        impl_->evict_one();
    }
}

std::size_t State::memory_bytes() const {
    return impl_->memory_bytes();
}

std::vector<ProgramId> State::programs() const {
    std::vector<ProgramId> ids;
    impl_->programs.for_each([&ids](const auto& slot) { ids.push_back(slot.row.id); });
    std::sort(ids.begin(), ids.end());
    return ids;
}

std::vector<std::uint64_t> State::api_keys() const {
    std::vector<std::uint64_t> ids;
    impl_->api_keys.for_each([&ids](const auto& slot) { ids.push_back(slot.key.number); });
    std::sort(ids.begin(), ids.end());
    return ids;
}

MemberHistory State::history(ProgramId program, MemberId id) const {
    const Lookup<Member> found = member(program, id);
    INVARIANT(found.found());
    MemberHistory history;
    history.program = program;
    history.member = *found.row;
    // Chunks are spilled in order, so the unsaved ones are the last.
    for (std::uint32_t n = history.member.statement_spilled / kChunk; n > 0; --n) {
        const RowKey key{program.value, n - 1, id.value};
        const std::string* lines = impl_->side[impl_->current].lines.find(key);
        if (lines == nullptr && impl_->clock.running) {
            lines = impl_->side[1 - impl_->current].lines.find(key);
        }
        if (lines == nullptr) break;
        history.statement_chunks.emplace_back(n - 1, *lines);
    }
    std::reverse(history.statement_chunks.begin(), history.statement_chunks.end());
    const SpilledLots& spilled = history.member.spilled;
    for (std::uint32_t n = (spilled.first_live - 1) / kChunk; n < spilled.count / kChunk; ++n) {
        const auto* slot = impl_->chunks.find({program.value, n, id.value});
        if (slot == nullptr || !impl_->chunks.unsaved(*slot)) continue;
        auto& copy = history.lot_chunks.emplace_back(n, std::string());
        if (slot->present) encode_row(slot->row, copy.second);
    }
    return history;
}

std::vector<MemberId> State::recent_by_blind(ProgramId program, BlindKind kind, const Hash16& hash)
    const {
    const SideGeneration::ContactKey from{program.value, kind, short_hash(hash), 0};
    std::vector<MemberId> found;
    for (std::size_t i = 0; i < 2; ++i) {
        if (i != impl_->current && !impl_->clock.running) continue;
        const auto& contacts = impl_->side[i].contacts;
        for (auto at = contacts.lower_bound(from); at != contacts.end(); ++at) {
            const SideGeneration::ContactKey& key = at->first;
            if (key.program != from.program || key.kind != kind || key.hash != from.hash) break;
            if (!at->second) found.emplace_back(key.member);
        }
    }
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return found;
}

std::vector<std::pair<Seq, bool>> State::recent_orphans(
    ProgramId program, Seq after, std::size_t live_max
) const {
    static const std::map<SideGeneration::OrphanKey, bool> kNothing;
    const SideGeneration::OrphanKey from{program.value, after.value};
    const auto& young = impl_->side[impl_->current].orphans;
    const auto& old = impl_->clock.running ? impl_->side[1 - impl_->current].orphans : kNothing;
    auto newer = young.upper_bound(from);
    auto older = old.upper_bound(from);
    const auto has = [&program](const auto& map, const auto& at) {
        return at != map.end() && at->first.first == program.value;
    };
    std::vector<std::pair<Seq, bool>> found;
    std::size_t live = 0;
    while (live < live_max && (has(young, newer) || has(old, older))) {
        const bool take_newer =
            has(young, newer) && (!has(old, older) || newer->first <= older->first);
        const auto& [key, attached] = take_newer ? *newer : *older;
        found.emplace_back(Seq{key.second}, attached);
        if (!attached) ++live;
        // What the newer generation says of a row is the truth.
        if (has(old, older) && older->first == key) ++older;
        if (take_newer) ++newer;
    }
    return found;
}

}  // namespace ledger
