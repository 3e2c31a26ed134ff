#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "ledger/base/clock.hpp"
#include "ledger/statement.hpp"
#include "ledger/store.hpp"
#include "ledger/tree.hpp"
#include "ledger/view.hpp"
#include "server/engine/arena.hpp"
#include "server/engine/command.hpp"

namespace ledger {
class KeyVault;
}

namespace server::engine {

/// Which queue a job waits in: `bulk` yields to `interactive`.
enum class Lane : std::uint8_t { interactive, bulk, internal };

/// One request on its way through the writer. Made on an io thread, given to Shard::submit, handed
/// to the CompletionSink when everything it saw is durable. Owned by exactly one of them at a time.
class Job {
public:
    virtual ~Job() = default;
    ledger::ProgramId program;
    Lane lane = Lane::interactive;
    Actor actor;
    Arena arena;
    std::size_t bytes = 0;            ///< of the request's body, for the queue's bound
    ledger::Timestamp queued_at = 0;  ///< monotonic, set by submit

protected:
    Job() = default;
};

/// Commands decided in order; outcomes answer them one to one. Never all-or-nothing.
class WriteJob : public Job {
public:
    std::vector<Command> commands;
    std::vector<Outcome> outcomes;
};

/// What a read may look at, on the writer thread.
struct ReadContext {
    const ledger::View& view;
    const ledger::KeyVault& vault;
    /// The reader's clock: max(last recorded, wall clock), microseconds.
    ledger::Timestamp now = 0;
    /// The program's hash tree, null for an unknown program.
    const ledger::MerkleTree* tree = nullptr;
    /// Opens the sealed part of an entry into `entry.personal`; false if there is none or its key
    /// was erased.
    virtual bool open(ledger::OwnedEntry& entry) const = 0;
    /// Members by e-mail or phone hash.
    [[nodiscard]] virtual std::vector<ledger::MemberId> members_by(
        ledger::BlindKind kind, const ledger::Hash16& hash
    ) const = 0;
    /// Refunds without an order, by their `orphaned` entries after `after`; at most `limit`.
    [[nodiscard]] virtual std::vector<ledger::Seq> orphans(ledger::Seq after, std::size_t limit)
        const = 0;
    /// What is not in views/ yet of a member that `view` found; goes with `snapshot()`, to be read
    /// on any thread.
    [[nodiscard]] virtual ledger::MemberHistory history(ledger::MemberId member) const = 0;
    [[nodiscard]] virtual std::shared_ptr<const ledger::ViewSnapshot> snapshot() const = 0;

protected:
    ReadContext(const ledger::View& v, const ledger::KeyVault& k) : view(v), vault(k) {}
    ~ReadContext() = default;
};

/// A read of the state. `read` runs on the writer thread and must be short (at most some 100 rows);
/// it answers false when a look-up was missing: the rows are fetched and it runs again. It encodes
/// nothing: it copies what the answer needs into the job; the io thread renders.
class ReadJob : public Job {
public:
    virtual bool read(const ReadContext& context) = 0;
    bool unfinished = false;  ///< set by the writer: rows stayed missing, there is no answer
    bool unreadable = false;  ///< set by the writer: why it is unfinished: a stored row is rotten
    ledger::Seq as_of;        ///< set by the writer: the program's last seq that the read saw
};

/// Where finished jobs go: called on the writer or commit thread, must not block.
class CompletionSink {
public:
    virtual ~CompletionSink() = default;
    virtual void deliver(std::vector<std::unique_ptr<Job>> done) = 0;
};

}  // namespace server::engine
