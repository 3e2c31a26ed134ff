#include "ledger/overlay.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "ledger/base/invariant.hpp"
#include "ledger/state_apply.hpp"

namespace ledger {

struct Overlay::Impl final : RowWriter {
    explicit Impl(const View& view) : base(view) {}

    using MemberAt = std::pair<ProgramId, MemberId>;
    using ChunkAt = std::tuple<ProgramId, MemberId, std::uint32_t>;

    Program& change_program(ProgramId id) override {
        const auto [at, made] = programs.try_emplace(id);
        if (made) {
            if (const Program* known = base.program(id)) at->second = *known;
            at->second.id = id;
        }
        return at->second;
    }
    void name_program(ProgramId id, std::string_view name) override {
        names.emplace(std::string(name), id);
    }
    void note_shop(ProgramId id, std::string_view shop) override {
        std::vector<std::string>& shops = change_program(id).shops;
        if (shops.size() >= kShopsMax) return;
        if (std::find(shops.begin(), shops.end(), shop) == shops.end()) shops.emplace_back(shop);
    }
    ApiKey& change_api_key(std::uint64_t id) override {
        const auto [at, made] = api_keys.try_emplace(id);
        if (made) {
            if (const ApiKey* known = base.api_key(id)) at->second = *known;
        }
        return at->second;
    }
    Member& create_member(ProgramId program, MemberId id) override {
        return members[{program, id}] = Member{};
    }
    Member& change_member(ProgramId program, MemberId id) override {
        const auto [at, made] = members.try_emplace({program, id});
        if (made) {
            const Lookup<Member> known = base.member(program, id);
            INVARIANT(known.found());
            at->second = *known.row;
        }
        return at->second;
    }
    void member_changed(ProgramId, Member&) override {}
    LotChunk& change_lot_chunk(ProgramId program, MemberId id, std::uint32_t chunk) override {
        const auto [at, made] = chunks.try_emplace({program, id, chunk});
        if (made) {
            const Lookup<LotChunk> known = base.lot_chunk(program, id, chunk);
            if (known.found()) at->second = *known.row;
        }
        if (!at->second) at->second.emplace();
        return *at->second;
    }
    void drop_lot_chunk(ProgramId program, MemberId id, std::uint32_t chunk) override {
        chunks[{program, id, chunk}].reset();
    }
    void add_statement_chunk(ProgramId, MemberId, std::uint32_t, std::string_view) override {
        // Nobody reads statements of what did not happen.
    }
    OrderState& change_order(ProgramId program, Seq order) override {
        const auto [at, made] = orders.try_emplace({program, order});
        if (made) {
            const Lookup<OrderState> known = base.order_state(program, order);
            if (known.found()) at->second = *known.row;
        }
        return at->second;
    }
    WaitingRefunds& change_waiting(ProgramId program, const Hash16& order) override {
        const auto [at, made] = waiting.try_emplace({program, order});
        if (made) {
            const Lookup<WaitingRefunds> known = base.waiting(program, order);
            if (known.found()) at->second = *known.row;
        }
        if (!at->second) at->second.emplace();
        return *at->second;
    }
    void drop_waiting(ProgramId program, const Hash16& order) override {
        waiting[{program, order}].reset();
    }
    void put_parked_due(ProgramId, Timestamp, Seq, bool) override {
        // Timers of what did not happen.
    }
    void add_orphan(ProgramId program, Seq seq, const Orphan& orphan) override {
        orphans[{program, seq}] = orphan;
    }
    void drop_orphan(ProgramId program, Seq seq) override { orphans[{program, seq}].reset(); }
    CounterValue& change_counter(ProgramId program, std::uint16_t counter, std::string_view slot)
        override {
        const auto [at, made] = counters.try_emplace({program, counter, std::string(slot)});
        if (made) at->second.count = base.counter(program, counter, slot).value;
        return at->second;
    }
    void claim(ProgramId program, const Hash16& hash, Seq seq) override {
        seen.emplace(std::pair(program, hash), seq);
    }
    void put_external_id(ProgramId program, const Hash16& hash, MemberId member) override {
        external_ids[{program, hash}] = member;
    }
    ProfileHashes& change_profile(ProgramId program, MemberId member) override {
        const auto [at, made] = profiles.try_emplace({program, member});
        // A member made here has no row below, and none may be looked for.
        if (made && !new_member(program, member)) at->second = base.profile(program, member).value;
        return at->second;
    }
    void put_contact(ProgramId, BlindKind, std::uint64_t, MemberId, bool) override {
        // Views are not searched by e-mail or phone.
    }

    [[nodiscard]] bool new_member(ProgramId program, MemberId member) const {
        const Program* known = base.program(program);
        return known == nullptr || member > known->last_member;
    }

    const View& base;
    std::map<ProgramId, Program> programs;
    std::map<std::string, ProgramId, std::less<>> names;
    std::map<std::uint64_t, ApiKey> api_keys;
    std::map<MemberAt, Member> members;
    std::map<ChunkAt, std::optional<LotChunk>> chunks;
    std::map<std::pair<ProgramId, Seq>, OrderState> orders;
    std::map<std::pair<ProgramId, Hash16>, std::optional<WaitingRefunds>> waiting;
    std::map<std::pair<ProgramId, Seq>, std::optional<Orphan>> orphans;
    std::map<std::tuple<ProgramId, std::uint16_t, std::string>, CounterValue> counters;
    std::map<std::pair<ProgramId, Hash16>, Seq> seen;
    std::map<std::pair<ProgramId, Hash16>, MemberId> external_ids;
    std::map<MemberAt, ProfileHashes> profiles;
};

Overlay::Overlay(const View& base) : impl_(std::make_unique<Impl>(base)) {}
Overlay::~Overlay() = default;

const Program* Overlay::program(ProgramId id) const {
    const auto at = impl_->programs.find(id);
    return at != impl_->programs.end() ? &at->second : impl_->base.program(id);
}

const Program* Overlay::program_by_name(std::string_view name) const {
    if (const auto at = impl_->names.find(name); at != impl_->names.end()) {
        return program(at->second);
    }
    const Program* known = impl_->base.program_by_name(name);
    return known == nullptr ? nullptr : program(known->id);
}

const ApiKey* Overlay::api_key(std::uint64_t id) const {
    const auto at = impl_->api_keys.find(id);
    return at != impl_->api_keys.end() ? &at->second : impl_->base.api_key(id);
}

Lookup<Member> Overlay::member(ProgramId program, MemberId id) const {
    const auto at = impl_->members.find({program, id});
    if (at != impl_->members.end()) return {Presence::found, &at->second};
    return impl_->base.member(program, id);
}

Lookup<LotChunk> Overlay::lot_chunk(ProgramId program, MemberId id, std::uint32_t chunk) const {
    const auto at = impl_->chunks.find({program, id, chunk});
    if (at == impl_->chunks.end()) return impl_->base.lot_chunk(program, id, chunk);
    if (!at->second) return {Presence::absent, nullptr};
    return {Presence::found, &*at->second};
}

Lookup<OrderState> Overlay::order_state(ProgramId program, Seq order) const {
    const auto at = impl_->orders.find({program, order});
    if (at != impl_->orders.end()) return {Presence::found, &at->second};
    return impl_->base.order_state(program, order);
}

Lookup<WaitingRefunds> Overlay::waiting(ProgramId program, const Hash16& order) const {
    const auto at = impl_->waiting.find({program, order});
    if (at == impl_->waiting.end()) return impl_->base.waiting(program, order);
    if (!at->second) return {Presence::absent, nullptr};
    return {Presence::found, &*at->second};
}

Lookup<Orphan> Overlay::orphan(ProgramId program, Seq seq) const {
    const auto at = impl_->orphans.find({program, seq});
    if (at == impl_->orphans.end()) return impl_->base.orphan(program, seq);
    if (!at->second) return {Presence::absent, nullptr};
    return {Presence::found, &*at->second};
}

ValueLookup<std::int64_t> Overlay::counter(
    ProgramId program, std::uint16_t counter, std::string_view slot
) const {
    const auto at = impl_->counters.find({program, counter, std::string(slot)});
    if (at != impl_->counters.end()) return {Presence::found, at->second.count};
    return impl_->base.counter(program, counter, slot);
}

ValueLookup<Seq> Overlay::seen(ProgramId program, const Hash16& hash) const {
    const auto at = impl_->seen.find({program, hash});
    if (at != impl_->seen.end()) return {Presence::found, at->second};
    return impl_->base.seen(program, hash);
}

ValueLookup<MemberId> Overlay::member_by_external_id(ProgramId program, const Hash16& hash) const {
    const auto at = impl_->external_ids.find({program, hash});
    if (at != impl_->external_ids.end()) return {Presence::found, at->second};
    return impl_->base.member_by_external_id(program, hash);
}

ValueLookup<ProfileHashes> Overlay::profile(ProgramId program, MemberId id) const {
    const auto at = impl_->profiles.find({program, id});
    if (at != impl_->profiles.end()) return {Presence::found, at->second};
    return impl_->base.profile(program, id);
}

Lookup<OwnedEntry> Overlay::entry(ProgramId program, Seq seq) const {
    return impl_->base.entry(program, seq);
}

Misses& Overlay::misses() const {
    return impl_->base.misses();
}

bool Overlay::prepared(const Entry& entry) const {
    return entry_prepared(*this, entry);
}

Result<void> Overlay::check(const Entry& entry) const {
    return check_entry(*this, entry);
}

void Overlay::apply(const Entry& entry, const BlindHashes* blind) {
    apply_entry(*this, *impl_, entry, blind);
}

void Overlay::reset() {
    impl_->programs.clear();
    impl_->names.clear();
    impl_->api_keys.clear();
    impl_->members.clear();
    impl_->chunks.clear();
    impl_->orders.clear();
    impl_->waiting.clear();
    impl_->orphans.clear();
    impl_->counters.clear();
    impl_->seen.clear();
    impl_->external_ids.clear();
    impl_->profiles.clear();
}

}  // namespace ledger
