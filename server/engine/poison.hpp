#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "ledger/base/clock.hpp"
#include "ledger/entry.hpp"
#include "ledger/store.hpp"
#include "server/engine/command.hpp"

namespace server::engine {

/// Commands whose decision threw. The same request is refused for 60 s, so that one bad command
/// cannot keep the writer busy; what is known of it, without its personal fields, is kept in
/// DIR/poison for the developers. Used by the writer thread only.
class Poison {
public:
    Poison(std::shared_ptr<ledger::Disk> disk, std::string folder);

    /// True while `request_hash` is refused.
    [[nodiscard]] bool refuses(const ledger::Hash16& request_hash, ledger::Timestamp monotonic);
    /// Remembers the command and writes DIR/poison/<hash>.txt; at most kFilesMax files a run.
    void add(
        const Command& command,
        const ledger::Hash16& request_hash,
        std::string_view what,
        ledger::Timestamp monotonic
    );

    static constexpr ledger::Timestamp kRefusedFor = 60 * ledger::kMicrosPerSecond;
    static constexpr std::size_t kFilesMax = 100;

private:
    std::shared_ptr<ledger::Disk> disk_;
    std::string folder_;
    std::unordered_map<std::string, ledger::Timestamp> until_;
    std::size_t files_ = 0;
};

/// The command's request hash; null if it has none.
[[nodiscard]] const ledger::Hash16* request_hash(const Command& command);

}  // namespace server::engine
