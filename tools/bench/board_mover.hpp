#pragma once

#include <cstdint>
#include <string>

namespace bench {

/// Makes a program with boards of ten members and moves them: every order lifts the last member to
/// the first place, so that all ten rows change. Errors are std::runtime_error. One thread.
class BoardMover {
public:
    /// Creates program "bench" with `boards` boards "b01", "b02" … of the same score, and their ten
    /// members.
    BoardMover(std::uint16_t port, std::string admin_key, unsigned boards);
    ~BoardMover();
    BoardMover(BoardMover const&) = delete;
    BoardMover& operator=(BoardMover const&) = delete;

    /// A publishable key that may look at them.
    [[nodiscard]] std::string publishable_key() const;
    /// The live greeting that joins all of them.
    [[nodiscard]] std::string greeting() const;
    /// Posts one order and waits for the answer: its `seq`.
    std::uint64_t move();

private:
    std::string call(std::string const& method, std::string const& path, std::string const& body)
        const;
    std::uint64_t post(std::uint64_t member, std::uint64_t points);

    std::uint16_t const port_;
    std::string const key_;
    unsigned const boards_;
    int fd_ = -1;
    std::uint64_t orders_ = 0;
};

}  // namespace bench
