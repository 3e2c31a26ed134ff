#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ledger/base/ids.hpp"

namespace server::live {

using MemberKey = std::pair<ledger::ProgramId, ledger::MemberId>;

struct MemberKeyHash {
    std::size_t operator()(const MemberKey& key) const noexcept {
        return std::hash<std::uint64_t>{}(key.second.value * 0x9E3779B97F4A7C15U ^ key.first.value);
    }
};

/// Who is connected, over all threads: for the limits, and to know whose changes matter.
/// Thread-safe.
class Census {
public:
    struct Limits {
        std::size_t guests_per_address = 20;
        std::size_t connections_per_member = 10;
    };
    explicit Census(Limits limits) : limits_(limits) {}

    /// False: that would be one too many; then there is nothing to leave.
    [[nodiscard]] bool enter_guest(const std::string& address);
    [[nodiscard]] bool enter_member(const MemberKey& member);
    void leave_guest(const std::string& address);
    void leave_member(const MemberKey& member);

    /// Removes the members that nobody is connected for.
    void keep_connected(std::vector<MemberKey>& members) const;

private:
    const Limits limits_;
    mutable std::mutex mutex_;
    // Guarded by mutex_.
    std::unordered_map<std::string, std::size_t> guests_;
    std::unordered_map<MemberKey, std::size_t, MemberKeyHash> members_;
};

}  // namespace server::live
