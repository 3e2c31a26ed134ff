#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <boost/container/small_vector.hpp>

#include "ledger/base/ids.hpp"
#include "ledger/entry.hpp"

namespace server::boards {

/// The name under which a member appears to others: what they chose, or "Ana K." of their name, if
/// they agreed to be shown; else an initial ("A."), or nothing if no name is known.
/// `board` is Personal::board. Control and direction-changing characters are left out.
[[nodiscard]] std::string shown_name(std::string_view name, std::string_view board);

/// How the members of one program appear. Names stay sealed in the log: only where they stand is
/// remembered, and a bounded number is kept opened. One thread.
class Faces {
public:
    /// Opens the personal fields of an entry; nullopt if they were erased or cannot be read.
    struct Opened {
        std::string name;
        std::string board;
    };
    using Open = std::function<std::optional<Opened>(ledger::Seq)>;
    explicit Faces(Open open) : open_(std::move(open)) {}

    /// Entry `seq` carries personal fields of the member. True: the face is known to somebody and
    /// may have changed.
    bool note(ledger::MemberId member, ledger::Seq seq);
    struct Face {
        std::string name;
        bool shown = false;  ///< the member agreed to be shown
    };
    [[nodiscard]] const Face& face_of(ledger::MemberId member);

private:
    static constexpr std::size_t kFacesMax = 20'000;

    Open open_;
    /// The first sealed entry of each member, by number; later ones are few.
    std::vector<std::uint64_t> first_;
    std::unordered_map<std::uint64_t, boost::container::small_vector<std::uint64_t, 2>> later_;
    std::unordered_map<std::uint64_t, Face> faces_;
};

}  // namespace server::boards
