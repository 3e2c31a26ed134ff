#include "server/boards/faces.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace server::boards {
namespace {

constexpr std::string_view kSpaces = " \t\n\r";

/// The length of the UTF-8 sequence that begins here; the text was checked when it came in.
std::size_t sequence_length(char lead) {
    const auto byte = static_cast<unsigned char>(lead);
    if (byte < 0x80) return 1;
    if (byte < 0xe0) return 2;
    return byte < 0xf0 ? 3 : 4;
}

std::string_view first_character(std::string_view text) {
    return text.empty() ? text : text.substr(0, sequence_length(text[0]));
}

std::uint32_t code_point(std::string_view character) {
    const auto lead = static_cast<unsigned char>(character[0]);
    std::uint32_t code = character.size() == 1   ? lead
                         : character.size() == 2 ? lead & 0x1fU
                         : character.size() == 3 ? lead & 0x0fU
                                                 : lead & 0x07U;
    for (const char c : character.substr(1))
        code = code << 6 | (static_cast<unsigned char>(c) & 0x3fU);
    return code;
}

/// Characters that would let a name reorder, break or hide what stands beside it: controls, line
/// ends, the marks and isolates of Unicode's bidirectional algorithm, and what has no width (but
/// for the joiners, which scripts need).
bool is_disruptive(std::string_view character) {
    struct Range {
        std::uint32_t first, last;
    };
    static constexpr Range kRanges[] = {
        {0x00, 0x1f},
        {0x7f, 0x9f},
        {0xad, 0xad},
        {0x61c, 0x61c},
        {0x180e, 0x180e},
        {0x200b, 0x200b},
        {0x200e, 0x200f},
        {0x2028, 0x202e},
        {0x2060, 0x2064},
        {0x2066, 0x206f},
        {0xfeff, 0xfeff},
        {0xfff9, 0xfffb}};
    const std::uint32_t code = code_point(character);
    return std::ranges::any_of(kRanges, [code](const Range& range) {
        return code >= range.first && code <= range.last;
    });
}

std::string clean(std::string_view text) {
    std::string kept;
    while (!text.empty()) {
        const std::string_view character = first_character(text);
        text.remove_prefix(std::min(character.size(), text.size()));
        if (!is_disruptive(character)) kept += character;
    }
    const std::size_t begin = kept.find_first_not_of(kSpaces);
    if (begin == std::string::npos) return {};
    return kept.substr(begin, kept.find_last_not_of(kSpaces) - begin + 1);
}

std::string initial(std::string_view name) {
    const std::string_view first = first_character(name);
    return first.empty() ? std::string() : std::string(first) + ".";
}

}  // namespace

std::string shown_name(std::string_view name, std::string_view board) {
    std::string cleaned = clean(name);
    const bool shown = !board.empty() && board[0] == '+';
    if (!shown) return initial(cleaned);
    if (std::string alias = clean(board.substr(1)); !alias.empty()) return alias;
    const std::size_t space = cleaned.find_last_of(' ');
    if (space == std::string::npos) return cleaned;
    const std::string given = cleaned.substr(0, cleaned.find(' '));
    return given + " " + initial(std::string_view(cleaned).substr(space + 1));
}

bool Faces::note(ledger::MemberId member, ledger::Seq seq) {
    if (member.value >= first_.size()) first_.resize(member.value + 1 + member.value / 8);
    std::uint64_t& first = first_[member.value];
    if (first == 0) {
        first = seq.value;
    } else {
        later_[member.value].push_back(seq.value);
    }
    return faces_.erase(member.value) > 0;
}

const Faces::Face& Faces::face_of(ledger::MemberId member) {
    const auto known = faces_.find(member.value);
    if (known != faces_.end()) return known->second;
    if (faces_.size() >= kFacesMax) faces_.clear();
    std::string name;
    std::string board;
    const auto read = [&](std::uint64_t seq) {
        const auto opened = open_(ledger::Seq{seq});
        if (!opened) return;
        if (!opened->name.empty()) name = opened->name;
        if (!opened->board.empty()) board = opened->board;
    };
    if (member.value < first_.size() && first_[member.value] != 0) read(first_[member.value]);
    if (const auto later = later_.find(member.value); later != later_.end()) {
        for (const std::uint64_t seq : later->second)
            read(seq);
    }
    Face face{shown_name(name, board), !board.empty() && board[0] == '+'};
    return faces_.emplace(member.value, std::move(face)).first->second;
}

}  // namespace server::boards
