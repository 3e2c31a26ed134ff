#include "server/net/tls.hpp"

namespace server::net {

namespace {

ledger::Error refused(std::string_view what, const std::string& file, const error_code& why) {
    return ledger::make_error(
        ledger::ErrorCode::invalid_parameter,
        std::string(what) + " \"" + file + "\" cannot be used: " + why.message()
    );
}

}  // namespace

ledger::Result<std::shared_ptr<asio::ssl::context>> make_tls_context(
    const std::string& certificate_file, const std::string& key_file
) {
    auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
    error_code failure;
    context->set_options(
        asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
            asio::ssl::context::no_tlsv1_1 | asio::ssl::context::no_compression,
        failure
    );
    context->use_certificate_chain_file(certificate_file, failure);
    if (failure) return refused("tls-cert", certificate_file, failure);
    context->use_private_key_file(key_file, asio::ssl::context::pem, failure);
    if (failure) return refused("tls-key", key_file, failure);
    if (SSL_CTX_check_private_key(context->native_handle()) != 1) {
        return ledger::make_error(
            ledger::ErrorCode::invalid_parameter,
            "tls-key \"" + key_file + "\" is not the key of tls-cert"
        );
    }
    // Idle connections give their record buffers (34 KiB) back.
    SSL_CTX_set_mode(context->native_handle(), SSL_MODE_RELEASE_BUFFERS);
    return context;
}

}  // namespace server::net
