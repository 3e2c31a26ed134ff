#pragma once

#include <string>
#include <string_view>

#include "server/engine/registry.hpp"
#include "server/net/http.hpp"

// Cross-origin reading of the routes that onlookers use (docs/live.md, "CORS"). Never credentials,
// never "*".
namespace server::http {

/// The request's Origin if a publishable key of the program lists it, else empty.
[[nodiscard]] std::string listed_origin(
    const engine::Registry& registry, std::string_view program, const net::RequestHead& head
);

/// The answer to OPTIONS: 204 for a listed origin, otherwise 403 origin_refused.
[[nodiscard]] net::Response preflight_response(
    const engine::Registry& registry, std::string_view program, const net::RequestHead& head
);

/// Adds `Vary: Authorization, Origin` and, unless `origin` is empty, what lets a page of that
/// origin read the answer.
void add_cors(net::Response& response, std::string_view origin);

/// A Respond that adds them to whatever it is given. For origin_refused `origin` must be empty.
[[nodiscard]] net::Respond with_cors(net::Respond respond, std::string origin);

}  // namespace server::http
