#include "server/engine/recovery.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "ledger/entry_codec.hpp"
#include "ledger/row_codec.hpp"

namespace server::engine {

using ledger::ErrorCode;
using ledger::ViewFamily;

namespace {

constexpr ledger::ShardId kShard{0};
/// Rows looked at when memory is freed after a checkpoint of the replay.
constexpr std::size_t kEvictRowsMax = 200'000;
constexpr std::uint64_t kProgressGroups = 20'000;

ledger::Result<void> load_family(
    ledger::State& state, const ledger::ViewSnapshot& views, ViewFamily family
) {
    ledger::Result<void> result;
    auto scanned = views.scan(family, {}, {}, [&](std::string_view key, std::string_view value) {
        result = state.insert(ledger::RowRef{family, std::string(key)}, value);
        return !result.has_error();
    });
    return scanned.has_error() ? scanned : result;
}

ledger::Result<void> load_trees(
    const ledger::State& state,
    const ledger::ViewSnapshot& views,
    std::map<ledger::ProgramId, ledger::MerkleTree>& trees
) {
    for (const ledger::ProgramId program : state.programs()) {
        auto row =
            views.get(ViewFamily::tree, ledger::tree_row_key(program, ledger::kFrontierLevel, 0));
        if (row.has_error()) return row.error();
        if (!*row) continue;
        auto tree = ledger::MerkleTree::decode_frontier(**row);
        if (tree.has_error()) return tree.error();
        trees[program] = std::move(*tree);
    }
    return {};
}

/// A program whose keys stay closed would take no event as its own, and what it then wrote could
/// never be told apart.
ledger::Result<void> open_program_keys(
    ledger::KeyVault& vault, ledger::ProgramId id, const std::string& called
) {
    const auto keys = vault.program_keys(id);
    if (!keys.has_error()) return {};
    const ledger::Error& why = keys.error();
    if (why.code != ErrorCode::corrupt && why.code != ErrorCode::not_found) return why;
    return ledger::make_error(
        ErrorCode::no_keyring,
        "program " + called + ": its keys in log/ do not open with the keyring (" + why.detail +
            "): restore the keyring of this folder from its backup, or log/ if the keyring is right"
    );
}

/// Asked before the replay, which needs the keys: of programs that are not in views/ yet too. Their
/// numbers follow each other.
ledger::Result<void> open_stored_keys(const ledger::State& state, ledger::KeyVault& vault) {
    for (std::uint32_t number = ledger::kSystemProgram.value + 1;; ++number) {
        const ledger::ProgramId id{number};
        const ledger::Program* program = state.program(id);
        if (program == nullptr) {
            const auto keys = vault.program_keys(id);
            if (keys.has_error() && keys.error().code == ErrorCode::not_found) return {};
        }
        const std::string called = program != nullptr ? program->name : std::to_string(number);
        if (auto opened = open_program_keys(vault, id, called); opened.has_error()) return opened;
    }
}

ledger::Result<void> write_checkpoint(
    ledger::State& state,
    ledger::Log& log,
    ledger::ViewStore& views,
    const std::map<ledger::ProgramId, ledger::MerkleTree>& trees,
    ledger::GroupId group
) {
    for (const auto& [program, tree] : trees)
        state.append(ledger::frontier_row(program, tree));
    state.cut(group);
    while (!state.copy_slice(10'000)) {
    }
    ledger::CheckpointBatch batch = state.take_checkpoint();
    if (auto ingested = views.ingest(std::move(batch)); ingested.has_error()) return ingested;
    state.checkpoint_ingested();
    log.ingested(group);
    state.evict(kEvictRowsMax);
    return {};
}

ledger::Result<CompiledVersions> compile_versions(
    const ledger::State& state,
    const ledger::Log& log,
    const std::function<void(const std::string&)>& progress
) {
    CompiledVersions compiled;
    for (const ledger::ProgramId id : state.programs()) {
        if (id == ledger::kSystemProgram) continue;
        const ledger::Program* program = state.program(id);
        for (const ledger::Program::Version& version : program->versions) {
            if (auto same = compiled.of_content(id, version.content_hash)) {
                compiled.set(id, version.number, version.content_hash, std::move(same));
                continue;
            }
            auto bytes = log.find(ledger::kSystemProgram, version.entry);
            if (bytes.has_error()) return bytes.error();
            auto entry = ledger::decode(std::move(*bytes));
            if (entry.has_error()) return entry.error();
            auto rule_set =
                rules::load_rule_set((*entry)->entry.program_version.document, program->name);
            if (rule_set.has_error()) {
                progress(
                    "program " + program->name + " version " + std::to_string(version.number) +
                    " no longer compiles and makes the program read-only: " +
                    rule_set.error().detail
                );
                compiled.set(id, version.number, version.content_hash, nullptr);
            } else {
                compiled.set(id, version.number, version.content_hash, *rule_set);
            }
        }
    }
    return compiled;
}

}  // namespace

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
) {
    Recovered found;
    const auto snapshot = views.snapshot();
    for (const ViewFamily family : {ViewFamily::program, ViewFamily::api_key}) {
        if (auto loaded = load_family(state, *snapshot, family); loaded.has_error())
            return loaded.error();
    }

    if (auto opened = open_stored_keys(state, vault); opened.has_error()) return opened.error();
    ledger::Replay replay(
        {state,
         &views,
         &vault,
         [&log](ledger::ProgramId program, ledger::Seq seq) { return log.find(program, seq); },
         [&](const ledger::OwnedEntry& entry) -> ledger::Result<void> {
             found.last_recorded = std::max(found.last_recorded, entry.entry.recorded_at);
             ++found.replayed_entries;
             return {};
         },
         [&keys](const ledger::Hash16& key) { keys.add(key); }}
    );
    if (auto loaded = load_trees(state, *snapshot, replay.trees); loaded.has_error())
        return loaded.error();

    const auto check_root = [&](ledger::GroupId group) -> ledger::Result<void> {
        if (witness.state != ledger::WitnessReading::State::valid ||
            witness.position.group != group)
            return {};
        const auto tree = replay.trees.find(witness.position.program);
        if (tree == replay.trees.end() || tree->second.size() != witness.position.seq.value)
            return {};
        return ledger::compare_root(witness.position, tree->second.root());
    };
    const ledger::GroupId applied = views.applied_group();
    if (auto same = check_root(applied); same.has_error()) return same.error();

    auto last = log_store.last_group(kShard);
    if (last.has_error()) return last.error();
    if (applied > *last) {
        return ledger::make_error(
            ErrorCode::corrupt,
            "views/ is at group " + std::to_string(applied.value) + " but log/ ends at group " +
                std::to_string(last->value) + ": delete views/ after checking log/"
        );
    }
    std::shared_ptr<const ledger::Group> last_read;
    ledger::GroupReader reader(kShard, ledger::GroupId{applied.value + 1});
    const auto visit = [&](ledger::GroupId id, std::uint16_t part, std::string_view value
                       ) -> ledger::Result<void> {
        auto added = reader.add(id, part, value);
        if (added.has_error()) return added.error();
        if (!*added) return {};
        const ledger::Group& group = **added;
        log.replayed(group);
        if (auto done = replay.apply(group); done.has_error()) return done;
        if (auto same = check_root(group.id()); same.has_error()) return same;
        last_read = *added;
        ++found.replayed_groups;
        if (state.dirty_rows() > dirty_rows_max) {
            if (auto written = write_checkpoint(state, log, views, replay.trees, group.id());
                written.has_error())
                return written;
        }
        if (found.replayed_groups % kProgressGroups == 0) {
            progress(
                "replayed " + std::to_string(found.replayed_entries) + " entries, group " +
                std::to_string(group.id().value) + " of " + std::to_string(last->value)
            );
        }
        return {};
    };
    if (auto scanned = log_store.scan(kShard, ledger::GroupId{applied.value + 1}, visit);
        scanned.has_error())
        return scanned.error();
    if (auto complete = reader.finish(); complete.has_error()) return complete.error();

    if (!last_read && !last->none()) {
        ledger::GroupReader one(kShard, *last);
        auto scanned = log_store.scan(
            kShard,
            *last,
            [&](ledger::GroupId id, std::uint16_t part, std::string_view value
            ) -> ledger::Result<void> {
                auto added = one.add(id, part, value);
                if (added.has_error()) return added.error();
                if (*added) last_read = *added;
                return {};
            }
        );
        if (scanned.has_error()) return scanned.error();
    }
    for (const ledger::ProgramId program : state.programs())
        found.last_recorded = std::max(found.last_recorded, state.program(program)->last_recorded);
    if (last_read) {
        const ledger::EntryLocation& end = last_read->entries().back();
        found.last = {
            kShard, last_read->id(), end.program, end.seq, replay.trees[end.program].root()};
    }
    for (const ledger::ProgramId program : state.programs()) {
        if (program == ledger::kSystemProgram) continue;
        auto opened = open_program_keys(vault, program, state.program(program)->name);
        if (opened.has_error()) return opened.error();
    }
    auto compiled = compile_versions(state, log, progress);
    if (compiled.has_error()) return compiled.error();
    found.rule_sets = std::move(*compiled);
    found.trees = std::move(replay.trees);
    return found;
}

}  // namespace server::engine
