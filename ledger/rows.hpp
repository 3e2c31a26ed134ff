#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <boost/container/small_vector.hpp>
#include <boost/container/static_vector.hpp>

#include "ledger/base/clock.hpp"
#include "ledger/base/ids.hpp"
#include "ledger/base/points.hpp"
#include "ledger/entry.hpp"

// The rows of the views as they live in RAM. Their packed, versioned bytes are made by row_codec.
namespace ledger {

/// Lots and statement lines are spilled to chunk rows in blocks of this many.
inline constexpr std::uint32_t kChunk = 16;

struct Lot {
    std::uint32_t no = 0;  ///< from 1, per member, never reused
    std::uint16_t currency = 0;
    Points amount = 0;           ///< granted
    Points remaining = 0;        ///< 0 <= remaining <= amount
    Timestamp activates_at = 0;  ///< 0: active; otherwise pending until an activation entry
    Timestamp expires_at = kNever;
    Seq source;  ///< the entry that granted it
    [[nodiscard]] bool active() const { return activates_at == 0; }
    [[nodiscard]] bool live() const { return remaining > 0; }
    /// When it activates or expires next; kNever if it is used up.
    [[nodiscard]] Timestamp next_due() const {
        if (remaining == 0) return kNever;
        return activates_at != 0 && activates_at < expires_at ? activates_at : expires_at;
    }
};

/// One member's points of one currency. balance = available + pending + held - debt; debt > 0
/// implies available = 0.
struct Wallet {
    std::uint16_t currency = 0;
    Points available = 0;
    Points pending = 0;
    Points held = 0;
    Points debt = 0;
    Points lifetime_earned = 0;
    std::uint64_t version =
        0;  ///< +1 with every entry that touches the wallet; the ETag of balances
};

/// What is known of lots that were spilled to chunks, so that most decisions never load them. An
/// entry that touches a spilled lot, or is recorded when one is due, needs every chunk from
/// `first_live` on, so that this stays exact.
struct SpilledLots {
    std::uint32_t count = 0;       ///< lots 1 … count live in chunks; a multiple of kChunk
    std::uint32_t first_live = 1;  ///< number of the first lot with points left; count + 1: none
    Timestamp next_due =
        kNever;  ///< earliest activation or expiry of a spilled lot with points left
    [[nodiscard]] bool any_live() const { return first_live <= count; }
};

/// One statement line: all that a statement shows without reading the log.
struct StatementLine {
    Seq seq;
    Timestamp recorded_at = 0;
    Timestamp occurred_at = 0;
    EntryKind kind = EntryKind::none;
    std::uint16_t currency = 0;
    Points delta = 0;  ///< change of `balance`
    Balance after;
    std::string_view reason;     ///< the award's or adjustment's reason
    std::string_view rule;       ///< "campaign/rule", empty if none
    std::string_view reference;  ///< order id or empty
};

/// A member's row. Chunked parts are separate rows (LotChunk, StatementChunk).
struct Member {
    MemberId id;
    Seq created;  ///< its `member` entry
    Timestamp created_at = 0;
    std::uint64_t version = 0;  ///< +1 with every entry that touches the member
    Seq last;                   ///< last entry that touched it
    boost::container::small_vector<Wallet, 1> wallets;
    std::uint32_t next_lot = 1;
    SpilledLots spilled;
    boost::container::small_vector<Lot, 4>
        lots;                             ///< numbers spilled.count + 1 … next_lot - 1, in order
    std::uint32_t statement_lines = 0;    ///< ever written
    std::uint32_t statement_spilled = 0;  ///< of them in chunks; a multiple of kChunk
    std::string statement_tail;           ///< the rest, packed (row_codec: StatementPacker)

    /// Earliest activation or expiry of a lot with points left; kNever if there is none. Derived:
    /// apply and the codec keep it (`refresh_due`).
    Timestamp due = kNever;

    [[nodiscard]] const Wallet* wallet(std::uint16_t currency) const;
    [[nodiscard]] Timestamp next_due() const { return due; }
    void refresh_due();
    /// An inline lot; null if `no` is spilled or does not exist.
    [[nodiscard]] const Lot* inline_lot(std::uint32_t no) const;
};

/// Lots 16·n+1 … 16·n+16 of one member.
struct LotChunk {
    boost::container::static_vector<Lot, kChunk> lots;
};

/// What was refunded of one paid order; exists from the first refund on. Keyed by the order's
/// entry. It holds changes only, so that apply needs nothing but the refund's entry: what stands is
/// (order's entry) - (this).
struct OrderState {
    bool closed = false;  ///< an order.cancelled came
    boost::container::small_vector<Points, 4>
        refunded;  ///< per line of the order's entry, minor units
    /// Points taken back, per RuleOutcome with code `awarded` of the order's entry. A refund's
    /// entry lists one RuleOutcome with code `refunded` for each of them, in the same order; its
    /// `posted` (negative: taken) counts.
    boost::container::small_vector<Points, 2> taken_back;
};

/// At most this many refunds wait for one order.
inline constexpr std::size_t kWaitingMax = 256;

/// Refunds that came before their order, in the order in which they were parked. Keyed by the
/// order's natural hash; exists while one waits.
struct WaitingRefunds {
    struct Refund {
        Seq parked;
        Timestamp until = 0;  ///< then it becomes an orphan
        friend bool operator==(const Refund&, const Refund&) = default;
    };
    std::vector<Refund> refunds;
    [[nodiscard]] const Refund* find(Seq parked) const;
};

/// A refund without an order, until somebody attaches it to one. Keyed by its `orphaned` entry.
struct Orphan {
    Seq facts;  ///< the entry that has its facts: the `parked` one, or the `orphaned` one itself
};

/// What one counter has counted in one slot.
struct CounterValue {
    std::int64_t count = 0;
};

/// One program. Small and always in RAM.
struct Program {
    ProgramId id;
    std::string name;  ///< its id in URLs
    Seq last_seq;
    MemberId last_member;
    Timestamp last_recorded = 0;
    struct Version {
        std::uint32_t number = 0;
        Seq entry; /* in _system */
        Hash32 content_hash{};
        Timestamp created_at = 0;
    };
    struct ActivationRecord {
        Timestamp effective_at = 0;
        std::uint32_t version = 0;
    };
    std::vector<Version> versions;              ///< 1, 2, 3 …
    std::vector<ActivationRecord> activations;  ///< by effective_at, then order of entry
    std::map<std::pair<std::uint16_t, Account>, Points>
        accounts;  ///< system accounts, per currency number
    std::vector<std::string>
        shops;  ///< distinct shops seen, in order of first appearance; at most 4,096
    /// The open window of each WindowKind, by kind - 1; `opened` none: no board has used it yet.
    struct OpenWindow {
        Seq opened;  ///< its `board_window` entry
        std::string id;
        Timestamp starts_at = 0;
        Timestamp ends_at = 0;
    };
    std::array<OpenWindow, kWindowKinds> windows;
    std::uint64_t waiting = 0;  ///< refunds that wait for their order
    std::uint64_t orphans = 0;  ///< refunds without an order
    [[nodiscard]] const OpenWindow& window(WindowKind kind) const {
        return windows[static_cast<std::size_t>(kind) - 1];
    }
    /// When the next open window ends; kNever if none is open.
    [[nodiscard]] Timestamp next_window_end() const;
    /// The version active at `now`; version 1 before the first activation. 0 if there is none.
    [[nodiscard]] std::uint32_t version_at(Timestamp now) const;
};

/// One API key.
struct ApiKey {
    std::uint64_t id = 0;
    ProgramId program;  ///< _system: every program
    Hash32 secret_hash{};
    std::vector<std::string> scopes;
    std::vector<std::string> origins;
    std::string label;
    ApiKeyKind kind = ApiKeyKind::secret;
    bool revoked = false;
    Timestamp created_at = 0;
    std::string public_key;  ///< of shopper_es256 only: SubjectPublicKeyInfo in DER
};

}  // namespace ledger
