#pragma once

#include <mutex>
#include <string>

#include "server/boards/projector.hpp"
#include "server/live/live.hpp"
#include "server/ops/metrics.hpp"

namespace server::ops {

/// What /metrics says of boards and of the live socket (docs/operating.md). Thread-safe.
class BoardMetrics {
public:
    /// Both must outlive the object.
    BoardMetrics(const boards::Projector& projector, const live::Live& live);
    /// The Prometheus text.
    [[nodiscard]] std::string text();

private:
    const boards::Projector& projector_;
    const live::Live& live_;
    std::mutex mutex_;  ///< one scrape at a time, so that the copies below are of one instant
    boards::Projector::Stats boards_;
    live::LiveStats pushed_;
    MetricsRegistry registry_;
};

}  // namespace server::ops
