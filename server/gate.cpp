#include "server/gate.hpp"

#include <utility>

#include "server/http/error_response.hpp"
#include "server/net/upgrade.hpp"

namespace server {

namespace {

net::Response not_ready() {
    return http::error_response(ledger::make_error(
        ledger::ErrorCode::not_ready, "The server is reading its data; try again in a moment."
    ));
}

}  // namespace

net::BodyPlan Gate::plan(const net::RequestHead& head) {
    if (net::Handler* open = api()) return open->plan(head);
    if (head.path == "/healthz" || head.path == "/readyz") return net::BodyPlan::buffer(0);
    return net::BodyPlan::reject(not_ready());
}

net::Response Gate::error(ledger::ErrorCode code) {
    net::Handler* open = api();
    return open != nullptr ? open->error(code) : http::error_response(code);
}

void Gate::handle(const net::Request& request, net::Respond respond) {
    if (net::Handler* open = api()) {
        open->handle(request, std::move(respond));
        return;
    }
    net::Response response;
    if (request.path == "/healthz") {
        response.body = R"({"status":"ok"})";
    } else if (request.path == "/readyz") {
        response.status = 503;
        response.body = health_.json();
        response.add_header("Retry-After", "1");
    } else {
        response = not_ready();
    }
    respond(std::move(response));
}

std::shared_ptr<net::BodyStream> Gate::open_stream(
    const net::RequestHead& head, net::Respond respond
) {
    // A stream was planned by the API, so it is there.
    return api()->open_stream(head, std::move(respond));
}

void Gate::upgrade(
    const net::RequestHead& head, std::unique_ptr<net::UpgradedConnection> connection
) {
    // Only the API plans an upgrade.
    api()->upgrade(head, std::move(connection));
}

}  // namespace server
