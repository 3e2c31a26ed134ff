#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/engine/shard.hpp"
#include "server/http/api.hpp"
#include "server/http/auth.hpp"
#include "server/http/error_response.hpp"
#include "server/http/job.hpp"
#include "server/http/onlooker.hpp"
#include "server/http/read_pool.hpp"
#include "server/http/render.hpp"
#include "server/http/router.hpp"

// What every handler is given. A handler family is one file; each handler consumes the call's
// `respond`.
namespace server::http {

/// The parts of the server that handlers use. Thread-safe.
struct Services {
    engine::Shard& shard;
    const Api::Options& options;
    ReadPool& pool;

    [[nodiscard]] ledger::Timestamp now() const { return options.clock->now(); }
    /// Hands the job to the shard; a refusal is answered at once.
    void submit(std::unique_ptr<HttpWrite> job);
    void submit(std::unique_ptr<HttpRead> job);
};

/// One authenticated request. `request` is valid until `respond` is consumed.
struct Call {
    const net::Request& request;
    const PathParameters& path;
    std::shared_ptr<const engine::Registry> registry;
    const engine::ProgramInfo* program = nullptr;  ///< null for routes without {program}
    Caller caller;
    net::Respond respond;
    /// Who looks, on the routes of boards and /me; null elsewhere. There `caller` has no scopes,
    /// and `respond` adds the fields of CORS by itself.
    std::unique_ptr<const Onlooker> onlooker = nullptr;

    void answer(net::Response response) { respond(std::move(response)); }
    void refuse(const ledger::Error& error) { respond(error_response(error)); }
};

/// A write job of the call's program with its actor, registry and respond filled in.
[[nodiscard]] std::unique_ptr<HttpWrite> make_write(Call& call);
[[nodiscard]] std::unique_ptr<HttpRead> make_read(Call& call);

/// The answer to a command that writes one entry: the entry with 201, or why it was refused.
/// `member` and `note` are shown as its own.
[[nodiscard]] net::Response entry_response(
    const HttpWrite& done, std::string_view member, std::string_view note
);

/// Submits a read that honours `?min_seq=`: waits up to 2 s for it, then not_yet_visible.
void submit_read(Services& services, Call& call, std::unique_ptr<HttpRead> job);
/// After `look`, runs `render` on the read pool instead of the io thread.
void render_on_pool(Services& services, HttpRead& job);

/// `?name=` as a number in [low, high]; absent: `fallback`. Errors: invalid_parameter.
[[nodiscard]] ledger::Result<std::uint64_t> number_parameter(
    std::string_view query,
    std::string_view name,
    std::uint64_t low,
    std::uint64_t high,
    std::uint64_t fallback
);
/// The look-up hash of a member's id in the path. Errors: invalid_parameter.
[[nodiscard]] ledger::Result<ledger::Hash16> member_hash(
    const engine::ProgramInfo& program, std::string_view member
);

/// The Idempotency-Key of a write that needs one. Errors: idempotency_key_required,
/// invalid_parameter.
[[nodiscard]] ledger::Result<std::string_view> idempotency_key(const net::RequestHead& request);

// handlers/events.cpp
void post_events(Services& services, Call call);
void get_event(Services& services, Call call);
std::shared_ptr<net::BodyStream> open_event_stream(
    Services& services,
    Caller caller,
    std::shared_ptr<const engine::Registry> registry,
    const engine::ProgramInfo& program,
    net::Respond respond
);
// handlers/members.cpp
void put_member(Services& services, Call call);
void get_member(Services& services, Call call);
void find_members(Services& services, Call call);
void get_balances(Services& services, Call call);
void get_member_entries(Services& services, Call call);
void get_lots(Services& services, Call call);
// handlers/boards.cpp
void get_boards(Services& services, Call call);
void get_board(Services& services, Call call);
void get_me(Services& services, Call call);
// handlers/adjustments.cpp
void post_adjustment(Services& services, Call call);
// handlers/orphans.cpp
void get_orphans(Services& services, Call call);
void attach_orphan(Services& services, Call call);
// handlers/entries.cpp
void get_entry(Services& services, Call call);
void get_checkpoint(Services& services, Call call);
// handlers/programs.cpp
void list_programs(Services& services, Call call);
void put_program(Services& services, Call call, std::string name);
void validate_program(Services& services, Call call, std::string name);
void get_program(Services& services, Call call);
void list_versions(Services& services, Call call);
void get_version(Services& services, Call call);
// handlers/keys.cpp
void post_key(Services& services, Call call);
void list_keys(Services& services, Call call);
void delete_key(Services& services, Call call);
// handlers/operations.cpp
void get_healthz(Services& services, net::Respond respond);
void get_readyz(Services& services, net::Respond respond);
void get_metrics(Services& services, net::Respond respond);
void get_openapi(net::Respond respond);
void get_docs(net::Respond respond);
void post_accept_clock(Services& services, Call call);

}  // namespace server::http
