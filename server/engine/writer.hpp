#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ledger/bloom.hpp"
#include "ledger/group_codec.hpp"
#include "ledger/keyring.hpp"
#include "ledger/log.hpp"
#include "ledger/overlay.hpp"
#include "ledger/state.hpp"
#include "ledger/store.hpp"
#include "ledger/tree.hpp"
#include "ledger/witness.hpp"
#include "server/engine/checkpointer.hpp"
#include "server/engine/clock_guard.hpp"
#include "server/engine/committer.hpp"
#include "server/engine/decide.hpp"
#include "server/engine/metrics.hpp"
#include "server/engine/poison.hpp"
#include "server/engine/queue.hpp"
#include "server/engine/registry.hpp"
#include "server/engine/rule_sets.hpp"

namespace server::engine {

/// The writer thread's work: drain, decide, check, append, apply, hand over to the committer, copy
/// a slice of the checkpoint. Everything it owns is touched by that thread only, unless said
/// otherwise.
class Writer {
public:
    struct Parts {
        ledger::State& state;
        ledger::Log& log;
        ledger::ViewStore& views;
        ledger::KeyVault& vault;
        ledger::KeyFilter& key_filter;
        ledger::WitnessKeeper& witness;
        JobQueue& queue;
        Committer& committer;
        Checkpointer& checkpointer;
        RegistryHolder& registry;
        Metrics& metrics;
        const ledger::Clock& clock;
        ClockGuard& clock_guard;
        Poison poison;
    };
    struct Start {
        std::map<ledger::ProgramId, ledger::MerkleTree> trees;
        CompiledVersions rule_sets;
        ledger::GroupId last_group;
        ledger::Timestamp last_recorded = 0;
        ledger::Timestamp checkpoint_period = ledger::kMicrosPerSecond;
        bool checkpoints = true;
        DecideProbe* probe = nullptr;
    };
    Writer(Parts parts, Start start);

    /// The thread's body; returns after the queue was closed and drained, with everything durable
    /// and in views/.
    void run();

    /// Monotonic time at which the oldest applied group that is not in views/ began; 0: none. Any
    /// thread.
    [[nodiscard]] ledger::Timestamp oldest_unviewed() const {
        return oldest_unviewed_.load(std::memory_order_relaxed);
    }
    /// The same of the newest group.
    [[nodiscard]] ledger::Timestamp newest_unviewed() const {
        return newest_unviewed_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t state_bytes() const {
        return state_bytes_.load(std::memory_order_relaxed);
    }
    /// Refunds that wait for their order, and those without one, of all programs.
    [[nodiscard]] std::uint64_t waiting_refunds() const {
        return waiting_refunds_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t orphans() const { return orphans_.load(std::memory_order_relaxed); }
    [[nodiscard]] ledger::Timestamp last_recorded() const {
        return last_recorded_.load(std::memory_order_relaxed);
    }

    /// The programs and keys of a state, for the edge.
    static std::shared_ptr<const Registry> make_registry(
        const ledger::State& state, ledger::KeyVault& vault, const CompiledVersions& rule_sets
    );

private:
    struct OpenEntry {
        ledger::ProgramId program;
        ledger::Seq seq;
        std::size_t offset = 0;
        std::size_t size = 0;
    };

    void process(JobQueue::Drained drained);
    void look_ahead();
    void run_job(WriteJob& job);
    void decide_command(WriteJob& job, std::size_t index);
    bool decide_guarded(const DecideContext& context, const Command& command, Outcome& outcome);
    /// As decide_guarded; a member with more due than an entry may hold is settled before.
    bool decide_settled(DecideContext& context, const Command& command, Outcome& outcome);
    /// False: nothing of the member was due any more, or it could not be settled.
    bool settle_some(DecideContext& context, ledger::MemberId member);
    /// The first entry of the decision that is too large to be stored, after all; null: none.
    [[nodiscard]] const ledger::Entry* too_large_entry();
    /// Lets the program's windows turn over before the command that is next.
    void roll_windows(const DecideContext& context);
    /// Applies the refunds that waited for the order that was just appended, in the same group.
    void net_waiting(const DecideContext& context, const ledger::Hash16& order);
    void count_waiting();
    /// False: a row cannot be read. It was noted, and whoever needs it cannot be served.
    bool fetch_missing();
    void note_unreadable(const ledger::Error& why);
    /// Asked before an entry changes anything: afterwards a key that cannot be read is too late.
    bool can_seal(const ledger::Entry& entry);
    ledger::Result<std::string> find_entry(ledger::ProgramId program, ledger::Seq seq) const;
    bool append_set(const Command& command, Outcome& outcome);
    void append_entry(ledger::Entry& entry, const ledger::BlindHashes* blind);
    void seal_entry(ledger::Entry& entry);
    void system_effects(const ledger::Entry& entry, const Command& command);
    void answer_known(ledger::ProgramId program, Outcome& outcome);
    void answer_dry_run(Outcome& outcome);
    void begin_group();
    void finish_group(bool last);
    void run_reads(std::vector<std::unique_ptr<Job>> reads);
    /// `at_once`: however little time passed since the last one.
    void advance_checkpoint(std::size_t commands, bool at_once);

    Parts parts_;
    std::map<ledger::ProgramId, ledger::MerkleTree> trees_;
    CompiledVersions rule_sets_;
    ledger::GroupBuilder builder_{ledger::ShardId{}};
    ledger::Overlay overlay_;
    Decision decision_;

    // The open group.
    bool group_open_ = false;
    ledger::GroupId last_group_;
    ledger::Timestamp recorded_at_ = 0;
    /// Programs whose boards may use a window that is not open yet.
    std::vector<ledger::ProgramId> to_roll_;
    bool clock_held_ = false;  ///< recorded_at_ cannot be trusted: nothing is decided
    std::string open_bytes_;
    std::vector<OpenEntry> open_entries_;
    struct Patch {
        Outcome* outcome = nullptr;
        std::size_t entry = 0;
    };
    std::vector<Patch> patches_;
    std::vector<ledger::KeyRow> key_rows_;
    std::vector<std::unique_ptr<Job>> finished_;
    bool registry_changed_ = false;
    std::string sealed_;
    std::string measured_;  ///< an entry is encoded here to see how large it is
    std::vector<ledger::TreeNode> completed_;
    ledger::Timestamp decide_micros_ = 0, apply_micros_ = 0;
    std::uint32_t group_commands_ = 0;

    // The drained events, in the order in which they are decided, and how far look_ahead() came.
    std::vector<std::pair<ledger::ProgramId, const EventCommand*>> events_;
    std::vector<ledger::State::LookAhead> ahead_;
    std::size_t looked_at_ = 0;
    std::size_t next_event_ = 0;

    std::set<std::string> unreadable_;  ///< what was printed of rows that cannot be read

    // Checkpoint.
    const ledger::Timestamp checkpoint_period_;
    const bool checkpoints_;
    DecideProbe* const probe_;
    ledger::Timestamp checkpoint_ended_ = 0;   ///< monotonic
    ledger::Timestamp checkpoint_cut_at_ = 0;  ///< monotonic
    bool checkpoint_handed_over_ = false;
    ledger::GroupId checkpoint_group_;
    ledger::Timestamp first_after_cut_ = 0;  ///< when the first group after the cut began
    std::vector<ledger::ProgramId> grown_;   ///< programs whose tree grew since the last cut

    std::atomic<ledger::Timestamp> oldest_unviewed_{0};
    std::atomic<ledger::Timestamp> newest_unviewed_{0};
    std::atomic<std::uint64_t> state_bytes_{0};
    bool waiting_changed_ = true;  ///< since they were counted
    std::atomic<std::uint64_t> waiting_refunds_{0};
    std::atomic<std::uint64_t> orphans_{0};
    std::atomic<ledger::Timestamp> last_recorded_{0};
};

}  // namespace server::engine
