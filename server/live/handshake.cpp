#include "server/live/handshake.hpp"

#include <algorithm>

#include "server/http/error_response.hpp"

namespace server::live {

namespace {

using ledger::ErrorCode;

/// Whether a comma-separated field names `token`.
bool lists(std::string_view field, std::string_view token) {
    while (!field.empty()) {
        std::string_view item = field.substr(0, field.find(','));
        field.remove_prefix(std::min(item.size() + 1, field.size()));
        while (!item.empty() && (item.front() == ' ' || item.front() == '\t'))
            item.remove_prefix(1);
        while (!item.empty() && (item.back() == ' ' || item.back() == '\t'))
            item.remove_suffix(1);
        if (net::equals_ignoring_case(item, token)) return true;
    }
    return false;
}

/// 16 bytes in base64.
bool is_key(std::string_view key) {
    if (key.size() != 24 || !key.ends_with("==")) return false;
    return std::all_of(key.begin(), key.end() - 2, [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               c == '+' || c == '/';
    });
}

bool has_header(const net::RequestHead& head, std::string_view field, std::string_view token) {
    return std::any_of(head.fields.begin(), head.fields.end(), [&](const auto& candidate) {
        return net::equals_ignoring_case(candidate.name, field) && lists(candidate.value, token);
    });
}

net::Response upgrade_required() {
    net::Response response = http::error_response(ledger::make_error(
        ErrorCode::invalid_parameter, "This address speaks WebSocket, version 13."
    ));
    response.status = 426;
    response.add_header("Upgrade", "websocket");
    response.add_header("Connection", "Upgrade");
    response.add_header("Sec-WebSocket-Version", "13");
    return response;
}

}  // namespace

std::optional<net::Response> refuse_handshake(const net::RequestHead& head) {
    if (head.method != net::Method::get) return http::error_response(ErrorCode::method_not_allowed);
    if (!has_header(head, "connection", "upgrade") || !has_header(head, "upgrade", "websocket") ||
        head.header("sec-websocket-version") != "13") {
        return upgrade_required();
    }
    if (!is_key(head.header("sec-websocket-key"))) {
        return http::error_response(
            ledger::make_error(ErrorCode::invalid_parameter, "Sec-WebSocket-Key is not 16 bytes.")
        );
    }
    return std::nullopt;
}

std::string handshake_text(const net::RequestHead& head) {
    std::string text =
        "GET /live HTTP/1.1\r\nHost: guerdon\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ";
    text += head.header("sec-websocket-key");
    text += "\r\n\r\n";
    return text;
}

}  // namespace server::live
