#include "tests/rules/document_case.hpp"

#include <fstream>
#include <sstream>

#include "tests/support/catch.hpp"

namespace rules_test {
namespace {

namespace json = boost::json;

std::vector<std::string> tokens_of(std::string_view pointer) {
    std::vector<std::string> tokens;
    for (std::size_t i = 0; i < pointer.size(); ++i) {
        const char c = pointer[i];
        if (c == '/') {
            tokens.emplace_back();
        } else if (c == '~') {
            tokens.back() += pointer[++i] == '1' ? '/' : '~';
        } else {
            tokens.back() += c;
        }
    }
    return tokens;
}

json::value& parent_of(json::value& document, const std::vector<std::string>& tokens) {
    json::value* at = &document;
    for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
        at = at->is_array() ? &at->as_array().at(std::stoul(tokens[i]))
                            : &at->as_object().at(tokens[i]);
    }
    return *at;
}

std::string quoted(const std::string& text) {
    return json::serialize(json::value(text));
}

std::string joined(const std::vector<std::string>& items) {
    std::string result;
    for (const std::string& item : items) {
        if (!result.empty()) result += ',';
        result += item;
    }
    return result;
}

}  // namespace

std::string read_file(const std::string& path) {
    std::ifstream file(path);
    INFO(path);
    REQUIRE(file.good());
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

void put(json::value& document, std::string_view pointer, const json::value& value) {
    const auto tokens = tokens_of(pointer);
    if (tokens.empty()) {
        document = value;
        return;
    }
    json::value& parent = parent_of(document, tokens);
    if (parent.is_object()) {
        parent.as_object()[tokens.back()] = value;
        return;
    }
    const std::size_t index = std::stoul(tokens.back());
    if (index == parent.as_array().size()) {
        parent.as_array().push_back(value);
    } else {
        parent.as_array().at(index) = value;
    }
}

void drop(json::value& document, std::string_view pointer) {
    const auto tokens = tokens_of(pointer);
    // Not json::object::erase, which moves the last field into the gap.
    json::object kept;
    for (const auto& field : parent_of(document, tokens).as_object()) {
        if (field.key() != tokens.back()) kept[field.key()] = field.value();
    }
    parent_of(document, tokens) = kept;
}

std::string award(
    const std::string& currency,
    const std::string& points,
    const std::string& reason,
    const std::string& fields
) {
    return R"({"award":{"to":"member","currency":)" + quoted(currency) + R"(,"points":)" +
           quoted(points) + R"(,"reason":)" + quoted(reason) + fields + "}}";
}

std::string rule(
    const std::string& id, const std::string& condition, const std::vector<std::string>& awards
) {
    return R"({"on":"order.paid","id":)" + quoted(id) + R"(,"if":)" + quoted(condition) +
           R"(,"effects":[)" + joined(awards) + "]}";
}

std::string program(const std::vector<std::string>& rules) {
    return R"({"tz":"Europe/Paris","currencies":[{"id":"points"},{"id":"miles"}],)"
           R"("campaigns":[{"id":"core","rules":[)" +
           joined(rules) + "]}]}";
}

std::string one_rule(
    const std::string& condition, const std::string& points, const std::string& award_fields
) {
    return program(
        {rule("purchase", condition, {award("points", points, "purchase", award_fields)})}
    );
}

}  // namespace rules_test
