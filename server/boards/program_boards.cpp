#include "server/boards/program_boards.hpp"

#include <algorithm>
#include <array>

#include "ledger/base/invariant.hpp"
#include "ledger/big_endian.hpp"
#include "rules/window.hpp"

namespace server::boards {

using ledger::EntryKind;
using ledger::boards::Member;
using ledger::boards::ScoreStore;
using rules::BoardWindow;

namespace {

const ledger::boards::HiddenMembers& nobody() {
    static const ledger::boards::HiddenMembers kNobody;
    return kNobody;
}

BoardWindow window_of(ledger::WindowKind kind) {
    return kind == ledger::WindowKind::month ? BoardWindow::month : BoardWindow::week;
}

ScoreSource score_of(const rules::Board& board) {
    return board.counter ? ScoreSource{true, *board.counter} : ScoreSource{false, board.currency};
}

}  // namespace

std::string row_id(const ledger::HmacKey& hmac, std::string_view board, ledger::MemberId member) {
    static constexpr char kAlphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::array<char, 8> number;
    ledger::store_big_endian(number.data(), member.value);
    const ledger::Hash16 hash =
        hmac.mac16(ledger::HashDomain::board_row, {board, {number.data(), number.size()}});
    std::string id;
    for (int i = 0; i < 6; i += 3) {
        const auto at = static_cast<std::size_t>(i);
        const std::uint32_t bits = static_cast<std::uint32_t>(hash[at]) << 16 |
                                   static_cast<std::uint32_t>(hash[at + 1]) << 8 | hash[at + 2];
        for (int shift = 18; shift >= 0; shift -= 6)
            id.push_back(kAlphabet[bits >> shift & 63]);
    }
    return id;
}

ProgramBoards::ProgramBoards(
    ledger::ProgramId program, std::shared_ptr<const ledger::HmacKey> hmac, Faces::Open open
)
    : program_(program), hmac_(std::move(hmac)), faces_(std::move(open)) {
    windows_[BoardWindow::all] = {{"all", 0, ledger::kNever}, {}};
}

void ProgramBoards::add_series(SeriesKey key) {
    const auto opened = windows_.find(key.second);
    if (opened == windows_.end()) return;  // begins with its first board_window entry
    const auto layout =
        key.second == BoardWindow::all ? ScoreStore::Layout::dense : ScoreStore::Layout::sparse;
    series_.try_emplace(key, layout, opened->second.turn, opened->second.seq);
}

void ProgramBoards::use(std::shared_ptr<const rules::RuleSet> rule_set) {
    rule_set_ = std::move(rule_set);
    // What was ever earned or counted is kept, declared on a board or not: deltas of points are
    // taken from it, and a board that is declared later has its scores at once.
    for (std::uint16_t currency = 0; currency < rule_set_->currencies().size(); ++currency)
        add_series({{false, currency}, BoardWindow::all});
    for (std::uint16_t counter = 0; counter < rule_set_->counters().size(); ++counter) {
        if (rule_set_->counters()[counter].of_member)
            add_series({{true, counter}, BoardWindow::all});
    }
    std::map<ChannelKey, Channel> channels;
    for (const rules::Board& board : rule_set_->boards()) {
        for (const BoardWindow window : board.windows) {
            ChannelKey key{program_, board.id, window};
            add_series({score_of(board), window});
            const auto known = channels_.find(key);
            const bool same = known != channels_.end() &&
                              known->second.series == SeriesKey{score_of(board), window};
            Channel channel;
            if (same) channel = std::move(known->second);
            channel.series = {score_of(board), window};
            channel.dirty = true;
            channels.emplace(std::move(key), std::move(channel));
        }
    }
    channels_ = std::move(channels);
}

void ProgramBoards::open_window(const ledger::boards::ScoredEntry& entry, ledger::Seq seq) {
    const BoardWindow kind = window_of(entry.window.kind);
    windows_[kind] = {
        {std::string(entry.window.id), entry.window.starts_at, entry.window.ends_at}, seq};
    for (auto at = series_.begin(); at != series_.end();)
        at = at->first.second == kind ? series_.erase(at) : std::next(at);
    if (!rule_set_) return;
    for (const rules::Board& board : rule_set_->boards()) {
        if (std::ranges::find(board.windows, kind) != board.windows.end())
            add_series({score_of(board), kind});
    }
}

void ProgramBoards::begin_day_if_due(ledger::Timestamp at) {
    if (!rule_set_ || at < day_ends_) return;
    constexpr ledger::Timestamp kOverTheChange = 26 * ledger::kMicrosPerHour;
    const ledger::Timestamp begin = rules::day_begin(rule_set_->zone(), at);
    day_ends_ = rules::day_begin(rule_set_->zone(), begin + kOverTheChange);
    for (auto& [key, series] : series_)
        series.begin_day();
}

void ProgramBoards::pass_time(ledger::Timestamp now) {
    // An entry recorded just before midnight may become durable after it. A sync that takes longer
    // than this ends the process.
    constexpr ledger::Timestamp kSettles = 31 * ledger::kMicrosPerSecond;
    begin_day_if_due(now - kSettles);
}

ledger::Result<void> ProgramBoards::apply(ledger::Seq seq, std::string_view bytes) {
    if (auto scanned = ledger::boards::scan_entry(bytes, entry_); scanned.has_error())
        return scanned;
    begin_day_if_due(entry_.recorded_at);
    as_of_ = seq;
    if (entry_.kind == EntryKind::board_window) open_window(entry_, seq);
    if (entry_.sealed) {
        members_.push_back(entry_.member);  // sees another name, wherever the member's row is
        if (faces_.note(entry_.member, seq)) {
            for (auto& [key, channel] : channels_)
                channel.dirty = true;
        }
    }
    for (const auto& earned : entry_.earned) {
        if (members_.empty() || members_.back() != earned.member) members_.push_back(earned.member);
        const auto all = series_.find({{false, earned.currency}, BoardWindow::all});
        if (all == series_.end()) continue;
        const auto score = all->second.board().score(static_cast<Member>(earned.member.value));
        const ledger::Points delta = earned.lifetime - (score ? score->points : 0);
        apply_delta({false, earned.currency}, seq, earned.member, delta);
    }
    for (const auto& counted : entry_.counted) {
        if (members_.empty() || members_.back() != counted.member)
            members_.push_back(counted.member);
        apply_delta({true, counted.counter}, seq, counted.member, counted.delta);
    }
    return {};
}

void ProgramBoards::apply_delta(
    ScoreSource score, ledger::Seq seq, ledger::MemberId member, ledger::Points delta
) {
    if (delta == 0) return;
    for (auto& [key, series] : series_) {
        if (key.first == score) series.apply(entry_, seq, member, delta);
    }
}

bool ProgramBoards::dirty() const {
    // An entry that moves nothing is told too: somebody may wait for `as_of`.
    return as_of_ != told_ || !members_.empty() ||
           std::ranges::any_of(channels_, [](const auto& c) { return c.second.dirty; }) ||
           std::ranges::any_of(series_, [](const auto& s) { return s.second.dirty; });
}

Series* ProgramBoards::series_of(const Channel& channel) {
    const auto found = series_.find(channel.series);
    return found == series_.end() ? nullptr : &found->second;
}

ProgramBoards::Channel* ProgramBoards::channel_of(const ChannelKey& key) {
    const auto found = channels_.find(key);
    return found == channels_.end() ? nullptr : &found->second;
}

Row ProgramBoards::row_of(
    const ChannelKey& key, Channel& channel, const Series& series, const ledger::boards::Row& row
) {
    constexpr std::size_t kIdsMax = 4'096;
    const ledger::MemberId member{row.member};
    if (channel.ids.size() >= kIdsMax) channel.ids.clear();
    std::string& id = channel.ids[member.value];
    if (id.empty()) id = row_id(*hmac_, key.board, member);
    return {
        member,
        row.rank,
        row.place,
        row.score.points,
        id,
        faces_.face_of(member).name,
        series.from(row.member)};
}

std::shared_ptr<const Page> ProgramBoards::make_page(
    const ChannelKey& key, Channel& channel, const Series& series
) {
    auto page = std::make_shared<Page>();
    page->window = series.turn();
    page->as_of = as_of_;
    page->total = series.board().size();
    for (const ledger::boards::Row& row : series.board().top(kPageRows, nobody()))
        page->rows.push_back(row_of(key, channel, series, row));
    const Page* before = channel.page.get();
    const bool same = before != nullptr && before->window == page->window &&
                      before->total == page->total && before->rows == page->rows;
    // One count for all channels: one that comes again, with another score, never repeats a number.
    page->version = same ? before->version : ++versions_;
    return page;
}

std::vector<std::pair<ChannelKey, std::shared_ptr<const Page>>> ProgramBoards::publish() {
    std::vector<std::pair<ChannelKey, std::shared_ptr<const Page>>> pages;
    for (auto& [key, channel] : channels_) {
        const Series* series = series_of(channel);
        if (series == nullptr || !(channel.dirty || series->dirty)) continue;
        channel.dirty = false;
        auto page = make_page(key, channel, *series);
        const bool same = channel.page != nullptr && channel.page->version == page->version;
        channel.page = page;
        if (!same) pages.emplace_back(key, std::move(page));
    }
    for (auto& [key, series] : series_)
        series.dirty = false;
    told_ = as_of_;
    return pages;
}

std::vector<ledger::MemberId> ProgramBoards::take_members() {
    std::sort(members_.begin(), members_.end());
    members_.erase(std::unique(members_.begin(), members_.end()), members_.end());
    return std::exchange(members_, {});
}

std::optional<Slice> ProgramBoards::rows(
    const ChannelKey& key, std::uint64_t after_rank, std::size_t limit
) {
    Channel* channel = channel_of(key);
    if (channel == nullptr) return std::nullopt;
    const Series* series = series_of(*channel);
    if (series == nullptr) return std::nullopt;
    Slice slice{{}, series->board().size(), series->turn(), as_of_, false};
    if (after_rank >= slice.total) return slice;
    const auto page = series->board().page(
        static_cast<std::uint32_t>(after_rank), static_cast<std::uint32_t>(limit), nobody()
    );
    for (const ledger::boards::Row& row : page)
        slice.rows.push_back(row_of(key, *channel, *series, row));
    return slice;
}

std::optional<Slice> ProgramBoards::around(
    const ChannelKey& key, ledger::MemberId member, std::size_t above, std::size_t limit
) {
    Channel* channel = channel_of(key);
    if (channel == nullptr) return std::nullopt;
    const Series* series = series_of(*channel);
    if (series == nullptr) return std::nullopt;
    const std::uint32_t rank = series->board().rank(static_cast<Member>(member.value));
    if (rank == 0) return Slice{{}, series->board().size(), series->turn(), as_of_, false};
    auto slice = rows(key, rank > above + 1 ? rank - above - 1 : 0, limit);
    slice->me_on_board = true;
    return slice;
}

std::optional<Standing> ProgramBoards::standing(const ChannelKey& key, ledger::MemberId member) {
    Channel* channel = channel_of(key);
    if (channel == nullptr) return std::nullopt;
    const Series* series = series_of(*channel);
    if (series == nullptr) return std::nullopt;
    Standing standing;
    standing.total = series->board().size();
    standing.window = series->turn();
    standing.as_of = as_of_;
    const auto number = static_cast<Member>(member.value);
    const auto row = series->board().row(number, nobody());
    if (!row) return standing;
    standing.on_board = true;
    standing.row = row_of(key, *channel, *series, *row);
    if (const auto gap = series->board().next_better(number))
        standing.next = Standing::Next{gap->place, gap->points};
    return standing;
}

std::uint64_t ProgramBoards::content_hash() const {
    std::uint64_t hash = 0;
    for (const auto& [key, series] : series_) {
        const std::uint64_t number = key.first.number + (key.first.counter ? 0x1'0000U : 0U);
        const std::uint64_t salt = number * 4 + static_cast<std::uint64_t>(key.second) + 1;
        hash += series.board().content_hash() * (salt * 0x9e3779b97f4a7c15ULL | 1);
    }
    return hash;
}

}  // namespace server::boards
