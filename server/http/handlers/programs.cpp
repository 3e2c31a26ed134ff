#include <algorithm>
#include <utility>

#include "ledger/sha256.hpp"
#include "rules/rule_set.hpp"
#include "server/http/handlers/call.hpp"

namespace server::http {

using ledger::ErrorCode;

namespace {

bool lacks_write(Call& call) {
    if (call.caller.may(Scope::program_write)) return false;
    call.refuse(
        ledger::make_error(ErrorCode::missing_scope, "This key lacks the scope program:write.")
    );
    return true;
}

bool good_name(std::string_view name) {
    if (name.empty() || name.size() > 64 || name.front() == '-' || name.front() == '_')
        return false;
    return std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    });
}

struct PutAnswer {
    std::string name;
    ledger::Hash32 content_hash{};
};

net::Response put_response(HttpWrite& done, const PutAnswer& put) {
    const engine::Outcome& outcome = done.outcomes[0];
    if (outcome.status == engine::Status::refused) return error_response(outcome.error);
    net::Response response;
    response.status = outcome.created ? 201 : 200;
    JsonWriter json(response.body);
    json.begin_object()
        .field("program", put.name)
        .field("version", outcome.number)
        .field("active", true);
    json.field("changed", outcome.status != engine::Status::unchanged)
        .field("content_hash", hex(put.content_hash));
    json.end_object();
    if (outcome.created) response.add_header("Location", "/v1/programs/" + put.name);
    return response;
}

}  // namespace

void list_programs(Services&, Call call) {
    const auto limit = number_parameter(call.request.query, "limit", 1, 100, 50);
    if (limit.has_error()) return call.refuse(limit.error());
    const auto after = query_parameter(call.request.query, "cursor");
    if (after.has_error()) return call.refuse(after.error());
    if (*after && !good_name(**after)) {
        return call.refuse(ledger::field_error(
            ErrorCode::invalid_parameter, "cursor", "is not a cursor of this list"
        ));
    }
    net::Response response;
    JsonWriter json(response.body);
    json.begin_object().key("data").begin_array();
    const auto& programs = call.registry->programs;
    std::uint64_t shown = 0;
    std::string last;
    bool more = false;
    for (auto at = programs.upper_bound(*after ? **after : std::string()); at != programs.end();
         ++at) {
        const auto& [name, program] = *at;
        if (call.caller.program != ledger::kSystemProgram && call.caller.program != program->id)
            continue;
        if (shown == *limit) {
            more = true;
            break;
        }
        ++shown;
        last = name;
        json.begin_object().field("program", name);
        if (!program->row.activations.empty())
            json.field("active_version", program->row.activations.back().version);
        json.field("read_only", program->read_only()).end_object();
    }
    json.end_array().key("next_cursor");
    if (more) {
        json.string(last);
    } else {
        json.null();
    }
    json.end_object();
    call.answer(std::move(response));
}

void put_program(Services& services, Call call, std::string name) {
    if (lacks_write(call)) return;
    if (!good_name(name)) {
        return call.refuse(ledger::field_error(
            ErrorCode::invalid_parameter,
            "program",
            "must have 1 to 64 lower-case letters, digits, - or _, and begin with a letter or digit"
        ));
    }
    // Compiling may take milliseconds: not on the io thread. The request's memory ends with its
    // answer.
    auto job = make_write(call);
    job->program = ledger::kSystemProgram;
    const std::string_view document = job->arena.copy(call.request.body);
    job->respond = std::move(call.respond);
    auto work = [&services, owned = std::move(job), document, name = std::move(name)]() mutable {
        auto rule_set = rules::load_rule_set(document, name);
        if (rule_set.has_error()) {
            owned->respond(error_response(rule_set.error()));
            return;
        }
        engine::PutProgramCommand command;
        command.name = owned->arena.copy(name);
        command.document = owned->arena.copy((*rule_set)->canonical());
        command.content_hash = ledger::sha256(command.document);
        command.rule_set = *rule_set;
        owned->render = [put = PutAnswer{name, command.content_hash}](HttpWrite& done) {
            return put_response(done, put);
        };
        owned->commands.emplace_back(std::move(command));
        services.submit(std::move(owned));
    };
    (void)services.pool.post(std::move(work));
}

void validate_program(Services& services, Call call, std::string name) {
    if (lacks_write(call)) return;
    auto document = std::make_shared<std::string>(call.request.body);
    auto reply = std::make_shared<net::Respond>(std::move(call.respond));
    (void)services.pool.post([document, reply, name = std::move(name)] {
        const auto rule_set = rules::load_rule_set(*document, name);
        if (rule_set.has_error()) return (*reply)(error_response(rule_set.error()));
        net::Response response;
        JsonWriter json(response.body);
        json.begin_object()
            .field("valid", true)
            .field("content_hash", hex(ledger::sha256((*rule_set)->canonical())));
        json.key("rules").begin_array();
        for (const std::string_view rule : (*rule_set)->rule_names())
            json.string(rule);
        json.end_array().end_object();
        (*reply)(std::move(response));
    });
}

namespace {

/// Answers with one version's document, from its entry.
void answer_version(Services& services, Call& call, std::uint32_t number) {
    const auto& versions = call.program->row.versions;
    const auto version = std::find_if(versions.begin(), versions.end(), [&](const auto& v) {
        return v.number == number;
    });
    if (version == versions.end()) {
        return call.refuse(
            ledger::make_error(ErrorCode::not_found, "This program has no such version.")
        );
    }
    auto job = make_read(call);
    auto document = std::make_shared<std::string>();
    job->look = [document, entry = version->entry](HttpRead&, const engine::ReadContext& context) {
        const auto row = context.view.entry(ledger::kSystemProgram, entry);
        if (row.missing()) return false;
        if (row.found()) *document = row.row->entry.program_version.document;
        return true;
    };
    job->render = [document, version = *version](HttpRead& read) {
        net::Response response;
        JsonWriter json(response.body);
        const auto& activations = read.info->row.activations;
        json.begin_object().field("program", read.info->name).field("version", version.number);
        json.field("active", !activations.empty() && activations.back().version == version.number);
        json.field("content_hash", hex(version.content_hash))
            .time_field("created_at", version.created_at);
        json.key("document").raw(*document).end_object();
        return response;
    };
    submit_read(services, call, std::move(job));
}

}  // namespace

void get_program(Services& services, Call call) {
    answer_version(services, call, call.program->row.version_at(services.now()));
}

void get_version(Services& services, Call call) {
    const auto number = number_parameter("version=" + call.path[1], "version", 1, UINT32_MAX, 0);
    if (number.has_error()) return call.refuse(number.error());
    answer_version(services, call, static_cast<std::uint32_t>(*number));
}

void list_versions(Services& services, Call call) {
    const std::uint32_t active = call.program->row.version_at(services.now());
    const auto limit = number_parameter(call.request.query, "limit", 1, 100, 50);
    if (limit.has_error()) return call.refuse(limit.error());
    const auto before = number_parameter(call.request.query, "cursor", 1, UINT32_MAX, UINT32_MAX);
    if (before.has_error()) return call.refuse(before.error());
    net::Response response;
    JsonWriter json(response.body);
    json.begin_object().key("data").begin_array();
    std::uint64_t shown = 0;
    std::uint32_t last = 0;
    bool more = false;
    const auto& versions = call.program->row.versions;
    for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
        if (version->number >= *before) continue;
        if (shown == *limit) {
            more = true;
            break;
        }
        ++shown;
        last = version->number;
        json.begin_object()
            .field("version", version->number)
            .field("content_hash", hex(version->content_hash));
        json.field("active", version->number == active)
            .time_field("created_at", version->created_at)
            .end_object();
    }
    json.end_array().key("next_cursor");
    if (more) {
        json.string(std::to_string(last));
    } else {
        json.null();
    }
    json.end_object();
    call.answer(std::move(response));
}

}  // namespace server::http
