#include <string>
#include <utility>

#include "embed/api_documents.hpp"
#include "server/http/handlers/call.hpp"

namespace server::http {

void get_healthz(Services&, net::Respond respond) {
    respond(json_response(200, "{\"status\":\"ok\"}"));
}

void get_readyz(Services& services, net::Respond respond) {
    const bool ready = services.options.health == nullptr || services.options.health->ready();
    net::Response response = json_response(
        ready ? 200 : 503,
        services.options.health == nullptr ? "{\"ready\":true,\"conditions\":[]}"
                                           : services.options.health->json()
    );
    if (!ready) response.add_header("Retry-After", "1");
    respond(std::move(response));
}

void get_metrics(Services& services, net::Respond respond) {
    auto reply = std::make_shared<net::Respond>(std::move(respond));
    const auto text = services.options.metrics_text;
    (void)services.pool.post([reply, text] {
        net::Response response;
        response.content_type = ops::kMetricsContentType;
        response.body = text ? text() : std::string();
        (*reply)(std::move(response));
    });
}

namespace {

void answer_document(net::Respond respond, std::string_view name, std::string_view content_type) {
    net::Response response;
    response.content_type = content_type;
    response.body = std::string(embed::api_documents_file(name));
    response.add_header("Cache-Control", "no-cache");
    respond(std::move(response));
}

}  // namespace

void get_openapi(net::Respond respond) {
    answer_document(std::move(respond), "openapi.json", "application/json");
}

void get_docs(net::Respond respond) {
    answer_document(std::move(respond), "docs.html", "text/html; charset=utf-8");
}

void post_accept_clock(Services& services, Call call) {
    if (!call.caller.may(Scope::admin)) {
        return call.refuse(
            ledger::make_error(ledger::ErrorCode::missing_scope, "This key lacks the scope admin.")
        );
    }
    if (call.caller.program != ledger::kSystemProgram) {
        return call.refuse(ledger::make_error(
            ledger::ErrorCode::missing_scope,
            "The clock is every program's: use a key of all programs."
        ));
    }
    services.shard.accept_clock();
    call.answer(json_response(200, "{\"accepted\":true}"));
}

}  // namespace server::http
