#include "tools/bench/load.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <ctime>
#include <deque>
#include <memory>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "tools/bench/http_reply.hpp"

namespace bench {

namespace {

constexpr std::string_view kApplied = R"("status":"applied")";
constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kDrainLimit = 30 * kSecond;

std::uint64_t now_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * kSecond +
           static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint64_t to_ns(double seconds) {
    return static_cast<std::uint64_t>(seconds * static_cast<double>(kSecond));
}

/// Owns a file descriptor.
class Descriptor {
public:
    explicit Descriptor(int fd = -1) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    Descriptor(Descriptor const&) = delete;
    Descriptor& operator=(Descriptor const&) = delete;
    ~Descriptor() {
        if (fd_ >= 0) {
            close(fd_);
        }
    }
    [[nodiscard]] int get() const { return fd_; }

private:
    int fd_;
};

/// xorshift64*: good enough to choose members, two nanoseconds a draw.
class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u + 1) {}
    std::uint64_t next() {
        state_ ^= state_ >> 12;
        state_ ^= state_ << 25;
        state_ ^= state_ >> 27;
        return state_ * 0x2545F4914F6CDD1Du;
    }

private:
    std::uint64_t state_;
};

struct Connection {
    Descriptor socket;
    std::vector<char> request;  ///< laid out once, then patched in place
    std::size_t body_at = 0;    ///< where the first event starts
    std::size_t sent = 0;
    std::vector<char> received;
    std::size_t received_bytes = 0;
    std::uint64_t began_ns = 0;  ///< of an open loop: when it was due
    bool busy = false;
    bool awaits_writable = false;
};

class Loader {
public:
    explicit Loader(LoadOptions const& options)
        : options_(options),
          event_(options.identity),
          random_(options.seed),
          next_(options.first_event) {}

    LoadResult run();

private:
    enum class Phase { warm_up, measure, drain };

    bool open();
    bool connect_one(Connection& connection);
    void lay_out(Connection& connection) const;
    void fill(Connection& connection);
    void start_request(Connection& connection, std::uint64_t due_ns);
    void send_some(Connection& connection);
    void receive(Connection& connection);
    void finish(Connection& connection, Reply const& reply);
    void lost(std::string const& what);
    void start_due(std::uint64_t now);
    void arm_timer(std::uint64_t now);
    void advance_phase(std::uint64_t now);
    void refresh_time(std::uint64_t now);
    [[nodiscard]] bool may_send() const;
    [[nodiscard]] std::uint64_t due_at(std::uint64_t arrival) const;
    [[nodiscard]] bool is_open_loop() const { return options_.requests_per_s > 0; }
    [[nodiscard]] std::uint64_t choose_member();

    LoadOptions const& options_;
    EventTemplate const event_;
    Random random_;
    Descriptor epoll_;
    Descriptor timer_;
    std::vector<Connection> connections_;
    std::vector<Connection*> idle_;  ///< of an open loop
    std::string time_ = rfc3339(0);
    std::uint64_t time_until_ns_ = 0;
    std::uint64_t start_ns_ = 0;
    std::uint64_t phase_until_ns_ = 0;
    std::uint64_t measure_begin_ns_ = 0;
    std::uint64_t arrivals_ = 0;
    std::uint64_t next_;
    std::size_t busy_ = 0;
    Phase phase_ = Phase::warm_up;
    bool stop_ = false;
    LoadResult result_;
};

bool Loader::open() {
    epoll_ = Descriptor(epoll_create1(EPOLL_CLOEXEC));
    connections_.resize(options_.connections);
    for (auto& connection : connections_) {
        if (!connect_one(connection)) {
            result_.failure = std::string("connect: ") + std::strerror(errno);
            return false;
        }
        lay_out(connection);
        connection.received.resize(options_.batch == 1 ? 4096 : std::size_t{512} * options_.batch);
    }
    if (is_open_loop()) {
        timer_ = Descriptor(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
        epoll_event interest{};
        interest.events = EPOLLIN;
        interest.data.ptr = nullptr;
        epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, timer_.get(), &interest);
    }
    return true;
}

bool Loader::connect_one(Connection& connection) {
    connection.socket = Descriptor(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int const fd = connection.socket.get();
    if (fd < 0 || connect(fd, reinterpret_cast<sockaddr const*>(&address), sizeof address) != 0) {
        return false;
    }
    int const on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    epoll_event interest{};
    interest.events = EPOLLIN;
    interest.data.ptr = &connection;
    return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &interest) == 0;
}

void Loader::lay_out(Connection& connection) const {
    bool const is_batch = options_.batch > 1;
    auto const body_bytes = is_batch ? options_.batch * (event_.size() + 1) + 1 : event_.size();
    std::string text = "POST /v1/programs/" + options_.program +
                       "/events HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(options_.port) +
                       "\r\nAuthorization: Bearer " + options_.key +
                       "\r\nContent-Type: application/cloudevents" + (is_batch ? "-batch" : "") +
                       "+json\r\nContent-Length: " + std::to_string(body_bytes) + "\r\n\r\n";
    connection.body_at = text.size() + (is_batch ? 1 : 0);
    for (unsigned i = 0; i < options_.batch; ++i) {
        if (is_batch) {
            text += i == 0 ? '[' : ',';
        }
        text += event_.text();
    }
    if (is_batch) {
        text += ']';
    }
    connection.request.assign(text.begin(), text.end());
}

std::uint64_t Loader::choose_member() {
    switch (options_.choice) {
        case LoadOptions::Members::uniform: return 1 + random_.next() % options_.members;
        case LoadOptions::Members::one_hot: return 1;
        case LoadOptions::Members::in_order:
            return 1 + (next_ - options_.first_event) % options_.members;
    }
    return 1;
}

void Loader::fill(Connection& connection) {
    char* at = connection.request.data() + connection.body_at;
    for (unsigned i = 0; i < options_.batch; ++i) {
        EventValues values;
        values.member = choose_member();
        values.number = next_++;
        values.noise = static_cast<std::uint32_t>(random_.next() >> 32);
        event_.patch(at, values, time_);
        at += event_.size() + 1;
    }
}

bool Loader::may_send() const {
    if (stop_ || phase_ == Phase::drain) {
        return false;
    }
    return options_.events_max == 0 || next_ - options_.first_event < options_.events_max;
}

void Loader::start_request(Connection& connection, std::uint64_t due_ns) {
    fill(connection);
    connection.sent = 0;
    connection.received_bytes = 0;
    connection.began_ns = due_ns;
    connection.busy = true;
    ++busy_;
    send_some(connection);
}

void Loader::send_some(Connection& connection) {
    auto& sent = connection.sent;
    while (sent < connection.request.size()) {
        auto const count = send(
            connection.socket.get(),
            connection.request.data() + sent,
            connection.request.size() - sent,
            MSG_NOSIGNAL
        );
        if (count < 0) {
            if (errno == EAGAIN || errno == EINTR) {
                break;
            }
            lost(std::string("send: ") + std::strerror(errno));
            return;
        }
        sent += static_cast<std::size_t>(count);
    }
    bool const unfinished = sent < connection.request.size();
    if (unfinished != connection.awaits_writable) {
        connection.awaits_writable = unfinished;
        epoll_event interest{};
        interest.events = unfinished ? EPOLLIN | EPOLLOUT : EPOLLIN;
        interest.data.ptr = &connection;
        epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection.socket.get(), &interest);
    }
}

void Loader::receive(Connection& connection) {
    auto& buffer = connection.received;
    if (connection.received_bytes == buffer.size()) {
        buffer.resize(buffer.size() * 2);
    }
    auto const count = recv(
        connection.socket.get(),
        buffer.data() + connection.received_bytes,
        buffer.size() - connection.received_bytes,
        0
    );
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (count <= 0) {
        lost(
            count == 0 ? "the server closed the connection"
                       : std::string("recv: ") + std::strerror(errno)
        );
        return;
    }
    connection.received_bytes += static_cast<std::size_t>(count);
    auto const reply = parse_reply({buffer.data(), connection.received_bytes});
    if (reply) {
        finish(connection, *reply);
    }
}

void Loader::finish(Connection& connection, Reply const& reply) {
    if (reply.status == 503 && options_.patient) {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        connection.sent = 0;
        connection.received_bytes = 0;
        send_some(connection);
        return;
    }
    auto const applied = reply.status == 200 ? count_of(reply.body, kApplied) : 0;
    if (applied != options_.batch) {
        result_.failure = "answer " + std::to_string(reply.status) + ", " +
                          std::to_string(applied) + " of " + std::to_string(options_.batch) +
                          " applied: " + std::string(reply.body.substr(0, 300));
        stop_ = true;
        return;
    }
    auto const now = now_ns();
    connection.busy = false;
    --busy_;
    result_.acknowledged += options_.batch;
    if (phase_ == Phase::measure) {
        result_.events += options_.batch;
        ++result_.requests;
        result_.latency.record(now - std::min(now, connection.began_ns));
    }
    advance_phase(now);
    if (is_open_loop()) {
        idle_.push_back(&connection);
        start_due(now);
    } else if (may_send()) {
        start_request(connection, now);
    }
}

void Loader::lost(std::string const& what) {
    stop_ = true;
    if (options_.on_disconnect == LoadOptions::OnDisconnect::fail && result_.failure.empty()) {
        result_.failure = what;
    }
}

std::uint64_t Loader::due_at(std::uint64_t arrival) const {
    return start_ns_ + to_ns(static_cast<double>(arrival) / options_.requests_per_s);
}

/// Open loop: an arrival that finds every connection busy waits, and its waiting counts.
void Loader::start_due(std::uint64_t now) {
    while (!idle_.empty() && may_send() && due_at(arrivals_) <= now) {
        auto* const connection = idle_.back();
        idle_.pop_back();
        start_request(*connection, due_at(arrivals_++));
    }
    arm_timer(now);
}

void Loader::arm_timer(std::uint64_t now) {
    if (idle_.empty() || !may_send()) {
        return;
    }
    auto const due = std::max(due_at(arrivals_), now + 1);
    itimerspec at{};
    at.it_value.tv_sec = static_cast<time_t>(due / kSecond);
    at.it_value.tv_nsec = static_cast<long>(due % kSecond);
    timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &at, nullptr);
}

void Loader::refresh_time(std::uint64_t now) {
    if (now >= time_until_ns_) {
        time_ = rfc3339(static_cast<std::int64_t>(std::time(nullptr)));
        time_until_ns_ = now + kSecond / 2;
    }
}

void Loader::advance_phase(std::uint64_t now) {
    refresh_time(now);
    if (now < phase_until_ns_) {
        return;
    }
    if (phase_ == Phase::warm_up) {
        if (options_.on_measure_begin) {
            options_.on_measure_begin();
        }
        phase_ = Phase::measure;
        measure_begin_ns_ = now_ns();
        phase_until_ns_ = measure_begin_ns_ + to_ns(options_.measured_s);
    } else if (phase_ == Phase::measure) {
        result_.seconds =
            static_cast<double>(now - measure_begin_ns_) / static_cast<double>(kSecond);
        if (options_.on_measure_end) {
            options_.on_measure_end();
        }
        phase_ = Phase::drain;
        phase_until_ns_ = now + kDrainLimit;
    } else {
        result_.failure = "answers missing 30 s after the end";
        stop_ = true;
    }
}

LoadResult Loader::run() {
    if (!open()) {
        return std::move(result_);
    }
    start_ns_ = now_ns();
    phase_until_ns_ = start_ns_ + to_ns(options_.warm_up_s);
    advance_phase(start_ns_);
    for (auto& connection : connections_) {
        if (is_open_loop()) {
            idle_.push_back(&connection);
        } else if (may_send()) {
            start_request(connection, now_ns());
        }
    }
    if (is_open_loop()) {
        start_due(now_ns());
    }
    std::array<epoll_event, 256> ready{};
    while (!stop_ && (busy_ > 0 || may_send())) {
        auto const count =
            epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), 100);
        for (int i = 0; i < count && !stop_; ++i) {
            auto const& event = ready[static_cast<std::size_t>(i)];
            auto* const connection = static_cast<Connection*>(event.data.ptr);
            if (connection == nullptr) {
                std::uint64_t expirations = 0;
                [[maybe_unused]] auto const ignored =
                    read(timer_.get(), &expirations, sizeof expirations);
                start_due(now_ns());
                continue;
            }
            if ((event.events & EPOLLOUT) != 0) {
                send_some(*connection);
            }
            if ((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
                receive(*connection);
            }
        }
        advance_phase(now_ns());
    }
    if (phase_ == Phase::measure) {
        result_.seconds =
            static_cast<double>(now_ns() - measure_begin_ns_) / static_cast<double>(kSecond);
        if (options_.on_measure_end) {
            options_.on_measure_end();
        }
    }
    result_.next_event = next_;
    return std::move(result_);
}

}  // namespace

LoadResult run_load(LoadOptions const& options) {
    return Loader(options).run();
}

}  // namespace bench
