#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

/// What differs from one generated order to the next.
struct EventValues {
    std::uint64_t number = 0;  ///< unique; becomes event id, order id and subject
    std::uint64_t member = 0;  ///< 1..members
    std::uint32_t noise = 0;   ///< chooses SKUs and amounts
};

/// One realistic `order.paid` CloudEvent of about 440 bytes with two lines. All that varies has a
/// fixed width, so that a request is laid out once and only patched: the load generator shares two
/// cores with the server it measures.
class EventTemplate {
public:
    enum class Identity { id_only, id_and_email };

    explicit EventTemplate(Identity identity);

    /// The text to copy before patching; its length never changes.
    [[nodiscard]] std::string_view text() const { return text_; }
    [[nodiscard]] std::size_t size() const { return text_.size(); }

    /// Writes `values` and `time` (20 characters, RFC 3339 UTC) into a copy of `text` at `at`.
    void patch(char* at, EventValues const& values, std::string_view time) const;

    /// The customer id of `member` as it appears in events.
    [[nodiscard]] static std::string customer_id(std::uint64_t member);

private:
    enum class Field : std::uint8_t {
        number,
        member,
        time,
        sku_a,
        sku_b,
        amount_a,
        amount_b,
        total
    };
    struct Slot {
        Field field;
        std::size_t offset;
    };

    void literal(std::string_view piece) { text_ += piece; }
    void slot(Field field);
    static std::size_t width(Field field);

    std::string text_;
    std::vector<Slot> slots_;
};

/// Writes `value` as `width` decimal digits with leading zeros.
void write_digits(char* at, std::uint64_t value, std::size_t width);

/// `seconds` since 1970 as "2026-03-02T10:15:30Z".
[[nodiscard]] std::string rfc3339(std::int64_t seconds);

}  // namespace bench
