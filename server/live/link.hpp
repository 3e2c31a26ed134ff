#pragma once

#include <vector>

#include "server/live/frame.hpp"
#include "server/live/protocol.hpp"

namespace server::live {

/// The wire under a session: a WebSocket, or what a test puts there. On the session's thread; calls
/// back into the session later, never from within these.
class Link {
public:
    virtual ~Link() = default;
    /// Starts to send one text message; Session::on_written follows. One at a time.
    virtual void write(std::vector<Frame> frames) = 0;
    /// Closes in order with this code, after what was written; Session::on_gone follows.
    virtual void close(CloseCode code) = 0;
    /// Ends the connection at once; Session::on_gone follows.
    virtual void cut() = 0;
};

}  // namespace server::live
