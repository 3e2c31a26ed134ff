#include "tools/bench/live.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <thread>

#include <fmt/core.h>
#include <sys/resource.h>

#include "tools/bench/board_mover.hpp"
#include "tools/bench/child_process.hpp"
#include "tools/bench/column.hpp"
#include "tools/bench/crowd.hpp"
#include "tools/bench/histogram.hpp"
#include "tools/bench/machine.hpp"
#include "tools/bench/server_process.hpp"
#include "tools/bench/session.hpp"
#include "tools/bench/ws_peer.hpp"

namespace bench {

namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr double kMs = 1e6;  // nanoseconds
constexpr double kMiB = 1024.0 * 1024.0;
constexpr unsigned kWarmUpS = 2;

/// One line of the report.
struct Figures {
    double frames_per_s = 0;
    double messages_per_s = 0;
    double bytes_per_frame = 0;
    double cpu_us_per_frame = 0;
    double cpu_us_per_message = 0;
    double cores = 0;
    double p50_ms = 0;
    double p99_ms = 0;
    double bytes_per_socket = 0;
    double kernel_bytes_per_socket = 0;
};

constexpr Column<Figures> kSending[] = {
    {"frames/s", &Figures::frames_per_s, 0},
    {"messages/s", &Figures::messages_per_s, 0},
    {"B/frame", &Figures::bytes_per_frame, 0},
    {"server CPU us/frame", &Figures::cpu_us_per_frame, 2},
    {"us/message", &Figures::cpu_us_per_message, 2},
    {"server cores", &Figures::cores, 2},
};
constexpr Column<Figures> kDelay[] = {
    {"p50 ms", &Figures::p50_ms, 2},
    {"p99 ms", &Figures::p99_ms, 2},
};
constexpr Column<Figures> kMemory[] = {
    {"server B/socket", &Figures::bytes_per_socket, 0},
    {"kernel slab B/socket, both ends", &Figures::kernel_bytes_per_socket, 0},
};

/// Receives on a thread of its own until it is stopped; a lost socket is thrown by `finish`.
class Receiver {
public:
    explicit Receiver(Crowd& crowd) : crowd_(crowd), thread_([this] { run(); }) {}
    ~Receiver() { end(); }
    Receiver(Receiver const&) = delete;
    Receiver& operator=(Receiver const&) = delete;

    void finish() {
        end();
        if (failure_) std::rethrow_exception(failure_);
    }

private:
    void run() {
        try {
            crowd_.receive(stop_);
        } catch (...) {
            failure_ = std::current_exception();
        }
    }
    void end() {
        stop_.store(true);
        if (thread_.joinable()) thread_.join();
    }

    Crowd& crowd_;
    std::atomic<bool> stop_{false};
    std::exception_ptr failure_;
    std::thread thread_;
};

void allow_sockets(unsigned sockets) {
    constexpr rlim_t kOwnFiles = 200;
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < sockets + kOwnFiles) {
        throw std::runtime_error(fmt::format(
            "{} sockets need a limit of {} open files, which is {}; raise it with ulimit -n",
            sockets,
            sockets + kOwnFiles,
            limit.rlim_cur
        ));
    }
}

/// Bytes of kernel objects, sockets among them, of the whole machine.
double kernel_slab_bytes() {
    std::ifstream info("/proc/meminfo");
    std::string name;
    double kib = 0;
    std::string rest;
    while (info >> name >> kib && std::getline(info, rest)) {
        if (name == "Slab:") return kib * 1024;
    }
    return 0;
}

ServerProcess::Options serve(
    LiveOptions const& options, fs::path const& data, std::vector<std::string> flags
) {
    ServerProcess::Options start;
    start.binary = options.binary;
    start.data = data;
    start.flags = std::move(flags);
    start.flags.emplace_back("--io-threads=1");
    start.flags.emplace_back("--live-guests-per-address=1000000");
    return start;
}

Crowd::Options clients(ServerProcess const& server, BoardMover const& mover, unsigned sockets) {
    Crowd::Options crowd;
    crowd.port = server.port();
    crowd.path = "/live";
    crowd.greeting = mover.greeting();
    crowd.welcome = R"("snap")";
    crowd.sockets = sockets;
    return crowd;
}

/// What `crowd` receives, and what `server` uses for it, while `drive` runs for `seconds`.
template <typename Server, typename Drive>
Figures measure(Server const& server, Crowd& crowd, double seconds, Drive drive) {
    Receiver receiver(crowd);
    drive(Seconds(kWarmUpS));
    auto const before = crowd.received();
    auto const cpu_before = server.cpu_seconds();
    auto const begin = Clock::now();
    drive(Seconds(seconds));
    auto const elapsed = Seconds(Clock::now() - begin).count();
    auto const cpu = server.cpu_seconds() - cpu_before;
    auto const after = crowd.received();
    receiver.finish();
    auto const frames = static_cast<double>(after.frames - before.frames);
    auto const messages = static_cast<double>(after.messages - before.messages);
    auto const bytes = static_cast<double>(after.payload_bytes - before.payload_bytes);
    if (frames < 1) throw std::runtime_error("no frame arrived");
    Figures figures;
    figures.frames_per_s = frames / elapsed;
    figures.messages_per_s = messages / elapsed;
    figures.bytes_per_frame = bytes / frames;
    figures.cpu_us_per_frame = cpu / frames * 1e6;
    figures.cpu_us_per_message = cpu / messages * 1e6;
    figures.cores = cpu / elapsed;
    return figures;
}

/// A board that moves somewhat more often than it may be pushed, so that every push has news.
Figures run_sending(
    LiveOptions const& options, fs::path const& data, unsigned boards, unsigned interval_ms
) {
    ServerProcess server(serve(options, data, {fmt::format("--live-interval={}ms", interval_ms)}));
    BoardMover mover(server.port(), server.admin_key(), boards);
    Crowd crowd(clients(server, mover, options.sockets));
    crowd.join();
    auto const pause = std::chrono::microseconds(interval_ms * 1'000 * 2 / 3);
    auto figures = measure(server, crowd, options.seconds, [&](Seconds length) {
        auto next = Clock::now();
        auto const end = next + length;
        while (Clock::now() < end) {
            mover.move();
            next = std::max(next + pause, Clock::now());
            std::this_thread::sleep_until(next);
        }
    });
    server.stop();
    return figures;
}

/// Orders four times a second, each seen by all sockets.
Figures run_delay(LiveOptions const& options, fs::path const& data) {
    struct Order {
        std::uint64_t seq;
        std::uint64_t posted_ns;
    };
    constexpr auto kPause = std::chrono::milliseconds(250);
    constexpr auto kLast = std::chrono::milliseconds(1'000);
    ServerProcess server(serve(options, data, {}));
    BoardMover mover(server.port(), server.admin_key(), 1);
    auto watching = clients(server, mover, options.sockets);
    watching.note_positions = true;
    Crowd crowd(std::move(watching));
    crowd.join();
    Receiver receiver(crowd);
    std::vector<Order> orders;
    auto next = Clock::now();
    auto const end = next + Seconds(options.seconds);
    while (Clock::now() < end) {
        auto const posted = Crowd::now_ns();
        orders.push_back({mover.move(), posted});
        next += kPause;
        std::this_thread::sleep_until(next);
    }
    std::this_thread::sleep_for(kLast);
    receiver.finish();
    Histogram delays;
    for (auto const& seen : crowd.sightings()) {
        auto at = seen.begin();
        for (auto const& order : orders) {
            at = std::find_if(at, seen.end(), [&](auto const& s) { return s.as_of >= order.seq; });
            if (at == seen.end()) throw std::runtime_error("an order never arrived at a socket");
            delays.record(at->at_ns - std::min(at->at_ns, order.posted_ns));
        }
    }
    server.stop();
    Figures figures;
    figures.p50_ms = static_cast<double>(delays.quantile(0.5)) / kMs;
    figures.p99_ms = static_cast<double>(delays.quantile(0.99)) / kMs;
    return figures;
}

/// Memory that `server` has more of after `crowd` joined.
template <typename Server>
Figures measure_idle(Server const& server, Crowd& crowd, unsigned sockets) {
    auto const before = server.resident_mib();
    auto const slab_before = kernel_slab_bytes();
    crowd.join();
    Figures figures;
    figures.bytes_per_socket = (server.resident_mib() - before) * kMiB / sockets;
    figures.kernel_bytes_per_socket = (kernel_slab_bytes() - slab_before) / sockets;
    return figures;
}

Figures run_idle(LiveOptions const& options, fs::path const& data) {
    ServerProcess server(serve(options, data, {}));
    BoardMover mover(server.port(), server.admin_key(), 1);
    {
        // What the first sockets make once for all is not what a socket costs.
        Crowd first(clients(server, mover, 100));
        first.join();
    }
    Crowd crowd(clients(server, mover, options.idle_sockets));
    return measure_idle(server, crowd, options.idle_sockets);
}

/// The npm package `ws` in a Node.js of its own.
class WsPeer {
public:
    WsPeer(fs::path const& module, fs::path const& folder, unsigned bytes, unsigned every_ms)
        : port_file_(folder / "ws.port") {
        std::error_code ignored;
        fs::remove(port_file_, ignored);
        child_ = std::make_unique<ChildProcess>(
            std::vector<std::string>{
                "node",
                "-e",
                std::string(kWsPeer),
                module.string(),
                port_file_.string(),
                std::to_string(bytes),
                std::to_string(every_ms)},
            folder / "ws.log"
        );
        auto const limit = Clock::now() + std::chrono::seconds(20);
        while (port_ == 0) {
            if (child_->has_ended() || Clock::now() > limit) child_->fail("ws did not start");
            std::ifstream(port_file_) >> port_;
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    }
    [[nodiscard]] double cpu_seconds() const { return child_->cpu_seconds(); }
    [[nodiscard]] double resident_mib() const { return child_->resident_mib(); }
    [[nodiscard]] Crowd::Options clients(unsigned sockets) const {
        Crowd::Options crowd;
        crowd.port = port_;
        crowd.sockets = sockets;
        return crowd;
    }

private:
    fs::path port_file_;
    std::unique_ptr<ChildProcess> child_;
    std::uint16_t port_ = 0;
};

Figures run_ws_sending(LiveOptions const& options, fs::path const& folder, unsigned bytes) {
    WsPeer const peer(options.ws_module, folder, bytes, 0);
    Crowd crowd(peer.clients(options.sockets));
    crowd.join();
    return measure(peer, crowd, options.seconds, [](Seconds length) {
        std::this_thread::sleep_for(length);
    });
}

Figures run_ws_idle(LiveOptions const& options, fs::path const& folder) {
    WsPeer const peer(options.ws_module, folder, 0, 0);
    {
        Crowd first(peer.clients(100));
        first.join();
    }
    Crowd crowd(peer.clients(options.idle_sockets));
    return measure_idle(peer, crowd, options.idle_sockets);
}

template <std::size_t Count>
void print_run(
    std::string const& name,
    unsigned run,
    Figures const& figures,
    Column<Figures> const (&columns)[Count]
) {
    fmt::print("{:<20} run {}:", name, run);
    for (auto const& column : columns) {
        fmt::print("  {} {:.{}f}", column.title, figures.*column.field, column.digits);
    }
    fmt::print("\n");
    std::fflush(stdout);
}

template <std::size_t Count>
void print_medians(
    std::string const& name,
    std::vector<Figures> const& runs,
    Column<Figures> const (&columns)[Count]
) {
    fmt::print("{:<20} median:", name);
    for (auto const& column : columns) {
        auto const told = column.over(runs);
        fmt::print(
            "  {} {:.{}f} ({:.{}f}–{:.{}f})",
            column.title,
            told.median,
            column.digits,
            told.min,
            column.digits,
            told.max,
            column.digits
        );
    }
    fmt::print("\n");
    std::fflush(stdout);
}

/// Runs both sides of one scenario in turn.
class Bench {
public:
    Bench(LiveOptions options, fs::path folder)
        : options_(std::move(options)), folder_(std::move(folder)) {}

    void run(std::string const& scenario) {
        if (scenario == "fanout") {
            sending("fanout", 1, 8);
        } else if (scenario == "coalesced") {
            sending("coalesced", 16, 25);
        } else if (scenario == "delay") {
            repeat("delay", kDelay, [this](fs::path const& data) {
                return run_delay(options_, data);
            });
        } else {
            repeat(
                "idle",
                kMemory,
                [this](fs::path const& data) { return run_idle(options_, data); },
                [this](fs::path const& data) { return run_ws_idle(options_, data); }
            );
        }
    }

private:
    /// `ws` sends messages of the size that Guerdon's frames have, one frame each.
    void sending(std::string const& name, unsigned boards, unsigned interval_ms) {
        auto frame_bytes = std::make_shared<unsigned>(0);
        repeat(
            name,
            kSending,
            [=, this](fs::path const& data) {
                auto figures = run_sending(options_, data, boards, interval_ms);
                *frame_bytes = static_cast<unsigned>(figures.bytes_per_frame);
                return figures;
            },
            [=, this](fs::path const& data) { return run_ws_sending(options_, data, *frame_bytes); }
        );
    }

    fs::path fresh() {
        auto path = folder_ / fmt::format("run{}", ++folders_);
        fs::create_directory(path);
        return path;
    }

    template <std::size_t Count, typename Ours>
    void repeat(std::string const& name, Column<Figures> const (&columns)[Count], Ours ours) {
        repeat(name, columns, ours, nullptr);
    }

    template <std::size_t Count, typename Ours, typename Theirs>
    void repeat(
        std::string const& name, Column<Figures> const (&columns)[Count], Ours ours, Theirs theirs
    ) {
        std::vector<Figures> our_runs;
        std::vector<Figures> their_runs;
        for (unsigned run = 1; run <= options_.runs; ++run) {
            our_runs.push_back(ours(fresh() / "data"));
            print_run(name, run, our_runs.back(), columns);
            if constexpr (!std::is_same_v<Theirs, std::nullptr_t>) {
                if (options_.ws_module.empty()) continue;
                their_runs.push_back(theirs(fresh()));
                print_run(name + ", npm ws", run, their_runs.back(), columns);
            }
        }
        print_medians(name, our_runs, columns);
        if (!their_runs.empty()) print_medians(name + ", npm ws", their_runs, columns);
    }

    LiveOptions const options_;
    fs::path const folder_;
    unsigned folders_ = 0;
};

/// web/node_modules/ws of the checkout above `binary`, or nothing.
fs::path find_ws(fs::path const& binary) {
    for (auto folder = binary.parent_path(); folder.has_relative_path();
         folder = folder.parent_path()) {
        auto path = folder / "web" / "node_modules" / "ws";
        std::error_code ignored;
        if (fs::exists(path / "package.json", ignored)) return path;
    }
    return {};
}

void print_head(LiveOptions const& options) {
    auto const machine = describe_machine(options.folder);
    fmt::print(
        "guerdon bench live\nmachine   {}, {} cores, {:.0f} GiB, {}, {}\ncommit    {}\n",
        machine.cpu,
        machine.cores,
        machine.memory_gib,
        machine.kernel,
        machine.file_system,
        describe_commit()
    );
    fmt::print(
        "settings  sync on, one io thread, {} sockets ({} idle), {} runs of {:.0f} s after {} s "
        "warm-up; clients in a second process on the same cores\n",
        options.sockets,
        options.idle_sockets,
        options.runs,
        options.seconds,
        kWarmUpS
    );
    if (options.ws_module.empty()) {
        fmt::print(
            "          npm ws is not there and not measured: npm ci in web/, or --ws-module\n"
        );
    }
    std::fflush(stdout);
}

}  // namespace

std::vector<std::string> const& live_scenario_names() {
    static std::vector<std::string> const kNames = {"fanout", "coalesced", "delay", "idle"};
    return kNames;
}

int bench_live(LiveOptions const& asked) {
    try {
        auto options = asked;
        if (options.ws_module.empty()) options.ws_module = find_ws(self_path());
        print_head(options);
        allow_sockets(std::max(options.sockets, options.idle_sockets));
        TemporaryFolder const folder(options.folder);
        Bench bench(options, folder.path());
        for (auto const& scenario : options.scenarios)
            bench.run(scenario);
        return 0;
    } catch (std::exception const& error) {
        fmt::print(stderr, "bench live: {}\n", error.what());
        return 1;
    }
}

}  // namespace bench
