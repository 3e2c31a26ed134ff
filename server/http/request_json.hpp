#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/base/result.hpp"
#include "server/engine/arena.hpp"
#include "server/engine/command.hpp"
#include "server/engine/registry.hpp"

// The only reader of JSON that comes over HTTP (simdjson behind it). All functions: any thread, no
// state but buffers of the calling thread; `json` must have net::kBodyPadding readable bytes behind
// it; strings of the answer live in the arena. Errors of all: malformed_json (with the place),
// bad_utf8, too_deep, then what each function names; every error about a field carries its JSON
// Pointer.
namespace server::http {

/// What the reader of events needs to know.
struct EventContext {
    const engine::ProgramInfo& program;
    bool backfill = false;
    ledger::Timestamp now = 0;  ///< stands in for an absent `time`
    std::size_t depth_max = 32;
};

/// One CloudEvent in structured mode. Errors: invalid_event (envelope), missing_field, wrong_type,
/// invalid_amount, too_large, derived_type.
[[nodiscard]] ledger::Result<engine::EventCommand> read_event(
    std::string_view json, const EventContext& context, engine::Arena& arena
);

/// A JSON array of CloudEvents: one result each, in order. Errors: too_many_events; invalid_event
/// if it is no array.
[[nodiscard]] ledger::Result<std::vector<ledger::Result<engine::EventCommand>>> read_event_batch(
    std::string_view json, const EventContext& context, std::size_t events_max, engine::Arena& arena
);

/// The envelope of a CloudEvent in binary mode: the values of its ce-* headers, percent-decoded.
struct BinaryEnvelope {
    std::string specversion, id, source, type, subject, time;
};
/// `json` is the data; empty: none. Errors as read_event.
[[nodiscard]] ledger::Result<engine::EventCommand> read_binary_event(
    const BinaryEnvelope& envelope,
    std::string_view json,
    const EventContext& context,
    engine::Arena& arena
);

/// Fills everything but the hashes, which need the member of the path. Errors: missing_field,
/// wrong_type, invalid_amount, too_large, invalid_parameter (unknown field).
[[nodiscard]] ledger::Result<engine::AdjustCommand> read_adjustment(
    std::string_view json, engine::Arena& arena
);

/// `POST /orphans/{seq}/attach`.
struct AttachRequest {
    std::string order_id;
    std::string source;  ///< empty: the shop that the refund came from
};
/// Errors as read_adjustment.
[[nodiscard]] ledger::Result<AttachRequest> read_attach(
    std::string_view json, engine::Arena& arena
);

/// Personal fields of `PUT /members/{m}`: email, phone, name, address. Errors as read_adjustment.
[[nodiscard]] ledger::Result<ledger::Personal> read_member(
    std::string_view json, engine::Arena& arena
);

struct KeyRequest {
    /// A shopper key without `algorithm` is read as shopper_hs256.
    ledger::ApiKeyKind kind = ledger::ApiKeyKind::secret;
    std::vector<std::string> scopes;
    std::vector<std::string> origins;
    std::string label;
    std::string algorithm;   ///< "HS256", "ES256" or empty: not given
    std::string public_key;  ///< PEM as given
};
[[nodiscard]] ledger::Result<KeyRequest> read_key_request(std::string_view json);

}  // namespace server::http
