#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ledger/boards/rank_key.hpp"

namespace ledger::boards {

/// The members of one program who are never in a row: minors, erased people, those who asked for
/// it. One set serves all boards of the program, because it says nothing about scores: a hidden
/// member keeps score and rank and still sees them, and the ranks of others do not change.
///
/// One bit a member, up to the highest hidden one. One thread at a time.
class HiddenMembers {
public:
    /// May throw std::bad_alloc and has then changed nothing.
    void hide(Member member) {
        if (word(member) >= bits_.size()) bits_.resize(word(member) + 1);
        bits_[word(member)] |= bit(member);
    }
    void show(Member member) noexcept {
        if (word(member) < bits_.size()) bits_[word(member)] &= ~bit(member);
    }
    [[nodiscard]] bool contains(Member member) const noexcept {
        return word(member) < bits_.size() && (bits_[word(member)] & bit(member)) != 0;
    }

private:
    static std::size_t word(Member member) noexcept { return member / 64; }
    static std::uint64_t bit(Member member) noexcept { return std::uint64_t{1} << (member % 64); }

    std::vector<std::uint64_t> bits_;
};

}  // namespace ledger::boards
