#include "server/boards/faces.hpp"

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

/// Characters that would let a name reorder or hide what stands beside it: controls, and the marks
/// and isolates of Unicode's bidirectional algorithm (U+200E, U+200F, U+202A–E, U+2066–9).
bool is_disruptive(std::string_view character) {
    if (character.size() == 1) {
        const auto byte = static_cast<unsigned char>(character[0]);
        return byte < 0x20 || byte == 0x7f;
    }
    if (character.size() != 3 || character[0] != '\xe2') return false;
    const auto middle = static_cast<unsigned char>(character[1]);
    const auto last = static_cast<unsigned char>(character[2]);
    if (middle == 0x80) return last == 0x8e || last == 0x8f || (last >= 0xaa && last <= 0xae);
    return middle == 0x81 && last >= 0xa6 && last <= 0xa9;
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
    const std::string cleaned = clean(name);
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
