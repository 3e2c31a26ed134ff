#include "server/http/onlooker.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <sodium/utils.h>

#include "ledger/base/invariant.hpp"
#include "ledger/big_endian.hpp"
#include "ledger/blind.hpp"
#include "server/http/auth.hpp"
#include "server/http/base64url.hpp"
#include "server/http/shopper_token.hpp"

namespace server::http {

using ledger::ApiKeyKind;
using ledger::ErrorCode;

namespace {

// A resume ticket, before base64url:
//     version u8 (1) · program u32 · shopper key u64 · exp i64, microseconds · member hash 16 · tag
// in big-endian order; tag is the keyed hash (16 bytes) of all that is before it.
constexpr char kTicketVersion = 1;
constexpr std::size_t kTicketBody = 1 + 4 + 8 + 8 + 16;

enum class SecretKeys : std::uint8_t { refused, admitted };

/// Fills in an onlooker credential by credential, until one is refused.
class Gate {
public:
    Gate(const engine::Registry& registry, ledger::Timestamp now)
        : registry_(registry), now_(now) {}

    /// Without a call the first credential says which program.
    void program(std::string_view name) {
        named_ = true;
        onlooker_.program = registry_.share(name);
    }

    [[nodiscard]] bool open() const { return !refused_; }

    void key(std::string_view text, SecretKeys secret_keys) {
        key_ = registry_.key_by_secret(secret_hash(text));
        const bool secret = key_ != nullptr && key_->kind == ApiKeyKind::secret;
        if (key_ == nullptr || (secret && secret_keys == SecretKeys::refused))
            return refuse(Refusal::bad_key, "This key is not known here.");
        if (key_->revoked) return refuse(Refusal::revoked, "This key was revoked.");
        if (!named_) onlooker_.program = registry_.share(key_->program);
        const bool every = key_->program == ledger::kSystemProgram;
        if (onlooker_.program == nullptr || (!every && key_->program != onlooker_.program->id))
            return refuse(Refusal::other_program, "There is no such program.");
        if (secret && !caller_of(*key_).may(Scope::members_read))
            return refuse(Refusal::missing_scope, "This key lacks the scope members:read.");
        onlooker_.key_id = key_->id;
        if (secret) onlooker_.kind = Onlooker::Kind::server;
    }

    void token(std::string_view text) {
        if (named_ && onlooker_.program == nullptr)
            return refuse(Refusal::bad_token, explain(TokenFault::unknown_key));
        auto verified = verify_shopper_token(registry_, onlooker_.program.get(), text, now_);
        if (const auto* fault = std::get_if<TokenFault>(&verified)) {
            Refusal why = Refusal::bad_token;
            if (*fault == TokenFault::expired) why = Refusal::expired;
            if (*fault == TokenFault::revoked_key) why = Refusal::revoked;
            return refuse(why, explain(*fault));
        }
        auto& token = std::get<ShopperToken>(verified);
        onlooker_.kind = Onlooker::Kind::member;
        onlooker_.program = std::move(token.program);
        onlooker_.token_key_id = token.key_id;
        onlooker_.expires_at = token.expires_at;
        onlooker_.member_hash = ledger::blind_hash(
            *onlooker_.program->hmac, ledger::BlindKind::external_id, token.member
        );
        onlooker_.member = std::move(token.member);
    }

    void ticket(std::string_view text) {
        const auto bytes = from_base64url(text);
        if (!bytes || !read_ticket(*bytes))
            refuse(Refusal::expired, "The resume ticket is no longer good.");
    }

    void origin(std::string_view given) {
        if (given.empty()) return;
        const bool listed = key_ != nullptr
                                ? std::ranges::find(key_->origins, given) != key_->origins.end()
                                : registry_.lists_origin(onlooker_.program->id, given);
        if (!listed) {
            return refuse(
                Refusal::origin_refused, "This origin is not in the list of a publishable key."
            );
        }
        onlooker_.origin = given;
    }

    void refuse(Refusal why, std::string_view detail) { refused_ = Refused{why, detail}; }

    [[nodiscard]] Admission result() {
        if (refused_) return *refused_;
        return std::move(onlooker_);
    }

private:
    [[nodiscard]] bool read_ticket(std::string_view bytes) {
        if (bytes.size() != kTicketBody + sizeof(ledger::Hash16)) return false;
        const std::string_view body = bytes.substr(0, kTicketBody);
        const ledger::ProgramId id{ledger::load_big_endian<std::uint32_t>(body.data() + 1)};
        auto program = registry_.share(id);
        if (program == nullptr) return false;
        const ledger::Hash16 tag = program->hmac->mac16(ledger::HashDomain::resume_ticket, {body});
        const bool ours = sodium_memcmp(tag.data(), bytes.data() + kTicketBody, tag.size()) == 0;
        if (!ours || body[0] != kTicketVersion) return false;
        if (onlooker_.program != nullptr && onlooker_.program->id != id) return false;
        onlooker_.token_key_id = ledger::load_big_endian<std::uint64_t>(body.data() + 5);
        onlooker_.expires_at = ledger::load_big_endian<ledger::Timestamp>(body.data() + 13);
        std::copy_n(body.end() - 16, 16, onlooker_.member_hash.begin());
        onlooker_.kind = Onlooker::Kind::member;
        onlooker_.program = std::move(program);
        const ledger::ApiKey* key = registry_.key(onlooker_.token_key_id);
        return key != nullptr && !key->revoked && onlooker_.expires_at > now_;
    }

    const engine::Registry& registry_;
    const ledger::Timestamp now_;
    bool named_ = false;
    const ledger::ApiKey* key_ = nullptr;
    Onlooker onlooker_;
    std::optional<Refused> refused_;
};

}  // namespace

ledger::Error error_of(const Refused& refused) {
    const auto code = [&] {
        switch (refused.why) {
            case Refusal::no_credential:
            case Refusal::bad_key:
            case Refusal::bad_token:
            case Refusal::expired:
            case Refusal::revoked: return ErrorCode::unauthenticated;
            case Refusal::other_program: return ErrorCode::program_not_found;
            case Refusal::missing_scope: return ErrorCode::missing_scope;
            case Refusal::origin_refused: return ErrorCode::origin_refused;
        }
        return ErrorCode::unauthenticated;
    };
    return ledger::make_error(code(), std::string(refused.detail));
}

Admission admit_request(
    const engine::Registry& registry,
    std::string_view program,
    const net::RequestHead& head,
    ledger::Timestamp now
) {
    const auto text = bearer(head);
    if (text.has_error()) {
        return Refused{
            Refusal::no_credential, "Give a key or a shopper token: Authorization: Bearer …"};
    }
    Gate gate(registry, now);
    gate.program(program);
    if (text->starts_with("pk_") || text->starts_with("gk_")) {
        gate.key(*text, SecretKeys::admitted);
    } else {
        gate.token(*text);
    }
    if (gate.open()) gate.origin(head.header("origin"));
    return gate.result();
}

Admission admit_connect(
    const engine::Registry& registry, const ConnectCredentials& given, ledger::Timestamp now
) {
    Gate gate(registry, now);
    if (given.key.empty() && given.token.empty() && given.ticket.empty())
        gate.refuse(Refusal::no_credential, "Give a publishable key or a shopper token.");
    if (gate.open() && !given.key.empty()) gate.key(given.key, SecretKeys::refused);
    if (gate.open() && !given.token.empty()) {
        gate.token(given.token);
    } else if (gate.open() && !given.ticket.empty()) {
        gate.ticket(given.ticket);
    }
    if (gate.open()) gate.origin(given.origin);
    return gate.result();
}

bool still_admitted(const engine::Registry& registry, const Onlooker& onlooker) {
    const auto good = [&registry](std::uint64_t id) {
        const ledger::ApiKey* key = registry.key(id);
        return id == 0 || (key != nullptr && !key->revoked);
    };
    if (!good(onlooker.key_id) || !good(onlooker.token_key_id)) return false;
    // A key's own list never changes; the program's changes with its publishable keys.
    const bool by_program = onlooker.key_id == 0 && !onlooker.origin.empty();
    return !by_program || registry.lists_origin(onlooker.program->id, onlooker.origin);
}

std::string make_resume_ticket(const Onlooker& member) {
    INVARIANT(member.kind == Onlooker::Kind::member);
    std::array<std::uint8_t, kTicketBody + sizeof(ledger::Hash16)> bytes{};
    char* const out = reinterpret_cast<char*>(bytes.data());
    out[0] = kTicketVersion;
    ledger::store_big_endian(out + 1, member.program->id.value);
    ledger::store_big_endian(out + 5, member.token_key_id);
    ledger::store_big_endian(out + 13, member.expires_at);
    std::ranges::copy(member.member_hash, bytes.begin() + 21);
    const ledger::Hash16 tag = member.program->hmac->mac16(
        ledger::HashDomain::resume_ticket, {std::string_view(out, kTicketBody)}
    );
    std::ranges::copy(tag, bytes.begin() + kTicketBody);
    return base64url(bytes);
}

}  // namespace server::http
