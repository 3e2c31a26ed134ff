#include "server/live/census.hpp"

namespace server::live {

namespace {

template <typename Map, typename Key>
bool enter(Map& map, const Key& key, std::size_t max) {
    const auto [found, is_new] = map.try_emplace(key, 0);
    if (found->second >= max) {
        if (is_new) map.erase(found);
        return false;
    }
    ++found->second;
    return true;
}

template <typename Map, typename Key>
void leave(Map& map, const Key& key) {
    const auto found = map.find(key);
    if (found != map.end() && --found->second == 0) map.erase(found);
}

}  // namespace

bool Census::enter_guest(const std::string& address) {
    const std::lock_guard lock(mutex_);
    return enter(guests_, address, limits_.guests_per_address);
}

bool Census::enter_member(const MemberKey& member) {
    const std::lock_guard lock(mutex_);
    return enter(members_, member, limits_.connections_per_member);
}

void Census::leave_guest(const std::string& address) {
    const std::lock_guard lock(mutex_);
    leave(guests_, address);
}

void Census::leave_member(const MemberKey& member) {
    const std::lock_guard lock(mutex_);
    leave(members_, member);
}

void Census::keep_connected(std::vector<MemberKey>& members) const {
    const std::lock_guard lock(mutex_);
    std::erase_if(members, [this](const MemberKey& member) { return !members_.contains(member); });
}

}  // namespace server::live
