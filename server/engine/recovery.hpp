#pragma once

#include <functional>
#include <map>
#include <string>

#include "ledger/bloom.hpp"
#include "ledger/keyring.hpp"
#include "ledger/log.hpp"
#include "ledger/replay.hpp"
#include "ledger/state.hpp"
#include "ledger/store.hpp"
#include "ledger/witness.hpp"
#include "server/engine/rule_sets.hpp"

namespace server::engine {

/// What start-up found out.
struct Recovered {
    std::map<ledger::ProgramId, ledger::MerkleTree> trees;
    CompiledVersions rule_sets;
    ledger::WitnessPosition last;  ///< group 0: the log is empty
    ledger::Timestamp last_recorded = 0;
    std::uint64_t replayed_groups = 0;
    std::uint64_t replayed_entries = 0;
};

/// Loads the rows that are always in RAM, replays the log after the views' group, checks the
/// witness on the way and compiles every program version. A log far ahead of the views is put into
/// views/ while it is read, whenever more than `dirty_rows_max` rows are not there yet: memory
/// stays bounded and an interrupted rebuild goes on where it was. Errors: no_keyring (a program's
/// keys do not open), corrupt, newer_format, behind_witness, io_error.
ledger::Result<Recovered> recover(
    ledger::State& state,
    ledger::Log& log,
    ledger::LogStore& log_store,
    ledger::ViewStore& views,
    ledger::KeyVault& vault,
    ledger::KeyFilter& keys,
    const ledger::WitnessReading& witness,
    std::size_t dirty_rows_max,
    const std::function<void(const std::string&)>& progress
);

}  // namespace server::engine
