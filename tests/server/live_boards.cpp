#include "tests/server/live_boards.hpp"

#include <algorithm>

namespace live_test {

using namespace server::boards;

namespace {

/// Monday 2026-11-16 in Paris, as the page of the protocol has it.
constexpr ledger::Timestamp kWeekStart = 1'794'870'000 * ledger::kMicrosPerSecond;

WindowTurn first_turn(rules::BoardWindow window) {
    switch (window) {
        case rules::BoardWindow::all: return {"all", 0, ledger::kNever};
        case rules::BoardWindow::month:
            return {"2026-11", kWeekStart, kWeekStart + 30 * ledger::kMicrosPerDay};
        case rules::BoardWindow::week:
            return {"2026-W47", kWeekStart, kWeekStart + 7 * ledger::kMicrosPerDay};
    }
    return {};
}

}  // namespace

std::string ModelBoards::row_id(const std::string& board, std::uint64_t member) {
    return board.substr(0, 1) + "_" + std::to_string(member);
}

bool ModelBoards::ready() const {
    const std::lock_guard lock(mutex_);
    return ready_;
}

std::shared_ptr<const Page> ModelBoards::page(const ChannelKey& channel) const {
    const std::lock_guard lock(mutex_);
    const auto found = models_.find(channel);
    if (found == models_.end() || !ready_ || hidden_) return nullptr;
    const Model& model = found->second;
    if (!model.page) {
        auto page = std::make_shared<Page>();
        page->version = model.version;
        page->window = model.window;
        page->as_of = ledger::Seq(seq_);
        page->total = model.order.size();
        page->rows = all_rows(channel, model, 0, kPageRows);
        model.page = std::move(page);
    }
    return model.page;
}

ledger::Seq ModelBoards::as_of(ledger::ProgramId) const {
    const std::lock_guard lock(mutex_);
    return ledger::Seq(seq_);
}

void ModelBoards::listen(Listener listener) {
    listener_ = std::move(listener);
}

Row ModelBoards::row(
    const ChannelKey& key,
    const Model& model,
    std::set<Score>::const_iterator at,
    std::uint64_t rank
) const {
    Row row;
    row.member = ledger::MemberId(at->member);
    row.rank = rank;
    // Members with a better score, and one.
    row.place = static_cast<std::uint64_t>(
                    std::distance(model.order.begin(), model.order.lower_bound({at->points, 0, 0}))
                ) +
                1;
    row.score = at->points;
    row.id = row_id(key.board, at->member);
    const auto name = names_.find(at->member);
    row.name = name == names_.end() ? "" : name->second;
    if (at->member % 3 != 0) row.from = static_cast<std::uint32_t>(at->member % 100 + 1);
    return row;
}

std::vector<Row> ModelBoards::all_rows(
    const ChannelKey& key, const Model& model, std::size_t after, std::size_t limit
) const {
    std::vector<Row> rows;
    std::uint64_t rank = 0;
    for (auto at = model.order.begin(); at != model.order.end() && rows.size() < limit; ++at) {
        if (++rank > after) rows.push_back(row(key, model, at, rank));
    }
    return rows;
}

void ModelBoards::rows(
    ChannelKey channel,
    std::uint64_t after_rank,
    std::size_t limit,
    std::function<void(std::optional<Slice>)> answer
) {
    std::optional<Slice> slice;
    {
        const std::lock_guard lock(mutex_);
        const auto found = models_.find(channel);
        if (found != models_.end()) {
            slice = Slice{
                all_rows(channel, found->second, after_rank, limit),
                found->second.order.size(),
                found->second.window,
                ledger::Seq(seq_),
                false};
        }
    }
    answer(std::move(slice));
}

void ModelBoards::around(
    ChannelKey channel,
    ledger::MemberId member,
    std::size_t above,
    std::size_t limit,
    std::function<void(std::optional<Slice>)> answer
) {
    std::optional<Slice> slice;
    {
        const std::lock_guard lock(mutex_);
        ++questions_;
        const auto found = models_.find(channel);
        if (found != models_.end()) {
            const Model& model = found->second;
            slice = Slice{{}, model.order.size(), model.window, ledger::Seq(seq_), false};
            const auto mine = model.scores.find(member.value);
            if (mine != model.scores.end()) {
                const auto at = static_cast<std::size_t>(
                    std::distance(model.order.begin(), model.order.find(mine->second))
                );
                slice->rows = all_rows(channel, model, at - std::min(at, above), limit);
                slice->me_on_board = true;
            }
        }
    }
    answer(std::move(slice));
}

Standing ModelBoards::standing(const ChannelKey& key, const Model& model, std::uint64_t member)
    const {
    Standing standing;
    standing.total = model.order.size();
    standing.window = model.window;
    standing.as_of = ledger::Seq(seq_);
    const auto mine = model.scores.find(member);
    if (mine == model.scores.end()) return standing;
    const auto at = model.order.find(mine->second);
    standing.on_board = true;
    standing.row =
        row(key, model, at, static_cast<std::uint64_t>(std::distance(model.order.begin(), at)) + 1);
    const auto better = model.order.lower_bound({at->points, 0, 0});
    if (better != model.order.begin()) {
        const auto next = std::prev(better);
        standing.next = Standing::Next{row(key, model, next, 1).place, next->points - at->points};
    }
    return standing;
}

void ModelBoards::standings(
    std::vector<ChannelKey> channels,
    ledger::MemberId member,
    std::function<void(std::vector<std::optional<Standing>>)> answer
) {
    std::vector<std::optional<Standing>> found;
    {
        const std::lock_guard lock(mutex_);
        ++questions_;
        for (const ChannelKey& key : channels) {
            const auto model = models_.find(key);
            if (model == models_.end()) {
                found.emplace_back();
            } else {
                found.emplace_back(standing(key, model->second, member.value));
            }
        }
    }
    answer(std::move(found));
}

void ModelBoards::face(
    ledger::ProgramId, ledger::MemberId, std::function<void(std::string name, bool shown)> answer
) {
    answer("A.", false);
}

std::vector<ModelBoards::ChannelKey> ModelBoards::channels(ledger::ProgramId program) const {
    const std::lock_guard lock(mutex_);
    return program == kShop ? order_ : std::vector<ChannelKey>{};
}

// ---- what the test does ----

void ModelBoards::add_board(const std::string& board, const std::vector<BoardWindow>& windows) {
    const std::lock_guard lock(mutex_);
    for (const BoardWindow window : windows) {
        const ChannelKey key{kShop, board, window};
        order_.push_back(key);
        Model& model = models_[key];
        model.window = first_turn(window);
        touch(model);
    }
}

void ModelBoards::remove_board(const std::string& board) {
    const std::lock_guard lock(mutex_);
    std::erase_if(order_, [&](const ChannelKey& key) { return key.board == board; });
    std::erase_if(models_, [&](const auto& item) { return item.first.board == board; });
}

void ModelBoards::set_windows(const std::string& board, const std::vector<BoardWindow>& windows) {
    const std::lock_guard lock(mutex_);
    std::erase_if(order_, [&](const ChannelKey& key) { return key.board == board; });
    for (const BoardWindow window : windows)
        order_.push_back({kShop, board, window});
    std::erase_if(models_, [&](const auto& item) {
        return item.first.board == board &&
               std::find(windows.begin(), windows.end(), item.first.window) == windows.end();
    });
    activated_ = true;
}

void ModelBoards::activate() {
    const std::lock_guard lock(mutex_);
    activated_ = true;
}

void ModelBoards::touch(Model& model) {
    model.version = ++versions_;
    model.page.reset();
}

void ModelBoards::set_score(
    const ChannelKey& key, Model& model, std::uint64_t member, std::int64_t points
) {
    const auto was = model.scores.find(member);
    if (was != model.scores.end()) {
        model.order.erase(was->second);
        model.scores.erase(was);
    }
    const Score score{points, seq_, member};
    model.order.insert(score);
    model.scores.emplace(member, score);
    touch(model);
    changed_pages_.insert(key);
    changed_members_.insert(member);
}

void ModelBoards::add(const std::string& board, std::uint64_t member, std::int64_t points) {
    const std::lock_guard lock(mutex_);
    ++seq_;
    for (auto& [key, model] : models_) {
        if (key.board != board) continue;
        const auto was = model.scores.find(member);
        set_score(
            key, model, member, (was == model.scores.end() ? 0 : was->second.points) + points
        );
    }
}

void ModelBoards::erase(const std::string& board, std::uint64_t member) {
    const std::lock_guard lock(mutex_);
    ++seq_;
    for (auto& [key, model] : models_) {
        const auto was = model.scores.find(member);
        if (key.board != board || was == model.scores.end()) continue;
        model.order.erase(was->second);
        model.scores.erase(was);
        touch(model);
        changed_pages_.insert(key);
        changed_members_.insert(member);
    }
}

void ModelBoards::name(std::uint64_t member, const std::string& name) {
    const std::lock_guard lock(mutex_);
    ++seq_;
    names_[member] = name;
    for (auto& [key, model] : models_) {
        touch(model);
        changed_pages_.insert(key);
    }
    changed_members_.insert(member);
}

void ModelBoards::pass() {
    const std::lock_guard lock(mutex_);
    ++seq_;
}

void ModelBoards::turn(const std::string& board, BoardWindow window, const std::string& next_id) {
    const std::lock_guard lock(mutex_);
    ++seq_;
    const ChannelKey key{kShop, board, window};
    Model& model = models_.at(key);
    for (const auto& [member, score] : model.scores)
        changed_members_.insert(member);
    const ledger::Timestamp length = model.window.ends_at - model.window.starts_at;
    model.window = {next_id, model.window.ends_at, model.window.ends_at + length};
    model.order.clear();
    model.scores.clear();
    touch(model);
    changed_pages_.insert(key);
}

void ModelBoards::set_ready(bool is_ready) {
    const std::lock_guard lock(mutex_);
    ready_ = is_ready;
}

void ModelBoards::restart() {
    const std::lock_guard lock(mutex_);
    versions_ = 1;
    for (auto& [key, model] : models_) {
        touch(model);
        changed_pages_.insert(key);
    }
}

void ModelBoards::hide_pages(bool hidden) {
    const std::lock_guard lock(mutex_);
    hidden_ = hidden;
}

void ModelBoards::commit() {
    Changes changes;
    {
        const std::lock_guard lock(mutex_);
        changes.pages.assign(changed_pages_.begin(), changed_pages_.end());
        for (const std::uint64_t member : changed_members_)
            changes.members.emplace_back(kShop, ledger::MemberId(member));
        if (std::exchange(activated_, false)) changes.programs.push_back(kShop);
        changed_pages_.clear();
        changed_members_.clear();
    }
    if (listener_) listener_(changes);
}

std::size_t ModelBoards::questions() const {
    const std::lock_guard lock(mutex_);
    return questions_;
}

}  // namespace live_test
