#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace ledger {

/// A number that names one kind of thing and cannot be mixed up with another kind. 0 means "none"
/// unless the type says otherwise.
template <typename Tag, typename Number>
struct StrongId {
    Number value = 0;

    constexpr StrongId() = default;
    constexpr explicit StrongId(Number number) : value(number) {}
    friend constexpr auto operator<=>(StrongId, StrongId) = default;
    [[nodiscard]] constexpr bool none() const { return value == 0; }
};

/// The program's number in this data folder. 0 is the reserved program `_system`.
using ProgramId = StrongId<struct ProgramTag, std::uint32_t>;
/// A member of one program, numbered 1, 2, 3 … at first sight.
using MemberId = StrongId<struct MemberTag, std::uint64_t>;
/// The gapless public number of an entry inside its program, from 1.
using Seq = StrongId<struct SeqTag, std::uint64_t>;
/// The gapless number of a commit group inside its shard, from 1.
using GroupId = StrongId<struct GroupTag, std::uint64_t>;
/// A partition of the log; fixed when the folder is initialised. Only shard 0 exists for now.
using ShardId = StrongId<struct ShardTag, std::uint16_t>;

inline constexpr ProgramId kSystemProgram{0};

}  // namespace ledger

template <typename Tag, typename Number>
struct std::hash<ledger::StrongId<Tag, Number>> {
    std::size_t operator()(ledger::StrongId<Tag, Number> id) const noexcept {
        return std::hash<Number>{}(id.value);
    }
};
