#include "server/app.hpp"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <future>
#include <string_view>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "ledger/base/clock.hpp"
#include "server/admin_key.hpp"
#include "server/boards/projector.hpp"
#include "server/engine/shard.hpp"
#include "server/gate.hpp"
#include "server/http/api.hpp"
#include "server/http/error_response.hpp"
#include "server/http/live_doorman.hpp"
#include "server/live/live.hpp"
#include "server/net/server.hpp"
#include "server/ops/board_metrics.hpp"
#include "server/ops/engine_metrics.hpp"
#include "server/ops/health.hpp"
#include "server/ops/log.hpp"

namespace server {

namespace {

using ledger::ErrorCode;
using ops::Severity;

/// How often the conditions of /readyz are looked at.
constexpr long kTendNanos = 250'000'000;
constexpr std::chrono::milliseconds kRecoveryPoll{5};

Severity severity(LogLevel level) {
    switch (level) {
        case LogLevel::debug: return Severity::debug;
        case LogLevel::info: return Severity::info;
        case LogLevel::warning: return Severity::warning;
        case LogLevel::error: return Severity::error;
    }
    return Severity::info;
}

/// SIGTERM, SIGINT and SIGHUP come to the thread that waits for them and to no other.
class Signals {
public:
    Signals() {
        std::signal(SIGPIPE, SIG_IGN);
        sigemptyset(&set_);
        for (const int number : {SIGTERM, SIGINT, SIGHUP})
            sigaddset(&set_, number);
        pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    }
    /// The next signal, or 0 when none came for so long.
    [[nodiscard]] int wait(long nanos) const {
        const timespec patience{0, nanos};
        const int number = sigtimedwait(&set_, nullptr, &patience);
        return number > 0 ? number : 0;
    }

private:
    sigset_t set_{};
};

engine::Shard::Options shard_options(const Config& config, const AppHooks& hooks) {
    engine::Shard::Options options;
    options.data_path = config.data;
    options.disk = hooks.disk;
    options.clock = std::make_shared<ledger::SystemClock>();
    options.memory_bytes_max = config.effective_memory_bytes();
    options.disk_watermark_bytes = config.disk_free_bytes_min;
    options.queue_commands_max = static_cast<std::uint32_t>(config.queue_commands_max);
    options.queue_bytes_max = config.queue_bytes_max;
    options.queue_reads_max = static_cast<std::uint32_t>(config.read_queue_max);
    options.checkpoint_period =
        std::chrono::duration_cast<std::chrono::microseconds>(config.checkpoint_interval).count();
    options.accept_clock = config.accept_clock;
    options.accept_loss = config.accept_loss;
    options.sync = hooks.sync;
    options.progress = [](const std::string& line) {
        ops::log(Severity::info, "recovery", {{"message", line}});
    };
    return options;
}

std::string url(const Config& config, std::uint16_t port) {
    const bool six = config.listen_host.find(':') != std::string::npos;
    return fmt::format(
        "{}://{}{}{}:{}",
        config.tls_cert.empty() ? "http" : "https",
        six ? "[" : "",
        config.listen_host,
        six ? "]" : "",
        port
    );
}

/// The parts in the order in which they are built; stopped in reverse.
class App {
public:
    App(const Config& config, const AppHooks& hooks, const BuildInfo& build)
        : config_(config), hooks_(hooks), build_(build), gate_(health_) {}
    ~App() { stop(); }

    [[nodiscard]] ledger::Result<void> claim_folder();
    [[nodiscard]] ledger::Result<void> listen();
    /// Reads the folder on another thread, so that signals are heard meanwhile.
    [[nodiscard]] ledger::Result<void> recover(const Signals& signals);
    [[nodiscard]] ledger::Result<void> open_api();
    void run(const Signals& signals);
    void stop();

private:
    void tend();
    void note(bool standing, std::string_view condition, std::string_view reason);
    void reload_tls();

    const Config& config_;
    const AppHooks& hooks_;
    const BuildInfo& build_;
    ledger::SystemClock clock_;
    ops::Health health_;
    Gate gate_;
    http::JobSink sink_;
    std::unique_ptr<engine::Shard> shard_;
    std::unique_ptr<boards::Projector> projector_;
    std::unique_ptr<http::LiveDoorman> doorman_;
    std::unique_ptr<live::Live> live_;
    std::unique_ptr<ops::EngineMetrics> metrics_;
    std::unique_ptr<ops::BoardMetrics> board_metrics_;
    std::unique_ptr<http::Api> api_;
    std::unique_ptr<net::Server> net_;  ///< last: its threads use all of the above
    bool stopped_ = false;
};

/// Asked before listening: whose folder it is matters more than whose port.
ledger::Result<void> App::claim_folder() {
    if (auto made = hooks_.disk->create_directory(config_.data); made.has_error()) return made;
    auto locked = hooks_.disk->lock(config_.data + "/LOCK");
    if (locked.has_error()) return locked.error();
    return {};  // the shard takes it again, for good
}

ledger::Result<void> App::listen() {
    health_.raise("recovery", "The data folder is being read.");
    auto listening = net::Server::start(config_.server_options(), gate_);
    if (listening.has_error()) return listening.error();
    net_ = std::move(*listening);
    fmt::print(
        "guerdon {} ({}) listens on {}, data in {}\n",
        build_.version,
        build_.commit,
        url(config_, net_->port()),
        config_.data
    );
    std::fflush(stdout);
    return {};
}

ledger::Result<void> App::recover(const Signals& signals) {
    if (config_.accept_loss) ops::log(Severity::warning, "accept_loss");
    if (config_.accept_clock) ops::log(Severity::warning, "accept_clock");
    std::promise<ledger::Result<std::unique_ptr<engine::Shard>>> opened;
    auto result = opened.get_future();
    std::thread reader([&] {
        engine::Shard::Options options = shard_options(config_, hooks_);
        // Asked from the shard's start on, and by then there are boards.
        options.followers_lag = [this] { return projector_->lag(); };
        opened.set_value(engine::Shard::open(std::move(options), sink_));
    });
    while (result.wait_for(kRecoveryPoll) != std::future_status::ready) {
        const int number = signals.wait(0);
        if (number == SIGTERM || number == SIGINT) {
            // Nothing was accepted, and recovery can be broken off at any instant: that is what it
            // is for.
            std::fflush(stdout);
            _exit(kExitOk);
        }
        if (number == SIGHUP) reload_tls();
    }
    reader.join();
    auto shard = result.get();
    if (shard.has_error()) return shard.error();
    shard_ = std::move(*shard);
    return {};
}

ledger::Result<void> App::open_api() {
    boards::Projector::Options follow;
    follow.log = &shard_->log();
    follow.vault = &shard_->vault();
    follow.clock = std::shared_ptr<const ledger::Clock>(std::shared_ptr<void>(), &clock_);
    follow.complain = [](const std::string& line) {
        ops::log(Severity::error, "boards_stopped", {{"message", line}});
    };
    projector_ = std::make_unique<boards::Projector>(std::move(follow));
    shard_->on_durable([projector = projector_.get()] { projector->wake(); });
    doorman_ = std::make_unique<http::LiveDoorman>(*shard_, clock_);
    live::Live::Options push;
    push.drain_spread = config_.drain_timeout / 2;
    push.upgrades_per_second = std::size_t{4'000} * config_.effective_io_threads();
    push.interval = config_.live_interval;
    push.limits.guests_per_address = config_.live_guests_per_address;
    push.limits.connections_per_member = config_.live_sockets_per_member;
    live_ = std::make_unique<live::Live>(
        push, *projector_, *doorman_, http::member_balances(*shard_, *projector_), clock_
    );
    projector_->listen([live = live_.get()](const boards::Boards::Changes& changes) {
        live->on_changes(changes);
    });
    shard_->start();
    projector_->start();
    live_->start();
    if (config_.new_admin_key) ops::log(Severity::warning, "new_admin_key");
    auto admin_key = config_.new_admin_key ? replace_admin_key(*shard_, *hooks_.disk, config_.data)
                                           : ensure_admin_key(*shard_, *hooks_.disk, config_.data);
    if (admin_key.has_error()) return admin_key.error();
    if (!admin_key->empty()) fmt::print("the admin key is in {}\n", *admin_key);
    metrics_ = std::make_unique<ops::EngineMetrics>(
        *shard_,
        [this] { return net_->stats(); },
        ops::EngineMetrics::Build{build_.version, build_.commit}
    );
    board_metrics_ = std::make_unique<ops::BoardMetrics>(*projector_, *live_);
    http::Api::Options options;
    options.body_bytes_max = config_.body_bytes_max;
    options.batch_body_bytes_max = config_.batch_body_bytes_max;
    options.batch_events_max = config_.batch_events_max;
    options.json_depth_max = config_.json_depth_max;
    options.health = &health_;
    options.metrics_text = [this] { return metrics_->text() + board_metrics_->text(); };
    options.clock = &clock_;
    options.boards = projector_.get();
    options.live = live_.get();
    api_ = std::make_unique<http::Api>(*shard_, std::move(options));
    gate_.open(*api_);
    tend();
    health_.clear("recovery");
    fmt::print("ready\n");
    std::fflush(stdout);
    return {};
}

void App::run(const Signals& signals) {
    for (;;) {
        const int number = signals.wait(kTendNanos);
        if (number == SIGTERM || number == SIGINT) return;
        if (number == SIGHUP) reload_tls();
        tend();
    }
}

void App::note(bool standing, std::string_view condition, std::string_view reason) {
    if (standing) {
        health_.raise(condition, reason);
    } else {
        health_.clear(condition);
    }
}

void App::tend() {
    const engine::ShardStats stats = shard_->stats();
    note(
        stats.clock_held,
        "clock",
        "The clock is far ahead of the ledger: writes wait until an operator accepts it "
        "(serve --accept-clock, or POST /v1/ops/clock)."
    );
    note(
        stats.disk_full,
        "disk",
        "The disk is nearly full (--disk-free-bytes-min): writes are refused, reads go on."
    );
    note(
        shard_->metrics().unreadable_rows.get() > 0 || http::storage_problems() > 0,
        "storage",
        "A stored row cannot be read: what needs it is answered 500, all else goes on. The "
        "server's "
        "output names the file; stop the server and run guerdon verify."
    );
    note(stats.sync_stalled, "sync", "The disk has not answered a sync for 5 seconds.");
}

void App::reload_tls() {
    if (config_.tls_cert.empty()) return;
    if (auto loaded = net_->reload_tls(); loaded.has_error()) {
        ops::log_error("tls_not_reloaded", loaded.error());
    } else {
        ops::log(Severity::info, "tls_reloaded");
    }
}

void App::stop() {
    if (stopped_) return;
    stopped_ = true;
    health_.raise("draining", "The server is stopping.");
    if (net_ && !net_->drain(config_.drain_timeout)) {
        ops::log(Severity::warning, "drain_timeout", {{"message", "some requests were cut off"}});
    }
    live_.reset();
    if (projector_) projector_->stop();
    if (shard_) shard_->stop();
}

int fail(const ledger::Error& error, const Config& config) {
    const std::string line = explain_start_error(error, config.data);
    fmt::print(stderr, "guerdon: {}\n", line);
    return error.code == ErrorCode::folder_in_use ? kExitFolderInUse : kExitFailed;
}

}  // namespace

std::string explain_start_error(const ledger::Error& error, const std::string& data) {
    switch (error.code) {
        case ErrorCode::folder_in_use:
            return fmt::format("{} is in use by another server: stop that one first", data);
        case ErrorCode::behind_witness:
            return fmt::format(
                "{}. Put the newest log/ back, with the witness beside it; if there is none, start "
                "once with --accept-loss to go on with what is there",
                error.detail
            );
        case ErrorCode::no_keyring:
            return error.detail + "; without it nothing sealed in the log can be read";
        case ErrorCode::newer_format:
            return fmt::format("{}: start the release that wrote it, or a newer one", error.detail);
        case ErrorCode::corrupt:
            return fmt::format(
                "{}: run `guerdon verify --data {}`; if only views/ is at fault, delete it and "
                "start again",
                error.detail,
                data
            );
        default: return error.detail.empty() ? std::string(ledger::name(error.code)) : error.detail;
    }
}

int serve(const Config& config, const AppHooks& hooks, const BuildInfo& build) {
    ops::set_log_severity(severity(config.log_level));
    const Signals signals;
    App app(config, hooks, build);
    if (auto claimed = app.claim_folder(); claimed.has_error())
        return fail(claimed.error(), config);
    if (auto listening = app.listen(); listening.has_error())
        return fail(listening.error(), config);
    auto recovered = app.recover(signals);
    if (recovered.has_error()) return fail(recovered.error(), config);
    if (auto opened = app.open_api(); opened.has_error()) return fail(opened.error(), config);
    app.run(signals);
    app.stop();
    return kExitOk;
}

}  // namespace server
