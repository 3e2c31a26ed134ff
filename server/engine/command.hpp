#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "ledger/entry.hpp"
#include "ledger/view.hpp"

namespace rules {
class RuleSet;
}

// What the edge asks the engine to decide. Every view points into the request's arena.
namespace server::engine {

/// Who asks; ends up in the entry.
struct Actor {
    ledger::ActorKind kind = ledger::ActorKind::system;
    std::uint64_t id = 0;
};

enum class EventType : std::uint8_t {
    order_paid,
    order_refunded,
    order_cancelled,
    other,  ///< known but unbuilt, or unknown: stored as `ignored`
};

/// One storefront event in canonical form. All hashes are made on the io thread.
struct EventCommand {
    EventType type = EventType::other;
    std::string_view type_name;
    std::string_view source;
    std::string_view shop;  ///< ledger::shop_of(source)
    std::string_view id;
    std::string_view subject;
    ledger::Timestamp occurred_at = 0;
    bool backfill = false;       ///< the caller holds events:backfill
    ledger::OrderFacts order;    ///< order_paid
    ledger::RefundFacts refund;  ///< order_refunded, order_cancelled
    bool final = false;          ///< refunds: their order will not come any more
    ledger::Personal personal;
    ledger::BlindHashes blind;
    ledger::Hash16 key_hash{};
    ledger::Hash16 request_hash{};
    ledger::Hash16 natural_hash{};        ///< not for `other`
    ledger::Hash16 order_natural_hash{};  ///< refunds: the order's own natural key
};

/// Add or remove points by hand.
struct AdjustCommand {
    ledger::BlindHashes blind;  ///< external_id names the member
    std::string_view currency;
    ledger::Points amount = 0;  ///< not 0; negative burns
    std::string_view reason_code;
    std::string_view note;
    bool visible_to_member = false;
    bool counts_for_tier = false;
    bool dry_run = false;
    std::optional<std::uint64_t> if_version;  ///< If-Match: the wallet's version
    ledger::Hash16 key_hash{};                ///< Idempotency-Key; unused for a dry run
    ledger::Hash16 request_hash{};
};

/// Create a member or change its personal fields. `personal.external_id` is set; empty fields stay
/// as they are.
struct PutMemberCommand {
    ledger::Personal personal;
    ledger::BlindHashes blind;
};

/// First: creates the program with version 1; later: a new version, activated at once.
struct PutProgramCommand {
    std::string_view name;
    std::string_view document;  ///< canonical JSON
    ledger::Hash32 content_hash{};
    std::shared_ptr<const rules::RuleSet> rule_set;
};

struct CreateKeyCommand {
    std::string_view program;  ///< empty: every program (first start)
    ledger::Hash32 secret_hash{};
    std::span<const std::string_view> scopes;
    std::span<const std::string_view> origins;
    std::string_view label;
    ledger::ApiKeyKind kind = ledger::ApiKeyKind::secret;
    std::string_view public_key;  ///< of shopper_es256: SubjectPublicKeyInfo in DER
};

struct RevokeKeyCommand {
    std::string_view program;
    bool every_program = false;  ///< the caller holds a key of every program: may revoke such too
    std::uint64_t key_id = 0;
};

/// Made by the scheduler: activate and expire what is due of an idle member.
struct SettleCommand {
    ledger::MemberId member;
};

/// Opens the windows of boards that are due. Made by the writer before the first entry after a
/// window's end, and by the scheduler when nothing else happens then.
struct RollCommand {};

/// Gives a refund whose order never came to an order that is there.
struct AttachCommand {
    ledger::Seq orphan;                   ///< its `orphaned` entry
    ledger::Hash16 order_natural_hash{};  ///< of the order
    ledger::Hash16 key_hash{};            ///< Idempotency-Key
    ledger::Hash16 request_hash{};
};

/// Made by the writer right after an order: applies the refund that waited for it.
struct NetCommand {
    ledger::Seq parked;
    ledger::Hash16 order_natural_hash{};
};

/// Made by the scheduler: a refund waited long enough for its order.
struct GiveUpCommand {
    ledger::Seq parked;
};

using Command = std::variant<
    EventCommand,
    AdjustCommand,
    PutMemberCommand,
    PutProgramCommand,
    CreateKeyCommand,
    RevokeKeyCommand,
    SettleCommand,
    RollCommand,
    AttachCommand,
    NetCommand,
    GiveUpCommand>;

/// What became of a command. Sequenced outcomes carry the stored bytes of their entry.
enum class Status : std::uint8_t {
    applied,
    duplicate,         ///< the same fact is in the ledger already; `entry` is the first one
    pending_identity,  ///< parked: nobody to give it to yet
    pending_order,     ///< parked: a refund that came before its order
    orphaned,          ///< a refund whose order will not come
    ignored,
    rejected,   ///< a business refusal, sequenced and sticky; error.code says which
    refused,    ///< not sequenced; error says why
    unchanged,  ///< nothing to do (same member fields, same document)
};
[[nodiscard]] std::string_view name(Status status);

struct Outcome {
    Status status = Status::refused;
    /// Set for rejected and refused.
    ledger::Error error;
    /// The entry's stored bytes, kept alive by `keep`; empty if not sequenced (but set, with seq 0,
    /// for a dry run).
    std::string_view entry;
    std::shared_ptr<const void> keep;
    ledger::Seq seq;
    ledger::MemberId member;
    /// The key of this command was known already (header `Replayed: true`).
    bool replayed = false;
    /// The duplicate was first seen under another member than this command names (its names are not
    /// this caller's).
    bool other_member = false;
    bool created = false;              ///< member or program is new
    std::uint64_t wallet_version = 0;  ///< adjustments: the ETag after
    std::uint64_t number = 0;          ///< key id, or program version
};

}  // namespace server::engine
