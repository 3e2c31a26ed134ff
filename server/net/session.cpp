#include "server/net/session.hpp"

#include <array>
#include <charconv>
#include <exception>

#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "ledger/base/invariant.hpp"
#include "server/net/byte_buffer.hpp"
#include "server/net/head_parser.hpp"
#include "server/net/upgrade.hpp"

namespace server::net {

namespace {

using TlsStream = asio::ssl::stream<TcpSocket>;
using ledger::ErrorCode;

constexpr std::size_t kReadBytes = 4 * 1024;
constexpr std::size_t kBodyReadBytes = 64 * 1024;
constexpr std::size_t kStreamReadBytes = 16 * 1024;
/// Buffers above this are given back between requests.
constexpr std::size_t kKeptBytes = 16 * 1024;
/// What is read and thrown away after a refusal, so that the client can read the answer before a
/// reset reaches it.
constexpr std::size_t kLingerBytesMax = 16 * 1024 * 1024;
constexpr SteadyMs kLingerMs = 2'000;
/// A TLS record holds 16 KiB; smaller bodies are copied behind the head to share one.
constexpr std::size_t kTlsJoinBytes = 15 * 1024;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::string_view kLastChunk = "0\r\n\r\n";

template <typename Number>
void append_number(std::string& out, Number number, int base = 10) {
    std::array<char, 20> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, base).ptr;
    out.append(digits.data(), end);
}

bool has_no_payload(int status) {
    return status == 204 || status == 304 || status / 100 == 1;
}

}  // namespace

void append_response_head(
    std::string& out, const Response& response, std::string_view date, std::string_view framing
) {
    out += "HTTP/1.1 ";
    append_number(out, response.status);
    out.push_back(' ');
    out += reason_phrase(response.status);
    out += "\r\nDate: ";
    out += date;
    if (!response.content_type.empty()) {
        out += "\r\nContent-Type: ";
        out += response.content_type;
    }
    out += "\r\n";
    out += response.header_lines;
    out += framing;
    out += "\r\n";
}

namespace {

/// One connection: reads a request, has it answered, writes the answer, and again. A state machine
/// driven by `step`, which loops until it has to wait for the socket or for the application. One
/// request at a time: pipelined ones wait in the read buffer, so answers keep the order and the
/// buffer bounds them.
template <typename Stream>
class Session final : public ResponseSink,
                      public Connection,
                      public HeadParser::BodySink,
                      public std::enable_shared_from_this<Session<Stream>> {
    static constexpr bool kTls = std::is_same_v<Stream, TlsStream>;

    enum class State : std::uint8_t {
        handshake,  // TLS
        head,       // waiting for, or reading, a request head
        body,       // reading a body into body_
        handling,   // the application has the request
        writing,    // one answer of known length is on its way
        streaming,  // body pieces go in, or answer pieces go out, or both
        lingering,  // answered and shut down; reading what the client still sends
        closed,
    };

    /// The far end of a StreamWriter.
    class Outlet final : public StreamSink {
    public:
        explicit Outlet(std::shared_ptr<Session> session) : session_(std::move(session)) {}

        void write(std::string part) override {
            if (closed()) return;
            buffered_.fetch_add(part.size(), std::memory_order_relaxed);
            dispatch([part = std::move(part)](Session& session) mutable {
                session.on_stream_part(std::move(part));
            });
        }
        void finish() override {
            dispatch([](Session& session) { session.on_stream_finished(); });
        }
        void abort() override {
            dispatch([](Session& session) { session.close(); });
        }
        [[nodiscard]] std::size_t buffered_bytes() const override {
            return buffered_.load(std::memory_order_relaxed);
        }
        [[nodiscard]] bool closed() const override {
            return closed_.load(std::memory_order_relaxed);
        }

        void written(std::size_t bytes) { buffered_.fetch_sub(bytes, std::memory_order_relaxed); }
        void mark_closed() { closed_.store(true, std::memory_order_relaxed); }

    private:
        template <typename Work>
        void dispatch(Work work) {
            if (session_->thread_->on_this_thread() && session_->outlet_.get() == this) {
                work(*session_);
                return;
            }
            // The outlet keeps itself alive: the session may be at its next request by then.
            session_->thread_->push([session = session_, self = this, work = std::move(work)](
                                    ) mutable {
                if (session->outlet_.get() == self) work(*session);
            });
        }

        std::shared_ptr<Session> session_;
        std::atomic<std::size_t> buffered_{0};
        std::atomic<bool> closed_{false};
    };

public:
    Session(
        std::shared_ptr<IoThread> thread,
        std::shared_ptr<SessionShared> shared,
        Stream stream,
        Admission admission
    )
        : thread_(std::move(thread)),
          shared_(std::move(shared)),
          stream_(std::move(stream)),
          admission_(admission) {}

    ~Session() override { leave(); }

    void start() {
        error_code ignored;
        const auto endpoint = socket().remote_endpoint(ignored);
        if (!ignored) peer_ = endpoint.address().to_string(ignored);
        socket().set_option(asio::ip::tcp::no_delay(true), ignored);
        socket().non_blocking(true, ignored);
        if (!shared_->trusted_proxies.empty()) {
            const auto address = IpAddress::parse(peer_);
            if (address) {
                for (const Cidr& network : shared_->trusted_proxies) {
                    peer_is_proxy_ = peer_is_proxy_ || network.contains(*address);
                }
            }
        }
        thread_->enlist(*this);
        if (thread_->draining()) return close();
        arm(shared_->limits.header_timeout);
        if (admission_ == Admission::refuse_overloaded) {
            refuse(ErrorCode::overloaded);
            return;
        }
        if constexpr (kTls) {
            state_ = State::handshake;
            stream_.async_handshake(
                asio::ssl::stream_base::server,
                [self = this->shared_from_this()](error_code failure) {
                    if (failure || self->state_ == State::closed) return self->close();
                    self->state_ = State::head;
                    self->step();
                }
            );
        } else {
            state_ = State::head;
            step();
        }
    }

    // ResponseSink

    void deliver(Response response) override {
        if (thread_->on_this_thread()) {
            on_answer(std::move(response));
            return;
        }
        thread_->push([self = this->shared_from_this(), response = std::move(response)]() mutable {
            self->on_answer(std::move(response));
        });
    }

    StreamWriter deliver_stream(Response head) override {
        auto outlet = std::make_shared<Outlet>(this->shared_from_this());
        if (thread_->on_this_thread()) {
            on_stream_begun(std::move(head), outlet);
        } else {
            thread_->push([self = this->shared_from_this(), head = std::move(head), outlet](
                          ) mutable { self->on_stream_begun(std::move(head), std::move(outlet)); });
        }
        return StreamWriter(std::move(outlet));
    }

    void abandon() noexcept override {
        try {
            deliver(shared_->handler->error(ErrorCode::internal));
        } catch (const std::exception&) {
            // Out of memory while giving up: the deadline of the state closes the connection.
            return;
        }
    }

    [[nodiscard]] IoQueue* queue() const override { return thread_.get(); }

    // Connection

    void on_deadline() override {
        const auto self = this->shared_from_this();
        if (writing_ && unsent_bytes() < unsent_before_) {
            // A slow reader, but reading: the kernel's buffer empties, if too slowly to take more.
            return arm_write();
        }
        IoThread::count(thread_->counters.timeouts);
        if (state_ == State::body) {
            abort_body(ErrorCode::request_timeout);
            refuse(ErrorCode::request_timeout);
            step();
        } else if (state_ == State::streaming && !body_done_ && !writing_) {
            // Given up before, and still its handler has not ended the answer.
            if (outlet_ && !body_stream_) return close();
            abort_body(ErrorCode::request_timeout);
            if (outlet_) {
                arm(shared_->limits.write_timeout);
            } else {
                refuse(ErrorCode::request_timeout);
            }
            step();
        } else {
            close();
        }
    }

    void begin_drain() override {
        const auto self = this->shared_from_this();
        // A request that is already in the kernel's buffer is still served.
        error_code ignored;
        const bool idle = state_ == State::head && !head_begun_ && socket().available(ignored) == 0;
        if (idle) close();
        if (state_ == State::handshake) close();
    }

    void cut() override {
        const auto self = this->shared_from_this();
        close();
    }

    // HeadParser::BodySink

    bool on_body_announced(std::uint64_t bytes) override {
        if (bytes > plan_limit_ - body_taken_) return false;
        body_taken_ += bytes;
        return true;
    }

    void on_body_part(std::string_view part) override {
        if (state_ == State::streaming) {
            feed(part);
        } else {
            body_.append(part);
        }
    }

private:
    TcpSocket& socket() {
        if constexpr (kTls) {
            return stream_.next_layer();
        } else {
            return stream_;
        }
    }

    void arm(std::chrono::milliseconds timeout) {
        this->deadline = steady_now_ms() + timeout.count();
    }
    void arm_write() {
        unsent_before_ = unsent_bytes();
        arm(shared_->limits.write_timeout);
    }
    /// Bytes that the client has not acknowledged yet.
    int unsent_bytes() {
        int bytes = 0;
        return ::ioctl(socket().native_handle(), SIOCOUTQ, &bytes) == 0 ? bytes : 0;
    }
    void disarm() { this->deadline = kNoDeadline; }

    void leave() {
        if (std::exchange(left_, true)) return;
        auto& counter = admission_ == Admission::serve ? shared_->open : shared_->refusing;
        counter.fetch_sub(1, std::memory_order_relaxed);
    }

    // ---- the state machine ----

    /// Not re-entered: what the application does inside a call from here is picked up by the loop.
    void step() {
        if (stepping_) return;
        stepping_ = true;
        while (advance()) {
        }
        stepping_ = false;
    }

    /// One move. False: wait for a completion.
    bool advance() {
        switch (state_) {
            case State::handshake: return false;
            case State::head: return advance_head();
            case State::body: return advance_body();
            case State::handling: return advance_handling();
            case State::writing: return advance_writing();
            case State::streaming: return advance_streaming();
            case State::lingering: return advance_lingering();
            case State::closed: return false;
        }
        return false;
    }

    bool advance_head() {
        if (writing_ || reading_) return false;
        if (input_.empty()) {
            if (thread_->draining()) {
                close();
                return false;
            }
            return wait_for_input(kReadBytes);
        }
        if (!head_begun_) {
            head_begun_ = true;
            arm(shared_->limits.header_timeout);
            store_.clear();
            header_bytes_ = 0;
            request_ = Request{};
            parser_.emplace(store_, *this);
            // Counted here, over all reads; the parser counts each read anew.
            parser_->header_limit(static_cast<std::uint32_t>(
                std::min<std::size_t>(2 * shared_->limits.header_bytes_max + kKeptBytes, UINT32_MAX)
            ));
        }
        return parse_head();
    }

    bool parse_head() {
        error_code failure;
        const std::size_t used =
            parser_->put(asio::const_buffer(input_.data(), input_.size()), failure);
        input_.consume(used);
        header_bytes_ += used;
        const std::size_t limit = shared_->limits.header_bytes_max;
        const bool need_more = failure == boost::beast::http::error::need_more;
        if (need_more && header_bytes_ + input_.size() <= limit) return wait_for_input(kReadBytes);
        if (need_more || header_bytes_ > limit ||
            failure == boost::beast::http::error::header_limit) {
            return refuse(ErrorCode::headers_too_large);
        }
        if (failure || !store_.publish(request_, parser_->http_1_1())) return refuse_malformed();
        return begin_request();
    }

    bool refuse_malformed() {
        IoThread::count(thread_->counters.malformed);
        return refuse(ErrorCode::malformed_http);
    }

    bool begin_request() {
        IoThread::count(thread_->counters.requests);
        head_begun_ = false;
        keep_alive_ = parser_->keep_alive();
        http_1_1_ = parser_->http_1_1();
        request_.peer = peer_;
        request_.secure = kTls;
        if (peer_is_proxy_) believe_proxy();
        const bool has_body = request_.chunked || request_.content_length.value_or(0) > 0;
        body_done_ = !has_body;
        body_taken_ = 0;
        body_.clear();
        disarm();

        BodyPlan plan;
        try {
            plan = shared_->handler->plan(request_);
        } catch (const std::exception&) {
            plan = BodyPlan::reject(shared_->handler->error(ErrorCode::internal));
        }
        plan_limit_ = plan.limit_bytes;
        rejected_ = plan.kind == BodyPlan::Kind::reject;
        if (rejected_) return reject(std::move(plan.rejection), has_body);
        if (request_.content_length.value_or(0) > plan_limit_)
            return refuse(ErrorCode::body_too_large);
        if (plan.kind == BodyPlan::Kind::upgrade) {
            // What follows the head would be neither a body nor the other protocol.
            return has_body ? refuse_malformed() : hand_off();
        }
        if (plan.kind == BodyPlan::Kind::stream) return open_body_stream(has_body);
        if (!has_body) return hand_over();
        return begin_body();
    }

    /// The socket leaves this session, which ends here. Nothing is being read or written: a head
    /// is looked at only then.
    bool hand_off() {
        auto connection = std::make_unique<UpgradedConnection>(UpgradedConnection{
            thread_,
            std::move(stream_),
            std::string(input_.view()),
            std::shared_ptr<void>(shared_.get(), [shared = shared_](void*) {
                shared->open.fetch_sub(1, std::memory_order_relaxed);
            })});
        left_ = true;
        state_ = State::closed;
        thread_->delist(*this);
        try {
            shared_->handler->upgrade(request_, std::move(connection));
        } catch (const std::exception&) {
            // The connection was dropped on the way up, which closed it.
            return false;
        }
        return false;
    }

    /// A small body is read and dropped, so that the connection can go on.
    bool reject(Response response, bool has_body) {
        answer_ = std::move(response);
        const bool droppable = request_.content_length.value_or(kBodyReadBytes) < kBodyReadBytes &&
                               request_.header("expect").empty();
        if (has_body && droppable) return begin_body();
        return write_answer();
    }

    void believe_proxy() {
        request_.peer =
            caller_address(peer_, request_.header("x-forwarded-for"), shared_->trusted_proxies);
        request_.secure = equals_ignoring_case(request_.header("x-forwarded-proto"), "https");
    }

    bool begin_body() {
        state_ = State::body;
        if (request_.content_length) {
            const auto length = static_cast<std::size_t>(*request_.content_length);
            // The memory follows what has arrived, not what was announced.
            body_.reserve(std::min(length, kBodyReadBytes));
            take_body_bytes(length);
            if (body_.size() == length) return finish_body();
        }
        arm(shared_->limits.body_timeout);
        send_continue();
        return true;
    }

    void take_body_bytes(std::size_t length) {
        const std::size_t count = std::min(input_.size(), length - body_.size());
        if (count == 0) return;
        body_.append(input_.view().substr(0, count));
        input_.consume(count);
    }

    bool advance_body() {
        if (reading_) return false;
        if (!request_.content_length) return advance_chunked_body();
        const auto length = static_cast<std::size_t>(*request_.content_length);
        take_body_bytes(length);
        if (body_.size() == length) return finish_body();
        const std::size_t missing = length - body_.size();
        if (body_.tail_bytes() == 0) {
            body_.reserve(std::min(missing, std::max(kBodyReadBytes, body_.size())));
        }
        read_into_body(std::min(missing, body_.tail_bytes()));
        return false;
    }

    bool advance_chunked_body() {
        switch (parse_chunks()) {
            case Chunks::need_more: return wait_for_input(kStreamReadBytes);
            case Chunks::done: return finish_body();
            case Chunks::too_large: return refuse(ErrorCode::body_too_large);
            case Chunks::malformed: return refuse_malformed();
            case Chunks::paused: return false;
        }
        return false;
    }

    bool finish_body() {
        body_done_ = true;
        if (rejected_) return write_answer();
        return hand_over();
    }

    bool hand_over() {
        disarm();
        state_ = State::handling;
        if (body_.capacity() == 0) body_.reserve(1);
        request_.body = body_.view();
        Respond respond(this->shared_from_this());
        try {
            shared_->handler->handle(request_, std::move(respond));
        } catch (const std::exception&) {
            // `respond` was destroyed on the way up, which answered 500 internal.
            return true;
        }
        return true;
    }

    bool advance_handling() {
        if (!answered_) return false;
        return write_answer();
    }

    // ---- chunked bodies ----

    enum class Chunks : std::uint8_t { need_more, done, too_large, malformed, paused };

    Chunks parse_chunks() {
        const State state = state_;
        while (!input_.empty()) {
            // The application may answer, or have enough, in the middle of a body.
            if (state_ != state || (body_stream_ && must_pause())) return Chunks::paused;
            error_code failure;
            const std::size_t used =
                parser_->put(asio::const_buffer(input_.data(), input_.size()), failure);
            input_.consume(used);
            if (failure == boost::beast::http::error::body_limit) return Chunks::too_large;
            if (failure == boost::beast::http::error::need_more) {
                // A chunk's line, or the trailers, may not outgrow a header.
                const bool outgrown = input_.size() > shared_->limits.header_bytes_max;
                return outgrown ? Chunks::malformed : Chunks::need_more;
            }
            if (failure) return Chunks::malformed;
            if (parser_->is_done()) return Chunks::done;
        }
        return Chunks::need_more;
    }

    // ---- answers of known length ----

    void on_answer(Response response) {
        if (!awaits_answer()) return;
        answer_ = std::move(response);
        answered_ = true;
        if (state_ == State::streaming) {
            body_stream_.reset();
            state_ = State::handling;
        }
        step();
    }

    /// False once the session has answered in the application's stead, or the client is gone.
    [[nodiscard]] bool awaits_answer() const {
        return !answered_ && !outlet_ && (state_ == State::handling || state_ == State::streaming);
    }

    /// Answers an error and closes.
    bool refuse(ErrorCode code) {
        disarm();
        body_done_ = false;
        keep_alive_ = false;
        Response response = shared_->handler->error(code);
        response.close = true;
        state_ = State::handling;
        answer_ = std::move(response);
        answered_ = true;
        if (!stepping_) step();
        return true;
    }

    void send_continue() {
        if (!http_1_1_ || !input_.empty() || writing_) return;
        if (!equals_ignoring_case(request_.header("expect"), "100-continue")) return;
        out_.assign(kContinue);
        writing_ = true;
        asio::async_write(
            stream_,
            asio::buffer(out_),
            [self = this->shared_from_this()](error_code failure, std::size_t) {
                self->writing_ = false;
                if (failure) return self->close();
                self->step();
            }
        );
    }

    [[nodiscard]] bool must_close() const {
        return answer_.close || !keep_alive_ || !body_done_ || thread_->draining();
    }

    void append_framing(std::string& framing, std::string_view length_line) {
        framing += length_line;
        if (closing_) {
            framing += "Connection: close\r\n";
        } else if (!http_1_1_) {
            framing += "Connection: keep-alive\r\n";
        }
    }

    bool write_answer() {
        if (writing_) {
            state_ = State::handling;
            return false;
        }
        answered_ = false;
        state_ = State::writing;
        closing_ = must_close();
        framing_.clear();
        const bool bare = has_no_payload(answer_.status);
        const std::string_view payload = bare ? std::string_view{} : answer_.payload();
        if (!bare) {
            framing_ += "Content-Length: ";
            append_number(framing_, payload.size());
            framing_ += "\r\n";
        }
        append_framing(framing_, {});
        out_.clear();
        append_response_head(out_, answer_, thread_->date(), framing_);
        send(request_.method == Method::head ? std::string_view{} : payload);
        return true;
    }

    /// Sends out_ and `payload` with as few system calls as possible.
    void send(std::string_view payload) {
        if constexpr (kTls) {
            if (payload.size() <= kTlsJoinBytes) {
                out_ += payload;
                payload = {};
            }
        }
        std::array<asio::const_buffer, 2> parts{
            asio::const_buffer(out_.data(), out_.size()),
            asio::const_buffer(payload.data(), payload.size())};
        if constexpr (!kTls) {
            // Nearly always the socket takes it all at once; asking it directly saves a round
            // through the scheduler.
            error_code failure;
            const std::size_t sent = stream_.write_some(parts, failure);
            if (!failure && sent == out_.size() + payload.size()) return;
            if (failure && failure != asio::error::would_block &&
                failure != asio::error::try_again) {
                broken_ = true;
                return;
            }
            const std::size_t from_head = std::min(sent, out_.size());
            parts[0] += from_head;
            parts[1] += sent - from_head;
        }
        writing_ = true;
        arm_write();
        write_rest(parts[0], parts[1]);
    }

    /// Like asio::async_write, but each progress moves the deadline.
    void write_rest(asio::const_buffer first, asio::const_buffer second) {
        const std::array<asio::const_buffer, 2> parts{first, second};
        stream_.async_write_some(
            parts,
            [self = this->shared_from_this(),
             first,
             second](error_code failure, std::size_t sent) mutable {
                if (failure) {
                    self->writing_ = false;
                    return self->close();
                }
                const std::size_t from_first = std::min(sent, first.size());
                first += from_first;
                second += sent - from_first;
                if (self->state_ != State::closed && first.size() + second.size() > 0) {
                    self->arm_write();
                    return self->write_rest(first, second);
                }
                self->writing_ = false;
                self->disarm();
                self->step();
            }
        );
    }

    bool advance_writing() {
        if (broken_) {
            close();
            return false;
        }
        if (writing_) return false;
        answer_ = Response{};
        end_request();
        return true;
    }

    void end_request() {
        body_stream_.reset();
        if (outlet_) {
            outlet_->mark_closed();
            outlet_.reset();
        }
        if (!reading_) {
            // A read that a refusal left behind still writes into one of them.
            body_.clear();
            body_.shrink(kKeptBytes);
            input_.shrink(kKeptBytes);
        }
        if (out_.capacity() > kKeptBytes) std::string().swap(out_);
        if (closing_) return begin_linger();
        state_ = State::head;
        arm(shared_->limits.idle_timeout);
    }

    // ---- streams ----

    bool open_body_stream(bool has_body) {
        state_ = State::streaming;
        answer_finished_ = false;
        last_chunk_sent_ = false;
        end_told_ = false;
        Respond respond(this->shared_from_this());
        try {
            body_stream_ = shared_->handler->open_stream(request_, std::move(respond));
        } catch (const std::exception&) {
            return true;
        }
        if (state_ != State::streaming) body_stream_.reset();
        if (body_stream_ && has_body) {
            arm(shared_->limits.body_timeout);
            send_continue();
        }
        return true;
    }

    void on_stream_begun(Response head, std::shared_ptr<Outlet> outlet) {
        if (!awaits_answer()) return outlet->mark_closed();
        outlet_ = std::move(outlet);
        if (state_ != State::streaming) {
            state_ = State::streaming;
            answer_finished_ = false;
            last_chunk_sent_ = false;
            end_told_ = true;
        }
        closing_ = head.close || !keep_alive_ || !http_1_1_ || thread_->draining();
        framing_.clear();
        append_framing(framing_, http_1_1_ ? "Transfer-Encoding: chunked\r\n" : "");
        append_response_head(waiting_, head, thread_->date(), framing_);
        step();
    }

    void on_stream_part(std::string part) {
        waiting_payload_ += part.size();
        if (request_.method == Method::head) return step();
        if (http_1_1_) {
            append_number(waiting_, part.size(), 16);
            waiting_ += "\r\n";
            waiting_ += part;
            waiting_ += "\r\n";
        } else {
            waiting_ += part;
        }
        step();
    }

    void on_stream_finished() {
        answer_finished_ = true;
        step();
    }

    [[nodiscard]] bool must_pause() const {
        return body_stream_->lines_in_flight() >= kLinesInFlightMax ||
               (outlet_ && outlet_->buffered_bytes() > shared_->limits.stream_buffered_bytes_max);
    }

    void feed(std::string_view part) {
        // Its answer may drop the stream while it runs.
        const auto stream = body_stream_;
        if (!stream) return;
        try {
            stream->on_data(part);
        } catch (const std::exception&) {
            broken_ = true;
        }
    }

    bool advance_streaming() {
        if (broken_) {
            close();
            return false;
        }
        if (write_stream()) return true;
        if (!body_done_ && body_stream_) return read_stream() || has_to_write();
        if (body_done_ && body_stream_ && !end_told_) {
            end_told_ = true;
            disarm();
            try {
                body_stream_->on_end();
            } catch (const std::exception&) {
                broken_ = true;
            }
            return true;
        }
        return false;
    }

    /// What was read may have been answered at once, or ended the stream.
    [[nodiscard]] bool has_to_write() const {
        if (state_ != State::streaming || broken_) return true;
        return outlet_ && !writing_ && (!waiting_.empty() || answer_finished_);
    }

    /// True if the state changed. Writes what waits, then the end of the answer.
    bool write_stream() {
        if (writing_ || !outlet_) return false;
        if (!waiting_.empty()) {
            out_.clear();
            out_.swap(waiting_);
            outlet_->written(std::exchange(waiting_payload_, 0));
            send({});
            return !writing_;
        }
        if (!answer_finished_) return false;
        if (!last_chunk_sent_ && http_1_1_ && request_.method != Method::head) {
            last_chunk_sent_ = true;
            out_.assign(kLastChunk);
            send({});
            return !writing_;
        }
        if (!body_done_) closing_ = true;
        end_request();
        return true;
    }

    bool read_stream() {
        if (must_pause()) {
            // The client is not the slow one now.
            if (!writing_) disarm();
            return false;
        }
        if (!writing_) arm(shared_->limits.body_timeout);
        if (reading_) return false;
        if (request_.content_length) {
            const auto missing = static_cast<std::size_t>(*request_.content_length - body_taken_);
            if (!input_.empty()) {
                const std::size_t count = std::min({input_.size(), missing, kStreamReadBytes});
                body_taken_ += count;
                body_done_ = count == missing;
                feed(input_.view().substr(0, count));
                input_.consume(count);
                return true;
            }
        } else {
            switch (parse_chunks()) {
                case Chunks::need_more: break;
                case Chunks::paused: return true;
                case Chunks::done: body_done_ = true; return true;
                case Chunks::too_large: return abort_stream(ErrorCode::body_too_large);
                case Chunks::malformed: return abort_stream(ErrorCode::malformed_http);
            }
        }
        return wait_for_input(kStreamReadBytes);
    }

    bool abort_stream(ErrorCode reason) {
        abort_body(reason);
        if (!outlet_) return refuse(reason);
        if (reason == ErrorCode::malformed_http) {
            close();
            return false;
        }
        // The handler ends the answer that was begun, and then the connection is closed.
        arm(shared_->limits.write_timeout);
        return true;
    }

    void abort_body(ErrorCode reason) {
        if (!body_stream_) return;
        const auto stream = std::exchange(body_stream_, nullptr);
        if (body_done_) return;
        try {
            stream->on_abort(reason);
        } catch (const std::exception&) {
            broken_ = true;
        }
    }

    // ---- reading ----

    /// Always false, for `return wait_for_input(…)`.
    bool wait_for_input(std::size_t bytes) {
        if (reading_) return false;
        reading_ = true;
        if (input_.tail_bytes() < bytes / 2) input_.reserve(bytes);
        stream_.async_read_some(
            asio::mutable_buffer(input_.tail(), input_.tail_bytes()),
            [self = this->shared_from_this()](error_code failure, std::size_t count) {
                self->reading_ = false;
                if (failure) return self->on_read_failed();
                self->input_.commit(count);
                self->step();
            }
        );
        return false;
    }

    void read_into_body(std::size_t bytes) {
        reading_ = true;
        stream_.async_read_some(
            asio::mutable_buffer(body_.tail(), bytes),
            [self = this->shared_from_this()](error_code failure, std::size_t count) {
                self->reading_ = false;
                if (failure) return self->on_read_failed();
                if (self->state_ == State::body) self->body_.commit(count);
                self->step();
            }
        );
    }

    void on_read_failed() {
        abort_body(ErrorCode::malformed_http);
        close();
    }

    // ---- the end ----

    /// Half-closes and reads on for a while: closing at once with unread bytes would reset the
    /// connection and could take the answer with it.
    void begin_linger() {
        state_ = State::lingering;
        lingered_bytes_ = 0;
        arm(std::chrono::milliseconds(kLingerMs));
        if constexpr (kTls) {
            if (!reading_) {
                stream_.async_shutdown([self = this->shared_from_this()](error_code) {
                    self->close();
                });
                return;
            }
        }
        error_code failure;
        socket().shutdown(asio::ip::tcp::socket::shutdown_send, failure);
        if (failure) close();
    }

    bool advance_lingering() {
        if constexpr (kTls) {
            return false;
        } else {
            if (reading_) return false;
            lingered_bytes_ += input_.size();
            input_.clear();
            if (lingered_bytes_ > kLingerBytesMax) {
                close();
                return false;
            }
            return wait_for_input(kReadBytes);
        }
    }

    void close() {
        if (state_ == State::closed) return;
        state_ = State::closed;
        disarm();
        abort_body(ErrorCode::malformed_http);
        if (outlet_) {
            outlet_->mark_closed();
            outlet_.reset();
        }
        thread_->delist(*this);
        error_code ignored;
        socket().close(ignored);
        leave();
    }

    std::shared_ptr<IoThread> thread_;
    std::shared_ptr<SessionShared> shared_;
    Stream stream_;
    std::string peer_;
    const Admission admission_;
    State state_ = State::head;

    bool left_ = false;
    bool peer_is_proxy_ = false;
    bool stepping_ = false;
    bool reading_ = false;
    bool writing_ = false;
    bool broken_ = false;
    bool closing_ = false;

    // The request being read or answered.
    ByteBuffer input_;
    HeadStore store_;
    std::optional<HeadParser> parser_;
    Request request_;
    ByteBuffer body_;
    std::size_t header_bytes_ = 0;
    std::size_t plan_limit_ = 0;
    std::size_t body_taken_ = 0;
    bool head_begun_ = false;
    bool keep_alive_ = true;
    bool http_1_1_ = true;
    bool body_done_ = true;
    bool answered_ = false;
    bool rejected_ = false;

    // The answer being written.
    Response answer_;
    std::string out_;
    std::string framing_;
    std::size_t lingered_bytes_ = 0;
    int unsent_before_ = 0;

    // A streamed request or answer.
    std::shared_ptr<BodyStream> body_stream_;
    std::shared_ptr<Outlet> outlet_;
    std::string waiting_;
    std::size_t waiting_payload_ = 0;
    bool answer_finished_ = false;
    bool last_chunk_sent_ = false;
    bool end_told_ = false;
};

}  // namespace

void start_plain_session(
    std::shared_ptr<IoThread> thread,
    std::shared_ptr<SessionShared> shared,
    TcpSocket socket,
    Admission admission
) {
    std::make_shared<Session<TcpSocket>>(
        std::move(thread), std::move(shared), std::move(socket), admission
    )
        ->start();
}

void start_tls_session(
    std::shared_ptr<IoThread> thread,
    std::shared_ptr<SessionShared> shared,
    TcpSocket socket,
    asio::ssl::context& tls
) {
    std::make_shared<Session<TlsStream>>(
        std::move(thread), std::move(shared), TlsStream(std::move(socket), tls), Admission::serve
    )
        ->start();
}

}  // namespace server::net
