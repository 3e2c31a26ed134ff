#include "server/live/session.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "ledger/base/invariant.hpp"
#include "server/live/frame_json.hpp"

namespace server::live {

namespace {

/// Ranks up to here are exact on the screen.
constexpr std::uint64_t kExactRanks = 100;
constexpr SteadyMs kMeHeartbeatMs = 10'000;

const Bytes& ping_bytes() {
    static const Bytes kBytes = make_bytes("{}");
    return kBytes;
}

/// What a reader of the screen would notice.
bool shows_differently(const boards::Standing& was, const boards::Standing& is) {
    if (was.on_board != is.on_board) return true;
    if (!is.on_board) return false;
    if (was.window.id != is.window.id || was.row.score != is.row.score) return true;
    if (was.row.rank <= kExactRanks || is.row.rank <= kExactRanks) {
        return was.row.rank != is.row.rank || was.row.place != is.row.place;
    }
    const std::uint64_t moved =
        was.row.rank > is.row.rank ? was.row.rank - is.row.rank : is.row.rank - was.row.rank;
    return moved * 100 >= was.row.rank;
}

}  // namespace

/// What the client sees of its own member, and the question that is under way.
struct Session::Me {
    struct Shown {
        std::string channel;
        boards::Standing standing;
    };
    std::optional<Wallets> wallets;
    std::vector<Shown> shown;  ///< as sent last, those on the board or not
    std::optional<ledger::Seq> sent_as_of;
    SteadyMs told_at = 0;
    Bytes waiting;  ///< replaced by what is newer

    int unanswered = 0;
    bool again = false;
    Send send = Send::always;
    bool wallets_missing = true;  ///< not read, or not since the member changed
    ledger::Seq asked_as_of;
    std::vector<std::string> asked;
    std::vector<std::optional<boards::Standing>> standings;
};

/// One message being put together.
struct Session::Draft {
    std::vector<Frame> frames;
    std::size_t bytes = 0;

    [[nodiscard]] bool has_room(std::size_t more) const {
        return frames.empty() || bytes + more + kFrameSeparator.size() <= kMessageBytesMax;
    }
    void add(Bytes head, Bytes body) {
        frames.push_back({std::move(head), std::move(body)});
        bytes += frames.back().size() + kFrameSeparator.size();
    }
};

/// `action(session, arguments…)` on the hub's thread, if the session is still there. For answers
/// that come on any thread.
template <typename Action>
auto Session::later(Action action) {
    return
        [self = weak_from_this(), queue = hub_.queue(), action = std::move(action)](auto&&... answer
        ) mutable {
            queue->push([self = std::move(self),
                         action = std::move(action),
                         ... answer = std::forward<decltype(answer)>(answer)]() mutable {
                const auto session = self.lock();
                if (!session || session->phase_ >= Phase::closing) return;
                action(*session, std::move(answer)...);
                if (session->phase_ != Phase::gone) session->flush();
            });
        };
}

Session::Session(Hub& hub, Link& link, std::string origin, std::string peer)
    : hub_(hub), link_(&link), origin_(std::move(origin)), peer_(std::move(peer)) {}

Session::~Session() {
    on_gone();
}

void Session::start() {
    hub_.enter(*this);
    entered_ = true;
    connect_by_ = hub_.now() + kConnectMs;
    wake_at(connect_by_);
    if (hub_.draining()) drain_within(hub_.drain_spread());
}

void Session::refuse_full() {
    hub_.enter(*this);
    entered_ = true;
    close(CloseCode::node_full, hub_.random_up_to(kReconnectSpreadMs));
}

// ---- from the link ----

void Session::on_message(std::string_view text) {
    if (phase_ >= Phase::closing) return;
    if (text.size() > kInboundBytesMax) return on_bad_message();
    std::vector<Command> commands;
    const bool good = read_commands(text, commands);
    // What is no command costs as much to read as one.
    if (good && commands.empty() && !within_rate()) return close(CloseCode::rate_limited);
    for (Command& command : commands) {
        take(command);
        if (phase_ >= Phase::closing) return;
    }
    if (!good) return close(CloseCode::bad_frame);
    flush();
}

void Session::on_bad_message() {
    close(CloseCode::bad_frame);
}

void Session::on_control_frame() {
    if (phase_ < Phase::closing && !within_rate()) close(CloseCode::rate_limited);
}

void Session::on_written() {
    writing_ = false;
    write_by_ = kNoTime;
    if (phase_ == Phase::gone) return;
    if (phase_ == Phase::closing) {
        // The wire takes something again: what is left to say is short.
        close_by_ = std::min(close_by_, hub_.now() + kCloseMs);
        wake_at(close_by_);
        return say_bye();
    }
    flush();
}

void Session::on_gone() {
    if (phase_ == Phase::gone) return;
    while (!subscriptions_.empty())
        drop(*subscriptions_.back());
    if (me_) {
        hub_.unfollow_member(*this);
        me_.reset();
    }
    leave_census();
    if (std::exchange(entered_, false)) hub_.leave(*this);
    phase_ = Phase::gone;
    link_ = nullptr;
}

// ---- commands ----

bool Session::within_rate() {
    HubCounters::add(hub_.counters.commands);
    const auto now = static_cast<std::uint32_t>(hub_.now());
    std::uint32_t& oldest = command_times_[commands_ % kCommandsPerSecond];
    const bool within = commands_ < kCommandsPerSecond || now - oldest >= 1'000;
    oldest = now;
    ++commands_;
    return within;
}

void Session::take(Command& command) {
    const bool is_pong = std::holds_alternative<Pong>(command.what);
    // We asked for the answer to a ping.
    if (is_pong && pong_by_ != kNoTime) {
        pong_by_ = kNoTime;
        return;
    }
    if (!within_rate()) return close(CloseCode::rate_limited);
    if (is_pong) return;
    const bool is_connect = std::holds_alternative<Connect>(command.what);
    if (is_connect != (phase_ == Phase::waiting)) return close(CloseCode::bad_frame);
    switch (phase_) {
        case Phase::waiting: return knock(command);
        case Phase::knocking: early_.push_back(std::move(command)); return;
        case Phase::open: return obey(command);
        case Phase::closing:
        case Phase::gone: return;
    }
}

void Session::knock(Command& command) {
    phase_ = Phase::knocking;
    const Connect& connect = std::get<Connect>(command.what);
    if (connect.key.empty() && connect.token.empty() && connect.resume.empty()) {
        return close(CloseCode::bad_token);
    }
    Knock knock{connect.key, connect.token, connect.resume, origin_, peer_};
    connect_ = std::make_unique<Command>(std::move(command));
    hub_.parts().doorman.admit(std::move(knock), later([](Session& session, Verdict verdict) {
                                   session.on_verdict(std::move(verdict));
                               }));
}

void Session::on_verdict(Verdict verdict) {
    if (phase_ != Phase::knocking) return;
    if (const CloseCode* code = std::get_if<CloseCode>(&verdict)) return close(*code);
    let_in(std::move(std::get<Guest>(verdict)));
}

void Session::let_in(Guest guest) {
    guest_ = std::make_unique<Guest>(std::move(guest));
    if (!enter_census()) return close(CloseCode::too_many_connections);
    phase_ = Phase::open;
    connect_by_ = kNoTime;
    if (guest_->exp_ms != 0) set_expiry(guest_->exp_ms);
    ping_at_ = hub_.now() + kPingMs;
    wake_at(ping_at_);
    answer_connect();
    std::vector<Command> early = std::exchange(early_, {});
    for (Command& command : early) {
        if (phase_ == Phase::open) obey(command);
    }
}

bool Session::enter_census() {
    Census& census = hub_.parts().census;
    in_census_ = guest_->member ? census.enter_member({guest_->program, *guest_->member})
                                : census.enter_guest(peer_);
    return in_census_;
}

void Session::leave_census() {
    if (!std::exchange(in_census_, false)) return;
    Census& census = hub_.parts().census;
    if (guest_->member) {
        census.leave_member({guest_->program, *guest_->member});
    } else {
        census.leave_guest(peer_);
    }
}

void Session::answer_connect() {
    const auto command = std::exchange(connect_, nullptr);
    Connect& connect = std::get<Connect>(command->what);
    std::vector<Subscribed> subscribed;
    for (const auto& [sub, complaint] : connect.subs) {
        Outcome outcome = complaint ? Outcome(*complaint) : subscribe(sub);
        subscribed.push_back({sub.channel, outcome});
    }
    const std::string sid = fmt::format("{:x}{:08x}", hub_.number(), hub_.random()() >> 32U);
    reply(connect_answer(
        command->id, sid, hub_.wall_now_ms(), guest_->ticket, guest_->exp_ms, subscribed
    ));
    // The client keeps it from here on.
    if (guest_->member) std::string().swap(guest_->ticket);
    if (me_) ask_me(Wanted::everything, Send::always);
}

void Session::obey(Command& command) {
    const auto* sub = std::get_if<Subscribe>(&command.what);
    const bool asks_for_member = (sub != nullptr && sub->channel == kMeChannel) ||
                                 std::holds_alternative<Around>(command.what);
    if (asks_for_member && may_become_member()) {
        look_again(std::move(command));
    } else {
        obey_known(command);
    }
}

void Session::obey_known(const Command& command) {
    const std::uint32_t id = command.id;
    if (const auto* sub = std::get_if<Subscribe>(&command.what)) {
        obey_sub(id, *sub);
    } else if (const auto* unsub = std::get_if<Unsubscribe>(&command.what)) {
        obey_unsub(id, *unsub);
    } else if (const auto* around = std::get_if<Around>(&command.what)) {
        obey_around(id, *around);
    } else if (const auto* refresh = std::get_if<Refresh>(&command.what)) {
        obey_refresh(id, *refresh);
    } else {
        reply(error_answer(id, std::get<Complaint>(command.what)));
    }
}

void Session::obey_sub(std::uint32_t id, const Subscribe& sub) {
    const Subscription* joined = find(sub.channel);
    if (joined != nullptr && is_moved(*joined)) return close(CloseCode::epoch_reset);
    const Outcome outcome = subscribe(sub);
    if (const Complaint* complaint = std::get_if<Complaint>(&outcome)) {
        return reply(error_answer(id, *complaint));
    }
    reply(sub_answer(id, sub.channel, std::get<bool>(outcome)));
    // Joined just now, or asked for again; or a board that belongs into it.
    if (me_) ask_me(Wanted::everything, Send::always);
}

void Session::obey_unsub(std::uint32_t id, const Unsubscribe& unsub) {
    if (unsub.channel == kMeChannel) {
        if (me_) {
            hub_.unfollow_member(*this);
            me_.reset();
        }
    } else if (Subscription* subscription = find(unsub.channel)) {
        drop(*subscription);
        if (me_) ask_me(Wanted::ranks, Send::always);
    }
    reply(unsub_answer(id, unsub.channel));
}

bool Session::may_become_member() const {
    return !guest_->member && !guest_->ticket.empty();
}

Complaint Session::why_no_member() const {
    return may_become_member() ? Complaint::no_member_yet : Complaint::not_allowed;
}

void Session::look_again(Command command) {
    hub_.parts().doorman.refresh(
        guest_->program,
        Knock{{}, {}, guest_->ticket, origin_, peer_},
        later([command = std::move(command)](Session& session, Verdict verdict) {
            const CloseCode* code = std::get_if<CloseCode>(&verdict);
            // Nobody could look just now: as if nobody were there yet.
            if (code != nullptr && *code != CloseCode::node_full) return session.close(*code);
            const Guest* found = std::get_if<Guest>(&verdict);
            if (found != nullptr && found->member && !session.become(*found->member)) return;
            session.obey_known(command);
        })
    );
}

/// False: the connection is one too many of this member.
bool Session::become(ledger::MemberId member) {
    if (guest_->member) return true;
    leave_census();
    guest_->member = member;
    std::string().swap(guest_->ticket);
    if (enter_census()) return true;
    close(CloseCode::too_many_connections);
    return false;
}

void Session::obey_around(std::uint32_t id, const Around& around) {
    if (!guest_->member) return reply(error_answer(id, why_no_member()));
    boards::Boards& boards = hub_.parts().boards;
    if (!boards.ready()) return reply(error_answer(id, Complaint::not_ready));
    auto key = hub_.resolve(guest_->program, around.channel);
    if (!key) return reply(error_answer(id, Complaint::no_such_channel));
    // One more than is shown on both sides: at the top the rest of the limit goes below.
    boards.around(
        std::move(*key),
        *guest_->member,
        around.k,
        2 * around.k + 1,
        later([id, channel = around.channel, k = around.k](
                  Session& session, const std::optional<boards::Slice>& slice
              ) { session.on_around(id, channel, k, slice); })
    );
}

void Session::on_around(
    std::uint32_t id,
    const std::string& channel,
    std::size_t k,
    const std::optional<boards::Slice>& slice
) {
    if (!slice) return reply(error_answer(id, Complaint::no_such_channel));
    reply(around_answer(id, channel, *slice, *guest_->member, k));
}

void Session::obey_refresh(std::uint32_t id, const Refresh& refresh) {
    if (guest_->exp_ms == 0) return reply(error_answer(id, Complaint::not_allowed));
    hub_.parts().doorman.refresh(
        guest_->program,
        Knock{{}, refresh.token, {}, origin_, peer_},
        later([id](Session& session, Verdict verdict) {
            session.on_refreshed(id, std::move(verdict));
        })
    );
}

void Session::on_refreshed(std::uint32_t id, Verdict verdict) {
    if (const CloseCode* code = std::get_if<CloseCode>(&verdict)) return close(*code);
    Guest& fresh = std::get<Guest>(verdict);
    const bool is_other = guest_->member && fresh.member != guest_->member;
    if (fresh.program != guest_->program || is_other) return close(CloseCode::bad_token);
    if (fresh.member && !become(*fresh.member)) return;
    guest_->exp_ms = fresh.exp_ms;
    for (std::string& key_id : fresh.key_ids) {
        if (!let_in_by(key_id)) guest_->key_ids.push_back(std::move(key_id));
    }
    set_expiry(fresh.exp_ms);
    reply(refresh_answer(id, fresh.ticket, fresh.exp_ms));
    if (!guest_->member) guest_->ticket = std::move(fresh.ticket);
}

bool Session::let_in_by(const std::string& key_id) const {
    return guest_ && std::find(guest_->key_ids.begin(), guest_->key_ids.end(), key_id) !=
                         guest_->key_ids.end();
}

bool Session::is_from_nowhere() const {
    return guest_ && guest_->origin_by_program &&
           !hub_.parts().doorman.lists_origin(guest_->program, origin_);
}

// ---- channels ----

Session::Outcome Session::subscribe(const Subscribe& sub) {
    if (sub.channel == kMeChannel) return subscribe_me();
    if (!hub_.parts().boards.ready()) return Complaint::not_ready;
    const auto key = hub_.resolve(guest_->program, sub.channel);
    if (!key) return Complaint::no_such_channel;
    Subscription* joined = find(sub.channel);
    if (joined == nullptr && channels() >= kChannelsMax) return Complaint::too_many_channels;
    if (joined == nullptr || joined->channel->feed->rows != sub.rows ||
        joined->channel->feed->channel != *key) {
        auto fresh = hub_.join(*this, *key, sub.rows, sub.channel);
        // The program has it, but it has no page yet.
        if (!fresh) return Complaint::not_ready;
        if (joined != nullptr) drop(*joined);
        joined = fresh.get();
        subscriptions_.push_back(std::move(fresh));
    }
    return place(*joined, sub.position);
}

bool Session::place(Subscription& subscription, const std::optional<Position>& position) {
    subscription.heartbeat.reset();
    subscription.replay.clear();
    const History& history = subscription.channel->history;
    if (position) {
        auto missing = history.missing(*position, hub_.now());
        HubCounters::add(missing ? hub_.counters.resumes_hit : hub_.counters.resumes_missed);
        if (missing) {
            subscription.replay = std::move(*missing);
            subscription.sent_off = history.off();
            subscription.positioned = true;
            subscription.dirty = false;
            return true;
        }
    }
    subscription.positioned = false;
    subscription.dirty = true;
    return false;
}

Session::Outcome Session::subscribe_me() {
    if (!guest_->member) return why_no_member();
    if (me_) return false;
    if (channels() >= kChannelsMax) return Complaint::too_many_channels;
    me_ = std::make_unique<Me>();
    // Answers for an earlier `me` of this session are not for this one.
    ++me_round_;
    hub_.follow_member(*this);
    return false;
}

Subscription* Session::find(std::string_view channel) {
    for (const auto& subscription : subscriptions_) {
        if (channel_of(*subscription->head) == channel) return subscription.get();
    }
    return nullptr;
}

void Session::drop(Subscription& subscription) {
    hub_.leave(subscription);
    std::erase_if(subscriptions_, [&](const auto& held) { return held.get() == &subscription; });
}

/// Its spelling means another channel now. That one has an epoch and offsets of its own, which
/// would be mistaken for those of this one.
bool Session::is_moved(const Subscription& subscription) const {
    const auto key = hub_.resolve(guest_->program, channel_of(*subscription.head));
    return key && *key != subscription.channel->feed->channel;
}

void Session::on_program_changed() {
    if (phase_ != Phase::open) return;
    const bool moved =
        std::any_of(subscriptions_.begin(), subscriptions_.end(), [this](const auto& subscription) {
            return is_moved(*subscription);
        });
    if (moved) return close(CloseCode::epoch_reset);
    // Its currencies may have other names.
    if (me_) ask_me(Wanted::everything, Send::always);
}

void Session::on_feed_over(const Feed& feed) {
    for (std::size_t i = 0; i < subscriptions_.size();) {
        Subscription& subscription = *subscriptions_[i];
        if (subscription.channel->feed.get() != &feed) {
            ++i;
            continue;
        }
        if (is_moved(subscription)) return close(CloseCode::epoch_reset);
        reply(error_push(channel_of(*subscription.head), Complaint::channel_over));
        if (phase_ >= Phase::closing) return;
        drop(subscription);
    }
    if (me_) ask_me(Wanted::ranks, Send::always);
    hub_.mark(*this);
}

// ---- sending ----

void Session::reply(std::string text) {
    if (phase_ >= Phase::closing) return;
    replies_bytes_ += text.size();
    // Does not read its answers, and asks on.
    if (replies_bytes_ > kRepliesBytesMax) return close(CloseCode::slow);
    replies_.push_back(make_bytes(std::move(text)));
}

void Session::flush() {
    if (writing_ || phase_ >= Phase::closing) return;
    Draft draft;
    take_replies(draft);
    if (me_) take_me(draft);
    const std::size_t count = subscriptions_.size();
    for (std::size_t i = 0; i < count; ++i) {
        if (take_news(*subscriptions_[(turn_ + i) % count], draft)) continue;
        // Whoever found no room is first in the next message.
        turn_ = (turn_ + i) % count;
        break;
    }
    if (!draft.frames.empty()) write(std::move(draft));
}

void Session::take_replies(Draft& draft) {
    std::size_t taken = 0;
    while (taken < replies_.size() && draft.has_room(replies_[taken]->size())) {
        replies_bytes_ -= replies_[taken]->size();
        draft.add(nullptr, std::move(replies_[taken++]));
    }
    if (taken == replies_.size()) {
        std::vector<Bytes>().swap(replies_);
    } else {
        replies_.erase(replies_.begin(), replies_.begin() + static_cast<std::ptrdiff_t>(taken));
    }
}

void Session::take_me(Draft& draft) {
    if (!me_->waiting || !draft.has_room(me_->waiting->size())) return;
    draft.add(nullptr, std::exchange(me_->waiting, nullptr));
}

/// False: there are news, and no room for them.
bool Session::take_news(Subscription& subscription, Draft& draft) {
    if (!subscription.replay.empty()) {
        std::size_t bytes = 0;
        for (const Bytes& delta : subscription.replay)
            bytes += subscription.head->size() + delta->size() + kFrameSeparator.size();
        if (!draft.has_room(bytes)) return false;
        for (Bytes& delta : subscription.replay)
            draft.add(subscription.head, std::move(delta));
        HubCounters::add(hub_.counters.deltas, subscription.replay.size());
        std::vector<Bytes>().swap(subscription.replay);
    }
    if (subscription.dirty) return take_state(subscription, draft);
    if (!subscription.heartbeat) return true;
    if (!draft.has_room(subscription.head->size() + subscription.heartbeat->size())) return false;
    draft.add(subscription.head, std::exchange(subscription.heartbeat, nullptr));
    return true;
}

bool Session::take_state(Subscription& subscription, Draft& draft) {
    const History& history = subscription.channel->history;
    if (subscription.positioned && subscription.sent_off == history.off()) {
        subscription.dirty = false;
        return true;
    }
    std::vector<Bytes> bodies;
    if (subscription.positioned) bodies = history.coalesced(subscription.sent_off);
    const bool with_deltas = !bodies.empty();
    if (!with_deltas) {
        Bytes end = subscription.positioned ? history.end_after(subscription.sent_off) : nullptr;
        if (end) bodies.push_back(std::move(end));
        bodies.push_back(history.current()->snap());
    }
    std::size_t bytes = 0;
    for (const Bytes& body : bodies)
        bytes += subscription.head->size() + body->size() + kFrameSeparator.size();
    if (!draft.has_room(bytes)) return false;
    if (with_deltas) {
        HubCounters::add(hub_.counters.deltas, bodies.size());
    } else {
        HubCounters::add(hub_.counters.snaps);
    }
    for (Bytes& body : bodies)
        draft.add(subscription.head, std::move(body));
    subscription.sent_off = history.off();
    subscription.positioned = true;
    subscription.dirty = false;
    subscription.heartbeat.reset();
    return true;
}

void Session::write(Draft draft) {
    INVARIANT(!writing_ && link_ != nullptr);
    HubCounters::add(hub_.counters.messages);
    HubCounters::add(hub_.counters.frames, draft.frames.size());
    HubCounters::add(hub_.counters.bytes, draft.bytes);
    writing_ = true;
    const SteadyMs now = hub_.now();
    write_by_ = now + kWriteMs;
    wake_at(write_by_);
    // Counted from the last frame: 25 s, more or less a fifth, so that pings do not come in step.
    if (phase_ == Phase::open)
        ping_at_ = now + kPingMs * 4 / 5 + hub_.random_up_to(kPingMs * 2 / 5);
    link_->write(std::move(draft.frames));
}

// ---- the channel `me` ----

void Session::ask_me(Wanted wanted, Send send) {
    Me& me = *me_;
    if (send == Send::always) me.send = Send::always;
    if (wanted == Wanted::everything) me.wallets_missing = true;
    if (me.unanswered > 0) {
        me.again = true;
        return;
    }
    boards::Boards& boards = hub_.parts().boards;
    // Before the question: what is answered has seen at least this.
    me.asked_as_of = boards.as_of(guest_->program);
    me.asked.clear();
    me.standings.clear();
    std::vector<boards::ChannelKey> keys;
    for (const auto& subscription : subscriptions_) {
        me.asked.emplace_back(channel_of(*subscription->head));
        keys.push_back(subscription->channel->feed->channel);
    }
    const std::uint32_t round = ++me_round_;
    me.unanswered = me.wallets_missing ? 2 : 1;
    if (me.wallets_missing) {
        me.wallets_missing = false;
        hub_.parts().balances(
            guest_->program,
            *guest_->member,
            later([round](Session& session, ledger::Result<Wallets> wallets) {
                session.on_wallets(round, std::move(wallets));
            })
        );
    }
    boards.standings(
        std::move(keys),
        *guest_->member,
        later([round](Session& session, std::vector<std::optional<boards::Standing>> standings) {
            session.on_standings(round, std::move(standings));
        })
    );
}

void Session::on_standings(
    std::uint32_t round, std::vector<std::optional<boards::Standing>> standings
) {
    if (!me_ || round != me_round_) return;
    me_->standings = std::move(standings);
    if (--me_->unanswered == 0) finish_me();
}

void Session::on_wallets(std::uint32_t round, ledger::Result<Wallets> wallets) {
    if (!me_ || round != me_round_) return;
    if (wallets.has_value()) {
        me_->wallets = std::move(*wallets);
    } else if (wallets.error().code == ledger::ErrorCode::member_not_found) {
        return close(CloseCode::revoked);
    } else {
        me_->wallets_missing = true;  // again at the next turn
    }
    if (--me_->unanswered == 0) finish_me();
}

bool Session::me_differs() const {
    const Me& me = *me_;
    if (!me.sent_as_of || me.shown.size() != me.asked.size()) return true;
    for (std::size_t i = 0; i < me.asked.size(); ++i) {
        if (me.shown[i].channel != me.asked[i]) return true;
        const boards::Standing nothing;
        const boards::Standing& is = me.standings[i] ? *me.standings[i] : nothing;
        if (shows_differently(me.shown[i].standing, is)) return true;
    }
    return false;
}

void Session::finish_me() {
    Me& me = *me_;
    if (me.again) {
        me.again = false;
        return ask_me(Wanted::ranks, me.send);
    }
    INVARIANT(me.standings.size() == me.asked.size());
    if (!me.wallets || (me.send == Send::if_changed && !me_differs())) return;
    // Ranks are as new as asked, balances as they were read: the older of the two holds for both.
    const ledger::Seq as_of = std::min(me.asked_as_of, me.wallets->as_of);
    if (me.sent_as_of && as_of < *me.sent_as_of) return;  // a client would drop it
    me.shown.clear();
    std::vector<ShownStanding> listed;
    for (std::size_t i = 0; i < me.asked.size(); ++i) {
        me.shown.push_back({me.asked[i], me.standings[i].value_or(boards::Standing{})});
    }
    for (const Me::Shown& shown : me.shown) {
        if (shown.standing.on_board) listed.push_back({shown.channel, &shown.standing});
    }
    me.waiting = make_bytes(me_push(as_of, *me.wallets, listed));
    me.send = Send::if_changed;
    me.sent_as_of = as_of;
    me.told_at = hub_.now();
}

void Session::on_member_changed() {
    if (phase_ == Phase::open && me_) ask_me(Wanted::everything, Send::always);
}

void Session::on_drift_turn(SteadyMs now) {
    Me& me = *me_;
    if (me.unanswered > 0) return;
    if (me.wallets_missing || me.send == Send::always ||
        hub_.parts().boards.as_of(guest_->program) != me.asked_as_of) {
        ask_me(Wanted::ranks, Send::if_changed);
    }
    if (me.sent_as_of && !me.waiting && now >= me.told_at + kMeHeartbeatMs) {
        me.told_at = now;
        me.waiting = make_bytes(me_heartbeat(*me.sent_as_of));
        hub_.mark(*this);
    }
}

// ---- the end ----

void Session::close(CloseCode code, std::optional<std::int64_t> after_ms) {
    if (phase_ >= Phase::closing) return;
    code_ = code;
    after_ms_ = after_ms;
    hub_.count_close(code);
    stop();
    if (!writing_) say_bye();
}

void Session::on_peer_closes() {
    if (phase_ >= Phase::closing) return;
    said_bye_ = true;
    stop();
}

/// From now on nothing but the end.
void Session::stop() {
    phase_ = Phase::closing;
    while (!subscriptions_.empty())
        drop(*subscriptions_.back());
    if (me_) {
        hub_.unfollow_member(*this);
        me_.reset();
    }
    std::vector<Bytes>().swap(replies_);
    replies_bytes_ = 0;
    close_by_ = hub_.now() + kCloseMs;
    // `bye` waits for the write that is stuck; a server that stops does not wait for it.
    if (writing_ && !said_bye_ && code_ != CloseCode::shutdown)
        close_by_ = std::max(close_by_, write_by_ - kWriteMs + kStuckWriteMs);
    connect_by_ = ping_at_ = pong_by_ = write_by_ = expires_at_ = drain_at_ = kNoTime;
    wake_at(close_by_);
}

void Session::say_bye() {
    if (std::exchange(said_bye_, true)) return link_->close(code_);
    Draft draft;
    draft.add(nullptr, make_bytes(bye(code_, after_ms_)));
    write(std::move(draft));
}

void Session::cut() {
    if (phase_ == Phase::gone) return;
    phase_ = std::max(phase_, Phase::closing);
    link_->cut();
}

void Session::drain_within(SteadyMs spread) {
    if (phase_ == Phase::closing) {
        close_by_ = std::min(close_by_, hub_.now() + kCloseMs);
        return wake_at(close_by_);
    }
    if (phase_ == Phase::gone) return;
    drain_at_ = hub_.now() + hub_.random_up_to(spread);
    wake_at(drain_at_);
}

// ---- time ----

SteadyMs Session::next_time() const {
    return std::min({connect_by_, ping_at_, pong_by_, write_by_, expires_at_, drain_at_, close_by_}
    );
}

void Session::wake_at(SteadyMs at) {
    if (entered_) hub_.wheel().schedule(*this, at);
}

void Session::set_expiry(std::int64_t exp_ms) {
    expires_at_ = hub_.now() + std::max<std::int64_t>(exp_ms - hub_.wall_now_ms(), 0);
    wake_at(expires_at_);
}

void Session::on_time(SteadyMs now) {
    if (phase_ == Phase::gone) return;
    if (now >= close_by_) return cut();
    if (phase_ == Phase::closing) return wake_at(close_by_);
    // The wire takes nothing, so it takes no `bye` yet.
    if (now >= write_by_) return close(CloseCode::slow);
    if (now >= connect_by_) return close(CloseCode::no_connect);
    if (now >= pong_by_) return close(CloseCode::no_pong);
    if (now >= expires_at_) return close(CloseCode::expired);
    if (now >= drain_at_) {
        return close(CloseCode::shutdown, hub_.random_up_to(kReconnectSpreadMs));
    }
    if (now >= ping_at_) ping(now);
    wake_at(next_time());
}

void Session::ping(SteadyMs now) {
    ping_at_ = now + kPingMs;
    // While something is being written the deadline of that stands for the ping's.
    if (writing_ || pong_by_ != kNoTime) return;
    pong_by_ = now + kPongMs;
    Draft draft;
    draft.add(nullptr, ping_bytes());
    write(std::move(draft));
}

}  // namespace server::live
