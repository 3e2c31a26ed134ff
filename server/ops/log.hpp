#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "ledger/base/result.hpp"

namespace server::ops {

enum class Severity : std::uint8_t { debug, info, warning, error };

/// One value of a log line. Never personal data: no names, addresses, e-mails, bodies or keys;
/// members appear as their number only.
struct LogField {
    enum class Kind : std::uint8_t { text, integer, boolean };

    LogField(std::string_view field_name, std::string_view value)
        : name(field_name), text(value), kind(Kind::text) {}
    LogField(std::string_view field_name, const char* value)
        : LogField(field_name, std::string_view(value)) {}
    LogField(std::string_view field_name, const std::string& value)
        : LogField(field_name, std::string_view(value)) {}
    LogField(std::string_view field_name, std::int64_t value)
        : name(field_name), integer(value), kind(Kind::integer) {}
    LogField(std::string_view field_name, int value)
        : LogField(field_name, static_cast<std::int64_t>(value)) {}
    LogField(std::string_view field_name, unsigned value)
        : LogField(field_name, static_cast<std::int64_t>(value)) {}
    LogField(std::string_view field_name, std::uint64_t value)
        : LogField(field_name, static_cast<std::int64_t>(value)) {}
    LogField(std::string_view field_name, bool value)
        : name(field_name), integer(value ? 1 : 0), kind(Kind::boolean) {}

    std::string_view name;
    std::string_view text;
    std::int64_t integer = 0;
    Kind kind;
};

/// Writes lines below `severity` no more; debug by default. Any thread.
void set_log_severity(Severity severity);

/// One JSON line on stderr: {"time":…,"severity":…,"event":…, the fields}. `event` is a fixed
/// snake_case word to search for. Any thread.
void log(Severity severity, std::string_view event, std::initializer_list<LogField> fields = {});

/// The same for a failure: adds "code" and "detail".
void log_error(std::string_view event, const ledger::Error& error);

/// The line `log` would write; for tests.
[[nodiscard]] std::string log_line(
    Severity severity, std::string_view event, std::initializer_list<LogField> fields
);

}  // namespace server::ops
