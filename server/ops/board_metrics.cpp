#include "server/ops/board_metrics.hpp"

namespace server::ops {

BoardMetrics::BoardMetrics(const boards::Projector& projector, const live::Live& live)
    : projector_(projector), live_(live) {
    const auto counted = [this](
                             std::string_view name,
                             std::string_view help,
                             auto& stats,
                             auto member,
                             Labels labels = {}
                         ) {
        registry_.counter_from(
            name, help, [&stats, member] { return static_cast<double>(stats.*member); }, labels
        );
    };
    using BoardStats = boards::Projector::Stats;
    using live::LiveStats;
    registry_.gauge_from("guerdon_boards_ready", "1 once the boards have read the log", [this] {
        return projector_.ready() ? 1.0 : 0.0;
    });
    registry_.gauge_from(
        "guerdon_boards_group",
        "The last group that the boards have seen",
        [this] { return static_cast<double>(boards_.group); }
    );
    registry_.gauge_from(
        "guerdon_boards_lag_seconds",
        "How long the oldest durable group has waited for the boards",
        [this] { return static_cast<double>(boards_.lag) / ledger::kMicrosPerSecond; }
    );
    counted(
        "guerdon_boards_entries_total",
        "Entries that the boards have read",
        boards_,
        &BoardStats::entries
    );
    counted("guerdon_boards_pages_total", "New pages of boards", boards_, &BoardStats::pages);
    counted(
        "guerdon_boards_questions_total",
        "Questions beyond the pages",
        boards_,
        &BoardStats::questions
    );
    registry_.gauge_from("guerdon_live_connections", "Open live connections", [this] {
        return static_cast<double>(pushed_.connections);
    });
    registry_.gauge_from("guerdon_live_subscriptions", "Channels joined on them", [this] {
        return static_cast<double>(pushed_.subscriptions);
    });
    counted("guerdon_live_upgrades_total", "Connections that came", pushed_, &LiveStats::upgrades);
    counted(
        "guerdon_live_upgrades_refused_total",
        "Connections refused before the upgrade",
        pushed_,
        &LiveStats::upgrades_refused
    );
    counted("guerdon_live_messages_total", "Messages to clients", pushed_, &LiveStats::messages);
    counted("guerdon_live_bytes_total", "Bytes of messages to clients", pushed_, &LiveStats::bytes);
    constexpr std::string_view kFrames = "Frames of boards sent, by kind";
    counted("guerdon_live_frames_total", kFrames, pushed_, &LiveStats::snaps, {{"kind", "snap"}});
    counted("guerdon_live_frames_total", kFrames, pushed_, &LiveStats::deltas, {{"kind", "d"}});
    constexpr std::string_view kResumes = "Positions that clients came back with";
    counted(
        "guerdon_live_resumes_total",
        kResumes,
        pushed_,
        &LiveStats::resumes_hit,
        {{"outcome", "recovered"}}
    );
    counted(
        "guerdon_live_resumes_total",
        kResumes,
        pushed_,
        &LiveStats::resumes_missed,
        {{"outcome", "snap"}}
    );
    for (std::size_t i = 0; i < live::kCloseCodes.size(); ++i) {
        registry_.counter_from(
            "guerdon_live_closes_total",
            "Connections that the server closed, by code",
            [this, i] { return static_cast<double>(pushed_.closes[i]); },
            {{"code", std::to_string(live::kCloseCodes[i])}}
        );
    }
}

std::string BoardMetrics::text() {
    const std::lock_guard lock(mutex_);
    boards_ = projector_.stats();
    pushed_ = live_.stats();
    return registry_.text();
}

}  // namespace server::ops
