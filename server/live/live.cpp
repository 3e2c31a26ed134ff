#include "server/live/live.hpp"

#include <algorithm>
#include <random>

#include "ledger/base/invariant.hpp"
#include "server/http/error_response.hpp"
#include "server/live/handshake.hpp"
#include "server/live/socket.hpp"
#include "server/net/io_thread.hpp"

namespace server::live {

namespace {

std::string draw_incarnation() {
    std::random_device device;
    std::string text;
    for (int i = 0; i < 8; ++i)
        text.push_back("0123456789abcdefghijklmnopqrstuvwxyz"[device() % 36]);
    return text;
}

std::uint64_t draw_seed() {
    std::random_device device;
    return (static_cast<std::uint64_t>(device()) << 32U) | device();
}

net::Response come_back_later() {
    net::Response response = http::error_response(ledger::ErrorCode::overloaded);
    if (response.header_lines.find("Retry-After") == std::string::npos) {
        response.add_header("Retry-After", "2");
    }
    response.close = true;
    return response;
}

}  // namespace

/// To the io thread the sessions of a hub are one connection, so that its tick does not walk over
/// them.
struct Live::Desk final : public net::Connection {
    Desk(
        const HubParts& parts,
        std::shared_ptr<net::IoThread> its_thread,
        unsigned number,
        SteadyMs its_drain_spread
    )
        : thread(std::move(its_thread)),
          hub(parts, thread, number, draw_seed()),
          drain_spread(its_drain_spread) {}

    void on_deadline() override {}
    void begin_drain() override { hub.drain(drain_spread); }
    void cut() override {
        hub.cut();
        thread->delist(*this);
    }

    const std::shared_ptr<net::IoThread> thread;
    Hub hub;
    const SteadyMs drain_spread;
    std::atomic<bool> ticking{false};
};

Live::Live(
    Options options,
    boards::Boards& boards,
    Doorman& doorman,
    MemberBalances balances,
    const ledger::Clock& clock
)
    : options_(options),
      clock_(clock),
      feeds_(boards, draw_incarnation(), options.interval.count()),
      census_(options.limits),
      parts_{feeds_, boards, doorman, std::move(balances), census_, clock},
      admissions_(static_cast<double>(options.upgrades_per_second)),
      admissions_at_(now()) {}

Live::~Live() {
    {
        const std::lock_guard lock(inbox_mutex_);
        stopping_ = true;
    }
    inbox_filled_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void Live::start() {
    INVARIANT(!thread_.joinable());
    thread_ = std::thread([this] { run(); });
}

// ---- the thread ----

void Live::on_changes(const boards::Boards::Changes& changes) {
    std::vector<MemberKey> members(changes.members.begin(), changes.members.end());
    census_.keep_connected(members);
    if (members.empty() && changes.pages.empty() && changes.programs.empty()) return;
    {
        const std::lock_guard lock(inbox_mutex_);
        changed_pages_.insert(changed_pages_.end(), changes.pages.begin(), changes.pages.end());
        changed_members_.insert(changed_members_.end(), members.begin(), members.end());
        changed_programs_.insert(changes.programs.begin(), changes.programs.end());
    }
    inbox_filled_.notify_one();
}

void Live::run() {
    SteadyMs next = now();
    while (true) {
        {
            std::unique_lock lock(inbox_mutex_);
            const std::chrono::milliseconds pause(std::max<SteadyMs>(next - now(), 0));
            inbox_filled_.wait_for(lock, pause, [this] {
                return stopping_ || !changed_pages_.empty() || !changed_members_.empty() ||
                       !changed_programs_.empty();
            });
            if (stopping_) return;
        }
        next = step();
    }
}

SteadyMs Live::step() {
    std::vector<boards::ChannelKey> pages;
    std::vector<MemberKey> members;
    std::set<ledger::ProgramId> programs;
    {
        const std::lock_guard lock(inbox_mutex_);
        pages.swap(changed_pages_);
        members.swap(changed_members_);
        programs.swap(changed_programs_);
    }
    const SteadyMs at = now();
    feeds_.changed(pages);
    std::vector<std::vector<Notice>> notices;
    const SteadyMs next = feeds_.advance(at, notices);
    const bool is_tick = at >= tick_at_;
    if (is_tick) tick_at_ = at + Wheel::kSlotMs;
    std::sort(members.begin(), members.end());
    members.erase(std::unique(members.begin(), members.end()), members.end());
    for (Desk* desk : desks()) {
        auto& news = notices[desk->hub.number()];
        // A thread that is behind gets one tick when it comes to it.
        const bool tick = is_tick && !desk->ticking.exchange(true);
        if (news.empty() && members.empty() && programs.empty() && !tick) continue;
        desk->thread->push([desk, tick, members, programs, news = std::move(news)]() mutable {
            // First, so that who is moved elsewhere is not told that the channel is over.
            if (!programs.empty()) desk->hub.programs_changed(programs);
            if (!news.empty()) desk->hub.deliver(std::move(news));
            if (!members.empty()) desk->hub.members_changed(members);
            if (!tick) return;
            desk->ticking = false;
            desk->hub.tick();
        });
    }
    return std::min(next, tick_at_);
}

// ---- hubs ----

std::vector<Live::Desk*> Live::desks() const {
    const std::lock_guard lock(desks_mutex_);
    std::vector<Desk*> found;
    for (const auto& desk : desks_)
        found.push_back(desk.get());
    return found;
}

Live::Desk& Live::desk_of(const std::shared_ptr<net::IoThread>& thread) {
    const std::lock_guard lock(desks_mutex_);
    for (const auto& desk : desks_) {
        if (desk->thread == thread) return *desk;
    }
    const auto number = static_cast<unsigned>(desks_.size());
    INVARIANT(number < Feeds::kWatchersMax);
    desks_.push_back(std::make_unique<Desk>(parts_, thread, number, options_.drain_spread.count()));
    thread->enlist(*desks_.back());
    return *desks_.back();
}

template <typename Work>
void Live::on_every_hub(Work work) {
    for (Desk* desk : desks())
        desk->thread->push([desk, work] { work(desk->hub); });
}

// ---- HTTP ----

bool Live::take_admission() {
    const std::lock_guard lock(admission_mutex_);
    const SteadyMs at = now();
    const auto rate = static_cast<double>(options_.upgrades_per_second);
    const auto passed = static_cast<double>(at - admissions_at_);
    admissions_ = std::min(rate, admissions_ + passed * rate / 1000.0);
    admissions_at_ = at;
    if (admissions_ < 1) return false;
    admissions_ -= 1;
    return true;
}

std::uint64_t Live::connections() const {
    std::uint64_t sum = 0;
    for (const Desk* desk : desks())
        sum += desk->hub.counters.connections.load(std::memory_order_relaxed);
    return sum;
}

net::BodyPlan Live::plan(const net::RequestHead& head) {
    if (auto refusal = refuse_handshake(head)) return net::BodyPlan::reject(std::move(*refusal));
    const bool full = options_.connections_max != 0 && connections() >= options_.connections_max;
    if (full || !take_admission()) {
        refused_.fetch_add(1, std::memory_order_relaxed);
        return net::BodyPlan::reject(come_back_later());
    }
    return net::BodyPlan::upgrade();
}

void Live::upgrade(
    const net::RequestHead& head, std::unique_ptr<net::UpgradedConnection> connection
) {
    Arrival arrival;
    arrival.handshake = handshake_text(head);
    arrival.origin = head.header("origin");
    arrival.peer = head.peer;
    // Others may have come since the plan.
    arrival.full = options_.connections_max != 0 && connections() >= options_.connections_max;
    Desk& desk = desk_of(connection->thread);
    start_socket(desk.hub, std::move(connection), std::move(arrival));
}

std::optional<Feeds::Reading> Live::read(
    const boards::ChannelKey& channel, std::size_t rows, ledger::Seq at_least
) {
    return feeds_.read(channel, rows, at_least, now());
}

void Live::revoke_key(const std::string& key_id) {
    on_every_hub([key_id](Hub& hub) { hub.revoke_key(key_id); });
}

void Live::revoke_member(ledger::ProgramId program, ledger::MemberId member) {
    on_every_hub([key = MemberKey(program, member)](Hub& hub) { hub.revoke_member(key); });
}

LiveStats Live::stats() const {
    LiveStats stats;
    for (const Desk* desk : desks())
        desk->hub.counters.add_to(stats);
    stats.upgrades_refused = refused_.load(std::memory_order_relaxed);
    return stats;
}

}  // namespace server::live
