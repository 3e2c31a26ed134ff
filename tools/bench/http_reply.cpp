#include "tools/bench/http_reply.hpp"

#include <charconv>
#include <cstring>

#include <strings.h>

namespace bench {

namespace {

bool equal_name(std::string_view text, std::string_view name) {
    return text.size() == name.size() && strncasecmp(text.data(), name.data(), name.size()) == 0;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && text.front() == ' ') {
        text.remove_prefix(1);
    }
    while (!text.empty() && (text.back() == ' ' || text.back() == '\r')) {
        text.remove_suffix(1);
    }
    return text;
}

struct Head {
    std::size_t content_length = 0;
    bool chunked = false;
    bool close = false;
};

Head read_fields(std::string_view fields) {
    Head head;
    while (!fields.empty()) {
        auto const end = fields.find('\n');
        auto const line = fields.substr(0, end);
        fields.remove_prefix(end == std::string_view::npos ? fields.size() : end + 1);
        auto const colon = line.find(':');
        if (colon == std::string_view::npos) {
            continue;
        }
        auto const name = line.substr(0, colon);
        auto const value = trimmed(line.substr(colon + 1));
        if (equal_name(name, "content-length")) {
            std::from_chars(value.data(), value.data() + value.size(), head.content_length);
        } else if (equal_name(name, "transfer-encoding")) {
            head.chunked = equal_name(value, "chunked");
        } else if (equal_name(name, "connection")) {
            head.close = equal_name(value, "close");
        }
    }
    return head;
}

/// Length of a whole chunked body at the start of `text`, or nothing.
std::optional<std::size_t> chunked_length(std::string_view text) {
    std::size_t at = 0;
    for (;;) {
        auto const line_end = text.find("\r\n", at);
        if (line_end == std::string_view::npos) {
            return std::nullopt;
        }
        std::size_t size = 0;
        std::from_chars(text.data() + at, text.data() + line_end, size, 16);
        at = line_end + 2 + size + 2;
        if (at > text.size()) {
            return std::nullopt;
        }
        if (size == 0) {
            return at;
        }
    }
}

}  // namespace

std::optional<Reply> parse_reply(std::string_view buffer) {
    auto const head_end = buffer.find("\r\n\r\n");
    if (head_end == std::string_view::npos) {
        return std::nullopt;
    }
    Reply reply;
    if (buffer.size() < 13 || buffer.substr(0, 7) != "HTTP/1.") {
        reply.status = -1;
        reply.length = buffer.size();
        return reply;
    }
    std::from_chars(buffer.data() + 9, buffer.data() + 12, reply.status);
    auto const fields_at = buffer.find('\n') + 1;
    auto const head = fields_at > head_end + 2
                          ? Head{}
                          : read_fields(buffer.substr(fields_at, head_end + 2 - fields_at));
    auto const body_at = head_end + 4;
    auto body_length = head.content_length;
    if (head.chunked) {
        auto const length = chunked_length(buffer.substr(body_at));
        if (!length) {
            return std::nullopt;
        }
        body_length = *length;
    } else if (buffer.size() - body_at < body_length) {
        return std::nullopt;
    }
    reply.body = buffer.substr(body_at, body_length);
    reply.length = body_at + body_length;
    reply.close = head.close;
    return reply;
}

std::size_t count_of(std::string_view text, std::string_view needle) {
    std::size_t found = 0;
    char const* at = text.data();
    char const* const end = at + text.size();
    while (auto const* hit = static_cast<char const*>(
               memmem(at, static_cast<std::size_t>(end - at), needle.data(), needle.size())
           )) {
        ++found;
        at = hit + needle.size();
    }
    return found;
}

}  // namespace bench
