#include "tools/import/group.hpp"

#include <functional>

namespace importer {

namespace {
std::uint64_t hash_of(std::string_view key) {
    return std::hash<std::string_view>{}(key);
}
}  // namespace

Groups::Opened Groups::open(std::string_view key, std::uint64_t row) {
    if (const auto found = by_key_.find(key); found != by_key_.end()) {
        const auto group = found->second;
        group->last_row = row;
        groups_.splice(groups_.end(), groups_, group);
        return {&*group, false};
    }
    if (gone_.contains(hash_of(key))) return {};
    Group& group = groups_.emplace_back();
    group.key = key;
    group.last_row = row;
    by_key_.emplace(group.key, std::prev(groups_.end()));
    return {&group, true};
}

std::optional<Group> Groups::take_complete(std::uint64_t row) {
    if (!window_.within || groups_.empty() || row - groups_.front().last_row <= *window_.within)
        return std::nullopt;
    return take();
}

std::optional<Group> Groups::take() {
    if (groups_.empty()) return std::nullopt;
    by_key_.erase(groups_.front().key);
    if (window_.late == GroupWindow::Late::is_noticed) gone_.insert(hash_of(groups_.front().key));
    std::optional<Group> taken(std::move(groups_.front()));
    groups_.pop_front();
    return taken;
}

}  // namespace importer
