#include "ledger/boards/board.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "ledger/base/invariant.hpp"

namespace ledger::boards {
namespace {

RankKey key_of(Member member, const Score& score) {
    return RankKey::make(score.points, score.reach_seq, member);
}

constexpr Points kPointsMin = std::numeric_limits<Points>::min();
constexpr Points kPointsMax = std::numeric_limits<Points>::max();

Points saturating_add(Points a, Points b) {
    return checked_add(a, b).value_or(b > 0 ? kPointsMax : kPointsMin);
}

/// The finalizer of SplitMix64: every bit of the result depends on every bit of the word.
std::uint64_t scramble(std::uint64_t word) {
    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9U;
    word = (word ^ word >> 27) * 0x94d049bb133111ebU;
    return word ^ word >> 31;
}

/// Added for each member who is there, and taken away again: the sum does not depend on the order.
std::uint64_t hash_of(Member member, const Score& score) {
    const auto points = static_cast<std::uint64_t>(score.points);
    const std::uint64_t seeded = scramble(member + 0x9e3779b97f4a7c15U);
    return scramble(scramble(seeded ^ points) + score.reach_seq);
}

}  // namespace

void Board::apply(Member member, Points delta, Seq seq) {
    if (delta == 0) return;
    const std::optional<Score> old_score = scores_.find(member);
    const Score score{
        .points = saturating_add(old_score ? old_score->points : 0, delta),
        .reach_seq = seq.value,
    };
    if (score.points == 0) {
        if (old_score) leave(member, *old_score);
        return;
    }
    scores_.prepare(member, score.points);
    std::optional<RankKey> old_key;
    if (old_score) old_key = key_of(member, *old_score);
    index_.upsert(old_key, key_of(member, score));
    // From here on nothing fails.
    scores_.put(member, score);
    if (old_score) content_hash_ -= hash_of(member, *old_score);
    content_hash_ += hash_of(member, score);
}

void Board::leave(Member member, const Score& old_score) noexcept {
    INVARIANT(index_.erase(key_of(member, old_score)));
    scores_.erase(member);
    content_hash_ -= hash_of(member, old_score);
}

void Board::load(std::span<const MemberScore> scores) {
    Board loaded(scores_.layout());
    std::vector<RankKey> keys;
    keys.reserve(scores.size());
    for (const auto& [member, score] : scores) {
        INVARIANT(score.points != 0);
        loaded.scores_.prepare(member, score.points);
        loaded.scores_.put(member, score);
        loaded.content_hash_ += hash_of(member, score);
        keys.push_back(key_of(member, score));
    }
    INVARIANT(loaded.scores_.size() == keys.size());
    if (!std::is_sorted(keys.begin(), keys.end())) std::sort(keys.begin(), keys.end());
    loaded.index_.bulk_build(keys);
    *this = std::move(loaded);
}

std::uint32_t Board::rank(Member member) const noexcept {
    const auto found = scores_.find(member);
    return found ? index_.rank(key_of(member, *found)) : 0;
}

std::optional<Row> Board::row(Member member, const HiddenMembers& hidden) const noexcept {
    const auto found = scores_.find(member);
    if (!found) return std::nullopt;
    const RankKey key = key_of(member, *found);
    return make_row(key, index_.rank(key), index_.place(key.score()), hidden);
}

std::optional<Board::Gap> Board::next_better(Member member) const noexcept {
    const auto found = scores_.find(member);
    if (!found) return std::nullopt;
    const std::uint32_t place = index_.place(found->points);
    const auto better = index_.at(place - 1);
    if (!better) return std::nullopt;
    return Gap{
        .place = index_.place(better->score()),
        .points = checked_sub(scores_.points_of(*better), found->points).value_or(kPointsMax),
    };
}

std::vector<Row> Board::page(
    std::uint32_t after_rank, std::uint32_t limit, const HiddenMembers& hidden
) const {
    if (after_rank >= size()) return {};
    std::array<RankKey, kRowsMax> keys;
    const std::size_t count =
        index_.range(after_rank + 1, std::span(keys).first(std::min(limit, kRowsMax)));
    std::vector<Row> rows;
    rows.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        const auto rank = static_cast<std::uint32_t>(after_rank + 1 + i);
        std::uint32_t place = rank;
        if (i == 0) {
            place = index_.place(keys[0].score());
        } else if (keys[i].same_score(keys[i - 1])) {
            place = rows.back().place;
        }
        rows.push_back(make_row(keys[i], rank, place, hidden));
    }
    return rows;
}

std::vector<Row> Board::around(Member member, std::uint32_t limit, const HiddenMembers& hidden)
    const {
    const std::uint32_t own = rank(member);
    if (own == 0 || limit == 0) return {};
    const std::uint32_t rows = std::min(limit, kRowsMax);
    const std::uint32_t above = std::min((rows - 1) / 2, own - 1);
    return page(own - 1 - above, rows, hidden);
}

std::vector<Row> Board::neighbours(
    Member member, std::uint32_t each_side, const HiddenMembers& hidden
) const {
    const std::uint32_t own = rank(member);
    if (own == 0) return {};
    const std::uint32_t side = std::min(each_side, (kRowsMax - 1) / 2);
    const std::uint32_t above = std::min(side, own - 1);
    return page(own - 1 - above, above + 1 + side, hidden);
}

void Board::check() const {
    index_.check();
    INVARIANT(index_.size() == scores_.size());
    std::uint64_t hash = 0;
    for (std::uint32_t rank = 1; rank <= index_.size(); ++rank) {
        const auto key = index_.at(rank);
        INVARIANT(key.has_value());
        const auto found = scores_.find(key->member());
        INVARIANT(found && found->points != 0 && key_of(key->member(), *found) == *key);
        hash += hash_of(key->member(), *found);
    }
    INVARIANT(hash == content_hash_);
}

Row Board::make_row(
    const RankKey& key, std::uint32_t rank, std::uint32_t place, const HiddenMembers& hidden
) const noexcept {
    return {
        .rank = rank,
        .place = place,
        .member = key.member(),
        .score = {.points = scores_.points_of(key), .reach_seq = key.reach_seq()},
        .shown = !hidden.contains(key.member()),
    };
}

}  // namespace ledger::boards
