#include "server/http/error_response.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

#include "server/ops/log.hpp"

namespace server::http {

namespace {

using ledger::ErrorCode;

/// What happened inside is for the log, not for the caller.
bool detail_is_private(ErrorCode code) {
    const int status = http_status(code);
    return status == 500;
}

/// Those of the stores: a caller can do nothing with what tells them apart.
bool is_of_storage(ErrorCode code) {
    return code == ErrorCode::corrupt || code == ErrorCode::io_error ||
           code == ErrorCode::newer_format;
}

/// One line a second: the same rot is met again and again.
void log_storage_problem(const ledger::Error& error) {
    static std::atomic<std::int64_t> last_second{-1};
    const std::int64_t now = std::chrono::duration_cast<std::chrono::seconds>(
                                 std::chrono::steady_clock::now().time_since_epoch()
    )
                                 .count();
    if (last_second.exchange(now, std::memory_order_relaxed) == now) return;
    ops::log_error("stored_row_unreadable", error);
}

void write_fields(JsonWriter& json, const std::vector<ledger::FieldError>& fields) {
    if (fields.empty()) return;
    json.key("errors").begin_array();
    for (const ledger::FieldError& field : fields) {
        json.begin_object()
            .field("pointer", field.pointer)
            .field("detail", field.detail)
            .end_object();
    }
    json.end_array();
}

}  // namespace

int http_status(ErrorCode code) {
    switch (code) {
        case ErrorCode::ok: return 200;
        case ErrorCode::malformed_json:
        case ErrorCode::bad_utf8:
        case ErrorCode::too_deep:
        case ErrorCode::invalid_event:
        case ErrorCode::invalid_parameter:
        case ErrorCode::idempotency_key_required:
        case ErrorCode::malformed_http: return 400;
        case ErrorCode::unauthenticated: return 401;
        case ErrorCode::missing_scope:
        case ErrorCode::origin_refused: return 403;
        case ErrorCode::not_found:
        case ErrorCode::program_not_found:
        case ErrorCode::member_not_found:
        case ErrorCode::order_not_found: return 404;
        case ErrorCode::method_not_allowed: return 405;
        case ErrorCode::request_timeout: return 408;
        case ErrorCode::idempotency_conflict:
        case ErrorCode::insufficient_points:
        case ErrorCode::refund_exceeds_order:
        case ErrorCode::limit_reached:
        case ErrorCode::blocked:
        case ErrorCode::already_attached: return 409;
        case ErrorCode::precondition_failed: return 412;
        case ErrorCode::body_too_large:
        case ErrorCode::too_many_events: return 413;
        case ErrorCode::unsupported_media_type: return 415;
        case ErrorCode::wrong_type:
        case ErrorCode::missing_field:
        case ErrorCode::invalid_amount:
        case ErrorCode::invalid_document:
        case ErrorCode::invalid_expression:
        case ErrorCode::expression_too_costly:
        case ErrorCode::not_supported:
        case ErrorCode::event_in_future:
        case ErrorCode::derived_type:
        case ErrorCode::too_large: return 422;
        case ErrorCode::rate_limited: return 429;
        case ErrorCode::headers_too_large: return 431;
        case ErrorCode::internal: return 500;
        case ErrorCode::overloaded:
        case ErrorCode::not_ready: return 503;
        case ErrorCode::not_yet_visible: return 504;
        case ErrorCode::disk_full: return 507;
        case ErrorCode::io_error:
        case ErrorCode::corrupt:
        case ErrorCode::newer_format:
        case ErrorCode::behind_witness:
        case ErrorCode::folder_in_use:
        case ErrorCode::no_keyring: return 500;
    }
    return 500;
}

std::string_view title(ErrorCode code) {
    switch (code) {
        case ErrorCode::ok: return "No error";
        case ErrorCode::malformed_json: return "The body is not JSON";
        case ErrorCode::bad_utf8: return "The text is not UTF-8";
        case ErrorCode::too_deep: return "The JSON is nested too deeply";
        case ErrorCode::invalid_event: return "The event is not a CloudEvent of this API";
        case ErrorCode::invalid_parameter: return "A parameter is not valid";
        case ErrorCode::idempotency_key_required: return "This write needs an Idempotency-Key";
        case ErrorCode::malformed_http: return "The request is not HTTP";
        case ErrorCode::unauthenticated: return "The caller is not known";
        case ErrorCode::missing_scope: return "The key may not do this";
        case ErrorCode::origin_refused: return "Pages of this origin may not look";
        case ErrorCode::not_found: return "There is nothing here";
        case ErrorCode::program_not_found: return "There is no such program";
        case ErrorCode::member_not_found: return "There is no such member";
        case ErrorCode::order_not_found: return "There is no such order";
        case ErrorCode::method_not_allowed: return "The resource has no such method";
        case ErrorCode::request_timeout: return "The request took too long to arrive";
        case ErrorCode::idempotency_conflict: return "The key was used for another request";
        case ErrorCode::insufficient_points: return "There are too few points";
        case ErrorCode::refund_exceeds_order: return "More is refunded than was paid";
        case ErrorCode::limit_reached: return "A limit of the program is reached";
        case ErrorCode::blocked: return "The member is blocked";
        case ErrorCode::already_attached: return "The refund has its order already";
        case ErrorCode::precondition_failed: return "The resource has changed meanwhile";
        case ErrorCode::body_too_large: return "The body is too large";
        case ErrorCode::too_many_events: return "The batch has too many events";
        case ErrorCode::unsupported_media_type: return "The content type is not supported";
        case ErrorCode::wrong_type: return "A field has the wrong type";
        case ErrorCode::missing_field: return "A field is missing";
        case ErrorCode::invalid_amount: return "An amount is not valid";
        case ErrorCode::invalid_document: return "The document is not valid";
        case ErrorCode::invalid_expression: return "An expression is not valid";
        case ErrorCode::expression_too_costly: return "An expression costs too much";
        case ErrorCode::not_supported: return "This is not supported yet";
        case ErrorCode::event_in_future: return "The event is from the future";
        case ErrorCode::derived_type: return "This type is made by the server only";
        case ErrorCode::too_large: return "A value is too large";
        case ErrorCode::rate_limited: return "Too many requests";
        case ErrorCode::headers_too_large: return "The header is too large";
        case ErrorCode::internal: return "The server failed";
        case ErrorCode::overloaded: return "The server is overloaded";
        case ErrorCode::not_ready: return "The server is not ready";
        case ErrorCode::not_yet_visible: return "The sequence number is not reached yet";
        case ErrorCode::disk_full: return "The disk is nearly full";
        case ErrorCode::io_error: return "Storage failed";
        case ErrorCode::corrupt: return "Storage is corrupt";
        case ErrorCode::newer_format: return "The data is of a newer format";
        case ErrorCode::behind_witness: return "The log is behind its witness";
        case ErrorCode::folder_in_use: return "The data folder is in use";
        case ErrorCode::no_keyring: return "There is no keyring";
    }
    return "The server failed";
}

namespace {
/// By ErrorCode; every refusal that leaves the server passes write_problem.
std::array<std::atomic<std::uint64_t>, 128> problems_written{};
}  // namespace

std::uint64_t problem_count(ErrorCode code) {
    return problems_written[static_cast<std::size_t>(code)].load(std::memory_order_relaxed);
}

std::uint64_t storage_problems() {
    return problem_count(ErrorCode::corrupt) + problem_count(ErrorCode::io_error) +
           problem_count(ErrorCode::newer_format);
}

void write_problem(JsonWriter& json, const ledger::Error& error, const ProblemExtras& extras) {
    problems_written[static_cast<std::size_t>(error.code)].fetch_add(1, std::memory_order_relaxed);
    const bool of_storage = is_of_storage(error.code);
    if (of_storage) log_storage_problem(error);
    const ErrorCode shown = of_storage ? ErrorCode::internal : error.code;
    json.begin_object()
        .field("type", "about:blank")
        .field("title", title(shown))
        .field("status", http_status(shown))
        .field("code", ledger::name(shown));
    if (!error.detail.empty() && !detail_is_private(error.code)) json.field("detail", error.detail);
    if (!detail_is_private(error.code)) write_fields(json, error.fields);
    if (extras.seq) json.field("seq", *extras.seq);
    json.end_object();
}

net::Response error_response(const ledger::Error& error, const ProblemExtras& extras) {
    net::Response response;
    response.status = http_status(error.code);
    response.content_type = "application/problem+json";
    if (response.status == 429 || response.status == 503) {
        response.add_header("Retry-After", std::to_string(extras.retry_after_s));
    }
    if (response.status == 401) response.add_header("WWW-Authenticate", "Bearer");
    JsonWriter json(response.body);
    write_problem(json, error, extras);
    return response;
}

net::Response error_response(ErrorCode code) {
    return error_response(ledger::make_error(code));
}

}  // namespace server::http
