#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace server::live {

/// Text that many connections send; never changes.
using Bytes = std::shared_ptr<const std::string>;

[[nodiscard]] inline Bytes make_bytes(std::string text) {
    return std::make_shared<const std::string>(std::move(text));
}

/// One object on its way to one client. `head` names the channel as this client spelled it and is
/// null where there is none; `body` is shared by all viewers of a feed.
struct Frame {
    Bytes head;
    Bytes body;
    [[nodiscard]] std::size_t size() const { return (head ? head->size() : 0) + body->size(); }
};

/// Objects of one message are joined by this.
inline constexpr std::string_view kFrameSeparator = "\n";

/// A message to a client is not longer, unless one object alone is.
inline constexpr std::size_t kMessageBytesMax = 64 * 1024;

}  // namespace server::live
