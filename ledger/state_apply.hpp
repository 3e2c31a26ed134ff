#pragma once

#include <cstdint>
#include <string_view>

#include "ledger/entry.hpp"
#include "ledger/rows.hpp"
#include "ledger/view.hpp"

// What an entry does to rows, written once for the State and its overlays.
namespace ledger {

/// Rows that apply changes. Every `change_*` answers a row that is dirty from now on; the reference
/// is valid until the next call.
class RowWriter {
public:
    virtual ~RowWriter() = default;
    /// Made if it does not exist.
    virtual Program& change_program(ProgramId id) = 0;
    /// The program has a new name.
    virtual void name_program(ProgramId id, std::string_view name) = 0;
    /// Adds a shop to the program's list unless it is there or the list is full.
    virtual void note_shop(ProgramId id, std::string_view shop) = 0;
    /// Made if it does not exist.
    virtual ApiKey& change_api_key(std::uint64_t id) = 0;
    virtual Member& create_member(ProgramId program, MemberId id) = 0;
    virtual Member& change_member(ProgramId program, MemberId id) = 0;
    /// The changes of this entry to the member are complete.
    virtual void member_changed(ProgramId program, Member& member) = 0;
    /// Made if it does not exist.
    virtual LotChunk& change_lot_chunk(ProgramId program, MemberId id, std::uint32_t chunk) = 0;
    virtual void drop_lot_chunk(ProgramId program, MemberId id, std::uint32_t chunk) = 0;
    /// 16 packed statement lines, written once.
    virtual void add_statement_chunk(
        ProgramId program, MemberId id, std::uint32_t chunk, std::string_view packed
    ) = 0;
    /// Made if it does not exist.
    virtual OrderState& change_order(ProgramId program, Seq order) = 0;
    /// Made if it does not exist.
    virtual WaitingRefunds& change_waiting(ProgramId program, const Hash16& order) = 0;
    virtual void drop_waiting(ProgramId program, const Hash16& order) = 0;
    /// Adds or (erase) removes the instant at which a parked refund becomes an orphan.
    virtual void put_parked_due(ProgramId program, Timestamp when, Seq parked, bool erase) = 0;
    virtual void add_orphan(ProgramId program, Seq seq, const Orphan& orphan) = 0;
    virtual void drop_orphan(ProgramId program, Seq seq) = 0;
    /// Made at 0 if it does not exist.
    virtual CounterValue& change_counter(
        ProgramId program, std::uint16_t counter, std::string_view slot
    ) = 0;
    virtual void claim(ProgramId program, const Hash16& hash, Seq seq) = 0;
    virtual void put_external_id(ProgramId program, const Hash16& hash, MemberId member) = 0;
    virtual ProfileHashes& change_profile(ProgramId program, MemberId member) = 0;
    /// Adds or (erase) removes a look-up by e-mail or phone.
    virtual void put_contact(
        ProgramId program, BlindKind kind, std::uint64_t hash, MemberId member, bool erase
    ) = 0;
};

/// At most this many shops are remembered a program.
inline constexpr std::size_t kShopsMax = 4096;

/// Applies a checked and prepared entry. `view` shows the rows that `rows` changes.
void apply_entry(const View& view, RowWriter& rows, const Entry& entry, const BlindHashes* blind);

/// Notes rows that apply_entry will change and the view does not know; true if none.
[[nodiscard]] bool entry_prepared(const View& view, const Entry& entry);

/// State::check. Requires entry_prepared.
[[nodiscard]] Result<void> check_entry(const View& view, const Entry& entry);

/// The seq of the first link of that kind; none if there is none.
[[nodiscard]] Seq linked(const Entry& entry, LinkKind kind);

}  // namespace ledger
