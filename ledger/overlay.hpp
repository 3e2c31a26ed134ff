#pragma once

#include <memory>
#include <optional>

#include "ledger/view.hpp"

namespace ledger {

/// A view on another view with its own copies of the rows that were changed: linked groups, dry
/// runs, simulations. Runs the same check and apply as the State. Dropping it is the only undo.
/// Misses are noted in the base. The base must not change while the overlay lives. Single-threaded.
class Overlay final : public View {
public:
    explicit Overlay(const View& base);
    ~Overlay() override;

    const Program* program(ProgramId id) const override;
    const Program* program_by_name(std::string_view name) const override;
    const ApiKey* api_key(std::uint64_t id) const override;
    Lookup<Member> member(ProgramId program, MemberId id) const override;
    Lookup<LotChunk> lot_chunk(ProgramId program, MemberId id, std::uint32_t chunk) const override;
    Lookup<OrderState> order_state(ProgramId program, Seq order) const override;
    Lookup<WaitingRefunds> waiting(ProgramId program, const Hash16& order) const override;
    Lookup<Orphan> orphan(ProgramId program, Seq seq) const override;
    ValueLookup<std::int64_t> counter(
        ProgramId program, std::uint16_t counter, std::string_view slot
    ) const override;
    ValueLookup<Seq> seen(ProgramId program, const Hash16& hash) const override;
    ValueLookup<MemberId> member_by_external_id(ProgramId program, const Hash16& hash)
        const override;
    ValueLookup<ProfileHashes> profile(ProgramId program, MemberId id) const override;
    /// Entries applied to the overlay are not found here: the caller still holds them.
    Lookup<OwnedEntry> entry(ProgramId program, Seq seq) const override;
    Misses& misses() const override;

    /// As State::prepared, State::check, State::apply.
    bool prepared(const Entry& entry) const;
    Result<void> check(const Entry& entry) const;
    void apply(const Entry& entry, const BlindHashes* blind);

    /// Forgets every change.
    void reset();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ledger
