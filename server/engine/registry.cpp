#include "server/engine/registry.hpp"

#include <algorithm>
#include <cstring>

namespace server::engine {

bool ProgramInfo::read_only() const {
    return std::any_of(rule_sets.begin(), rule_sets.end(), [](const auto& version) {
        return version.second == nullptr;
    });
}

std::size_t Registry::HashOfHash::operator()(const ledger::Hash32& hash) const noexcept {
    // A SHA-256 is uniform: any 8 bytes of it are a hash.
    std::size_t bits = 0;
    std::memcpy(&bits, hash.data(), sizeof bits);
    return bits;
}

const ProgramInfo* Registry::find(std::string_view name) const {
    const auto it = programs.find(name);
    return it == programs.end() ? nullptr : it->second.get();
}

}  // namespace server::engine
