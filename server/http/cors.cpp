#include "server/http/cors.hpp"

#include <memory>
#include <utility>

#include "server/http/error_response.hpp"

namespace server::http {

namespace {

class CorsSink final : public net::ResponseSink {
public:
    CorsSink(net::Respond respond, std::string origin)
        : respond_(std::move(respond)), origin_(std::move(origin)) {}

    void deliver(net::Response response) override {
        add_cors(response, origin_);
        respond_(std::move(response));
    }
    net::StreamWriter deliver_stream(net::Response head) override {
        add_cors(head, origin_);
        return respond_.stream(std::move(head));
    }
    void abandon() noexcept override { respond_ = net::Respond(); }
    [[nodiscard]] net::IoQueue* queue() const override { return respond_.queue(); }

private:
    net::Respond respond_;
    const std::string origin_;
};

}  // namespace

std::string listed_origin(
    const engine::Registry& registry, std::string_view program, const net::RequestHead& head
) {
    const std::string_view origin = head.header("origin");
    const engine::ProgramInfo* info = registry.find(program);
    const bool listed = info != nullptr && registry.lists_origin(info->id, origin);
    return listed ? std::string(origin) : std::string();
}

net::Response preflight_response(
    const engine::Registry& registry, std::string_view program, const net::RequestHead& head
) {
    const std::string origin = listed_origin(registry, program, head);
    net::Response response;
    if (origin.empty()) {
        response = error_response(ledger::make_error(
            ledger::ErrorCode::origin_refused,
            "No publishable key of this program lists this origin."
        ));
    } else {
        response.status = 204;
        response.content_type = {};
        response.add_header("Access-Control-Allow-Origin", origin);
        response.add_header("Access-Control-Allow-Methods", "GET");
        response.add_header("Access-Control-Allow-Headers", "authorization, if-none-match");
        response.add_header("Access-Control-Max-Age", "600");
    }
    response.add_header("Vary", "Origin");
    return response;
}

void add_cors(net::Response& response, std::string_view origin) {
    response.add_header("Vary", "Authorization, Origin");
    if (origin.empty()) return;
    response.add_header("Access-Control-Allow-Origin", origin);
    response.add_header("Access-Control-Expose-Headers", "ETag, Guerdon-As-Of, Retry-After");
}

net::Respond with_cors(net::Respond respond, std::string origin) {
    return net::Respond(std::make_shared<CorsSink>(std::move(respond), std::move(origin)));
}

}  // namespace server::http
