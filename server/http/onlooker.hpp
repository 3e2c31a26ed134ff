#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "ledger/base/clock.hpp"
#include "ledger/base/result.hpp"
#include "server/engine/registry.hpp"
#include "server/net/http.hpp"

// Who may look at boards (docs/live.md, "Who may look"). All functions are pure and for any thread.
namespace server::http {

/// Somebody who may look. Independent of the registry that it was admitted with.
struct Onlooker {
    enum class Kind : std::uint8_t {
        guest,   ///< a page with a publishable key: boards only
        member,  ///< a shopper token or a resume ticket, perhaps with a publishable key beside it
        server,  ///< a secret key with members:read
    };
    Kind kind = Kind::guest;
    std::shared_ptr<const engine::ProgramInfo> program;  ///< as of the admission; never null
    std::uint64_t key_id = 0;                            ///< of the pk_ or gk_ key; 0: none given
    std::uint64_t token_key_id = 0;  ///< of the shopper key that vouches for the member; 0: none
    std::string member;              ///< external id; empty unless a token said it
    ledger::Hash16 member_hash{};    ///< blind hash of the external id, of every member
    ledger::Timestamp expires_at = ledger::kNever;  ///< exp of the token
    std::string origin;                             ///< as given, and allowed; empty: none given

    /// One of the two keys: whose call it is.
    [[nodiscard]] std::uint64_t actor_key_id() const { return key_id != 0 ? key_id : token_key_id; }
};

/// Why somebody may not, in order of precedence; beside each: over HTTP, and the socket's close.
enum class Refusal : std::uint8_t {
    no_credential,   ///< unauthenticated, 4500
    bad_key,         ///< unauthenticated, 4500
    bad_token,       ///< unauthenticated, 4500
    expired,         ///< unauthenticated, 4401: the token, or a ticket that is no longer good
    revoked,         ///< unauthenticated, 4503
    other_program,   ///< program_not_found, 4502
    missing_scope,   ///< missing_scope; never on a socket
    origin_refused,  ///< origin_refused, 4502
};

struct Refused {
    Refusal why = Refusal::no_credential;
    std::string_view detail;  ///< one sentence, of static storage
};
[[nodiscard]] ledger::Error error_of(const Refused& refused);

using Admission = std::variant<Onlooker, Refused>;

/// `Authorization: Bearer` with a publishable key, a shopper token or a secret key, and `Origin`.
/// `program` is the name in the path.
[[nodiscard]] Admission admit_request(
    const engine::Registry& registry,
    std::string_view program,
    const net::RequestHead& head,
    ledger::Timestamp now
);

/// What the first frame of a socket brings; empty where it has none.
struct ConnectCredentials {
    std::string_view key;     ///< a publishable key; a secret one is refused
    std::string_view token;   ///< a shopper token
    std::string_view ticket;  ///< of an earlier answer; looked at only without a token
    std::string_view origin;  ///< of the upgrade
};
/// The program is that of the first credential given; the others must be of the same.
[[nodiscard]] Admission admit_connect(
    const engine::Registry& registry, const ConnectCredentials& given, ledger::Timestamp now
);

/// Whether this newer registry still has the onlooker's keys and origin: for sockets, when the
/// registry changes. Does not look at `expires_at`.
[[nodiscard]] bool still_admitted(const engine::Registry& registry, const Onlooker& onlooker);

/// A text that stands for the member's token until its exp, in every process that has the program's
/// key: 71 characters of base64url. For onlookers of kind member.
[[nodiscard]] std::string make_resume_ticket(const Onlooker& member);

}  // namespace server::http
