#pragma once

#include <memory>
#include <string>

#include "ledger/base/result.hpp"
#include "server/net/asio.hpp"

namespace server::net {

/// A context for TLS 1.2 and 1.3 from a PEM certificate chain and its key.
/// Errors: invalid_parameter (unreadable, not PEM, key of another certificate).
[[nodiscard]] ledger::Result<std::shared_ptr<asio::ssl::context>> make_tls_context(
    const std::string& certificate_file, const std::string& key_file
);

}  // namespace server::net
