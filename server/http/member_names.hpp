#pragma once

#include <map>
#include <string>
#include <vector>

#include "ledger/base/ids.hpp"
#include "server/engine/job.hpp"
#include "server/engine/shard.hpp"
#include "server/net/io_queue.hpp"
#include "server/net/unique_function.hpp"

// A member's id in the shop stands only in the sealed part of its first entry. Answers about events
// that do not repeat it, such as refunds, look it up here.
namespace server::http {

/// The shop's id of a member that exists; empty once it was erased. On the writer thread. False: a
/// row was missing, ask again.
[[nodiscard]] bool read_member_name(
    const engine::ReadContext& context,
    ledger::ProgramId program,
    ledger::MemberId member,
    std::string& name
);

using MemberNames = std::map<std::uint64_t, std::string>;  ///< by member number

/// Looks up the names of `wanted` and calls `then` on the thread of `queue` (null: the delivering
/// thread). A shard that refuses the read, because it stops or is full, leaves names out.
void look_up_names(
    engine::Shard& shard,
    ledger::ProgramId program,
    net::IoQueue* queue,
    std::vector<ledger::MemberId> wanted,
    net::UniqueFunction<void(MemberNames)> then
);

}  // namespace server::http
