#include "server/ops/engine_metrics.hpp"

#include <utility>

#include "server/http/error_response.hpp"

namespace server::ops {

namespace {

constexpr double kMicrosPerSecond = 1e6;

/// The engine counts values below 2^i in bucket i; its last bucket counts all others.
MetricsRegistry::HistogramReading reading(const engine::Histogram& histogram, double scale) {
    MetricsRegistry::HistogramReading out;
    for (std::size_t i = 0; i < engine::Histogram::kBuckets; ++i) {
        out.counts.push_back(histogram.count(i));
        if (i + 1 < engine::Histogram::kBuckets) {
            out.bounds.push_back(static_cast<double>(std::uint64_t{1} << i) / scale);
        }
    }
    out.sum = static_cast<double>(histogram.sum()) / scale;
    return out;
}

/// The number that error codes on the wire stay below.
constexpr std::uint16_t kWireCodesEnd = 120;

}  // namespace

EngineMetrics::EngineMetrics(
    const engine::Shard& shard, std::function<net::ServerStats()> net, const Build& build
)
    : shard_(shard), net_(std::move(net)) {
    register_engine();
    register_latencies();
    register_state();
    register_net(build);
}

std::string EngineMetrics::text() {
    const std::lock_guard lock(mutex_);
    stats_ = shard_.stats();
    net_stats_ = net_();
    return registry_.text();
}

void EngineMetrics::register_engine() {
    const engine::Metrics& engine = shard_.metrics();
    const auto counter = [&](std::string_view name,
                             std::string_view help,
                             const engine::Counter& value,
                             Labels labels = {}) {
        registry_.counter_from(
            name, help, [&value] { return static_cast<double>(value.get()); }, labels
        );
    };
    counter("guerdon_commands_total", "Commands decided", engine.commands);
    constexpr std::string_view kEvents = "Storefront events decided, by outcome";
    counter("guerdon_events_total", kEvents, engine.events_applied, {{"status", "applied"}});
    counter("guerdon_events_total", kEvents, engine.events_duplicate, {{"status", "duplicate"}});
    counter("guerdon_entries_total", "Entries appended to the log", engine.entries);
    counter("guerdon_groups_total", "Groups committed", engine.groups);
    counter("guerdon_reads_total", "Reads served by the writer", engine.reads);
    counter(
        "guerdon_fetched_rows_total", "Rows read from disk for a decision", engine.fetched_rows
    );
    counter("guerdon_decide_retries_total", "Decisions repeated after a fetch", engine.retries);
    counter("guerdon_poison_total", "Commands whose decision failed", engine.poison);
    counter(
        "guerdon_unreadable_rows_total",
        "Stored rows that could not be read when they were needed",
        engine.unreadable_rows
    );
    counter("guerdon_rule_errors_total", "Rules that could not be evaluated", engine.rule_errors);
    counter("guerdon_checkpoints_total", "Checkpoints put into views/", engine.checkpoints);
    counter("guerdon_view_records_total", "Rows put into views/", engine.view_records);
    counter("guerdon_log_value_bytes_total", "Bytes of log values", engine.log_value_bytes);
    counter(
        "guerdon_settled_members_total", "Idle members settled when due", engine.settled_members
    );
    for (std::uint16_t code = 1; code < kWireCodesEnd; ++code) {
        const std::string_view name = ledger::name(static_cast<ledger::ErrorCode>(code));
        if (name.empty() || name == "unknown") continue;
        registry_.counter_from(
            "guerdon_rejected_total",
            "Problems answered, alone or as an item of a batch, by code",
            [code] {
                return static_cast<double>(http::problem_count(static_cast<ledger::ErrorCode>(code))
                );
            },
            {{"code", name}}
        );
    }
}

void EngineMetrics::register_latencies() {
    const engine::Metrics& engine = shard_.metrics();
    const auto histogram = [&](std::string_view name,
                               std::string_view help,
                               const engine::Histogram& value,
                               double scale) {
        registry_.histogram_from(name, help, [&value, scale] { return reading(value, scale); });
    };
    histogram("guerdon_group_size", "Commands in a group", engine.group_commands, 1);
    histogram("guerdon_decide_seconds", "Deciding a group", engine.decide_micros, kMicrosPerSecond);
    histogram(
        "guerdon_apply_seconds",
        "Sealing, checking, encoding, hashing and applying a group",
        engine.apply_micros,
        kMicrosPerSecond
    );
    histogram(
        "guerdon_sync_seconds", "Synced write of a group", engine.sync_micros, kMicrosPerSecond
    );
    histogram(
        "guerdon_commit_seconds",
        "From closing a group to its answers being let go",
        engine.commit_micros,
        kMicrosPerSecond
    );
    histogram(
        "guerdon_queue_seconds",
        "Waiting for the writer, a command",
        engine.queue_micros,
        kMicrosPerSecond
    );
    histogram(
        "guerdon_checkpoint_seconds",
        "From cutting a checkpoint to having it in views/",
        engine.checkpoint_micros,
        kMicrosPerSecond
    );
}

void EngineMetrics::gauge(
    std::string_view name, std::string_view help, StatsMember member, Labels labels
) {
    registry_.gauge_from(
        name, help, [this, member] { return static_cast<double>(stats_.*member); }, labels
    );
}

void EngineMetrics::register_state() {
    using engine::ShardStats;
    constexpr std::string_view kDepth = "Commands waiting for the writer, by class";
    gauge(
        "guerdon_queue_depth", kDepth, &ShardStats::queued_interactive, {{"class", "interactive"}}
    );
    gauge("guerdon_queue_depth", kDepth, &ShardStats::queued_bulk, {{"class", "bulk"}});
    constexpr std::string_view kGroup = "Number of a group: applied in memory, durable, in views/";
    gauge("guerdon_group", kGroup, &ShardStats::applied_group, {{"at", "applied"}});
    gauge("guerdon_group", kGroup, &ShardStats::durable_group, {{"at", "durable"}});
    gauge("guerdon_group", kGroup, &ShardStats::views_group, {{"at", "views"}});
    gauge(
        "guerdon_due_backlog",
        "Members with an activation or expiry due and refunds that waited long enough, at the last "
        "scan",
        &ShardStats::due_backlog
    );
    gauge(
        "guerdon_waiting_refunds",
        "Refunds and cancellations that wait for their order",
        &ShardStats::waiting_refunds
    );
    gauge(
        "guerdon_orphans",
        "Refunds and cancellations without an order, not attached yet",
        &ShardStats::orphans
    );
    constexpr std::string_view kBytes = "Bytes by kind";
    gauge("guerdon_bytes", kBytes, &ShardStats::state_bytes, {{"kind", "state"}});
    gauge("guerdon_bytes", kBytes, &ShardStats::log_bytes, {{"kind", "log"}});
    gauge("guerdon_bytes", kBytes, &ShardStats::views_bytes, {{"kind", "views"}});
    gauge("guerdon_bytes", kBytes, &ShardStats::wal_bytes, {{"kind", "wal"}});
    gauge(
        "guerdon_bytes",
        kBytes,
        &ShardStats::compaction_backlog_bytes,
        {{"kind", "compaction_backlog"}}
    );
    gauge("guerdon_bytes", kBytes, &ShardStats::free_bytes, {{"kind", "free"}});
    registry_.gauge_from(
        "guerdon_view_lag_seconds",
        "Age of the oldest group that is not in views/ yet",
        [this] { return stats_.view_lag_seconds; }
    );
    registry_.gauge_from(
        "guerdon_clock_skew_seconds",
        "How far the clock is ahead of the monotonic one since the start, or of the last entry",
        [this] { return stats_.clock_skew_seconds; }
    );
    const auto flag =
        [&](std::string_view name, std::string_view help, bool engine::ShardStats::*member) {
            registry_.gauge_from(name, help, [this, member] { return stats_.*member ? 1.0 : 0.0; });
        };
    flag("guerdon_clock_held", "1 while the clock guard refuses writes", &ShardStats::clock_held);
    flag(
        "guerdon_disk_full", "1 while writes are refused for want of disk", &ShardStats::disk_full
    );
    flag(
        "guerdon_sync_stalled", "1 while a sync has not answered for 5 s", &ShardStats::sync_stalled
    );
    flag(
        "guerdon_key_filter_ready",
        "1 once the filter of idempotency keys is filled",
        &ShardStats::key_filter_ready
    );
}

void EngineMetrics::register_net(const Build& build) {
    using Member = std::uint64_t net::ServerStats::*;
    const auto counter = [&](std::string_view name, std::string_view help, Member member) {
        registry_.counter_from(name, help, [this, member] {
            return static_cast<double>(net_stats_.*member);
        });
    };
    using net::ServerStats;
    counter("guerdon_requests_total", "HTTP requests", &ServerStats::requests);
    counter(
        "guerdon_connections_total", "Connections accepted", &ServerStats::connections_accepted
    );
    counter(
        "guerdon_connections_refused_total",
        "Connections refused over the limit",
        &ServerStats::connections_refused
    );
    counter("guerdon_timeouts_total", "Connections cut by a time-out", &ServerStats::timeouts);
    counter("guerdon_malformed_total", "Requests that were not HTTP", &ServerStats::malformed);
    registry_.gauge_from("guerdon_connections", "Connections open", [this] {
        return static_cast<double>(net_stats_.connections_open);
    });
    registry_.gauge_from(
        "guerdon_build_info",
        "Always 1; the labels say what runs",
        [] { return 1.0; },
        {{"version", build.version}, {"commit", build.commit}}
    );
}

}  // namespace server::ops
