#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace bench {

/// What a crowd's sockets were sent. A message is one WebSocket message; of Guerdon it may hold
/// several frames, one a line.
struct Received {
    std::uint64_t messages = 0;
    std::uint64_t frames = 0;
    std::uint64_t payload_bytes = 0;
};

/// Many WebSocket clients of one server on 127.0.0.1, without TLS and deflate, in one epoll loop.
/// Each says `greeting` once it is connected. Errors are std::runtime_error. One thread, but for
/// what is said otherwise.
class Crowd {
public:
    struct Options {
        std::uint16_t port = 0;
        std::string path = "/";
        std::string greeting;  ///< the first message; empty: none
        std::string welcome;   ///< part of the message after which a socket counts as joined;
                               ///< empty: the handshake alone
        unsigned sockets = 1'000;
        double upgrades_per_s = 2'000;
        bool note_positions = false;  ///< keep every `as_of` with the time when it came
    };

    explicit Crowd(Options options);
    ~Crowd();
    Crowd(Crowd const&) = delete;
    Crowd& operator=(Crowd const&) = delete;

    /// Connects all and waits until all have joined. Throws after 60 s, or if one is refused.
    void join();
    /// Receives until `stop`. Throws if a socket is lost.
    void receive(std::atomic<bool> const& stop);

    /// Any thread.
    [[nodiscard]] Received received() const;

    struct Sighting {
        std::uint64_t as_of;
        std::uint64_t at_ns;  ///< of now_ns()
    };
    /// By socket, in the order they came; after `receive`.
    [[nodiscard]] std::vector<std::vector<Sighting>> const& sightings() const { return sightings_; }

    /// The monotonic clock of the sightings.
    [[nodiscard]] static std::uint64_t now_ns();

private:
    struct Socket;

    void connect_one();
    void turn(int wait_ms);
    void read(Socket& socket);
    void take(Socket& socket, std::string_view bytes);
    std::string_view take_handshake(Socket& socket, std::string_view bytes);
    std::string_view take_frame(Socket& socket, std::string_view bytes);
    void on_payload(Socket& socket, std::string_view part, bool is_last);
    void on_joined(Socket& socket);
    void say(Socket& socket, std::string_view text);

    Options const options_;
    int epoll_ = -1;
    std::vector<std::unique_ptr<Socket>> sockets_;
    std::vector<std::vector<Sighting>> sightings_;
    std::vector<char> buffer_;
    std::size_t joined_ = 0;
    std::atomic<std::uint64_t> messages_{0};
    std::atomic<std::uint64_t> frames_{0};
    std::atomic<std::uint64_t> payload_bytes_{0};
};

}  // namespace bench
