#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ledger/base/clock.hpp"

namespace server::http {

/// Appends one JSON document to a string: no tree, no copies. The caller keeps begin/end balanced
/// and writes a key before each value of an object. Text that is not UTF-8 comes out with U+FFFD
/// in the place of each bad byte.
class JsonWriter {
public:
    /// `out` is appended to and must outlive the writer.
    explicit JsonWriter(std::string& out) : out_(out) {}

    JsonWriter& begin_object();
    JsonWriter& end_object();
    JsonWriter& begin_array();
    JsonWriter& end_array();
    /// `name` is written without escaping: a literal of ours. For keys from outside use `any_key`.
    JsonWriter& key(std::string_view name);
    JsonWriter& any_key(std::string_view name);

    JsonWriter& string(std::string_view value);
    JsonWriter& integer(std::int64_t value);
    JsonWriter& unsigned_integer(std::uint64_t value);
    JsonWriter& boolean(bool value);
    JsonWriter& null();
    /// RFC 3339 in UTC; kNever becomes null.
    JsonWriter& time(ledger::Timestamp value);
    /// A complete JSON value, written as it is.
    JsonWriter& raw(std::string_view json);

    JsonWriter& field(std::string_view name, std::string_view value) {
        return key(name).string(value);
    }
    JsonWriter& field(std::string_view name, const char* value) { return key(name).string(value); }
    JsonWriter& field(std::string_view name, const std::string& value) {
        return key(name).string(value);
    }
    JsonWriter& field(std::string_view name, std::int64_t value) {
        return key(name).integer(value);
    }
    JsonWriter& field(std::string_view name, std::uint64_t value) {
        return key(name).unsigned_integer(value);
    }
    JsonWriter& field(std::string_view name, std::uint32_t value) {
        return key(name).unsigned_integer(value);
    }
    JsonWriter& field(std::string_view name, std::int32_t value) {
        return key(name).integer(value);
    }
    JsonWriter& field(std::string_view name, bool value) { return key(name).boolean(value); }
    JsonWriter& time_field(std::string_view name, ledger::Timestamp value) {
        return key(name).time(value);
    }

private:
    void separate() {
        if (comma_) out_.push_back(',');
        comma_ = true;
    }

    std::string& out_;
    bool comma_ = false;
};

/// Appends `text` as a JSON string with its quotes.
void append_json_string(std::string& out, std::string_view text);

[[nodiscard]] bool is_utf8(std::string_view text);

}  // namespace server::http
