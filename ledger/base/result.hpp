#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/system/result.hpp>

namespace ledger {

/// One word per failure; the enumerator is the string on the wire. The numbers are stored in
/// entries (`Entry::outcome`): never renumber, only append. The table with status, whether it is
/// sequenced and whether to retry is in docs/api.md.
enum class ErrorCode : std::uint16_t {
    ok = 0,
    // 400
    malformed_json = 1,
    bad_utf8 = 2,
    too_deep = 3,
    invalid_event = 4,
    invalid_parameter = 5,
    idempotency_key_required = 6,
    malformed_http = 7,
    // 401, 403
    unauthenticated = 20,
    missing_scope = 21,
    origin_refused = 22,
    // 404, 405, 408
    not_found = 30,
    program_not_found = 31,
    member_not_found = 32,
    order_not_found = 33,
    method_not_allowed = 34,
    request_timeout = 35,
    // 409
    idempotency_conflict = 40,
    insufficient_points = 41,
    refund_exceeds_order = 42,
    limit_reached = 43,
    blocked = 44,
    already_attached = 45,
    // 412, 413, 415
    precondition_failed = 50,
    body_too_large = 51,
    too_many_events = 52,
    unsupported_media_type = 53,
    // 422
    wrong_type = 60,
    missing_field = 61,
    invalid_amount = 62,
    invalid_document = 63,
    invalid_expression = 64,
    expression_too_costly = 65,
    not_supported = 66,
    event_in_future = 67,
    derived_type = 68,
    too_large = 69,
    // 429, 431
    rate_limited = 80,
    headers_too_large = 81,
    // 500, 503, 504, 507
    internal = 90,
    overloaded = 91,
    not_ready = 92,
    not_yet_visible = 93,
    disk_full = 94,
    // never on the wire: start-up, storage and command-line failures
    io_error = 120,
    corrupt = 121,
    newer_format = 122,
    behind_witness = 123,
    folder_in_use = 124,
    no_keyring = 125,
};

/// The enumerator's name, e.g. "insufficient_points".
[[nodiscard]] std::string_view name(ErrorCode code);

/// One faulty field of a request. `pointer` is an RFC 6901 JSON Pointer ("/data/total") or, for a
/// line-based body, "line 12" followed by the pointer.
struct FieldError {
    std::string pointer;
    std::string detail;
};

struct Error {
    ErrorCode code = ErrorCode::internal;
    /// One sentence for the reader of the answer; holds no personal data and no internals.
    std::string detail;
    std::vector<FieldError> fields;
};

[[nodiscard]] Error make_error(ErrorCode code, std::string detail = {});
[[nodiscard]] Error field_error(ErrorCode code, std::string pointer, std::string detail);

/// Lets `result::value()` throw for our Error; only tests and start-up call it. Boost finds it by
/// the namespace of Error: a declaration in boost::system after its header would not be seen.
[[noreturn]] void throw_exception_from_error(
    Error const& error, boost::source_location const& where
);

/// A value or an Error. A thin nodiscard layer over boost::system::result.
template <typename T>
class [[nodiscard]] Result : public boost::system::result<T, Error> {
public:
    using Base = boost::system::result<T, Error>;
    using Base::Base;
    // NOLINTNEXTLINE(google-explicit-constructor): reads as `return error`
    Result(Error error) : Base(boost::system::in_place_error, std::move(error)) {}
};

template <>
class [[nodiscard]] Result<void> : public boost::system::result<void, Error> {
public:
    using Base = boost::system::result<void, Error>;
    using Base::Base;
    // NOLINTNEXTLINE(google-explicit-constructor): reads as `return error`
    Result(Error error) : Base(boost::system::in_place_error, std::move(error)) {}
};

}  // namespace ledger
