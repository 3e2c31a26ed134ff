#include "server/live/hub.hpp"

#include <algorithm>

#include "server/live/session.hpp"

namespace server::live {

namespace {

constexpr std::size_t kDriftTurns = 8;

}  // namespace

Hub::Hub(
    const HubParts& parts, std::shared_ptr<net::IoQueue> queue, unsigned number, std::uint64_t seed
)
    : parts_(parts),
      queue_(std::move(queue)),
      number_(number),
      wheel_(parts.clock.monotonic() / 1000),
      random_(seed) {}

Hub::~Hub() = default;

std::int64_t Hub::random_up_to(std::int64_t max) {
    return std::uniform_int_distribution<std::int64_t>(0, max)(random_);
}

void Hub::count_close(CloseCode code) {
    const auto found =
        std::find(kCloseCodes.begin(), kCloseCodes.end(), static_cast<std::uint16_t>(code));
    if (found == kCloseCodes.end()) return;
    HubCounters::add(counters.closes[static_cast<std::size_t>(found - kCloseCodes.begin())]);
}

// ---- sessions ----

void Hub::enter(Session& session) {
    session.next_ = first_;
    if (first_ != nullptr) first_->previous_ = &session;
    first_ = &session;
    HubCounters::add(counters.connections);
}

void Hub::leave(Session& session) {
    if (session.previous_ != nullptr) {
        session.previous_->next_ = session.next_;
    } else {
        first_ = session.next_;
    }
    if (session.next_ != nullptr) session.next_->previous_ = session.previous_;
    session.previous_ = session.next_ = nullptr;
    wheel_.cancel(session);
    if (session.marked_) {
        std::replace(marked_.begin(), marked_.end(), &session, static_cast<Session*>(nullptr));
    }
    HubCounters::subtract(counters.connections);
}

void Hub::mark(Session& session) {
    if (std::exchange(session.marked_, true)) return;
    marked_.push_back(&session);
}

void Hub::flush_marked() {
    for (std::size_t i = 0; i < marked_.size(); ++i) {
        Session* session = marked_[i];
        if (session == nullptr) continue;
        session->marked_ = false;
        session->flush();
    }
    marked_.clear();
}

/// The session that is visited may leave.
template <typename Visit>
void Hub::visit_sessions(Visit visit) {
    for (Session* session = first_; session != nullptr;) {
        Session* next = session->next_;
        visit(*session);
        session = next;
    }
}

// ---- channels ----

std::optional<boards::ChannelKey> Hub::resolve(ledger::ProgramId program, std::string_view channel)
    const {
    const auto name = parse_board_channel(channel);
    if (!name) return std::nullopt;
    // In the order of the document: a board's first window comes first.
    for (auto& key : parts_.boards.channels(program)) {
        if (key.board == name->board && (!name->window || key.window == *name->window)) return key;
    }
    return std::nullopt;
}

std::unique_ptr<Subscription> Hub::join(
    Session& session, const boards::ChannelKey& key, std::size_t rows, std::string_view spelling
) {
    auto& slot = channels_[ChannelName(key, rows)];
    if (!slot) {
        auto watched = parts_.feeds.watch(number_, key, rows, now());
        if (!watched) {
            channels_.erase(ChannelName(key, rows));
            return nullptr;
        }
        slot = std::make_unique<Channel>();
        slot->feed = std::move(watched->feed);
        slot->history = std::move(watched->history);
    }
    Channel& channel = *slot;
    auto subscription = std::make_unique<Subscription>();
    subscription->session = &session;
    subscription->channel = &channel;
    for (const Bytes& head : channel.heads) {
        if (channel_of(*head) == spelling) subscription->head = head;
    }
    if (!subscription->head) {
        subscription->head = make_bytes(channel_head(spelling));
        channel.heads.push_back(subscription->head);
    }
    subscription->next = channel.first;
    if (channel.first != nullptr) channel.first->previous = subscription.get();
    channel.first = subscription.get();
    ++channel.subscriptions;
    channel.feed->viewers.fetch_add(1, std::memory_order_relaxed);
    HubCounters::add(counters.subscriptions);
    return subscription;
}

void Hub::leave(Subscription& subscription) {
    Channel& channel = *subscription.channel;
    if (subscription.previous != nullptr) {
        subscription.previous->next = subscription.next;
    } else {
        channel.first = subscription.next;
    }
    if (subscription.next != nullptr) subscription.next->previous = subscription.previous;
    channel.feed->viewers.fetch_sub(1, std::memory_order_relaxed);
    HubCounters::subtract(counters.subscriptions);
    if (--channel.subscriptions > 0) return;
    parts_.feeds.unwatch(number_, channel.feed, now());
    channels_.erase(ChannelName(channel.feed->channel, channel.feed->rows));
}

Channel* Hub::find(const Feed& feed) {
    const auto found = channels_.find(ChannelName(feed.channel, feed.rows));
    // It may be another feed of that name by now.
    if (found == channels_.end() || found->second->feed.get() != &feed) return nullptr;
    return found->second.get();
}

void Hub::deliver(std::vector<Notice> notices) {
    for (Notice& notice : notices) {
        Channel* channel = find(*notice.feed);
        if (channel == nullptr) continue;
        switch (notice.kind) {
            case Notice::Kind::news:
            case Notice::Kind::heartbeat: on_news(notice, *channel); break;
            case Notice::Kind::over:
            case Notice::Kind::reset: end_channel(notice, *channel); break;
        }
    }
    flush_marked();
}

void Hub::on_news(Notice& notice, Channel& channel) {
    if (notice.kind == Notice::Kind::news) {
        // The history that `watch` answered may be ahead of what was on its way.
        if (notice.publication->off() <= channel.history.off()) return;
        channel.history.push(std::move(notice.publication));
    } else if (notice.off != channel.history.off()) {
        return;
    }
    for (Subscription* at = channel.first; at != nullptr; at = at->next) {
        if (notice.kind == Notice::Kind::news) {
            at->dirty = true;
        } else {
            at->heartbeat = notice.body;
        }
        mark(*at->session);
    }
}

void Hub::end_channel(const Notice& notice, const Channel& channel) {
    // The channel goes with its last subscription, so nothing below may look at it.
    std::vector<Session*> sessions;
    for (Subscription* at = channel.first; at != nullptr; at = at->next)
        sessions.push_back(at->session);
    std::sort(sessions.begin(), sessions.end());
    sessions.erase(std::unique(sessions.begin(), sessions.end()), sessions.end());
    for (Session* session : sessions) {
        if (notice.kind == Notice::Kind::over) {
            session->on_feed_over(*notice.feed);
        } else {
            session->close(CloseCode::epoch_reset);
        }
    }
}

// ---- members ----

void Hub::follow_member(Session& session) {
    session.followed_at_ = followed_.size();
    followed_.push_back(&session);
    by_member_[MemberKey(session.guest()->program, *session.guest()->member)].push_back(&session);
}

void Hub::unfollow_member(Session& session) {
    followed_.back()->followed_at_ = session.followed_at_;
    followed_[session.followed_at_] = followed_.back();
    followed_.pop_back();
    const auto found =
        by_member_.find(MemberKey(session.guest()->program, *session.guest()->member));
    if (found == by_member_.end()) return;
    std::erase(found->second, &session);
    if (found->second.empty()) by_member_.erase(found);
}

void Hub::members_changed(const std::vector<MemberKey>& members) {
    for (const MemberKey& member : members) {
        const auto found = by_member_.find(member);
        if (found == by_member_.end()) continue;
        for (Session* session : found->second)
            session->on_member_changed();
    }
    flush_marked();
}

void Hub::programs_changed(const std::set<ledger::ProgramId>& programs) {
    visit_sessions([&](Session& session) {
        const Guest* guest = session.guest();
        if (guest != nullptr && programs.contains(guest->program)) session.on_program_changed();
    });
    flush_marked();
}

void Hub::revoke_key(const std::string& key_id) {
    visit_sessions([&](Session& session) {
        if (session.let_in_by(key_id) || session.is_from_nowhere())
            session.close(CloseCode::revoked);
    });
}

void Hub::revoke_member(const MemberKey& member) {
    visit_sessions([&](Session& session) {
        const Guest* guest = session.guest();
        if (guest != nullptr && guest->member &&
            MemberKey(guest->program, *guest->member) == member)
            session.close(CloseCode::revoked);
    });
}

// ---- time ----

void Hub::tick() {
    const SteadyMs at = now();
    wheel_.advance(at);
    // Members take turns, so that a tick looks at an eighth of them.
    if (at >= drift_at_) {
        drift_at_ = at + kDriftMs / static_cast<SteadyMs>(kDriftTurns);
        drift_turn_ = (drift_turn_ + 1) % kDriftTurns;
        for (std::size_t i = drift_turn_; i < followed_.size(); i += kDriftTurns)
            followed_[i]->on_drift_turn(at);
    }
    flush_marked();
}

void Hub::drain(SteadyMs spread) {
    draining_ = true;
    drain_spread_ = spread;
    visit_sessions([&](Session& session) { session.drain_within(spread); });
}

void Hub::cut() {
    visit_sessions([](Session& session) { session.cut(); });
}

}  // namespace server::live
