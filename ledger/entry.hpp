#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/container/small_vector.hpp>

#include "ledger/base/clock.hpp"
#include "ledger/base/facts.hpp"
#include "ledger/base/ids.hpp"
#include "ledger/base/points.hpp"
#include "ledger/base/result.hpp"

namespace ledger {

/// 16 bytes of HMAC-SHA-256 under the program's key (docs/ledger-format.md, "Hashes").
using Hash16 = std::array<std::uint8_t, 16>;
using Hash32 = std::array<std::uint8_t, 32>;

/// Stored in every entry: never renumber, only append.
enum class EntryKind : std::uint8_t {
    none = 0,
    event = 1,
    adjust = 2,
    burn = 3,
    hold = 4,
    capture = 5,
    release = 6,
    activate = 7,
    expire = 8,
    reverse = 9,
    transfer = 10,
    merge = 11,
    member = 12,
    referral = 13,
    rejected = 14,
    ignored = 15,
    parked = 16,
    orphaned = 17,
    alias = 18,
    program_version = 19,
    program_activate = 20,
    key = 21,
    staff = 22,
    approval = 23,
    review_decision = 24,
    erase = 25,
    board_window = 26,
};
[[nodiscard]] std::string_view name(EntryKind kind);

/// Stored: never renumber.
enum class ActorKind : std::uint8_t { system = 0, key = 1, staff = 2 };

/// Stored: never renumber. The member's two accounts and the program's system accounts.
enum class Account : std::uint8_t {
    member_points = 1,  ///< Σ of the member's lots
    member_debt = 2,    ///< zero or negative: what the member owes
    issued = 10,
    redeemed = 11,
    breakage = 12,
    adjusted = 13,
    written_off = 14,
    external = 15,
};
[[nodiscard]] std::string_view name(Account account);

/// Stored: never renumber. Why an allocation touched a lot.
enum class Purpose : std::uint8_t { burn = 1, expire = 2, take_back = 3, repay = 4, restore = 5 };

/// Stored: never renumber.
enum class LinkKind : std::uint8_t {
    original = 1,
    reverses = 2,
    member_entry = 3,
    /// The `parked` entry of a refund whose waiting this entry ends, or the `orphaned` one that it
    /// attaches.
    parked = 4,
};

/// Stored: never renumber. Windows that turn over; `all` never does and needs no entry.
enum class WindowKind : std::uint8_t { month = 1, week = 2 };
inline constexpr std::size_t kWindowKinds = 2;

/// Stored: never renumber. Shopper keys only verify tokens; they never authenticate by themselves.
enum class ApiKeyKind : std::uint8_t {
    secret = 1,
    publishable = 2,
    shopper_hs256 = 3,
    shopper_es256 = 4,
};

[[nodiscard]] std::string_view name(RuleCode code);

struct Activation {
    MemberId member;
    std::uint32_t lot = 0;
    Points amount = 0;
};

struct LotGrant {
    MemberId member;
    std::uint32_t lot = 0;  ///< the member's lots are numbered 1, 2, 3 …
    std::uint16_t currency = 0;
    Points amount = 0;           ///< > 0
    Timestamp activates_at = 0;  ///< 0: active at once
    Timestamp expires_at = kNever;
};

struct Allocation {
    MemberId member;
    std::uint32_t lot = 0;
    Points amount = 0;  ///< > 0 taken from the lot; < 0 put back
    Purpose purpose = Purpose::burn;
};

struct Posting {
    Account account = Account::issued;
    MemberId member;  ///< none for system accounts
    std::uint16_t currency = 0;
    Points amount = 0;
};

/// How a counter of the program changed.
struct CounterChange {
    std::uint16_t counter = 0;  ///< its number: its position in the program document
    std::string_view slot;      ///< whose and when: ledger/counter_slot.hpp
    std::int64_t delta = 0;     ///< not 0
};

struct Link {
    LinkKind kind = LinkKind::original;
    Seq seq;
};

/// The wallet after the entry. balance = available + pending + held - debt.
struct Balance {
    MemberId member;
    std::uint16_t currency = 0;
    Points available = 0;
    Points pending = 0;
    Points held = 0;
    Points debt = 0;
    Points lifetime_earned = 0;
    friend bool operator==(const Balance&, const Balance&) = default;
};

struct Input {
    std::string_view name;
    std::int64_t number = 0;
    std::string_view text;
    std::uint8_t type = 0;  ///< 0 int, 1 string, 2 bool
};

struct RuleOutcome {
    std::string_view rule;  ///< "campaign/rule"
    RuleCode code = RuleCode::not_matched;
    Points amount = 0;
    std::uint16_t currency = 0;
    std::string_view reason;
    std::span<const Points> per_line;
    std::uint32_t lot = 0;
    std::uint32_t effect = 0;
    Points posted = 0;
};

enum class FactsKind : std::uint8_t { none, order, refund };

struct EventPart {
    std::string_view source;
    std::string_view id;
    std::string_view type;
    std::string_view subject;
    FactsKind facts = FactsKind::none;
    OrderFacts order;
    RefundFacts refund;
    boost::container::small_vector<Input, 2> inputs;
    boost::container::small_vector<RuleOutcome, 4> rules;
    std::uint32_t program_version = 0;
    std::uint32_t engine_abi = 0;
    std::string_view tz_version;
};

struct AdjustmentPart {
    std::uint16_t currency = 0;
    Points amount = 0;  ///< signed
    std::string_view reason_code;
    bool visible_to_member = false;
    bool counts_for_tier = false;
};

struct ProgramVersionPart {
    ProgramId program;
    std::string_view program_id;
    std::uint32_t version = 0;
    Hash32 content_hash{};
    std::string_view document;  ///< canonical JSON
    std::string_view tz_version;
};

struct ProgramActivatePart {
    ProgramId program;
    std::uint32_t version = 0;
    Timestamp effective_at = 0;
};

struct KeyPart {
    std::uint64_t key_id = 0;
    ProgramId program;  ///< _system: every program
    /// SHA-256 of the secret; of shopper_hs256 the random bytes that its secret is derived from.
    Hash32 secret_hash{};
    boost::container::small_vector<std::string_view, 4> scopes;
    bool revoked = false;
    ApiKeyKind kind = ApiKeyKind::secret;
    boost::container::small_vector<std::string_view, 2> origins;
    std::string_view label;
    std::string_view public_key;  ///< of shopper_es256: SubjectPublicKeyInfo in DER
};

struct FieldFault {
    std::string_view pointer;  ///< JSON Pointer into the request
    std::string_view detail;
};

/// A window that opened; the one of the same kind before it closed.
struct BoardWindowPart {
    WindowKind kind = WindowKind::month;
    std::string_view id;  ///< "2026-11", "2026-W47"
    Timestamp starts_at = 0;
    Timestamp ends_at = 0;
};

/// A refund that came before its order.
struct ParkingPart {
    Hash16 order_hash{};  ///< natural hash of the order
    Timestamp until = 0;  ///< 0: the entry ends the waiting
};

/// What the first answer of a refused command said besides its code.
struct RefusalPart {
    std::string_view detail;
    boost::container::small_vector<FieldFault, 1> faults;
};

/// Personal fields in the clear. They exist in RAM only; the codec never writes them: `sealed`
/// does.
struct Personal {
    std::string_view external_id;
    std::string_view email;  ///< trimmed, lower case
    std::string_view phone;
    std::string_view name;
    std::string_view address;
    std::string_view note;
    /// How the member appears on boards: '+' shown or '-' as an initial only, then the alias, which
    /// may be empty.
    std::string_view board;
    [[nodiscard]] bool empty() const {
        return external_id.empty() && email.empty() && phone.empty() && name.empty() &&
               address.empty() && note.empty() && board.empty();
    }
};

/// One immutable fact. All string_views and spans point into memory that somebody else owns: the
/// command's arena while deciding, the stored bytes (OwnedEntry) after reading.
struct Entry {
    ProgramId program;
    Seq seq;
    EntryKind kind = EntryKind::none;
    Timestamp recorded_at = 0;
    Timestamp occurred_at = 0;
    Timestamp evaluated_at = 0;
    ActorKind actor_kind = ActorKind::system;
    std::uint64_t actor_id = 0;
    bool has_key_hash = false;
    bool has_natural_hash = false;
    bool has_request_hash = false;
    Hash16 key_hash{};
    Hash16 natural_hash{};
    Hash16 request_hash{};
    MemberId member;
    ErrorCode outcome = ErrorCode::ok;
    boost::container::small_vector<Activation, 2> activations;
    boost::container::small_vector<LotGrant, 2> lots;
    boost::container::small_vector<Allocation, 4> allocations;
    boost::container::small_vector<Posting, 4> postings;
    boost::container::small_vector<CounterChange, 1> counters;
    boost::container::small_vector<Link, 2> links;
    boost::container::small_vector<Balance, 2> balances_after;
    std::string_view sealed;  ///< nonce and box; filled by the sealing step after decide
    std::uint64_t sealed_for = 0;
    Personal personal;  ///< what is (to be) in `sealed`; never encoded
    bool has_event = false;
    EventPart event;
    AdjustmentPart adjustment;             ///< kind adjust
    ProgramVersionPart program_version;    ///< kind program_version
    ProgramActivatePart program_activate;  ///< kind program_activate
    KeyPart key;                           ///< kind key
    RefusalPart refusal;                   ///< kind rejected
    BoardWindowPart board_window;          ///< kind board_window
    bool has_parking = false;
    ParkingPart parking;  ///< a refund that waits for its order, or the end of that

    /// Back to the default state, keeping the vectors' memory.
    void clear();
};

/// The error that a `rejected` entry was answered with.
[[nodiscard]] Error refusal_of(const Entry& entry);

/// A decoded entry together with the memory its views point into. It stays where it was made (the
/// views would dangle after a move): hold it by pointer.
struct OwnedEntry {
    std::string bytes;           ///< the stored bytes
    std::string personal_bytes;  ///< the opened Personal message, if any
    std::vector<OrderLine> order_lines;
    std::vector<OrderLine> refund_lines;
    std::vector<Points> taken;
    std::vector<std::vector<Points>> per_line;
    Entry entry;
    OwnedEntry() = default;
    OwnedEntry(const OwnedEntry&) = delete;
    OwnedEntry& operator=(const OwnedEntry&) = delete;
};

}  // namespace ledger
