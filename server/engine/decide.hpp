#pragma once

#include <cstddef>
#include <deque>
#include <memory>

#include "ledger/entry.hpp"
#include "ledger/view.hpp"
#include "server/engine/arena.hpp"
#include "server/engine/command.hpp"

namespace rules {
class RuleSet;
}

// The business choices. Pure: a view, a command and the instant in; self-contained entries out. No
// clock, no disk, no randomness, no floating point. One file a command kind: decide_event.cpp,
// decide_refund.cpp …
namespace server::engine {

/// The compiled rules, by program and version. Owned by the writer; null: that version no longer
/// compiles.
class RuleSets {
public:
    virtual ~RuleSets() = default;
    [[nodiscard]] virtual const rules::RuleSet* find(
        ledger::ProgramId program, std::uint32_t version
    ) const = 0;
};

struct DecideContext {
    const ledger::View& view;
    const RuleSets& rule_sets;
    ledger::ProgramId program;
    Actor actor;
    ledger::Timestamp recorded_at = 0;
};

/// Looks at decisions from outside; only tests have one. Called on the writer thread.
class DecideProbe {
public:
    virtual ~DecideProbe() = default;
    /// Before a decision; what it throws counts as thrown by the decision.
    virtual void begin() = 0;
    /// After it, however it ended (not if begin threw).
    virtual void end() noexcept = 0;
};

/// What decide found. Reused from command to command: entries keep their memory.
class Decision {
public:
    enum class Kind : std::uint8_t {
        entries,     ///< append `entries()` as one atomic set; `outcome` follows from the last one
        known,       ///< nothing to append: `known` is the entry that answers
        refused,     ///< nothing to append: `error`
        unchanged,   ///< nothing to append and nothing wrong
        needs_rows,  ///< the view noted what is missing
    };
    Kind kind = Kind::refused;
    Status status = Status::refused;
    ledger::Error error;
    ledger::Seq known;  ///< the entry that answers (Kind::known), or the first one of an alias
    ledger::MemberId member;
    bool replayed = false;
    bool other_member = false;
    bool created = false;
    bool dry_run = false;
    /// Of a refusal: this member has more due than one entry may hold. Settle it, then decide
    /// again.
    ledger::MemberId settle_first;
    std::uint64_t wallet_version = 0;
    std::uint64_t number = 0;
    ledger::BlindHashes blind;  ///< of the entry that carries `personal`
    /// Decimal order numbers and the like that entries point to.
    Arena scratch;

    void reset();
    /// The next entry of the set, cleared, with program, seq, times and actor filled in.
    ledger::Entry& add(const DecideContext& context, ledger::EntryKind kind);
    [[nodiscard]] std::size_t size() const { return used_; }
    [[nodiscard]] ledger::Entry& entry(std::size_t i) { return entries_[i]; }
    /// The entry that answers the caller: the last one.
    [[nodiscard]] ledger::Entry& answer() { return entries_[used_ - 1]; }

    Kind refuse(ledger::Error why);
    Kind miss();
    /// Drops the entries so far and writes one `rejected` entry that claims the command's key.
    ledger::Entry& reject(const DecideContext& context, ledger::Error why);

private:
    std::deque<ledger::Entry> entries_;
    std::size_t used_ = 0;
};

void decide(const DecideContext& context, const EventCommand& command, Decision& decision);
void decide(const DecideContext& context, const AdjustCommand& command, Decision& decision);
void decide(const DecideContext& context, const PutMemberCommand& command, Decision& decision);
void decide(const DecideContext& context, const PutProgramCommand& command, Decision& decision);
void decide(const DecideContext& context, const CreateKeyCommand& command, Decision& decision);
void decide(const DecideContext& context, const RevokeKeyCommand& command, Decision& decision);
void decide(const DecideContext& context, const SettleCommand& command, Decision& decision);
void decide(const DecideContext& context, const RollCommand& command, Decision& decision);
void decide(const DecideContext& context, const AttachCommand& command, Decision& decision);
void decide(const DecideContext& context, const NetCommand& command, Decision& decision);
void decide(const DecideContext& context, const GiveUpCommand& command, Decision& decision);

/// Entry layout and rule semantics of this build; recorded in every event entry.
inline constexpr std::uint32_t kEngineAbi = 1;

/// More than 5 minutes ahead is refused; more than 7 days back is clamped without events:backfill.
inline constexpr ledger::Timestamp kFutureMax = 5 * ledger::kMicrosPerMinute;
inline constexpr ledger::Timestamp kLateMax = 7 * ledger::kMicrosPerDay;

// Shared by the decide_*.cpp files.

/// Looks for the command's own key. True if the decision is complete (known, conflict or missing
/// rows).
bool settle_known_key(
    const DecideContext& context,
    const ledger::Hash16& key_hash,
    const ledger::Hash16& request_hash,
    Decision& decision
);

}  // namespace server::engine
