#include "server/live/feeds.hpp"

#include <algorithm>

#include "ledger/base/invariant.hpp"

namespace server::live {

namespace {

std::size_t size_index(std::size_t rows) {
    return rows <= 10 ? 0 : rows <= 25 ? 1 : rows <= 50 ? 2 : 3;
}

std::string base36(std::uint64_t number) {
    std::string digits;
    do {
        digits.push_back("0123456789abcdefghijklmnopqrstuvwxyz"[number % 36]);
        number /= 36;
    } while (number > 0);
    return digits;
}

}  // namespace

Feeds::Feeds(const boards::Boards& boards, std::string incarnation, SteadyMs interval)
    : boards_(boards),
      incarnation_(std::move(incarnation)),
      interval_(interval),
      outbox_(kWatchersMax) {
    INVARIANT(!incarnation_.empty() && incarnation_.size() <= 8);
}

std::string Feeds::new_epoch() {
    return incarnation_ + base36(epochs_++);
}

Feeds::Look Feeds::look(const boards::ChannelKey& channel) const {
    // Asked first, so that the page has seen at least this.
    const ledger::Seq seen = boards_.as_of(channel.program);
    Look look{boards_.page(channel), seen};
    if (look.page) look.as_of = std::max(look.as_of, look.page->as_of);
    return look;
}

bool Feeds::is_listed(const boards::ChannelKey& channel) const {
    if (!boards_.ready()) return true;
    const auto listed = boards_.channels(channel.program);
    return std::find(listed.begin(), listed.end(), channel) != listed.end();
}

std::int64_t Feeds::viewers(const Channel& channel) const {
    std::int64_t sum = 0;
    for (const auto& state : channel) {
        if (state) sum += state->feed->viewers.load(std::memory_order_relaxed);
    }
    return sum;
}

Feeds::State* Feeds::find_or_make(
    const boards::ChannelKey& channel, std::size_t rows, SteadyMs now
) {
    auto found = channels_.find(channel);
    const std::size_t index = size_index(rows);
    State* state = found == channels_.end() ? nullptr : found->second[index].get();
    if (state == nullptr || state->resting) {
        const Look seen = look(channel);
        if (!seen.page) return nullptr;
        if (state == nullptr) {
            auto made = std::make_unique<State>();
            made->feed = std::make_shared<Feed>(channel, rounded_rows(rows));
            made->epoch = make_bytes(new_epoch());
            state = made.get();
            channels_[channel][index] = std::move(made);
        }
        wake(*state, seen, now);
    }
    state->wanted_at = now;
    return state;
}

void Feeds::wake(State& state, const Look& seen, SteadyMs now) {
    if (seen.page->version < state.version) state.epoch = make_bytes(new_epoch());
    state.resting = false;
    state.dirty = false;
    state.version = seen.page->version;
    state.as_of = seen.as_of;
    state.told_at = now;
    state.history.clear();
    state.history.push(std::make_shared<const Publication>(
        state.epoch, ++state.off, state.feed->rows, now, seen.page, nullptr, nullptr
    ));
}

std::optional<Feeds::Watched> Feeds::watch(
    unsigned watcher, const boards::ChannelKey& channel, std::size_t rows, SteadyMs now
) {
    INVARIANT(watcher < kWatchersMax);
    const std::lock_guard lock(mutex_);
    State* state = find_or_make(channel, rows, now);
    if (state == nullptr) return std::nullopt;
    state->watchers |= std::uint64_t{1} << watcher;
    return Watched{state->feed, state->history};
}

void Feeds::unwatch(unsigned watcher, const FeedPtr& feed, SteadyMs now) {
    const std::lock_guard lock(mutex_);
    const auto found = channels_.find(feed->channel);
    if (found == channels_.end()) return;
    State* state = found->second[size_index(feed->rows)].get();
    // Another feed of the same name: this one was over.
    if (state == nullptr || state->feed != feed) return;
    state->watchers &= ~(std::uint64_t{1} << watcher);
    state->wanted_at = now;
}

std::optional<Feeds::Reading> Feeds::read(
    const boards::ChannelKey& channel, std::size_t rows, ledger::Seq at_least, SteadyMs now
) {
    const std::lock_guard lock(mutex_);
    State* state = find_or_make(channel, rows, now);
    if (state == nullptr) return std::nullopt;
    // Without viewers there is nothing to conflate for.
    if (state->as_of < at_least || state->watchers == 0) {
        const Look seen = look(channel);
        if (!seen.page) return std::nullopt;
        publish(*state, seen, now);
    }
    return Reading{state->history.current(), state->as_of};
}

void Feeds::changed(const std::vector<boards::ChannelKey>& channels) {
    const std::lock_guard lock(mutex_);
    for (const auto& channel : channels) {
        const auto found = channels_.find(channel);
        if (found == channels_.end()) continue;
        for (std::size_t index = 0; index < kSizes; ++index) {
            State* state = found->second[index].get();
            if (state == nullptr || state->resting || state->dirty) continue;
            state->dirty = true;
            dirty_.emplace_back(channel, index);
        }
    }
}

void Feeds::tell(const State& state, const Notice& notice) {
    for (std::size_t watcher = 0; watcher < kWatchersMax; ++watcher) {
        if ((state.watchers >> watcher & 1U) != 0) outbox_[watcher].push_back(notice);
    }
}

void Feeds::publish(State& state, const Look& seen, SteadyMs now) {
    state.dirty = false;
    if (seen.page->version < state.version) return reset(state, seen, now);
    state.as_of = std::max(state.as_of, seen.as_of);
    if (seen.page->version == state.version) return;
    state.version = seen.page->version;
    const boards::Page& before = state.history.current()->page();
    Bytes delta;
    Bytes end;
    if (before.window.id != seen.page->window.id) {
        end = make_bytes(end_body(before.window.id, seen.page->window.id));
    } else {
        auto body = delta_body(state.off + 1, state.feed->rows, before, *seen.page);
        if (!body) return;
        delta = make_bytes(std::move(*body));
    }
    auto publication = std::make_shared<const Publication>(
        state.epoch, ++state.off, state.feed->rows, now, seen.page, std::move(delta), std::move(end)
    );
    state.history.push(publication);
    state.published_at = now;
    state.told_at = now;
    ++publications_;
    Notice notice;
    notice.feed = state.feed;
    notice.publication = std::move(publication);
    tell(state, notice);
}

void Feeds::reset(State& state, const Look& seen, SteadyMs now) {
    Notice notice;
    notice.kind = Notice::Kind::reset;
    notice.feed = state.feed;
    tell(state, notice);
    // Its viewers are closed; who comes back finds another feed under the same name.
    state.watchers = 0;
    state.feed = std::make_shared<Feed>(state.feed->channel, state.feed->rows);
    wake(state, seen, now);
}

SteadyMs Feeds::advance(SteadyMs now, std::vector<std::vector<Notice>>& notices) {
    const std::lock_guard lock(mutex_);
    SteadyMs next = kNoTime;
    std::erase_if(dirty_, [&](const auto& item) {
        const auto found = channels_.find(item.first);
        State* state = found == channels_.end() ? nullptr : found->second[item.second].get();
        if (state == nullptr || state->resting || !state->dirty) return true;
        const SteadyMs due = state->published_at + conflation_ms(viewers(found->second), interval_);
        if (now < due) {
            next = std::min(next, due);
            return false;
        }
        const Look seen = look(item.first);
        // Gone: the sweep says so.
        if (seen.page) publish(*state, seen, now);
        return true;
    });
    if (now >= sweep_at_) sweep(now);
    next = std::min(next, sweep_at_);
    notices.resize(kWatchersMax);
    for (std::size_t watcher = 0; watcher < kWatchersMax; ++watcher) {
        auto& from = outbox_[watcher];
        auto& to = notices[watcher];
        std::move(from.begin(), from.end(), std::back_inserter(to));
        from.clear();
    }
    return next;
}

void Feeds::sweep(SteadyMs now) {
    sweep_at_ = now + kSweepMs;
    for (auto it = channels_.begin(); it != channels_.end();) {
        const std::int64_t watching = viewers(it->second);
        bool any = false;
        for (auto& state : it->second) {
            if (!state) continue;
            if (!sweep_one(*state, watching, now)) state.reset();
            any = any || state;
        }
        it = any ? std::next(it) : channels_.erase(it);
    }
}

/// False: the channel is over.
bool Feeds::sweep_one(State& state, std::int64_t watching, SteadyMs now) {
    if (state.resting) return true;
    const Look seen = look(state.feed->channel);
    if (!seen.page) {
        if (is_listed(state.feed->channel)) return true;
        Notice notice;
        notice.kind = Notice::Kind::over;
        notice.feed = state.feed;
        tell(state, notice);
        return false;
    }
    if (seen.page->version < state.version) {
        reset(state, seen, now);
        return true;
    }
    if (seen.page->version == state.version) {
        state.as_of = std::max(state.as_of, seen.as_of);
    } else if (!state.dirty && now >= state.published_at + conflation_ms(watching, interval_)) {
        // Nobody told us; seen all the same.
        publish(state, seen, now);
    }
    if (state.watchers == 0 && now >= state.wanted_at + kLingerMs) {
        state.resting = true;
        state.history.clear();
    } else if (now >= state.told_at + kHeartbeatMs) {
        state.told_at = now;
        Notice notice;
        notice.kind = Notice::Kind::heartbeat;
        notice.feed = state.feed;
        notice.off = state.off;
        notice.body = make_bytes(heartbeat_body(state.off, state.as_of, watching));
        tell(state, notice);
    }
    return true;
}

Feeds::Stats Feeds::stats() const {
    const std::lock_guard lock(mutex_);
    Stats stats;
    for (const auto& [key, channel] : channels_) {
        for (const auto& state : channel)
            stats.feeds += state && !state->resting ? 1 : 0;
    }
    stats.publications = publications_;
    return stats;
}

}  // namespace server::live
