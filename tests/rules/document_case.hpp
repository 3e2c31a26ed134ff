#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace rules_test {

/// The whole file at `path`, relative to the source root (the tests' working directory).
[[nodiscard]] std::string read_file(const std::string& path);

/// `document` with `value` at the JSON Pointer, or without it. The parent must exist; an index equal
/// to an array's size appends.
void put(boost::json::value& document, std::string_view pointer, const boost::json::value& value);
void drop(boost::json::value& document, std::string_view pointer);

/// A small valid program document with one rule whose condition, points and further award fields
/// (e.g. `, "expires": "12M"`) are given.
[[nodiscard]] std::string one_rule(
    const std::string& condition,
    const std::string& points,
    const std::string& award_fields = ""
);

}  // namespace rules_test
