#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include <protozero/varint.hpp>

#include "ledger/base/invariant.hpp"

// Writes the protobuf wire format into memory that the caller has sized: one pass, no temporary
// strings. protozero's own writer appends byte by byte to a string and closes each nested message
// by moving what follows a reserved length: measured at three to four times the cost.
namespace ledger::wire {

/// Upper bounds for sizing the memory: a number, and the frame of a string or nested message.
inline constexpr std::size_t kNumberMax = 2 + 10;
inline constexpr std::size_t kFrameMax = 2 + 5;
[[nodiscard]] inline std::size_t bound(std::string_view text) {
    return kFrameMax + text.size();
}

/// Field numbers are below 2,048 (two bytes of tag). Numbers of value 0 and empty strings are left
/// out unless the call says `explicit`.
class Writer {
public:
    explicit Writer(char* begin) : at_(begin) {}
    [[nodiscard]] char* at() const { return at_; }

    template <std::uint32_t Field>
    void number(std::uint64_t value) {
        if (value != 0) explicit_number<Field>(value);
    }
    template <std::uint32_t Field>
    void number(std::int64_t value) {
        number<Field>(static_cast<std::uint64_t>(value));
    }
    template <std::uint32_t Field>
    void number(std::uint32_t value) {
        number<Field>(std::uint64_t{value});
    }
    /// sint64: small negative numbers are short.
    template <std::uint32_t Field>
    void zigzag(std::int64_t value) {
        number<Field>(protozero::encode_zigzag64(value));
    }
    template <std::uint32_t Field>
    void explicit_number(std::uint64_t value) {
        tag<Field, 0>();
        varint(value);
    }
    template <std::uint32_t Field>
    void text(std::string_view value) {
        if (!value.empty()) explicit_text<Field>(value);
    }
    template <std::uint32_t Field>
    void explicit_text(std::string_view value) {
        INVARIANT(value.size() <= 0x7fffffffU);
        tag<Field, 2>();
        varint(value.size());
        if (value.empty()) return;
        std::memcpy(at_, value.data(), value.size());
        at_ += value.size();
    }
    /// Runs `body`, which writes the fields of a nested message (or packed numbers), and frames
    /// them.
    template <std::uint32_t Field, typename Body>
    void nested(const Body& body) {
        tag<Field, 2>();
        char* const length_at = at_++;  // most lengths need one byte; longer ones move the content
        body();
        const auto size = static_cast<std::size_t>(at_ - length_at - 1);
        if (size < 0x80) [[likely]] {
            *length_at = static_cast<char>(size);
            return;
        }
        INVARIANT(size <= 0x7fffffffU);
        const auto extra = static_cast<std::size_t>(protozero::length_of_varint(size)) - 1;
        std::memmove(length_at + 1 + extra, length_at + 1, size);
        protozero::add_varint_to_buffer(length_at, size);
        at_ += extra;
    }
    void varint(std::uint64_t value) {
        while (value >= 0x80) {
            *at_++ = static_cast<char>(value | 0x80);
            value >>= 7;
        }
        *at_++ = static_cast<char>(value);
    }

private:
    template <std::uint32_t Field, std::uint32_t WireType>
    void tag() {
        static_assert(Field > 0 && Field < 2048);
        constexpr std::uint32_t kTag = Field << 3 | WireType;
        if constexpr (kTag < 0x80) {
            *at_++ = static_cast<char>(kTag);
        } else {
            *at_++ = static_cast<char>((kTag & 0x7f) | 0x80);
            *at_++ = static_cast<char>(kTag >> 7);
        }
    }

    char* at_;
};

/// The content is not what the writer makes. Caught at the door of each decoder.
class Malformed : public protozero::exception {
public:
    explicit Malformed(const char* what) : what_(what) {}
    [[nodiscard]] const char* what() const noexcept override { return what_; }

private:
    const char* what_;
};

}  // namespace ledger::wire
