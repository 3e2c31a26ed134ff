#pragma once

#include <functional>
#include <mutex>
#include <string>

#include "server/engine/metrics.hpp"
#include "server/engine/shard.hpp"
#include "server/net/server.hpp"
#include "server/ops/metrics.hpp"

namespace server::ops {

/// Everything on /metrics. The engine and the listener keep their own numbers; this reads them once
/// a scrape. The table of names is in docs/operating.md. Thread-safe.
class EngineMetrics {
public:
    struct Build {
        std::string version;
        std::string commit;
    };
    /// `shard` must outlive the object; `net` is asked on each scrape and may answer zeros.
    EngineMetrics(
        const engine::Shard& shard, std::function<net::ServerStats()> net, const Build& build
    );

    /// The Prometheus text.
    [[nodiscard]] std::string text();

private:
    void register_engine();
    void register_latencies();
    void register_state();
    void register_net(const Build& build);

    using StatsMember = std::uint64_t engine::ShardStats::*;
    void gauge(
        std::string_view name, std::string_view help, StatsMember member, Labels labels = {}
    );

    const engine::Shard& shard_;
    const std::function<net::ServerStats()> net_;
    std::mutex mutex_;  ///< one scrape at a time, so that the copies below are of one instant
    engine::ShardStats stats_;
    net::ServerStats net_stats_;
    MetricsRegistry registry_;
};

}  // namespace server::ops
