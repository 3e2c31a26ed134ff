#pragma once

#include <memory>
#include <string>

#include "server/live/hub.hpp"
#include "server/net/upgrade.hpp"

namespace server::live {

/// What the upgrade request said.
struct Arrival {
    std::string handshake;  ///< as handshake_text made it
    std::string origin;
    std::string peer;
    bool full = false;  ///< let in only to be told so
};

/// Answers the handshake and runs a session on the connection until it ends. On the hub's thread.
void start_socket(Hub& hub, std::unique_ptr<net::UpgradedConnection> connection, Arrival arrival);

}  // namespace server::live
