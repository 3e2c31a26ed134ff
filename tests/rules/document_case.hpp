#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

namespace rules_test {

/// The whole file at `path`, relative to the source root (the tests' working directory).
[[nodiscard]] std::string read_file(const std::string& path);

/// `document` with `value` at the JSON Pointer, or without it. The parent must exist; an index
/// equal to an array's size appends.
void put(boost::json::value& document, std::string_view pointer, const boost::json::value& value);
void drop(boost::json::value& document, std::string_view pointer);

/// Parts of a program document as text. `fields` are further ones, e.g. `,"expires":"12M"`.
[[nodiscard]] std::string award(
    const std::string& currency,
    const std::string& points,
    const std::string& reason,
    const std::string& fields = ""
);
[[nodiscard]] std::string rule(
    const std::string& id, const std::string& condition, const std::vector<std::string>& awards
);
/// A program in Europe/Paris with the currencies `points` and `miles` and one campaign, `core`.
[[nodiscard]] std::string program(const std::vector<std::string>& rules);
/// The program of the one rule `core/purchase` with one award of points for `purchase`.
[[nodiscard]] std::string one_rule(
    const std::string& condition, const std::string& points, const std::string& award_fields = ""
);

}  // namespace rules_test
