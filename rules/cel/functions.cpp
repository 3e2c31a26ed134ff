#include "rules/cel/functions.hpp"

#include <algorithm>
#include <vector>

namespace rules::cel {

namespace {

/// All overloads; those of one name and style stand together.
const std::vector<Overload>& table() {
    static const std::vector<Overload> overloads = [] {
        std::vector<Overload> all;
        for (const auto part :
             {conversion_functions(),
              text_functions(),
              time_functions(),
              math_functions(),
              integer_functions()}) {
            all.insert(all.end(), part.begin(), part.end());
        }
        std::ranges::stable_sort(all, [](const Overload& a, const Overload& b) {
            return std::pair(a.name, a.receiver) < std::pair(b.name, b.receiver);
        });
        return all;
    }();
    return overloads;
}

}  // namespace

std::span<const Overload> find_function(std::string_view name, bool receiver) {
    const auto same = [&](const Overload& o) { return o.name == name && o.receiver == receiver; };
    const auto& all = table();
    const auto begin = std::ranges::find_if(all, same);
    const auto end = std::find_if_not(begin, all.end(), same);
    return {begin, end};
}

std::uint32_t function_index(std::span<const Overload> group) {
    return static_cast<std::uint32_t>(group.data() - table().data());
}

const Overload& function_at(std::uint32_t index) {
    return table()[index];
}

bool is_unsupported_function(std::string_view name, bool receiver) {
    if (receiver) return name == "matches" || name == "format";
    return name == "matches" || name.starts_with("base64.") || name.starts_with("optional.");
}

bool is_namespace(std::string_view name) {
    if (name == "base64" || name == "optional") return true;
    return std::ranges::any_of(table(), [&](const Overload& overload) {
        return overload.name.starts_with(name) && overload.name.size() > name.size() &&
               overload.name[name.size()] == '.';
    });
}

}  // namespace rules::cel
