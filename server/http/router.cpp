#include "server/http/router.hpp"

#include "ledger/base/invariant.hpp"
#include "server/http/error_response.hpp"
#include "server/http/json_writer.hpp"

namespace server::http {

namespace {

using ledger::ErrorCode;

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::optional<std::string> decode(std::string_view text, char space) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out.push_back(text[i] == space ? ' ' : text[i]);
            continue;
        }
        if (i + 2 >= text.size()) return std::nullopt;
        const int high = hex_digit(text[i + 1]);
        const int low = hex_digit(text[i + 2]);
        if (high < 0 || low < 0) return std::nullopt;
        out.push_back(static_cast<char>(high * 16 + low));
        i += 2;
    }
    if (out.find('\0') != std::string::npos || !is_utf8(out)) return std::nullopt;
    return out;
}

/// Takes the segment behind the leading '/'; `rest` keeps what follows, from its '/' on.
std::string_view take_segment(std::string_view& rest) {
    const std::size_t slash = rest.find('/', 1);
    const std::string_view segment =
        rest.substr(1, slash == std::string_view::npos ? slash : slash - 1);
    rest = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash);
    return segment;
}

bool is_parameter(std::string_view segment) {
    return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text) {
    return decode(text, ' ');
}

std::optional<std::string> form_decode(std::string_view text) {
    return decode(text, '+');
}

ledger::Result<std::optional<std::string>> query_parameter(
    std::string_view query, std::string_view name
) {
    const auto refused = [name](std::string_view why) {
        return ledger::field_error(
            ErrorCode::invalid_parameter, std::string(name), std::string(why)
        );
    };
    std::optional<std::string> found;
    while (!query.empty()) {
        const std::size_t end = query.find('&');
        const std::string_view pair = query.substr(0, end);
        query = end == std::string_view::npos ? std::string_view{} : query.substr(end + 1);
        const std::size_t equals = pair.find('=');
        const auto key = form_decode(pair.substr(0, equals));
        if (!key || *key != name) continue;
        if (found) return refused("is given twice");
        found = form_decode(equals == std::string_view::npos ? "" : pair.substr(equals + 1));
        if (!found) return refused("is not percent-encoded UTF-8");
    }
    return found;
}

ledger::Result<void> check_query(std::string_view query, std::span<const std::string_view> known) {
    while (!query.empty()) {
        const std::size_t end = query.find('&');
        const std::string_view pair = query.substr(0, end);
        query = end == std::string_view::npos ? std::string_view{} : query.substr(end + 1);
        if (pair.empty()) continue;
        const auto key = form_decode(pair.substr(0, pair.find('=')));
        if (!key) {
            return ledger::make_error(
                ErrorCode::invalid_parameter, "A query parameter's name is not UTF-8."
            );
        }
        if (std::find(known.begin(), known.end(), *key) == known.end()) {
            return ledger::field_error(
                ErrorCode::invalid_parameter, *key, "is not a parameter of this operation"
            );
        }
    }
    return {};
}

const std::string& PathParameters::operator[](std::size_t index) const {
    INVARIANT(index < count);
    return values[index];
}

void Router::add(net::Method method, std::string_view path_template, std::size_t route) {
    std::size_t node = 0;
    while (!path_template.empty()) {
        const std::string_view segment = take_segment(path_template);
        std::size_t next = 0;
        if (is_parameter(segment)) {
            next = nodes_[node].parameter_child;
        } else {
            for (const auto& [literal, child] : nodes_[node].literals) {
                if (literal == segment) next = child;
            }
        }
        if (next == 0) {
            next = nodes_.size();
            nodes_.emplace_back();
            if (is_parameter(segment)) {
                nodes_[node].parameter_child = next;
            } else {
                nodes_[node].literals.emplace_back(segment, next);
            }
        }
        node = next;
    }
    for (const Target& target : nodes_[node].targets)
        INVARIANT(target.method != method);
    nodes_[node].targets.push_back({method, route});
}

const Router::Node* Router::walk(
    std::string_view path, std::array<std::string_view, kPathParametersMax>& raw, std::size_t& count
) const {
    if (path.empty() || path.front() != '/') return nullptr;
    return walk_from(0, path, raw, count);
}

const Router::Node* Router::walk_from(
    std::size_t node,
    std::string_view rest,
    std::array<std::string_view, kPathParametersMax>& raw,
    std::size_t& count
) const {
    const Node& here = nodes_[node];
    if (rest.empty()) return here.targets.empty() ? nullptr : &here;
    const std::string_view segment = take_segment(rest);
    for (const auto& [literal, child] : here.literals) {
        if (literal != segment) continue;
        const std::size_t kept = count;
        if (const Node* found = walk_from(child, rest, raw, count)) return found;
        count = kept;
    }
    if (here.parameter_child == 0 || segment.empty() || count == kPathParametersMax) return nullptr;
    raw[count++] = segment;
    return walk_from(here.parameter_child, rest, raw, count);
}

ledger::Result<Router::Match> Router::find(
    net::Method method, std::string_view path, std::string* allow
) const {
    std::array<std::string_view, kPathParametersMax> raw;
    std::size_t count = 0;
    const Node* node = walk(path, raw, count);
    if (node == nullptr) return ledger::make_error(ErrorCode::not_found, "no such resource");

    Match match;
    match.parameters.count = count;
    for (std::size_t i = 0; i < count; ++i) {
        auto decoded = percent_decode(raw[i]);
        if (!decoded) {
            return ledger::make_error(
                ErrorCode::invalid_parameter, "the path is not percent-encoded UTF-8"
            );
        }
        match.parameters.values[i] = std::move(*decoded);
    }
    const net::Method wanted = method == net::Method::head ? net::Method::get : method;
    for (const Target& target : node->targets) {
        if (target.method != wanted && target.method != method) continue;
        match.route = target.route;
        return match;
    }
    if (allow != nullptr) {
        allow->clear();
        for (const Target& target : node->targets) {
            if (!allow->empty()) *allow += ", ";
            *allow += net::name(target.method);
            if (target.method == net::Method::get) *allow += ", HEAD";
        }
    }
    return ledger::make_error(
        ErrorCode::method_not_allowed, "the resource does not have this method"
    );
}

net::Response route_error_response(const ledger::Error& error, std::string_view allow) {
    net::Response response = error_response(error);
    if (error.code == ErrorCode::method_not_allowed) response.add_header("Allow", allow);
    return response;
}

}  // namespace server::http
