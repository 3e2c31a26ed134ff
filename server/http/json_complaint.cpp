#include "server/http/json_complaint.hpp"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include "rules/json_fault.hpp"

namespace server::http {

using ledger::ErrorCode;

namespace {

/// Steps over the string that begins at `at`; the place behind its closing quote.
std::size_t behind_string(std::string_view text, std::size_t at) {
    for (++at; at < text.size() && text[at] != '"'; ++at)
        if (text[at] == '\\') ++at;
    return std::min(at + 1, text.size());
}

/// The deepest nesting, closed or not.
std::size_t depth_of(std::string_view text) {
    std::size_t depth = 0;
    std::size_t deepest = 0;
    for (std::size_t at = 0; at < text.size();) {
        const char c = text[at];
        if (c == '"') {
            at = behind_string(text, at);
            continue;
        }
        if (c == '{' || c == '[') deepest = std::max(deepest, ++depth);
        if ((c == '}' || c == ']') && depth > 0) --depth;
        ++at;
    }
    return deepest;
}

/// Walks a text that is JSON and knows the pointer of every value.
class NumberFinder {
public:
    explicit NumberFinder(std::string_view text) : text_(text) {}

    /// The pointer of the first number that neither 64 bits nor a double hold; "" if none.
    std::string find() {
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == '"') {
                string();
            } else if (c == '-' || (c >= '0' && c <= '9')) {
                if (!number()) return pointer();
            } else {
                structure(c);
                ++at_;
            }
        }
        return {};
    }

private:
    struct Level {
        bool object = false;
        bool key_next = false;
        std::size_t index = 0;
        std::string_view key;
    };

    void structure(char c) {
        if (c == '{' || c == '[') levels_.push_back({c == '{', c == '{', 0, {}});
        if ((c == '}' || c == ']') && !levels_.empty()) levels_.pop_back();
        if (c != ',' || levels_.empty()) return;
        ++levels_.back().index;
        levels_.back().key_next = levels_.back().object;
    }

    void string() {
        const std::size_t end = behind_string(text_, at_);
        if (!levels_.empty() && levels_.back().key_next) {
            levels_.back().key = text_.substr(at_ + 1, end - at_ - 2);
            levels_.back().key_next = false;
        }
        at_ = end;
    }

    bool number() {
        const std::size_t length =
            std::min(text_.find_first_not_of("+-.eE0123456789", at_), text_.size()) - at_;
        const char* const begin = text_.data() + at_;
        const bool integer = text_.substr(at_, length).find_first_of(".eE") == text_.npos;
        at_ += length;
        if (!integer) {
            double value = 0;
            return std::from_chars(begin, begin + length, value).ec == std::errc();
        }
        if (*begin == '-') {
            std::int64_t value = 0;
            return std::from_chars(begin, begin + length, value).ec == std::errc();
        }
        std::uint64_t value = 0;
        return std::from_chars(begin, begin + length, value).ec == std::errc();
    }

    [[nodiscard]] std::string pointer() const {
        std::string out;
        for (const Level& level : levels_) {
            out += '/';
            if (!level.object) {
                out += std::to_string(level.index);
                continue;
            }
            for (const char c : level.key) {
                if (c == '~' || c == '/') {
                    out += c == '~' ? "~0" : "~1";
                } else {
                    out += c;
                }
            }
        }
        return out.empty() ? "/" : out;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::vector<Level> levels_;
};

}  // namespace

ledger::Error json_complaint(std::string_view text, std::size_t depth_max) {
    if (depth_of(text) > depth_max)
        return ledger::make_error(ErrorCode::too_deep, "The body is nested too deeply.");
    if (const auto fault = rules::find_json_fault(text)) {
        return ledger::make_error(
            ErrorCode::malformed_json,
            "line " + std::to_string(fault->line) + ", column " + std::to_string(fault->column) +
                ": " + fault->detail
        );
    }
    std::string pointer = NumberFinder(text).find();
    if (!pointer.empty()) {
        return ledger::field_error(
            ErrorCode::invalid_amount, std::move(pointer), "is outside ±(2^53−1)"
        );
    }
    return ledger::make_error(ErrorCode::malformed_json, "The body is not JSON.");
}

}  // namespace server::http
