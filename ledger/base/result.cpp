#include "ledger/base/result.hpp"

#include <stdexcept>

namespace ledger {

std::string_view name(ErrorCode code) {
    switch (code) {
        case ErrorCode::ok: return "ok";
        case ErrorCode::malformed_json: return "malformed_json";
        case ErrorCode::bad_utf8: return "bad_utf8";
        case ErrorCode::too_deep: return "too_deep";
        case ErrorCode::invalid_event: return "invalid_event";
        case ErrorCode::invalid_parameter: return "invalid_parameter";
        case ErrorCode::idempotency_key_required: return "idempotency_key_required";
        case ErrorCode::malformed_http: return "malformed_http";
        case ErrorCode::unauthenticated: return "unauthenticated";
        case ErrorCode::missing_scope: return "missing_scope";
        case ErrorCode::origin_refused: return "origin_refused";
        case ErrorCode::not_found: return "not_found";
        case ErrorCode::program_not_found: return "program_not_found";
        case ErrorCode::member_not_found: return "member_not_found";
        case ErrorCode::order_not_found: return "order_not_found";
        case ErrorCode::method_not_allowed: return "method_not_allowed";
        case ErrorCode::request_timeout: return "request_timeout";
        case ErrorCode::idempotency_conflict: return "idempotency_conflict";
        case ErrorCode::insufficient_points: return "insufficient_points";
        case ErrorCode::refund_exceeds_order: return "refund_exceeds_order";
        case ErrorCode::limit_reached: return "limit_reached";
        case ErrorCode::blocked: return "blocked";
        case ErrorCode::already_attached: return "already_attached";
        case ErrorCode::precondition_failed: return "precondition_failed";
        case ErrorCode::body_too_large: return "body_too_large";
        case ErrorCode::too_many_events: return "too_many_events";
        case ErrorCode::unsupported_media_type: return "unsupported_media_type";
        case ErrorCode::wrong_type: return "wrong_type";
        case ErrorCode::missing_field: return "missing_field";
        case ErrorCode::invalid_amount: return "invalid_amount";
        case ErrorCode::invalid_document: return "invalid_document";
        case ErrorCode::invalid_expression: return "invalid_expression";
        case ErrorCode::expression_too_costly: return "expression_too_costly";
        case ErrorCode::not_supported: return "not_supported";
        case ErrorCode::event_in_future: return "event_in_future";
        case ErrorCode::derived_type: return "derived_type";
        case ErrorCode::too_large: return "too_large";
        case ErrorCode::rate_limited: return "rate_limited";
        case ErrorCode::headers_too_large: return "headers_too_large";
        case ErrorCode::internal: return "internal";
        case ErrorCode::overloaded: return "overloaded";
        case ErrorCode::not_ready: return "not_ready";
        case ErrorCode::not_yet_visible: return "not_yet_visible";
        case ErrorCode::disk_full: return "disk_full";
        case ErrorCode::io_error: return "io_error";
        case ErrorCode::corrupt: return "corrupt";
        case ErrorCode::newer_format: return "newer_format";
        case ErrorCode::behind_witness: return "behind_witness";
        case ErrorCode::folder_in_use: return "folder_in_use";
        case ErrorCode::no_keyring: return "no_keyring";
    }
    return "internal";
}

Error make_error(ErrorCode code, std::string detail) {
    return Error{code, std::move(detail), {}};
}

Error field_error(ErrorCode code, std::string pointer, std::string detail) {
    Error error{code, pointer + ": " + detail, {}};
    error.fields.push_back({std::move(pointer), std::move(detail)});
    return error;
}

void throw_exception_from_error(Error const& error, boost::source_location const&) {
    throw std::runtime_error(std::string(name(error.code)) + ": " + error.detail);
}

}  // namespace ledger
