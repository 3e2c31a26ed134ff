#include "tools/import/summary.hpp"

#include <algorithm>
#include <array>

namespace importer {

void Summary::add(std::string_view name, Tally tally) {
    auto found = classes.find(name);
    if (found == classes.end()) found = classes.emplace(std::string(name), Tally{}).first;
    found->second.events += tally.events;
    found->second.lines += tally.lines;
}

void Summary::add_points(std::string_view currency, std::int64_t amount) {
    auto found = points.find(currency);
    if (found == points.end()) found = points.emplace(std::string(currency), PointsTally{}).first;
    (amount < 0 ? found->second.taken_back : found->second.awarded) += amount;
}

void Summary::add(const Summary& other) {
    for (const auto& [name, tally] : other.classes)
        add(name, tally);
    for (const auto& [currency, tally] : other.points) {
        add_points(currency, tally.awarded);
        if (tally.taken_back != 0) add_points(currency, tally.taken_back);
    }
}

Tally Summary::total() const {
    Tally sum;
    for (const auto& [name, tally] : classes) {
        sum.events += tally.events;
        sum.lines += tally.lines;
    }
    return sum;
}

Tally Summary::of(std::string_view name) const {
    const auto found = classes.find(name);
    return found == classes.end() ? Tally{} : found->second;
}

bool is_builtin_class(std::string_view name) {
    constexpr std::array kBuiltin = std::to_array<std::string_view>(
        {"applied",
         "duplicate",
         "earned_nothing",
         "guest_held",
         "held_for_review",
         "ignored",
         "orphaned",
         "pending_identity",
         "pending_order",
         "rejected",
         "to_send"}
    );
    return std::find(kBuiltin.begin(), kBuiltin.end(), name) != kBuiltin.end();
}

}  // namespace importer
