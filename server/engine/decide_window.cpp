#include <algorithm>

#include "rules/rule_set.hpp"
#include "rules/window.hpp"
#include "server/engine/decide.hpp"

// Windows of boards turn over by entries, so that a replay sees the same windows at the same place.
namespace server::engine {

using ledger::EntryKind;
using ledger::WindowKind;

namespace {

rules::BoardWindow window_of(WindowKind kind) {
    return kind == WindowKind::month ? rules::BoardWindow::month : rules::BoardWindow::week;
}

bool uses(const rules::RuleSet& rule_set, rules::BoardWindow window) {
    return std::ranges::any_of(rule_set.boards(), [window](const rules::Board& board) {
        return std::ranges::find(board.windows, window) != board.windows.end();
    });
}

}  // namespace

void decide(const DecideContext& context, const RollCommand&, Decision& decision) {
    decision.kind = Decision::Kind::unchanged;
    decision.status = Status::unchanged;
    const ledger::Program* program = context.view.program(context.program);
    const rules::RuleSet* rule_set =
        context.rule_sets.find(context.program, program->version_at(context.recorded_at));
    if (rule_set == nullptr) return;
    for (const WindowKind kind : {WindowKind::month, WindowKind::week}) {
        const ledger::Program::OpenWindow& open = program->window(kind);
        // Once opened, a kind goes on turning, so that a board that is declared again later finds
        // an honest window.
        const bool wanted = !open.opened.none() || uses(*rule_set, window_of(kind));
        if (!wanted || context.recorded_at < open.ends_at) continue;
        const rules::WindowSpan next =
            rules::window_at(window_of(kind), rule_set->zone(), context.recorded_at);
        // A program that moved west could meet its old window again.
        if (next.ends_at <= open.ends_at) continue;
        ledger::Entry& entry = decision.add(context, EntryKind::board_window);
        entry.board_window = {kind, decision.scratch.copy(next.id), next.starts_at, next.ends_at};
        decision.kind = Decision::Kind::entries;
        decision.status = Status::applied;
    }
}

}  // namespace server::engine
