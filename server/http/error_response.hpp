#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "ledger/base/result.hpp"
#include "server/http/json_writer.hpp"
#include "server/net/http.hpp"

namespace server::http {

/// The HTTP status of a code: the only such map. Codes that never reach the wire are 500.
[[nodiscard]] int http_status(ledger::ErrorCode code);

/// A few words for the reader, e.g. "Too many points asked for"; stable per code.
[[nodiscard]] std::string_view title(ledger::ErrorCode code);

/// Further members of a problem.
struct ProblemExtras {
    /// The entry in which the refusal is recorded.
    std::optional<std::uint64_t> seq = std::nullopt;
    /// For 429 and 503; default 1.
    unsigned retry_after_s = 1;
};

/// How many problems with this code were written since the start, in answers of their own and in
/// batches. Any thread.
[[nodiscard]] std::uint64_t problem_count(ledger::ErrorCode code);

/// Those among them that say a stored row could not be read or a store failed; callers see
/// `internal`.
[[nodiscard]] std::uint64_t storage_problems();

/// Writes the problem of RFC 9457 as one JSON object: type, title, status, code, detail, errors
/// and the extras.
void write_problem(JsonWriter& json, const ledger::Error& error, const ProblemExtras& extras = {});

/// A whole answer with application/problem+json; 429 and 503 carry Retry-After. The detail of
/// `internal` and of storage failures is not sent.
[[nodiscard]] net::Response error_response(
    const ledger::Error& error, const ProblemExtras& extras = {}
);
[[nodiscard]] net::Response error_response(ledger::ErrorCode code);

}  // namespace server::http
