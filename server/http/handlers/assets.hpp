#pragma once

#include <string_view>

#include "server/net/http.hpp"

/// The widget's files, compiled into the binary from what web/ was built into: see
/// tools/cmake/widget.cmake. Public, for pages of every origin.
namespace server::http {

enum class Encoding : unsigned char { identity, br, gzip };

/// What of br, gzip and identity an Accept-Encoding field likes best; among equals br, then gzip.
/// identity if the field is empty or allows none of the three.
[[nodiscard]] Encoding preferred_encoding(std::string_view accept_encoding);

/// Whether an If-None-Match field names this tag, by the weak comparison of RFC 9110, or is "*".
[[nodiscard]] bool names_tag(std::string_view if_none_match, std::string_view tag);

/// What the widget's newest version is and where; 404 if none was compiled in.
[[nodiscard]] net::Response widget_manifest(const net::RequestHead& head);

/// The file at "/widget/{version}/{name}", for ever the same; 404 if there is none.
[[nodiscard]] net::Response widget_file(
    const net::RequestHead& head, std::string_view version, std::string_view name
);

}  // namespace server::http
