#pragma once

#include <string>

#include "ledger/base/result.hpp"
#include "ledger/store.hpp"
#include "server/engine/shard.hpp"

namespace server {

/// If no unrevoked key may administer every program (the first start): makes one, writes it to
/// DIR/admin.key (0600) and enters its hash in the ledger; returns when that is durable. Answers
/// the file's path, empty if there was a key. `shard` is started, and its sink calls
/// Completable::complete. Errors: io_error, and why the shard refused.
[[nodiscard]] ledger::Result<std::string> ensure_admin_key(
    engine::Shard& shard, ledger::Disk& disk, const std::string& data_path
);

/// Makes a new key in any case, for an operator who lost the old one, and revokes those that starts
/// made before. A crash in between leaves both usable. Answers the file's path. Errors: io_error,
/// and why the shard refused.
[[nodiscard]] ledger::Result<std::string> replace_admin_key(
    engine::Shard& shard, ledger::Disk& disk, const std::string& data_path
);

}  // namespace server
