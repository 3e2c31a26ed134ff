#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ledger/base/ids.hpp"
#include "server/live/protocol.hpp"

namespace server::live {

/// What a client brings to `connect`. Absent parts are empty.
struct Knock {
    std::string key;     ///< publishable
    std::string token;   ///< JWT
    std::string resume;  ///< ticket
    std::string origin;  ///< of the upgrade request; empty: it had none
    std::string peer;    ///< address without port
};

/// Who was let in.
struct Guest {
    ledger::ProgramId program;
    /// The keys that the guest brought (the publishable one, the one that signed the token): when
    /// one is revoked, the connection ends.
    std::vector<std::string> key_ids;
    /// The page's origin is vouched for by any publishable key of the program, not by one of
    /// `key_ids`.
    bool origin_by_program = false;
    /// Absent: boards only.
    std::optional<ledger::MemberId> member;
    /// When the token ends, ms since 1970; 0: there was none. Somebody with a token may be no
    /// member yet.
    std::int64_t exp_ms = 0;
    /// With a token only: for a reconnect, and to look again for who is no member yet.
    std::string ticket;
};

/// A guest, or the code to close with: bad_token, refused, revoked, expired (a ticket or token that
/// was good once) or too_many_connections.
using Verdict = std::variant<Guest, CloseCode>;

/// Decides who may look. Called on io threads; must not block. Answers come once, on any thread.
class Doorman {
public:
    virtual ~Doorman() = default;
    virtual void admit(Knock knock, std::function<void(Verdict)> answer) = 0;
    /// A new token, or the ticket of this connection, for the same program. The caller compares the
    /// member.
    virtual void refresh(
        ledger::ProgramId program, Knock knock, std::function<void(Verdict)> answer
    ) = 0;
    /// Whether any publishable key of the program lists the origin now.
    [[nodiscard]] virtual bool lists_origin(ledger::ProgramId program, const std::string& origin)
        const = 0;
};

}  // namespace server::live
