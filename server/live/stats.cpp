#include "server/live/stats.hpp"

namespace server::live {

void HubCounters::add_to(LiveStats& stats) const {
    const auto add = [](std::uint64_t& sum, const Counter& counter) {
        sum += counter.load(std::memory_order_relaxed);
    };
    add(stats.connections, connections);
    add(stats.subscriptions, subscriptions);
    add(stats.upgrades, upgrades);
    add(stats.messages, messages);
    add(stats.frames, frames);
    add(stats.bytes, bytes);
    add(stats.snaps, snaps);
    add(stats.deltas, deltas);
    add(stats.commands, commands);
    add(stats.resumes_hit, resumes_hit);
    add(stats.resumes_missed, resumes_missed);
    for (std::size_t i = 0; i < closes.size(); ++i)
        add(stats.closes[i], closes[i]);
}

}  // namespace server::live
