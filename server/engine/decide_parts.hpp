#pragma once

#include "ledger/wallet_plan.hpp"
#include "rules/evaluate.hpp"
#include "server/engine/decide.hpp"

// What the decide_*.cpp files share about members, plans and refunds.
namespace server::engine {

struct MemberAnswer {
    bool ready = false;  ///< false: rows are missing, the decision says so
    ledger::MemberId member;
    ledger::Personal changed;  ///< personal fields that are new to an existing member, and the note
};

/// The member with this external id. A new one gets the next number and a `member` entry in front
/// of the caller's.
MemberAnswer find_or_make_member(
    const DecideContext& context,
    const ledger::Personal& personal,
    const ledger::BlindHashes& blind,
    Decision& decision
);

/// Why nothing can be decided for a program with a version that no longer compiles.
[[nodiscard]] ledger::Error read_only_program();

/// The rules of that version. Null: they no longer compile, and the decision refuses.
[[nodiscard]] const rules::RuleSet* rules_or_refuse(
    const DecideContext& context, std::uint32_t version, Decision& decision
);

/// Settles the member of `plan`. False: the decision says why not; if too much is due at once, it
/// asks for the member to be settled first.
bool settle(ledger::WalletPlan& plan, ledger::MemberId member, Decision& decision);

/// Turns a plan's refusal into the decision's; false if it was done.
bool plan_failed(ledger::PlanOutcome outcome, Decision& decision);

/// The buffers of rule evaluations on this thread; one evaluation at a time.
[[nodiscard]] rules::Scratch& rule_scratch();

/// The parts that every entry made of a storefront event has: hashes, times, envelope.
void fill_event(const EventCommand& command, ledger::Timestamp now, ledger::Entry& entry);

/// Copies a rule's outcome into the entry; `per_line` goes to the decision's scratch memory.
void write_outcome(const rules::Outcome& outcome, Decision& decision, ledger::RuleOutcome& stored);

/// order.refunded and order.cancelled. `now` is the refund's instant inside the late window.
/// Without its order the refund waits (decide_waiting).
void decide_refund(
    const DecideContext& context,
    const EventCommand& command,
    ledger::Timestamp now,
    Decision& decision
);

/// How a refund comes to its order, and so what its entry claims and ends.
struct RefundArrival {
    enum class Kind : std::uint8_t {
        event,     ///< it just came: claims the event's keys
        waited,    ///< it was parked, which claimed them: ends the waiting
        attached,  ///< somebody attaches an orphan: claims that request's key
    };
    Kind kind = Kind::event;
    ledger::Seq parked;           ///< waited: its `parked` entry; attached: its `orphaned` entry
    ledger::Hash16 order_hash{};  ///< waited
};

/// The envelope, times and facts of a refund's entry, with the keys and links of its arrival.
void fill_refund(
    const EventCommand& command,
    const RefundArrival& arrival,
    ledger::Timestamp now,
    ledger::Entry& entry
);

/// The refund of the order behind `order_seq`, an `event` or `parked` entry.
void decide_refund_of(
    const DecideContext& context,
    const EventCommand& command,
    const RefundArrival& arrival,
    ledger::Timestamp now,
    ledger::Seq order_seq,
    Decision& decision
);

/// A refund whose order is not there: it is parked, or with `final` an orphan at once.
void decide_waiting(
    const DecideContext& context,
    const EventCommand& command,
    ledger::Timestamp now,
    Decision& decision
);

}  // namespace server::engine
