#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "ledger/entry.hpp"
#include "server/engine/command.hpp"
#include "server/engine/registry.hpp"
#include "server/http/json_writer.hpp"
#include "server/net/http.hpp"

// Answers made from stored entries: a fresh outcome and its replay years later render alike.
namespace server::http {

/// The id of a currency number; "" if this registry does not know it yet.
[[nodiscard]] std::string_view currency_id(
    const engine::ProgramInfo& program, std::uint16_t number
);

/// `member` is the caller's own name of the member, empty: unknown (then the field is left out).
void write_awards(
    JsonWriter& json,
    const engine::ProgramInfo& program,
    const ledger::Entry& entry,
    std::string_view member
);
void write_balance(
    JsonWriter& json,
    const engine::ProgramInfo& program,
    const ledger::Balance& balance,
    std::string_view member
);

/// One event's outcome as one JSON object: {"status":…} or {"status":"rejected","problem":…}.
void write_event_outcome(
    JsonWriter& json,
    const engine::ProgramInfo& program,
    const engine::Outcome& outcome,
    std::string_view member
);
/// The same as a whole answer: a problem with its own status if it is a refusal.
[[nodiscard]] net::Response event_response(
    const engine::ProgramInfo& program, const engine::Outcome& outcome, std::string_view member
);

/// A whole entry, for `GET /entries/{seq}` and answers of adjustments. `member` as above; `note` is
/// the opened note.
void write_entry(
    JsonWriter& json,
    const engine::ProgramInfo& program,
    const ledger::Entry& entry,
    std::string_view member,
    std::string_view note
);

[[nodiscard]] net::Response json_response(int status, std::string body);
[[nodiscard]] std::string hex(std::string_view bytes);
template <std::size_t N>
[[nodiscard]] std::string hex(const std::array<std::uint8_t, N>& bytes) {
    return hex(std::string_view(reinterpret_cast<const char*>(bytes.data()), N));
}

/// What a stored entry says about the event or command that made it.
[[nodiscard]] engine::Status status_of(const ledger::Entry& entry);

}  // namespace server::http
