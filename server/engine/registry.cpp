#include "server/engine/registry.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

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

void Registry::add_program(std::shared_ptr<const ProgramInfo> program) {
    programs_by_id.emplace(program->id, program);
    std::string name = program->name;
    programs.emplace(std::move(name), std::move(program));
}

void Registry::add_key(const ledger::ApiKey& key) {
    keys.emplace(key.id, key);
    const bool presented =
        key.kind == ledger::ApiKeyKind::secret || key.kind == ledger::ApiKeyKind::publishable;
    if (presented) key_ids.emplace(key.secret_hash, key.id);
    if (key.kind == ledger::ApiKeyKind::publishable && !key.revoked)
        origins[key.program].insert(key.origins.begin(), key.origins.end());
}

std::shared_ptr<const ProgramInfo> Registry::share(std::string_view name) const {
    const auto it = programs.find(name);
    return it == programs.end() ? nullptr : it->second;
}

std::shared_ptr<const ProgramInfo> Registry::share(ledger::ProgramId id) const {
    const auto it = programs_by_id.find(id);
    return it == programs_by_id.end() ? nullptr : it->second;
}

const ledger::ApiKey* Registry::key(std::uint64_t id) const {
    const auto it = keys.find(id);
    return it == keys.end() ? nullptr : &it->second;
}

const ledger::ApiKey* Registry::key_by_secret(const ledger::Hash32& hash) const {
    const auto it = key_ids.find(hash);
    return it == key_ids.end() ? nullptr : key(it->second);
}

bool Registry::lists_origin(ledger::ProgramId program, std::string_view origin) const {
    const auto it = origins.find(program);
    return it != origins.end() && it->second.contains(origin);
}

const ProgramInfo* Registry::find(std::string_view name) const {
    const auto it = programs.find(name);
    return it == programs.end() ? nullptr : it->second.get();
}

}  // namespace server::engine
