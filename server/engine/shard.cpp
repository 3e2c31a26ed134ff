#include "server/engine/shard.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include <unistd.h>

#include "ledger/row_codec.hpp"
#include "rules/rule_set.hpp"
#include "rules/window.hpp"
#include "server/engine/clock_guard.hpp"
#include "server/engine/recovery.hpp"
#include "server/engine/writer.hpp"

namespace server::engine {

using ledger::ErrorCode;

namespace {

constexpr ledger::ShardId kShard{0};
constexpr ledger::Timestamp kTick = 200'000;
constexpr ledger::Timestamp kSyncStalled = 5 * ledger::kMicrosPerSecond;
constexpr ledger::Timestamp kSyncDead = 30 * ledger::kMicrosPerSecond;
/// Beyond this the views fall behind faster than they are written: new work waits outside.
constexpr ledger::Timestamp kViewLagMax = 15 * ledger::kMicrosPerSecond;
/// The same for boards: whoever looks at them would see the past.
constexpr ledger::Timestamp kFollowersLagMax = 5 * ledger::kMicrosPerSecond;
/// A tenth of a group.
constexpr std::size_t kSettledAtOnceMax = 409;

class ShardImpl final : public Shard {
public:
    ShardImpl(Options options, CompletionSink& sink)
        : options_(std::move(options)),
          sink_(sink),
          queue_({options_.queue_commands_max, options_.queue_bytes_max, options_.queue_reads_max}
          ) {}
    ~ShardImpl() override { stop(); }

    ledger::Result<void> open();
    void start() override;
    ledger::Result<void> submit(std::unique_ptr<Job>& job) override;
    void stop() override;
    [[nodiscard]] std::shared_ptr<const Registry> registry() const override {
        return registry_.get();
    }
    [[nodiscard]] ShardStats stats() const override;
    [[nodiscard]] const Metrics& metrics() const override { return metrics_; }
    void accept_clock() override;
    ledger::Result<void> compact() override;
    const ledger::Log& log() const override { return *log_; }
    ledger::KeyVault& vault() override { return *vault_; }
    void on_durable(std::function<void()> call) override {
        committer_->on_durable(std::move(call));
    }
    ledger::Result<void> look_before_opening();

private:
    void say(const std::string& line) const {
        if (options_.progress) options_.progress(line);
    }
    void tend();
    void check_disk();
    void check_sync();
    void settle_due();
    void roll_windows();

    const Options options_;
    CompletionSink& sink_;
    Metrics metrics_;
    RegistryHolder registry_;
    JobQueue queue_;

    std::shared_ptr<void> folder_lock_;
    std::unique_ptr<ledger::LogStore> log_store_;
    std::unique_ptr<ledger::ViewStore> views_;
    std::unique_ptr<ledger::KeyVault> vault_;
    std::unique_ptr<ledger::KeyFilter> key_filter_;
    std::unique_ptr<ledger::State> state_;
    std::unique_ptr<ledger::Log> log_;
    std::unique_ptr<ledger::WitnessKeeper> witness_;
    std::unique_ptr<ClockGuard> clock_guard_;
    std::unique_ptr<Committer> committer_;
    std::unique_ptr<Checkpointer> checkpointer_;
    std::unique_ptr<Writer> writer_;

    std::thread writer_thread_;
    std::thread tend_thread_;
    std::thread filter_thread_;
    std::atomic<bool> stop_filter_{false};
    std::mutex tend_mutex_;
    std::condition_variable tend_changed_;
    bool tend_stopping_ = false;

    std::atomic<bool> draining_{false};
    std::atomic<bool> disk_full_{false};
    std::atomic<std::uint64_t> free_bytes_{0};
    std::atomic<bool> sync_stalled_{false};
    std::atomic<bool> followers_behind_{false};
    std::atomic<std::uint64_t> due_backlog_{0};
    ledger::Timestamp settled_at_ = 0;                         ///< of the tending thread
    std::map<ledger::ProgramId, ledger::Timestamp> rolls_at_;  ///< of the tending thread
    bool started_ = false;
    bool stopped_ = false;
};

/// Opening for writing drops what follows rot in the write-ahead log. So it is looked at first: a
/// log that lost its end stays as it was found, for whoever has to find out why.
ledger::Result<void> ShardImpl::look_before_opening() {
    const std::string log_path = options_.data_path + "/log";
    if (options_.accept_loss) return {};
    auto witness = ledger::read_witness(*options_.disk, options_.data_path + "/witness");
    if (witness.has_error()) return witness.error();
    auto log = ledger::LogStore::open({log_path, options_.disk, options_.sync, true});
    if (log.has_error() && log.error().code == ErrorCode::not_found)
        return ledger::compare_with_no_log(*witness);
    if (log.has_error()) return log.error();
    return ledger::compare(*witness, **log, kShard);
}

ledger::Result<void> ShardImpl::open() {
    const std::string& folder = options_.data_path;
    ledger::Disk& disk = *options_.disk;
    if (auto made = disk.create_directory(folder); made.has_error()) return made;
    auto locked = disk.lock(folder + "/LOCK");
    if (locked.has_error()) return locked.error();
    folder_lock_ = std::move(*locked);

    if (auto whole = look_before_opening(); whole.has_error()) return whole;
    auto log_store = ledger::LogStore::open({folder + "/log", options_.disk, options_.sync, false});
    if (log_store.has_error()) return log_store.error();
    log_store_ = std::move(*log_store);
    auto last = log_store_->last_group(kShard);
    if (last.has_error()) return last.error();
    auto keyring = ledger::Keyring::load_or_create(
        disk,
        folder,
        last->none() ? ledger::Keyring::IfMissing::create : ledger::Keyring::IfMissing::refuse
    );
    if (keyring.has_error()) {
        if (keyring.error().code != ErrorCode::corrupt) return keyring.error();
        return ledger::make_error(
            ErrorCode::no_keyring,
            "the keyring is damaged (" + keyring.error().detail + "): restore " + folder +
                "/keyring from its backup"
        );
    }
    vault_ = std::make_unique<ledger::KeyVault>(
        std::move(*keyring),
        [this](std::string_view key) { return log_store_->key_row(key); },
        ledger::KeyVault::Options{}
    );

    auto witness = ledger::read_witness(disk, folder + "/witness");
    if (witness.has_error()) return witness.error();
    if (auto same = ledger::compare(*witness, *log_store_, kShard); same.has_error()) {
        if (!options_.accept_loss) return same;
        say("accepted by the operator (--accept-loss): " + same.error().detail);
        witness->state = ledger::WitnessReading::State::absent;
    }

    if (disk.exists(folder + "/views") && !disk.exists(folder + "/views/CURRENT")) {
        // Half a folder of views is none: what is left would stand in the way of new ones.
        if (auto removed = ledger::ViewStore::destroy(folder + "/views", options_.disk);
            removed.has_error())
            return removed;
    }
    auto views = ledger::ViewStore::open(
        {folder + "/views", options_.disk, options_.memory_bytes_max / 8, false}
    );
    if (views.has_error()) return views.error();
    views_ = std::move(*views);
    if (views_->applied_group() > *last && options_.accept_loss) {
        // What the lost end of the log had put into the views is gone too: they are made anew.
        views_.reset();
        if (auto removed = ledger::ViewStore::destroy(folder + "/views", options_.disk);
            removed.has_error())
            return removed;
        auto again = ledger::ViewStore::open(
            {folder + "/views", options_.disk, options_.memory_bytes_max / 8, false}
        );
        if (again.has_error()) return again.error();
        views_ = std::move(*again);
    }
    const bool views_empty = views_->applied_group().none();
    if (views_empty && !last->none()) say("views/ is empty and is rebuilt from the log");

    key_filter_ = std::make_unique<ledger::KeyFilter>(ledger::KeyFilter::Options{});
    ledger::State::Options state_options;
    state_options.memory_bytes_max = options_.memory_bytes_max / 2;
    state_options.views_empty = views_empty;
    state_options.key_may_exist = [filter = key_filter_.get()](
                                      ledger::ProgramId, const ledger::Hash16& hash
                                  ) { return filter->may_exist(hash); };
    state_ = std::make_unique<ledger::State>(std::move(state_options));
    auto log = ledger::Log::open(*log_store_, *views_, {});
    if (log.has_error()) return log.error();
    log_ = std::move(*log);

    std::shared_ptr<const ledger::ViewSnapshot> before = views_->snapshot();
    auto found = recover(
        *state_,
        *log_,
        *log_store_,
        *views_,
        *vault_,
        *key_filter_,
        *witness,
        options_.replay_dirty_rows_max,
        [this](const std::string& line) { say(line); }
    );
    if (found.has_error()) return found.error();
    if (found->replayed_groups > 0) {
        say("replayed " + std::to_string(found->replayed_entries) + " entries in " +
            std::to_string(found->replayed_groups) + " groups");
    }
    if (views_empty) {
        key_filter_->start_empty();
    } else {
        filter_thread_ = std::thread([this, before] {
            if (auto built = key_filter_->rebuild(*before, stop_filter_); built.has_error()) {
                std::fprintf(
                    stderr, "guerdon: the key filter stays off: %s\n", built.error().detail.c_str()
                );
            }
        });
    }

    ledger::WitnessKeeper::Options keeper;
    keeper.disk = options_.disk;
    keeper.path = folder + "/witness";
    keeper.on_error = [](const ledger::Error& why) {
        std::fprintf(stderr, "guerdon: the witness could not be written: %s\n", why.detail.c_str());
        std::fflush(stderr);
        _exit(70);
    };
    auto kept = ledger::WitnessKeeper::start(std::move(keeper), *witness, found->last);
    if (kept.has_error()) return kept.error();
    witness_ = std::move(*kept);

    committer_ =
        std::make_unique<Committer>(*log_, sink_, metrics_, *options_.clock, found->last.group);
    checkpointer_ = std::make_unique<Checkpointer>(*views_, *log_, *committer_, metrics_, [this] {
        queue_.wake();
    });
    registry_.publish(Writer::make_registry(*state_, *vault_, found->rule_sets));

    clock_guard_ =
        std::make_unique<ClockGuard>(*options_.clock, found->last_recorded, options_.accept_clock);
    if (clock_guard_->held()) {
        say("the clock is more than 24 hours ahead of the last entry: writes wait for "
            "--accept-clock or POST /v1/ops/clock");
    }

    Writer::Start start;
    start.trees = std::move(found->trees);
    start.rule_sets = std::move(found->rule_sets);
    start.last_group = found->last.group;
    start.last_recorded = found->last_recorded;
    start.checkpoint_period = options_.checkpoint_period;
    start.checkpoints = options_.checkpoints;
    start.probe = options_.probe;
    writer_ = std::make_unique<Writer>(
        Writer::Parts{
            *state_,
            *log_,
            *views_,
            *vault_,
            *key_filter_,
            *witness_,
            queue_,
            *committer_,
            *checkpointer_,
            registry_,
            metrics_,
            *options_.clock,
            *clock_guard_,
            Poison(options_.disk, folder + "/poison")},
        std::move(start)
    );
    check_disk();
    return {};
}

void ShardImpl::start() {
    started_ = true;
    committer_->start();
    checkpointer_->start();
    writer_thread_ = std::thread([this] { writer_->run(); });
    tend_thread_ = std::thread([this] { tend(); });
}

ledger::Result<void> ShardImpl::submit(std::unique_ptr<Job>& job) {
    if (draining_.load(std::memory_order_relaxed))
        return ledger::make_error(ErrorCode::not_ready, "The server is stopping.");
    if (job->lane != Lane::internal && dynamic_cast<WriteJob*>(job.get()) != nullptr) {
        if (clock_guard_->held()) return ledger::make_error(ErrorCode::not_ready, kClockHeldDetail);
        if (sync_stalled_.load(std::memory_order_relaxed)) {
            return ledger::make_error(
                ErrorCode::not_ready, "The disk has not answered for 5 seconds."
            );
        }
        if (disk_full_.load(std::memory_order_relaxed)) {
            return ledger::make_error(
                ErrorCode::disk_full, "The disk is nearly full: writes are refused, reads go on."
            );
        }
        const ledger::Timestamp oldest = writer_->oldest_unviewed();
        if (oldest != 0 && options_.checkpoints &&
            writer_->newest_unviewed() - oldest > kViewLagMax + options_.checkpoint_period) {
            return ledger::make_error(
                ErrorCode::overloaded, "The server is catching up with its views."
            );
        }
        if (followers_behind_.load(std::memory_order_relaxed)) {
            return ledger::make_error(
                ErrorCode::overloaded, "The server is catching up with its boards."
            );
        }
    }
    job->queued_at = options_.clock->monotonic();
    return queue_.push(job);
}

void ShardImpl::stop() {
    if (stopped_) return;
    stopped_ = true;
    draining_ = true;
    stop_filter_ = true;
    {
        std::lock_guard lock(tend_mutex_);
        tend_stopping_ = true;
    }
    tend_changed_.notify_all();
    if (tend_thread_.joinable()) tend_thread_.join();
    if (filter_thread_.joinable()) filter_thread_.join();
    queue_.close();
    if (writer_thread_.joinable()) writer_thread_.join();
    if (committer_) committer_->stop();
    if (checkpointer_) checkpointer_->stop();
    if (started_ && witness_) {
        if (auto written = witness_->stop(); written.has_error()) {
            std::fprintf(
                stderr,
                "guerdon: the last witness could not be written: %s\n",
                written.error().detail.c_str()
            );
        }
    }
}

void ShardImpl::tend() {
    std::unique_lock lock(tend_mutex_);
    while (!tend_stopping_) {
        tend_changed_.wait_for(lock, std::chrono::microseconds(kTick));
        if (tend_stopping_) return;
        lock.unlock();
        clock_guard_->check(options_.clock->now());
        check_disk();
        check_sync();
        if (options_.followers_lag) followers_behind_ = options_.followers_lag() > kFollowersLagMax;
        settle_due();
        roll_windows();
        lock.lock();
    }
}

void ShardImpl::check_disk() {
    const auto free = options_.disk->free_bytes(options_.data_path);
    if (free.has_error()) return;
    free_bytes_ = *free;
    // Some slack on the way back, so that the answer does not flap.
    if (*free < options_.disk_watermark_bytes) disk_full_ = true;
    if (*free > options_.disk_watermark_bytes + options_.disk_watermark_bytes / 8)
        disk_full_ = false;
}

void ShardImpl::check_sync() {
    const ledger::Timestamp running = committer_->sync_running_for();
    sync_stalled_ = running > kSyncStalled;
    if (running > kSyncDead) {
        std::fprintf(stderr, "guerdon: the disk has not answered a sync for 30 seconds\n");
        std::fflush(stderr);
        _exit(70);
    }
}

void ShardImpl::settle_due() {
    const ledger::Timestamp monotonic = options_.clock->monotonic();
    if (clock_guard_->held() || disk_full_ || monotonic - settled_at_ < ledger::kMicrosPerSecond)
        return;
    settled_at_ = monotonic;
    const ledger::Timestamp now = options_.clock->now();
    const auto snapshot = views_->snapshot();
    std::uint64_t backlog = 0;
    const std::shared_ptr<const Registry> registry = registry_.get();  // outlives the loop
    for (const auto& [name, program] : registry->programs) {
        auto job = std::make_unique<WriteJob>();
        job->program = program->id;
        job->lane = Lane::internal;
        const std::string prefix = ledger::program_row_key(program->id);
        const auto scanned = snapshot->scan(
            ledger::ViewFamily::due,
            prefix,
            prefix,
            [&](std::string_view key, std::string_view) {
                const auto due = ledger::parse_due_key(key);
                if (!due || due->when > now) return false;
                ++backlog;
                if (job->commands.size() >= kSettledAtOnceMax) return backlog < 100'000;
                if (!due->parked.none()) {
                    job->commands.emplace_back(GiveUpCommand{due->parked});
                } else {
                    job->commands.emplace_back(SettleCommand{due->member});
                }
                return backlog < 100'000;
            }
        );
        if (scanned.has_error()) metrics_.unreadable_rows.add();
        if (scanned.has_error() || job->commands.empty()) continue;
        metrics_.settled_members.add(static_cast<std::uint64_t>(std::ranges::count_if(
            job->commands,
            [](const Command& command) { return std::holds_alternative<SettleCommand>(command); }
        )));
        std::unique_ptr<Job> handed = std::move(job);
        // A full queue means there is more pressing work: the next second tries again.
        if (submit(handed).has_error()) break;
    }
    due_backlog_ = backlog;
}

/// A window turns over at midnight even if nobody earns then. When somebody does, the writer was
/// first, and this command finds nothing to do.
void ShardImpl::roll_windows() {
    if (clock_guard_->held() || disk_full_) return;
    const ledger::Timestamp now = options_.clock->now();
    const std::shared_ptr<const Registry> registry = registry_.get();  // outlives the loop
    for (const auto& [name, program] : registry->programs) {
        const auto active = program->rule_sets.find(program->row.version_at(now));
        if (active == program->rule_sets.end() || active->second == nullptr) continue;
        ledger::Timestamp next = ledger::kNever;
        for (const rules::Board& board : active->second->boards()) {
            for (const rules::BoardWindow kind : board.windows) {
                next = std::min(next, rules::window_at(kind, active->second->zone(), now).ends_at);
            }
        }
        if (next == ledger::kNever) continue;
        ledger::Timestamp& rolls_at = rolls_at_[program->id];
        if (now < rolls_at) continue;
        auto job = std::make_unique<WriteJob>();
        job->program = program->id;
        job->lane = Lane::internal;
        job->commands.emplace_back(RollCommand{});
        std::unique_ptr<Job> handed = std::move(job);
        if (submit(handed).has_error()) return;
        rolls_at = next;
    }
}

void ShardImpl::accept_clock() {
    clock_guard_->accept();
    std::fprintf(stderr, "guerdon: the operator accepted the clock\n");
    tend_changed_.notify_all();
}

ledger::Result<void> ShardImpl::compact() {
    if (auto done = log_store_->compact(); done.has_error()) return done;
    return views_->compact();
}

ShardStats ShardImpl::stats() const {
    ShardStats stats;
    const JobQueue::Depth depth = queue_.depth();
    stats.queued_interactive = depth.interactive;
    stats.queued_bulk = depth.bulk;
    stats.durable_group = committer_->durable().value;
    stats.applied_group = log_->last_group().value;
    stats.views_group = views_->applied_group().value;
    const ledger::Timestamp oldest = writer_->oldest_unviewed();
    if (oldest != 0) {
        stats.view_lag_seconds =
            static_cast<double>(std::max<ledger::Timestamp>(0, options_.clock->monotonic() - oldest)
            ) /
            1e6;
    }
    stats.due_backlog = due_backlog_;
    stats.clock_held = clock_guard_->held();
    stats.clock_skew_seconds = static_cast<double>(clock_guard_->skew()) / 1e6;
    stats.disk_full = disk_full_;
    stats.free_bytes = free_bytes_;
    stats.sync_stalled = sync_stalled_;
    stats.key_filter_ready = key_filter_->ready();
    stats.state_bytes = writer_->state_bytes();
    stats.waiting_refunds = writer_->waiting_refunds();
    stats.orphans = writer_->orphans();
    const ledger::StoreStats log = log_store_->stats();
    const ledger::StoreStats views = views_->stats();
    stats.log_bytes = log.live_bytes;
    stats.views_bytes = views.live_bytes;
    stats.wal_bytes = log.wal_bytes;
    stats.compaction_backlog_bytes = log.pending_compaction_bytes + views.pending_compaction_bytes;
    return stats;
}

}  // namespace

ledger::Result<std::unique_ptr<Shard>> Shard::open(Options options, CompletionSink& sink) {
    auto shard = std::make_unique<ShardImpl>(std::move(options), sink);
    if (auto opened = shard->open(); opened.has_error()) return opened.error();
    return std::unique_ptr<Shard>(std::move(shard));
}

}  // namespace server::engine
