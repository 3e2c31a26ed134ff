#include "rules/cel/lexer.hpp"

#include <array>
#include <utility>

#include "rules/cel/text.hpp"

namespace rules::cel {

namespace {

constexpr std::array<std::string_view, 6> kLongSymbols{"==", "!=", "<=", ">=", "&&", "||"};
constexpr std::string_view kShortSymbols = "()[]{}.,:?+-*/%!<>";

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

int hex_value(char c) {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/// The character for a one-letter escape, or 0.
char plain_escape(char c) {
    switch (c) {
        case 'a': return '\a';
        case 'b': return '\b';
        case 'f': return '\f';
        case 'n': return '\n';
        case 'r': return '\r';
        case 't': return '\t';
        case 'v': return '\v';
        case '\\':
        case '?':
        case '"':
        case '\'':
        case '`': return c;
        default: return '\0';
    }
}

class Lexer {
public:
    Lexer(std::string_view source, std::size_t tokens_max)
        : source_(source), tokens_max_(tokens_max) {}

    Tokens run() {
        skip_blanks();
        while (!result_.error && at_ < source_.size()) {
            if (result_.items.size() >= tokens_max_) {
                fail(at_, "the expression has too many parts");
                break;
            }
            next();
            skip_blanks();
        }
        result_.items.push_back({TokenKind::end, offset(source_.size()), {}, {}});
        return std::move(result_);
    }

private:
    struct Quote {
        bool raw = false;
        bool bytes = false;
        std::size_t prefix = 0;
    };

    static std::uint32_t offset(std::size_t position) {
        return static_cast<std::uint32_t>(position);
    }

    [[nodiscard]] char peek(std::size_t ahead = 0) const {
        return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0';
    }

    void fail(std::size_t position, std::string message, Complaint complaint = Complaint::invalid) {
        if (!result_.error) {
            result_.error = Diagnostic{offset(position), std::move(message), complaint};
        }
    }

    void push(TokenKind kind, std::size_t begin, std::size_t end, std::string content = {}) {
        result_.items.push_back(
            {kind, offset(begin), source_.substr(begin, end - begin), std::move(content)}
        );
    }

    void skip_blanks() {
        while (at_ < source_.size()) {
            const char c = source_[at_];
            if (c == '/' && peek(1) == '/') {
                const auto newline = source_.find('\n', at_);
                at_ = newline == std::string_view::npos ? source_.size() : newline;
            } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
                ++at_;
            } else {
                return;
            }
        }
    }

    void next() {
        const char c = peek();
        if (const auto quote = quote_here()) {
            text_literal(*quote);
        } else if (is_letter(c)) {
            identifier();
        } else if (is_digit(c) || (c == '.' && is_digit(peek(1)))) {
            number();
        } else {
            symbol();
        }
    }

    void identifier() {
        const std::size_t begin = at_;
        while (is_letter(peek()) || is_digit(peek()))
            ++at_;
        push(TokenKind::identifier, begin, at_);
    }

    void symbol() {
        for (const auto candidate : kLongSymbols) {
            if (source_.substr(at_).starts_with(candidate)) {
                push(TokenKind::symbol, at_, at_ + 2);
                at_ += 2;
                return;
            }
        }
        const char c = peek();
        if (c == '`') {
            fail(at_, "quoted field names are not supported", Complaint::unsupported);
        } else if (kShortSymbols.find(c) != std::string_view::npos && c != '\0') {
            push(TokenKind::symbol, at_, at_ + 1);
            ++at_;
        } else if (static_cast<unsigned char>(c) >= 0x80U || c < ' ' || c == '\x7f') {
            fail(at_, "unexpected character");
        } else {
            fail(at_, std::string("unexpected '") + c + "'");
        }
    }

    void digits() {
        while (is_digit(peek()))
            ++at_;
    }

    bool hex_number() {
        if (peek() != '0' || (peek(1) != 'x' && peek(1) != 'X') || hex_value(peek(2)) < 0)
            return false;
        at_ += 2;
        while (hex_value(peek()) >= 0)
            ++at_;
        return true;
    }

    bool exponent() {
        if (peek() != 'e' && peek() != 'E') return false;
        const std::size_t sign = peek(1) == '+' || peek(1) == '-' ? 1 : 0;
        if (!is_digit(peek(1 + sign))) return false;
        at_ += 1 + sign;
        digits();
        return true;
    }

    void number() {
        const std::size_t begin = at_;
        bool fractional = false;
        if (!hex_number()) {
            digits();
            if (peek() == '.' && is_digit(peek(1))) {
                fractional = true;
                ++at_;
                digits();
            }
            fractional = exponent() || fractional;
        }
        const std::size_t end = at_;
        TokenKind kind = fractional ? TokenKind::double_literal : TokenKind::int_literal;
        if (!fractional && (peek() == 'u' || peek() == 'U')) {
            kind = TokenKind::uint_literal;
            ++at_;
        }
        if (is_letter(peek()) || is_digit(peek())) return fail(begin, "malformed number");
        push(kind, begin, end);
    }

    /// A quotation mark here, with its prefix of r and b in any order and case.
    [[nodiscard]] std::optional<Quote> quote_here() const {
        Quote quote;
        while (quote.prefix < 2) {
            const char c = peek(quote.prefix);
            if ((c == 'r' || c == 'R') && !quote.raw) {
                quote.raw = true;
            } else if ((c == 'b' || c == 'B') && !quote.bytes) {
                quote.bytes = true;
            } else {
                break;
            }
            ++quote.prefix;
        }
        const char mark = peek(quote.prefix);
        if (mark != '\'' && mark != '"') return std::nullopt;
        return quote;
    }

    void text_literal(Quote quote) {
        const std::size_t begin = at_;
        at_ += quote.prefix;
        const char mark = peek();
        const bool triple = peek(1) == mark && peek(2) == mark;
        const std::string closing(triple ? 3 : 1, mark);
        at_ += closing.size();
        std::string content;
        while (!result_.error) {
            if (at_ >= source_.size() || (!triple && (peek() == '\n' || peek() == '\r'))) {
                return fail(begin, "this text has no closing quotation mark");
            }
            if (source_.substr(at_).starts_with(closing)) break;
            if (peek() == '\\' && !quote.raw) {
                escape(quote.bytes, content);
            } else {
                content += source_[at_++];
            }
        }
        if (result_.error) return;
        at_ += closing.size();
        push(
            quote.bytes ? TokenKind::bytes_literal : TokenKind::string_literal,
            begin,
            at_,
            std::move(content)
        );
    }

    void escape(bool bytes, std::string& content) {
        const std::size_t begin = at_;
        ++at_;
        const char c = peek();
        if (const char plain = plain_escape(c); plain != '\0') {
            ++at_;
            content += plain;
        } else if (c >= '0' && c <= '3') {
            numeric_escape(begin, 8, 3, bytes, content);
        } else if (c == 'x' || c == 'X') {
            ++at_;
            numeric_escape(begin, 16, 2, bytes, content);
        } else if ((c == 'u' || c == 'U') && !bytes) {
            ++at_;
            numeric_escape(begin, 16, c == 'u' ? 4 : 8, bytes, content);
        } else {
            fail(begin, "unknown escape sequence");
        }
    }

    void numeric_escape(
        std::size_t begin, std::uint32_t base, int length, bool bytes, std::string& content
    ) {
        std::uint32_t value = 0;
        for (int i = 0; i < length; ++i) {
            const int digit = hex_value(peek());
            if (digit < 0 || digit >= static_cast<int>(base)) {
                return fail(begin, "incomplete escape sequence");
            }
            value = value * base + static_cast<std::uint32_t>(digit);
            ++at_;
        }
        if (bytes) {
            content += static_cast<char>(value);
        } else if (is_scalar_value(value)) {
            append_utf8(content, value);
        } else {
            fail(begin, "the escape is not a Unicode character");
        }
    }

    std::string_view source_;
    std::size_t tokens_max_;
    std::size_t at_ = 0;
    Tokens result_;
};

}  // namespace

Tokens tokenize(std::string_view source, std::size_t tokens_max) {
    if (!is_utf8(source)) {
        Tokens result;
        result.items.push_back({});
        result.error = Diagnostic{0, "the text is not valid UTF-8", Complaint::invalid};
        return result;
    }
    return Lexer(source, tokens_max).run();
}

}  // namespace rules::cel
