#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace date {
class time_zone;
}

namespace importer {

/// What an hour that the clocks show twice means.
enum class Ambiguous : std::uint8_t { earlier, later, reject };
/// What an hour that the clocks leave out means: `shift` counts it with the offset before the gap,
/// so 01:30 becomes 02:30 in summer time.
enum class Nonexistent : std::uint8_t { shift, reject };

struct TimeFormat {
    std::string format;  ///< as strftime's, e.g. "%Y-%m-%d %H:%M:%S"
    std::string zone = "UTC";
    Ambiguous ambiguous = Ambiguous::earlier;
    Nonexistent nonexistent = Nonexistent::shift;
};

/// Local time texts to UTC. Remembers the last answer: rows of one order repeat their time. One
/// thread.
class LocalTimes {
public:
    /// Throws std::runtime_error for a zone that the time zone database does not have.
    explicit LocalTimes(TimeFormat format);

    /// Seconds since 1970 UTC; nullopt, with `why` set, if the text has another form or names a
    /// time that the format's policy refuses.
    [[nodiscard]] std::optional<std::int64_t> utc(std::string_view text, std::string& why);

private:
    [[nodiscard]] std::optional<std::int64_t> convert(const std::string& text, std::string& why)
        const;

    const TimeFormat format_;
    const date::time_zone* const zone_;
    std::string last_text_;
    std::optional<std::int64_t> last_;
};

/// "2011-05-03T07:26:00Z".
[[nodiscard]] std::string rfc3339(std::int64_t seconds);

}  // namespace importer
