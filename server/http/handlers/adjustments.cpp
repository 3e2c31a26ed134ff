#include <charconv>
#include <utility>

#include "ledger/blind.hpp"
#include "server/http/handlers/call.hpp"
#include "server/http/request_json.hpp"

namespace server::http {

using ledger::ErrorCode;

namespace {

/// `If-Match: "5"`. Errors: invalid_parameter.
ledger::Result<std::optional<std::uint64_t>> if_match(std::string_view header) {
    if (header.empty() || header == "*") return std::optional<std::uint64_t>{};
    if (header.size() >= 2 && header.front() == '"' && header.back() == '"')
        header = header.substr(1, header.size() - 2);
    std::uint64_t version = 0;
    const auto parsed = std::from_chars(header.data(), header.data() + header.size(), version);
    if (parsed.ec != std::errc() || parsed.ptr != header.data() + header.size()) {
        return ledger::field_error(
            ErrorCode::invalid_parameter, "If-Match", "must be the ETag of the member's balances"
        );
    }
    return std::optional<std::uint64_t>{version};
}

std::string canonical(const engine::AdjustCommand& command, std::string_view member) {
    std::string text;
    const auto add = [&](std::string_view part) {
        text += std::to_string(part.size());
        text += ':';
        text += part;
    };
    add(member);
    add(command.currency);
    add(std::to_string(command.amount));
    add(command.reason_code);
    add(command.note);
    text += command.visible_to_member ? '1' : '0';
    text += command.counts_for_tier ? '1' : '0';
    return text;
}

net::Response adjustment_response(HttpWrite& done, std::string_view member) {
    const engine::Outcome& outcome = done.outcomes[0];
    const auto& command = std::get<engine::AdjustCommand>(done.commands[0]);
    net::Response response = entry_response(done, member, command.note);
    if (response.status != 201) return response;
    if (command.dry_run) {
        response.status = 200;
    } else if (outcome.wallet_version != 0) {
        response.add_header("ETag", "\"" + std::to_string(outcome.wallet_version) + "\"");
    }
    return response;
}

}  // namespace

void post_adjustment(Services& services, Call call) {
    if (!call.caller.may(Scope::points_write)) {
        return call.refuse(
            ledger::make_error(ErrorCode::missing_scope, "This key lacks the scope points:write.")
        );
    }
    auto hash = member_hash(*call.program, call.path[1]);
    if (hash.has_error()) return call.refuse(hash.error());
    auto job = make_write(call);
    auto command = read_adjustment(call.request.body, job->arena);
    if (command.has_error()) return call.refuse(command.error());
    std::string_view key;
    if (!command->dry_run || !call.request.header("idempotency-key").empty()) {
        auto given = idempotency_key(call.request);
        if (given.has_error()) return call.refuse(given.error());
        key = *given;
    }
    auto version = if_match(call.request.header("if-match"));
    if (version.has_error()) return call.refuse(version.error());
    const ledger::HmacKey& hmac = *call.program->hmac;
    command->if_version = *version;
    command->blind.external_id = *hash;
    command->key_hash = ledger::idempotency_key_hash(hmac, "adjustments", key);
    command->request_hash = ledger::request_hash(hmac, canonical(*command, call.path[1]));
    job->commands.emplace_back(*command);
    job->respond = std::move(call.respond);
    job->render = [member = call.path[1]](HttpWrite& done) {
        return adjustment_response(done, member);
    };
    services.submit(std::move(job));
}

}  // namespace server::http
