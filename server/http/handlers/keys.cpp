#include <algorithm>
#include <utility>

#include "ledger/random.hpp"
#include "server/http/handlers/call.hpp"
#include "server/http/request_json.hpp"
#include "server/http/token_signature.hpp"
#include "server/live/live.hpp"

namespace server::http {

using ledger::ApiKeyKind;
using ledger::ErrorCode;

namespace {

bool lacks_admin(Call& call) {
    if (call.caller.may(Scope::admin)) return false;
    call.refuse(ledger::make_error(ErrorCode::missing_scope, "This key lacks the scope admin."));
    return true;
}

bool is_shopper(ApiKeyKind kind) {
    return kind == ApiKeyKind::shopper_hs256 || kind == ApiKeyKind::shopper_es256;
}

std::string_view kind_name(ApiKeyKind kind) {
    if (is_shopper(kind)) return "shopper";
    return kind == ApiKeyKind::publishable ? "publishable" : "secret";
}

/// What list and creation say of a shopper key beside its kind.
void write_shopper_part(JsonWriter& json, std::uint64_t id, ApiKeyKind kind) {
    if (!is_shopper(kind)) return;
    json.field("algorithm", kind == ApiKeyKind::shopper_es256 ? "ES256" : "HS256")
        .field("kid", std::to_string(id));
}

std::optional<ledger::Error> check_scopes(const KeyRequest& request) {
    for (std::size_t i = 0; i < request.scopes.size(); ++i) {
        if (!known_scope(request.scopes[i])) {
            return ledger::field_error(
                ErrorCode::invalid_parameter, "/scopes/" + std::to_string(i), "is no scope"
            );
        }
    }
    if (request.kind == ApiKeyKind::secret && request.scopes.empty()) {
        return ledger::field_error(
            ErrorCode::missing_field, "/scopes", "is missing: a secret key needs at least one scope"
        );
    }
    if (request.kind != ApiKeyKind::secret && !request.scopes.empty()) {
        return ledger::field_error(
            ErrorCode::invalid_parameter,
            "/scopes",
            "a " + std::string(kind_name(request.kind)) + " key has none"
        );
    }
    return std::nullopt;
}

/// As a browser writes it into Origin, or it would never match: lower case, no path, no default
/// port.
bool is_origin(std::string_view text) {
    const bool tls = text.starts_with("https://");
    if (!tls && !text.starts_with("http://")) return false;
    text.remove_prefix(tls ? 8 : 7);
    const bool bracketed = text.starts_with("[");  // an IPv6 address
    const std::size_t end = bracketed ? text.find(']') : 0;
    if (end == std::string_view::npos) return false;
    const std::size_t colon = text.find(':', end);
    std::string_view host = text.substr(0, colon);
    if (bracketed) host = host.ends_with("]") ? host.substr(1, host.size() - 2) : "";
    const std::string_view marks = bracketed ? ":." : "._-";
    const auto in_host = [marks](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               marks.find(c) != std::string_view::npos;
    };
    if (host.empty() || !std::ranges::all_of(host, in_host)) return false;
    if (colon == std::string_view::npos) return true;
    const std::string_view port = text.substr(colon + 1);
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    const bool number = !port.empty() && port.size() <= 5 && port.front() != '0' &&
                        std::ranges::all_of(port, is_digit);
    return number && port != (tls ? "443" : "80");
}

std::optional<ledger::Error> check_origins(const KeyRequest& request) {
    if (request.kind == ApiKeyKind::publishable && request.origins.empty()) {
        return ledger::field_error(
            ErrorCode::missing_field,
            "/origins",
            "is missing: a publishable key needs at least one origin"
        );
    }
    if (is_shopper(request.kind) && !request.origins.empty()) {
        return ledger::field_error(
            ErrorCode::invalid_parameter, "/origins", "a shopper key has none"
        );
    }
    for (std::size_t i = 0; i < request.origins.size(); ++i) {
        if (is_origin(request.origins[i])) continue;
        return ledger::field_error(
            ErrorCode::invalid_parameter,
            "/origins/" + std::to_string(i),
            "must be scheme://host[:port] as browsers send it: http or https, in lower case, "
            "without a default port"
        );
    }
    return std::nullopt;
}

std::optional<ledger::Error> check_algorithm(const KeyRequest& request) {
    const bool shopper = is_shopper(request.kind);
    if (shopper && request.algorithm.empty()) {
        return ledger::field_error(
            ErrorCode::missing_field, "/algorithm", "is missing: a shopper key has one"
        );
    }
    if (!shopper && !request.algorithm.empty()) {
        return ledger::field_error(
            ErrorCode::invalid_parameter, "/algorithm", "only a shopper key has one"
        );
    }
    const bool public_key = request.kind == ApiKeyKind::shopper_es256;
    if (public_key && request.public_key.empty()) {
        return ledger::field_error(
            ErrorCode::missing_field, "/public_key", "is missing: ES256 needs the shop's"
        );
    }
    if (!public_key && !request.public_key.empty()) {
        return ledger::field_error(
            ErrorCode::invalid_parameter, "/public_key", "only a shopper key for ES256 has one"
        );
    }
    return std::nullopt;
}

std::optional<ledger::Error> check_request(const KeyRequest& request) {
    if (auto wrong = check_scopes(request)) return wrong;
    if (auto wrong = check_origins(request)) return wrong;
    return check_algorithm(request);
}

/// The command with what is stored of the new secret, and what of it is answered once.
struct NewKey {
    engine::CreateKeyCommand command;
    std::string shown;  ///< of secret and publishable keys
};

ledger::Result<NewKey> make_key(const KeyRequest& request, engine::Arena& arena) {
    NewKey made;
    made.command.kind = request.kind;
    if (request.kind == ApiKeyKind::shopper_es256) {
        auto public_key = read_public_key(request.public_key);
        if (public_key.has_error()) return public_key.error();
        made.command.public_key = arena.copy(*public_key);
    } else if (request.kind == ApiKeyKind::shopper_hs256) {
        ledger::random_bytes(made.command.secret_hash);
    } else {
        made.shown = make_secret(request.kind);
        made.command.secret_hash = secret_hash(made.shown);
    }
    return made;
}

std::span<const std::string_view> copy_texts(
    engine::Arena& arena, const std::vector<std::string>& texts
) {
    const auto copied = arena.make<std::string_view>(texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i)
        copied[i] = arena.copy(texts[i]);
    return copied;
}

}  // namespace

void post_key(Services& services, Call call) {
    if (lacks_admin(call)) return;
    auto request = read_key_request(call.request.body);
    if (request.has_error()) return call.refuse(request.error());
    if (auto wrong = check_request(*request)) return call.refuse(*wrong);
    auto job = make_write(call);
    job->program = ledger::kSystemProgram;
    auto made = make_key(*request, job->arena);
    if (made.has_error()) return call.refuse(made.error());
    engine::CreateKeyCommand& command = made->command;
    command.program = job->arena.copy(call.program->name);
    command.scopes = copy_texts(job->arena, request->scopes);
    command.origins = copy_texts(job->arena, request->origins);
    command.label = job->arena.copy(request->label);
    job->commands.emplace_back(command);
    job->respond = std::move(call.respond);
    job->render = [shown = std::move(made->shown),
                   stored = command.secret_hash,
                   given = std::move(*request)](HttpWrite& done) {
        const engine::Outcome& outcome = done.outcomes[0];
        if (outcome.status == engine::Status::refused) return error_response(outcome.error);
        net::Response response;
        response.status = 201;
        response.add_header("Cache-Control", "no-store");
        JsonWriter json(response.body);
        json.begin_object().field("id", outcome.number).field("kind", kind_name(given.kind));
        write_shopper_part(json, outcome.number, given.kind);
        if (!shown.empty()) json.field("key", shown);
        if (given.kind == ApiKeyKind::shopper_hs256)
            json.field("secret", shopper_secret(*done.info->hmac, stored));
        json.key("scopes").begin_array();
        for (const std::string& scope : given.scopes)
            json.string(scope);
        json.end_array().key("origins").begin_array();
        for (const std::string& origin : given.origins)
            json.string(origin);
        json.end_array().field("label", given.label).end_object();
        return response;
    };
    services.submit(std::move(job));
}

void list_keys(Services&, Call call) {
    if (lacks_admin(call)) return;
    std::vector<const ledger::ApiKey*> keys;
    for (const auto& [id, key] : call.registry->keys) {
        const bool wide =
            key.program == ledger::kSystemProgram && call.caller.program == ledger::kSystemProgram;
        if (wide || key.program == call.program->id) keys.push_back(&key);
    }
    net::Response response;
    JsonWriter json(response.body);
    json.begin_object().key("data").begin_array();
    for (const ledger::ApiKey* key : keys) {
        json.begin_object().field("id", key->id).field("kind", kind_name(key->kind));
        write_shopper_part(json, key->id, key->kind);
        json.field("label", key->label);
        json.key("scopes").begin_array();
        for (const std::string& scope : key->scopes)
            json.string(scope);
        json.end_array().key("origins").begin_array();
        for (const std::string& origin : key->origins)
            json.string(origin);
        json.end_array()
            .field("revoked", key->revoked)
            .time_field("created_at", key->created_at)
            .end_object();
    }
    json.end_array().key("next_cursor").null().end_object();
    call.answer(std::move(response));
}

void delete_key(Services& services, Call call) {
    if (lacks_admin(call)) return;
    const auto id = number_parameter(
        "id=" + call.path[1], "id", 1, static_cast<std::uint64_t>(ledger::kWireMax), 0
    );
    if (id.has_error()) return call.refuse(id.error());
    auto job = make_write(call);
    job->program = ledger::kSystemProgram;
    engine::RevokeKeyCommand command;
    command.program = job->arena.copy(call.program->name);
    command.key_id = *id;
    command.every_program = call.caller.program == ledger::kSystemProgram;
    job->commands.emplace_back(command);
    job->respond = std::move(call.respond);
    job->render = [id = *id, live = services.options.live](HttpWrite& done) {
        const engine::Outcome& outcome = done.outcomes[0];
        if (outcome.status == engine::Status::refused) return error_response(outcome.error);
        // Who came with it leaves, also from a socket that is open.
        if (live != nullptr) live->revoke_key(std::to_string(id));
        net::Response response;
        JsonWriter json(response.body);
        json.begin_object().field("revoked", true).end_object();
        return response;
    };
    services.submit(std::move(job));
}

}  // namespace server::http
