#include "rules/cel/text.hpp"

namespace rules::cel {

namespace {

unsigned lead_bytes(unsigned char lead) {
    if (lead < 0x80U) return 1;
    if (lead >= 0xC2U && lead < 0xE0U) return 2;
    if (lead >= 0xE0U && lead < 0xF0U) return 3;
    if (lead >= 0xF0U && lead < 0xF5U) return 4;
    return 0;
}

bool second_byte_fits(unsigned char lead, unsigned char second) {
    if (lead == 0xE0U) return second >= 0xA0U;
    if (lead == 0xEDU) return second < 0xA0U;
    if (lead == 0xF0U) return second >= 0x90U;
    if (lead == 0xF4U) return second < 0x90U;
    return true;
}

}  // namespace

std::size_t code_points(std::string_view text) {
    std::size_t count = 0;
    for (const char c : text)
        count += is_continuation(c) ? 0 : 1;
    return count;
}

std::size_t byte_offset(std::string_view text, std::size_t code_point) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (is_continuation(text[i])) continue;
        if (code_point == 0) return i;
        --code_point;
    }
    return text.size();
}

std::size_t code_point_bytes(std::string_view text, std::size_t offset) {
    std::size_t end = offset + 1;
    while (end < text.size() && is_continuation(text[end]))
        ++end;
    return end - offset;
}

char32_t code_point_at(std::string_view text, std::size_t offset) {
    const std::size_t bytes = code_point_bytes(text, offset);
    const auto lead = static_cast<unsigned char>(text[offset]);
    std::uint32_t value = lead;
    if (bytes > 1) value = lead & (0xFFU >> (bytes + 1));
    for (std::size_t i = 1; i < bytes; ++i) {
        value = (value << 6U) | (static_cast<unsigned char>(text[offset + i]) & 0x3FU);
    }
    return value;
}

bool is_utf8(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const auto lead = static_cast<unsigned char>(text[i]);
        const unsigned bytes = lead_bytes(lead);
        if (bytes == 0 || i + bytes > text.size()) return false;
        for (unsigned j = 1; j < bytes; ++j) {
            if (!is_continuation(text[i + j])) return false;
        }
        if (bytes > 1 && !second_byte_fits(lead, static_cast<unsigned char>(text[i + 1])))
            return false;
        i += bytes;
    }
    return true;
}

bool is_scalar_value(std::uint32_t code_point) {
    return code_point <= 0x10FFFFU && (code_point < 0xD800U || code_point > 0xDFFFU);
}

void append_utf8(std::string& text, std::uint32_t code_point) {
    const auto append = [&text](std::uint32_t byte) { text += static_cast<char>(byte); };
    if (code_point < 0x80U) {
        append(code_point);
    } else if (code_point < 0x800U) {
        append(0xC0U | (code_point >> 6U));
        append(0x80U | (code_point & 0x3FU));
    } else if (code_point < 0x10000U) {
        append(0xE0U | (code_point >> 12U));
        append(0x80U | ((code_point >> 6U) & 0x3FU));
        append(0x80U | (code_point & 0x3FU));
    } else {
        append(0xF0U | (code_point >> 18U));
        append(0x80U | ((code_point >> 12U) & 0x3FU));
        append(0x80U | ((code_point >> 6U) & 0x3FU));
        append(0x80U | (code_point & 0x3FU));
    }
}

std::string quoted(std::string_view text) {
    // Not "'" + std::string(text): g++ 12 warns wrongly about the copy inside (its bug 105651).
    std::string result(1, '\'');
    result.append(text);
    result += '\'';
    return result;
}

}  // namespace rules::cel
