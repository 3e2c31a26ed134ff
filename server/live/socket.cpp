#include "server/live/socket.hpp"

#include <array>

#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/stream_traits.hpp>
#include <boost/beast/http/field.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "server/live/session.hpp"

namespace server::live {

namespace {

namespace websocket = boost::beast::websocket;
using net::error_code;
namespace asio = net::asio;

/// What a dead phone may hold of ours in the kernel, which doubles it.
constexpr int kSendBufferBytes = 16 * 1024;
constexpr int kNotSentBytes = 8 * 1024;
/// The kernel's bound on a peer that takes nothing; a session's own comes first, and says why.
constexpr unsigned kUserTimeoutMs = 75'000;
static_assert(kUserTimeoutMs > kStuckWriteMs + 2 * Wheel::kSlotMs);
/// Beast's own read buffer must take the handshake, and what came with it, whole.
constexpr std::size_t kHandshakeBytesMax = 1'400;
constexpr std::chrono::seconds kHandshakePatience{5};

void set_socket_options(net::TcpSocket& socket) {
    // Each is a bound on memory or time; a kernel that refuses one serves all the same.
    const int handle = socket.native_handle();
    ::setsockopt(handle, SOL_SOCKET, SO_SNDBUF, &kSendBufferBytes, sizeof kSendBufferBytes);
    ::setsockopt(handle, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kNotSentBytes, sizeof kNotSentBytes);
    ::setsockopt(handle, IPPROTO_TCP, TCP_USER_TIMEOUT, &kUserTimeoutMs, sizeof kUserTimeoutMs);
    const int on = 1;
    ::setsockopt(handle, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/// The buffers of the message being written; the memory is the socket's.
struct BufferSpan {
    using value_type = asio::const_buffer;
    using const_iterator = const asio::const_buffer*;
    const_iterator first = nullptr;
    const_iterator last = nullptr;
    [[nodiscard]] const_iterator begin() const { return first; }
    [[nodiscard]] const_iterator end() const { return last; }
};

/// A session's wire: Beast's WebSocket without deflate, straight on the socket. Idle it holds
/// Beast's state and a small buffer. Kept alive by the read that is always pending.
template <typename Stream>
class Socket final : public Link, public std::enable_shared_from_this<Socket<Stream>> {
public:
    Socket(Hub& hub, Stream stream, std::shared_ptr<void> place, const Arrival& arrival)
        : place_(std::move(place)),
          ws_(std::move(stream)),
          session_(std::make_shared<Session>(hub, *this, arrival.origin, arrival.peer)) {}

    void start(std::string handshake, bool full) {
        set_socket_options(lowest());
        ws_.set_option(websocket::stream_base::timeout{
            kHandshakePatience, websocket::stream_base::none(), false});
        ws_.set_option(websocket::stream_base::decorator([](websocket::response_type& answer) {
            answer.set(boost::beast::http::field::server, "guerdon");
        }));
        // Our own bound closes with 4501, on which a client stops; Beast's with 1009, on which it
        // would try again.
        ws_.read_message_max(0);
        ws_.auto_fragment(false);
        ws_.text(true);
        ws_.control_callback([this](websocket::frame_type kind, boost::beast::string_view) {
            if (kind == websocket::frame_type::close) {
                session_->on_peer_closes();
            } else {
                session_->on_control_frame();
            }
        });
        auto text = std::make_unique<const std::string>(std::move(handshake));
        const asio::const_buffer bytes(text->data(), text->size());
        ws_.async_accept(
            bytes,
            [self = this->shared_from_this(), text = std::move(text), full](error_code failure) {
                if (failure) return self->gone();
                if (full) {
                    self->session_->refuse_full();
                } else {
                    self->session_->start();
                }
                self->read();
            }
        );
    }

    void write(std::vector<Frame> frames) override {
        frames_ = std::move(frames);
        buffers_.clear();
        for (const Frame& frame : frames_) {
            if (!buffers_.empty()) {
                buffers_.emplace_back(kFrameSeparator.data(), kFrameSeparator.size());
            }
            if (frame.head) buffers_.emplace_back(frame.head->data(), frame.head->size());
            buffers_.emplace_back(frame.body->data(), frame.body->size());
        }
        ws_.async_write(
            BufferSpan{buffers_.data(), buffers_.data() + buffers_.size()},
            [self = this->shared_from_this()](error_code failure, std::size_t) {
                // An idle connection keeps nothing of what it sent.
                std::vector<Frame>().swap(self->frames_);
                std::vector<asio::const_buffer>().swap(self->buffers_);
                if (failure) return self->gone();
                self->session_->on_written();
            }
        );
    }

    void close(CloseCode code) override {
        ws_.async_close(
            websocket::close_reason(static_cast<std::uint16_t>(code)),
            [self = this->shared_from_this()](error_code) { self->gone(); }
        );
    }

    void cut() override {
        // What is pending fails, and its handler says that the connection is gone.
        error_code ignored;
        lowest().close(ignored);
    }

private:
    net::TcpSocket& lowest() { return boost::beast::get_lowest_layer(ws_); }

    void read() {
        ws_.async_read_some(
            asio::buffer(piece_),
            [self = this->shared_from_this()](error_code failure, std::size_t count) {
                if (failure) return self->gone();
                self->on_read(std::string_view(self->piece_.data(), count));
                self->read();
            }
        );
    }

    void on_read(std::string_view piece) {
        const bool bad = !ws_.got_text() || message_.size() + piece.size() > kInboundBytesMax;
        if (bad) {
            session_->on_bad_message();
            std::string().swap(message_);
        } else if (!ws_.is_message_done()) {
            message_ += piece;
        } else if (message_.empty()) {
            session_->on_message(piece);
        } else {
            message_ += piece;
            session_->on_message(message_);
            std::string().swap(message_);
        }
    }

    void gone() {
        if (std::exchange(gone_, true)) return;
        session_->on_gone();
        error_code ignored;
        lowest().close(ignored);
        place_.reset();
    }

    std::shared_ptr<void> place_;
    websocket::stream<Stream, false> ws_;
    const std::shared_ptr<Session> session_;
    std::array<char, 128> piece_;
    std::string message_;  ///< begun and not complete
    std::vector<Frame> frames_;
    std::vector<asio::const_buffer> buffers_;
    bool gone_ = false;
};

}  // namespace

void start_socket(Hub& hub, std::unique_ptr<net::UpgradedConnection> connection, Arrival arrival) {
    std::string bytes = std::move(arrival.handshake);
    bytes += connection->received;
    // Nobody sends this much before the answer to the handshake.
    if (bytes.size() > kHandshakeBytesMax) return;
    HubCounters::add(hub.counters.upgrades);
    std::visit(
        [&](auto& stream) {
            using Stream = std::remove_cvref_t<decltype(stream)>;
            std::make_shared<Socket<Stream>>(
                hub, std::move(stream), std::move(connection->place), arrival
            )
                ->start(std::move(bytes), arrival.full);
        },
        connection->stream
    );
}

}  // namespace server::live
