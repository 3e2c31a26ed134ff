#include "rules/json_fault.hpp"

namespace rules {
namespace {

constexpr std::size_t kDepthMax = 1'024;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// A recursive descent over RFC 8259 that keeps nothing but the place and the first fault.
class Scanner {
public:
    explicit Scanner(std::string_view text) : text_(text) {}

    bool document() {
        if (!value(0)) return false;
        skip_space();
        return at_ == text_.size() || fail("nothing may follow the document");
    }

    [[nodiscard]] JsonFault fault() const {
        JsonFault fault;
        fault.detail = detail_;
        for (const char c : text_.substr(0, at_)) {
            if (c == '\n') {
                ++fault.line;
                fault.column = 1;
            } else if ((static_cast<unsigned char>(c) & 0xC0U) != 0x80U) {
                ++fault.column;
            }
        }
        return fault;
    }

private:
    [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

    bool fail(const char* detail) {
        detail_ = at_ == text_.size() ? "the text ends too early" : detail;
        return false;
    }

    void skip_space() {
        while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r')
            ++at_;
    }

    bool accept(char c) {
        skip_space();
        if (peek() != c || at_ == text_.size()) return false;
        ++at_;
        return true;
    }

    bool value(std::size_t depth) {
        if (depth > kDepthMax) return fail("nested too deep");
        skip_space();
        switch (peek()) {
            case '{': return object(depth);
            case '[': return array(depth);
            case '"': return string();
            case 't': return word("true");
            case 'f': return word("false");
            case 'n': return word("null");
            default: return number();
        }
    }

    bool object(std::size_t depth) {
        ++at_;
        if (accept('}')) return true;
        do {
            skip_space();
            if (peek() != '"') return fail("a key in double quotes is missing");
            if (!string()) return false;
            if (!accept(':')) return fail("a colon is missing");
            if (!value(depth + 1)) return false;
        } while (accept(','));
        return accept('}') || fail("a comma or } is missing");
    }

    bool array(std::size_t depth) {
        ++at_;
        if (accept(']')) return true;
        do {
            if (!value(depth + 1)) return false;
        } while (accept(','));
        return accept(']') || fail("a comma or ] is missing");
    }

    bool word(std::string_view expected) {
        if (!text_.substr(at_).starts_with(expected)) return fail("a value is missing");
        at_ += expected.size();
        return true;
    }

    bool string() {
        ++at_;
        while (peek() != '"') {
            if (at_ == text_.size()) return fail("");
            if (static_cast<unsigned char>(peek()) < 0x20) {
                return fail("a control character in a string must be escaped");
            }
            if (peek() == '\\') {
                if (!escape()) return false;
            } else {
                ++at_;
            }
        }
        ++at_;
        return true;
    }

    bool escape() {
        const std::size_t begin = at_++;
        const char kind = peek();
        ++at_;
        if (kind == 'u') return unicode_escape(begin);
        if (kind != '\0' && std::string_view("\"\\/bfnrt").find(kind) != std::string_view::npos) {
            return true;
        }
        at_ = begin;
        return fail("an unknown escape");
    }

    bool unicode_escape(std::size_t begin) {
        const int first = hex4();
        const bool high = first >= 0xD800 && first <= 0xDBFF;
        bool ok = first >= 0 && !(first >= 0xDC00 && first <= 0xDFFF);
        if (ok && high) {
            ok = text_.substr(at_).starts_with("\\u");
            at_ += 2;
            const int second = ok ? hex4() : -1;
            ok = second >= 0xDC00 && second <= 0xDFFF;
        }
        if (ok) return true;
        at_ = begin;
        return fail("a \\u escape that names no character");
    }

    int hex4() {
        int value = 0;
        for (int i = 0; i < 4; ++i, ++at_) {
            const std::size_t digit = std::string_view("0123456789abcdef").find(lower(peek()));
            if (digit == std::string_view::npos) return -1;
            value = value * 16 + static_cast<int>(digit);
        }
        return value;
    }

    static char lower(char c) {
        return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
    }

    bool digits() {
        if (!is_digit(peek())) return fail("a digit is missing");
        while (is_digit(peek()))
            ++at_;
        return true;
    }

    bool number() {
        if (peek() != '-' && !is_digit(peek())) return fail("a value is missing");
        if (peek() == '-') ++at_;
        if (peek() == '0') {
            ++at_;
            if (is_digit(peek())) return fail("a number may not begin with 0");
        } else if (!digits()) {
            return false;
        }
        if (peek() == '.') {
            ++at_;
            if (!digits()) return false;
        }
        if (peek() != 'e' && peek() != 'E') return true;
        ++at_;
        if (peek() == '+' || peek() == '-') ++at_;
        return digits();
    }

    std::string_view text_;
    std::size_t at_ = 0;
    const char* detail_ = "";
};

}  // namespace

std::optional<JsonFault> find_json_fault(std::string_view text) {
    Scanner scanner(text);
    if (scanner.document()) return std::nullopt;
    return scanner.fault();
}

}  // namespace rules
