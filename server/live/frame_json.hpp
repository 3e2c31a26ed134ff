#pragma once

#include <string_view>
#include <vector>

#include "server/live/protocol.hpp"

namespace server::live {

/// Reads one message: an object, or several, one a line. Objects without a known member are left
/// out. False: a bad frame (4501); `commands` then holds those before it.
[[nodiscard]] bool read_commands(std::string_view message, std::vector<Command>& commands);

}  // namespace server::live
