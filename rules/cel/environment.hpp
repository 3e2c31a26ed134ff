#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/cel/type.hpp"

namespace rules::cel {

/// One thing an expression may read. Its slot is its index in the Environment.
struct Variable {
    /// A name or a dotted field, e.g. "now", "order.net".
    std::string path;
    Type type;
    /// The slot may hold Value::absent(); `has()` tests it, reading it is an evaluation error.
    bool optional = false;
    /// Most bytes of text or items of a list that the schema allows; 0 if it does not say. Only the
    /// cost estimate uses it.
    std::uint32_t size_max = 0;
};

/// The variables of one event type. Immutable; shared by the expressions compiled against it.
class Environment {
public:
    /// Paths must differ from each other.
    explicit Environment(std::vector<Variable> variables);

    [[nodiscard]] const std::vector<Variable>& variables() const { return variables_; }
    [[nodiscard]] std::optional<std::uint32_t> slot(std::string_view path) const;
    /// True if `path` is not a variable but some variable lies under it: "order" for "order.net".
    [[nodiscard]] bool is_root(std::string_view path) const;
    /// The direct fields under a root, sorted, e.g. "id, net, unit".
    [[nodiscard]] std::string fields_of(std::string_view root) const;

private:
    std::vector<Variable> variables_;
    std::map<std::string, std::uint32_t, std::less<>> slots_;
};

}  // namespace rules::cel
