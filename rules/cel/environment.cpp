#include "rules/cel/environment.hpp"

#include <set>
#include <utility>

#include "ledger/base/invariant.hpp"

namespace rules::cel {

Environment::Environment(std::vector<Variable> variables) : variables_(std::move(variables)) {
    std::uint32_t next = 0;
    for (const Variable& variable : variables_) {
        INVARIANT(slots_.emplace(variable.path, next++).second);
    }
}

std::optional<std::uint32_t> Environment::slot(std::string_view path) const {
    const auto found = slots_.find(path);
    if (found == slots_.end()) return std::nullopt;
    return found->second;
}

bool Environment::is_root(std::string_view path) const {
    const std::string prefix = std::string(path) + ".";
    const auto next = slots_.lower_bound(prefix);
    return next != slots_.end() && next->first.starts_with(prefix);
}

std::string Environment::fields_of(std::string_view root) const {
    const std::string prefix = std::string(root) + ".";
    std::set<std::string> names;
    for (auto next = slots_.lower_bound(prefix);
         next != slots_.end() && next->first.starts_with(prefix);
         ++next) {
        const auto rest = std::string_view(next->first).substr(prefix.size());
        names.emplace(rest.substr(0, rest.find('.')));
    }
    std::string joined;
    for (const std::string& field : names)
        joined += (joined.empty() ? "" : ", ") + field;
    return joined;
}

}  // namespace rules::cel
