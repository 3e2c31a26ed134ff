#pragma once

#include <optional>
#include <string>

#include "server/net/http.hpp"

namespace server::live {

/// The answer to a request that is no WebSocket handshake: 405, 426 or 400. Nullopt: it is one.
[[nodiscard]] std::optional<net::Response> refuse_handshake(const net::RequestHead& head);

/// The request again, with the fields that a handshake needs and no other.
[[nodiscard]] std::string handshake_text(const net::RequestHead& head);

}  // namespace server::live
