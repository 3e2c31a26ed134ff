#include <algorithm>
#include <string>

#include "ledger/base/invariant.hpp"
#include "rules/duration.hpp"
#include "rules/rule_set.hpp"
#include "server/engine/decide.hpp"

// Programs and API keys: entries of the reserved program `_system`.
namespace server::engine {

using ledger::EntryKind;
using ledger::ErrorCode;

void decide(const DecideContext& context, const PutProgramCommand& command, Decision& decision) {
    INVARIANT(context.program == ledger::kSystemProgram);
    const ledger::Program* existing = context.view.program_by_name(command.name);
    ledger::ProgramId id;
    std::uint32_t version = 1;
    if (existing != nullptr) {
        id = existing->id;
        const std::uint32_t active = existing->version_at(context.recorded_at);
        const auto found =
            std::find_if(existing->versions.begin(), existing->versions.end(), [&](const auto& v) {
                return v.number == active;
            });
        if (found != existing->versions.end() && found->content_hash == command.content_hash) {
            decision.kind = Decision::Kind::unchanged;
            decision.status = Status::unchanged;
            decision.number = active;
            return;
        }
        if (const rules::RuleSet* previous =
                context.rule_sets.find(id, existing->versions.back().number)) {
            if (auto allowed = rules::check_succession(*previous, *command.rule_set);
                allowed.has_error()) {
                decision.refuse(allowed.error());
                return;
            }
        }
        version = existing->versions.back().number + 1;
    } else {
        id = ledger::ProgramId{1};
        while (context.view.program(id) != nullptr)
            ++id.value;
        decision.created = true;
    }
    ledger::Entry& made = decision.add(context, EntryKind::program_version);
    made.program_version.program = id;
    made.program_version.program_id = command.name;
    made.program_version.version = version;
    made.program_version.content_hash = command.content_hash;
    made.program_version.document = command.document;
    made.program_version.tz_version = rules::zone_database_version();
    ledger::Entry& activated = decision.add(context, EntryKind::program_activate);
    activated.program_activate.program = id;
    activated.program_activate.version = version;
    activated.program_activate.effective_at = context.recorded_at;
    decision.kind = Decision::Kind::entries;
    decision.status = Status::applied;
    decision.number = version;
}

void decide(const DecideContext& context, const CreateKeyCommand& command, Decision& decision) {
    INVARIANT(context.program == ledger::kSystemProgram);
    ledger::ProgramId scope = ledger::kSystemProgram;
    if (!command.program.empty()) {
        const ledger::Program* program = context.view.program_by_name(command.program);
        if (program == nullptr) {
            decision.refuse(
                ledger::make_error(ErrorCode::program_not_found, "There is no such program.")
            );
            return;
        }
        scope = program->id;
    }
    ledger::Entry& entry = decision.add(context, EntryKind::key);
    // The entry's own number is unique, so it serves as the key's id.
    entry.key.key_id = entry.seq.value;
    entry.key.program = scope;
    entry.key.secret_hash = command.secret_hash;
    entry.key.scopes.assign(command.scopes.begin(), command.scopes.end());
    entry.key.origins.assign(command.origins.begin(), command.origins.end());
    entry.key.label = command.label;
    entry.key.kind = command.kind;
    entry.key.public_key = command.public_key;
    decision.kind = Decision::Kind::entries;
    decision.status = Status::applied;
    decision.number = entry.key.key_id;
    decision.created = true;
}

void decide(const DecideContext& context, const RevokeKeyCommand& command, Decision& decision) {
    INVARIANT(context.program == ledger::kSystemProgram);
    const ledger::ApiKey* key = context.view.api_key(command.key_id);
    const ledger::Program* program = context.view.program_by_name(command.program);
    const bool wide = key != nullptr && key->program == ledger::kSystemProgram;
    const bool allowed = key != nullptr && program != nullptr &&
                         (wide ? command.every_program : key->program == program->id);
    if (!allowed) {
        decision.refuse(ledger::make_error(ErrorCode::not_found, "There is no such key."));
        return;
    }
    if (key->revoked) {
        decision.kind = Decision::Kind::unchanged;
        decision.status = Status::unchanged;
        return;
    }
    ledger::Entry& entry = decision.add(context, EntryKind::key);
    entry.key.key_id = key->id;
    entry.key.program = key->program;
    entry.key.secret_hash = key->secret_hash;
    // Views into the row: alive until this decision is applied.
    for (const std::string& scope : key->scopes)
        entry.key.scopes.push_back(decision.scratch.copy(scope));
    for (const std::string& origin : key->origins)
        entry.key.origins.push_back(decision.scratch.copy(origin));
    entry.key.label = decision.scratch.copy(key->label);
    entry.key.kind = key->kind;
    entry.key.public_key = decision.scratch.copy(key->public_key);
    entry.key.revoked = true;
    decision.kind = Decision::Kind::entries;
    decision.status = Status::applied;
    decision.number = key->id;
}

}  // namespace server::engine
