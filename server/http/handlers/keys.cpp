#include <algorithm>
#include <utility>

#include "server/http/handlers/call.hpp"
#include "server/http/request_json.hpp"

namespace server::http {

using ledger::ErrorCode;

namespace {

bool lacks_admin(Call& call) {
    if (call.caller.may(Scope::admin)) return false;
    call.refuse(ledger::make_error(ErrorCode::missing_scope, "This key lacks the scope admin."));
    return true;
}

std::string_view kind_name(std::uint8_t kind) {
    return kind == 2 ? "publishable" : "secret";
}

std::optional<ledger::Error> check_request(const KeyRequest& request) {
    for (std::size_t i = 0; i < request.scopes.size(); ++i) {
        if (!known_scope(request.scopes[i])) {
            return ledger::field_error(
                ErrorCode::invalid_parameter, "/scopes/" + std::to_string(i), "is no scope"
            );
        }
    }
    if (request.kind == 1 && request.scopes.empty()) {
        return ledger::field_error(
            ErrorCode::missing_field, "/scopes", "is missing: a secret key needs at least one scope"
        );
    }
    if (request.kind == 2 && !request.scopes.empty()) {
        return ledger::field_error(
            ErrorCode::invalid_parameter, "/scopes", "a publishable key has none"
        );
    }
    if (request.kind == 2 && request.origins.empty()) {
        return ledger::field_error(
            ErrorCode::missing_field,
            "/origins",
            "is missing: a publishable key needs at least one origin"
        );
    }
    for (std::size_t i = 0; i < request.origins.size(); ++i) {
        const std::string& origin = request.origins[i];
        const bool shaped = (origin.rfind("https://", 0) == 0 || origin.rfind("http://", 0) == 0) &&
                            origin.find('/', 8) == std::string::npos;
        if (!shaped) {
            return ledger::field_error(
                ErrorCode::invalid_parameter,
                "/origins/" + std::to_string(i),
                "must be scheme://host[:port]"
            );
        }
    }
    return std::nullopt;
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
    std::string secret = make_secret(request->kind);
    engine::CreateKeyCommand command;
    command.program = job->arena.copy(call.program->name);
    command.secret_hash = secret_hash(secret);
    command.scopes = copy_texts(job->arena, request->scopes);
    command.origins = copy_texts(job->arena, request->origins);
    command.label = job->arena.copy(request->label);
    command.kind = request->kind;
    job->commands.emplace_back(command);
    job->respond = std::move(call.respond);
    job->render = [secret = std::move(secret), given = std::move(*request)](HttpWrite& done) {
        const engine::Outcome& outcome = done.outcomes[0];
        if (outcome.status == engine::Status::refused) return error_response(outcome.error);
        net::Response response;
        response.status = 201;
        response.add_header("Cache-Control", "no-store");
        JsonWriter json(response.body);
        json.begin_object()
            .field("id", outcome.number)
            .field("kind", kind_name(given.kind))
            .field("key", secret);
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
    for (const auto& [hash, key] : call.registry->keys) {
        (void)hash;
        const bool wide =
            key.program == ledger::kSystemProgram && call.caller.program == ledger::kSystemProgram;
        if (wide || key.program == call.program->id) keys.push_back(&key);
    }
    std::sort(keys.begin(), keys.end(), [](const auto* a, const auto* b) { return a->id < b->id; });
    net::Response response;
    JsonWriter json(response.body);
    json.begin_object().key("data").begin_array();
    for (const ledger::ApiKey* key : keys) {
        json.begin_object()
            .field("id", key->id)
            .field("kind", kind_name(key->kind))
            .field("label", key->label);
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
    job->render = [](HttpWrite& done) {
        const engine::Outcome& outcome = done.outcomes[0];
        if (outcome.status == engine::Status::refused) return error_response(outcome.error);
        net::Response response;
        JsonWriter json(response.body);
        json.begin_object().field("revoked", true).end_object();
        return response;
    };
    services.submit(std::move(job));
}

}  // namespace server::http
