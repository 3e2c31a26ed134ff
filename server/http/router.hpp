#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ledger/base/result.hpp"
#include "server/net/http.hpp"

namespace server::http {

/// "%41b" becomes "Ab". Empty if an escape is broken or the outcome is not UTF-8 or has a NUL.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text);
/// As in a query: "+" is a space.
[[nodiscard]] std::optional<std::string> form_decode(std::string_view text);

/// The value of `name` in a query string, decoded; absent if the name is.
/// Errors: invalid_parameter if its encoding is broken or it occurs twice.
[[nodiscard]] ledger::Result<std::optional<std::string>> query_parameter(
    std::string_view query, std::string_view name
);

/// Errors: invalid_parameter naming the first parameter that is not one of `known`.
[[nodiscard]] ledger::Result<void> check_query(
    std::string_view query, std::span<const std::string_view> known
);

inline constexpr std::size_t kPathParametersMax = 6;

/// The `{…}` segments of a path, in order and decoded.
struct PathParameters {
    std::array<std::string, kPathParametersMax> values;
    std::size_t count = 0;
    [[nodiscard]] const std::string& operator[](std::size_t index) const;
};

/// A table of (method, path template) → a number the application chose (an enum, an index).
/// Templates are "/v1/programs/{program}/events"; a literal segment goes before a parameter.
/// Built at start-up; const and thread-safe afterwards.
class Router {
public:
    struct Match {
        std::size_t route = 0;
        PathParameters parameters;
    };

    /// `route` is returned by `find`. A template given twice for one method is a bug.
    void add(net::Method method, std::string_view path_template, std::size_t route);

    /// HEAD matches GET. `allow` receives the methods of the path when it is method_not_allowed.
    /// Errors: not_found, invalid_parameter (broken percent-encoding), method_not_allowed.
    [[nodiscard]] ledger::Result<Match> find(
        net::Method method, std::string_view path, std::string* allow = nullptr
    ) const;

private:
    struct Target {
        net::Method method;
        std::size_t route;
    };
    struct Node {
        std::vector<std::pair<std::string, std::size_t>> literals;
        std::size_t parameter_child = 0;  // 0: none; the root is never a child
        std::vector<Target> targets;
    };
    [[nodiscard]] const Node* walk(
        std::string_view path,
        std::array<std::string_view, kPathParametersMax>& raw,
        std::size_t& count
    ) const;
    [[nodiscard]] const Node* walk_from(
        std::size_t node,
        std::string_view rest,
        std::array<std::string_view, kPathParametersMax>& raw,
        std::size_t& count
    ) const;
    std::vector<Node> nodes_ = std::vector<Node>(1);
};

/// 404 or 405 (with Allow) or 400 for a failed `find`.
[[nodiscard]] net::Response route_error_response(
    const ledger::Error& error, std::string_view allow
);

}  // namespace server::http
