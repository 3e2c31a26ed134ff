#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ledger/base/result.hpp"
#include "server/net/unique_function.hpp"

/// What handlers see of HTTP: plain values, no Asio and no Beast.
namespace server::net {

enum class Method : std::uint8_t { get, head, post, put, delete_, options, patch, other };

/// The reason phrase of a status, e.g. "Not Found"; "Unknown" if it has none.
[[nodiscard]] std::string_view reason_phrase(int status);

/// "GET", "DELETE" …; "other" for anything else.
[[nodiscard]] std::string_view name(Method method);

struct HeaderField {
    std::string_view name;
    std::string_view value;
};

/// A request line and its header. Every view points into memory of the connection and stays valid
/// until the request's Respond (or BodyStream) is consumed.
struct RequestHead {
    Method method = Method::other;
    /// Path and query as sent, without scheme and authority: "/v1/programs/shop/events?x=1".
    std::string_view target;
    /// The part before '?', still percent-encoded; always begins with '/' (or is "*" for OPTIONS).
    std::string_view path;
    /// The part after '?', still percent-encoded; empty if there is none.
    std::string_view query;
    std::span<const HeaderField> fields;
    /// Absent when the body is chunked or there is none.
    std::optional<std::uint64_t> content_length;
    bool chunked = false;
    /// The caller's address as text, without port: the socket's peer, or what a trusted proxy said
    /// in X-Forwarded-For.
    std::string_view peer;
    /// TLS here, or at the trusted proxy (X-Forwarded-Proto: https).
    bool secure = false;

    /// The first field with this name, ASCII case-insensitive; empty if absent.
    [[nodiscard]] std::string_view header(std::string_view name) const;
    /// The media type of Content-Type, without parameters; compare with `equals_ignoring_case`.
    [[nodiscard]] std::string_view media_type() const;
    /// The parameter charset of Content-Type, without quotes; empty if absent.
    [[nodiscard]] std::string_view charset() const;
};

struct Request : RequestHead {
    /// At least kBodyPadding readable bytes follow its end (simdjson reads past it).
    std::string_view body;
};

inline constexpr std::size_t kBodyPadding = 64;

/// ASCII only.
[[nodiscard]] bool equals_ignoring_case(std::string_view a, std::string_view b);

/// One answer. Content-Length, Date and Connection are added by the session.
struct Response {
    int status = 200;
    /// Must have static storage, so that an answer costs no allocation for it. Empty: no field.
    std::string_view content_type = "application/json";
    std::string body;
    /// If set, sent instead of `body`: one immutable document shared by many answers.
    std::shared_ptr<const std::string> shared_body;
    /// Further fields, each "Name: value\r\n"; use `add_header`.
    std::string header_lines;
    /// The connection is closed after this answer.
    bool close = false;

    /// Bytes that would break out of the field (CR, LF, NUL) are replaced by spaces.
    void add_header(std::string_view name, std::string_view value);
    [[nodiscard]] std::string_view payload() const {
        return shared_body ? std::string_view(*shared_body) : std::string_view(body);
    }
};

class IoQueue;

/// Where a streamed answer goes. Implemented by the session; thread-safe.
class StreamSink {
public:
    virtual ~StreamSink() = default;
    virtual void write(std::string part) = 0;
    virtual void finish() = 0;
    virtual void abort() = 0;
    [[nodiscard]] virtual std::size_t buffered_bytes() const = 0;
    [[nodiscard]] virtual bool closed() const = 0;
};

/// Sends an answer of unknown length in parts (chunked). Move-only, any thread; calls from one
/// thread keep their order. Destroyed without `finish`: the connection is cut, so that the client
/// sees a truncated answer and not a complete one.
class StreamWriter {
public:
    StreamWriter() = default;
    explicit StreamWriter(std::shared_ptr<StreamSink> sink) : sink_(std::move(sink)) {}
    StreamWriter(StreamWriter&&) noexcept = default;
    StreamWriter& operator=(StreamWriter&& other) noexcept;
    StreamWriter(const StreamWriter&) = delete;
    StreamWriter& operator=(const StreamWriter&) = delete;
    ~StreamWriter();

    explicit operator bool() const { return sink_ != nullptr; }
    /// Does nothing once the connection is gone. Empty parts are ignored.
    void write(std::string part);
    /// Ends the answer; the writer is empty afterwards.
    void finish();
    /// Bytes accepted by `write` and not yet taken by the socket. The producer waits when this is
    /// high; a connection that takes nothing for the write time-out is cut.
    [[nodiscard]] std::size_t buffered_bytes() const { return sink_ ? sink_->buffered_bytes() : 0; }
    /// The client is gone; more work for it is wasted.
    [[nodiscard]] bool closed() const { return !sink_ || sink_->closed(); }

private:
    std::shared_ptr<StreamSink> sink_;
};

/// Where one answer goes. Implemented by the session, and by tests of handlers. After `deliver` or
/// `deliver_stream` of a request, its views are dead.
class ResponseSink {
public:
    virtual ~ResponseSink() = default;
    /// Any thread, at most once a request.
    virtual void deliver(Response response) = 0;
    /// Any thread, at most once a request, instead of `deliver`.
    virtual StreamWriter deliver_stream(Response head) = 0;
    /// Any thread: the right to answer was dropped without an answer.
    virtual void abandon() noexcept = 0;
    /// The io thread that owns the connection; null if there is none (tests).
    [[nodiscard]] virtual IoQueue* queue() const = 0;
};

/// The right and duty to answer one request, exactly once, from any thread. Destroyed unused: the
/// caller gets 500 internal. The request's views die when it is consumed.
class Respond {
public:
    Respond() = default;
    explicit Respond(std::shared_ptr<ResponseSink> sink) : sink_(std::move(sink)) {}
    Respond(Respond&&) noexcept = default;
    Respond& operator=(Respond&& other) noexcept;
    Respond(const Respond&) = delete;
    Respond& operator=(const Respond&) = delete;
    ~Respond();

    explicit operator bool() const { return sink_ != nullptr; }
    void operator()(Response response);
    /// Answers with a stream; `head.body` is ignored.
    [[nodiscard]] StreamWriter stream(Response head);
    [[nodiscard]] IoQueue* queue() const { return sink_ ? sink_->queue() : nullptr; }

private:
    std::shared_ptr<ResponseSink> sink_;
};

/// Answers that became ready together (a commit group): each io thread is woken once, and encodes
/// its answers itself. Owned and filled by one thread; reusable after `deliver`.
class CompletionBatch {
public:
    CompletionBatch();
    ~CompletionBatch();
    CompletionBatch(CompletionBatch&&) noexcept;
    CompletionBatch& operator=(CompletionBatch&&) noexcept;

    /// `encode` runs on the io thread that owns the connection, after `deliver`.
    void add(Respond respond, UniqueFunction<Response()> encode);
    /// Work for an io thread that is not simply one answer (stream lines).
    void add(IoQueue* queue, UniqueFunction<void()> work);
    [[nodiscard]] bool empty() const { return lanes_.empty(); }
    void deliver();

private:
    struct Lane;
    Lane& lane(IoQueue* queue);
    std::vector<Lane> lanes_;
};

/// Receives a request body while it arrives. All calls on the connection's io thread.
class BodyStream {
public:
    virtual ~BodyStream() = default;
    /// `part` is valid during the call only.
    virtual void on_data(std::string_view part) = 0;
    /// The body is complete; the answer may go on afterwards.
    virtual void on_end() = 0;
    /// No more will come: the client went away (`malformed_http`), was too slow (`request_timeout`)
    /// or sent too much (`body_too_large`). If no answer was begun, the session sends this code;
    /// one that was begun is ended here, unless the client is gone, and then the connection.
    virtual void on_abort(ledger::ErrorCode reason) = 0;
    /// Lines taken and not yet answered. Asked after each `on_data` and each written part; from
    /// kLinesInFlightMax on, the socket is not read.
    [[nodiscard]] virtual std::size_t lines_in_flight() const = 0;
};

inline constexpr std::size_t kLinesInFlightMax = 1024;

/// What to do with a request's body, decided from its head before any of it is read.
struct BodyPlan {
    /// upgrade: the connection leaves HTTP and goes to Handler::upgrade.
    enum class Kind : std::uint8_t { reject, buffer, stream, upgrade };
    Kind kind = Kind::buffer;
    /// Bytes; a longer body is answered 413 body_too_large and the connection closed.
    std::size_t limit_bytes = 0;
    Response rejection;

    [[nodiscard]] static BodyPlan reject(Response response);
    [[nodiscard]] static BodyPlan buffer(std::size_t limit_bytes);
    [[nodiscard]] static BodyPlan stream(std::size_t limit_bytes);
    /// Only for a request without a body.
    [[nodiscard]] static BodyPlan upgrade();
};

struct UpgradedConnection;

/// The application behind the sockets. Called on io threads, several at once; must not block.
/// Exceptions are caught by the session and answered 500 internal.
class Handler {
public:
    virtual ~Handler() = default;
    virtual BodyPlan plan(const RequestHead& head) = 0;
    /// The answer for what fails below the application: malformed_http, headers_too_large,
    /// body_too_large, request_timeout, overloaded, internal. Any thread.
    virtual Response error(ledger::ErrorCode code) = 0;
    /// For BodyPlan::buffer, with the whole body.
    virtual void handle(const Request& request, Respond respond) = 0;
    /// For BodyPlan::stream. The head's views stay valid until `respond` is consumed; copy what is
    /// needed longer. Answer through `respond.stream(…)` for line-by-line answers.
    virtual std::shared_ptr<BodyStream> open_stream(const RequestHead& head, Respond respond) = 0;
    /// For BodyPlan::upgrade. On the connection's io thread; the head's views die with the call.
    /// Closes the connection unless overridden.
    virtual void upgrade(const RequestHead& head, std::unique_ptr<UpgradedConnection> connection);
};

}  // namespace server::net
