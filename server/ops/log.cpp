#include "server/ops/log.hpp"

#include <memory>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "ledger/base/clock.hpp"
#include "server/http/json_writer.hpp"

namespace server::ops {

namespace {

spdlog::level::level_enum to_spdlog(Severity severity) {
    switch (severity) {
        case Severity::debug: return spdlog::level::debug;
        case Severity::info: return spdlog::level::info;
        case Severity::warning: return spdlog::level::warn;
        case Severity::error: return spdlog::level::err;
    }
    return spdlog::level::err;
}

std::string_view name(Severity severity) {
    switch (severity) {
        case Severity::debug: return "debug";
        case Severity::info: return "info";
        case Severity::warning: return "warning";
        case Severity::error: return "error";
    }
    return "error";
}

spdlog::logger& logger() {
    static const std::shared_ptr<spdlog::logger> kLogger = [] {
        auto made = std::make_shared<spdlog::logger>(
            "guerdon", std::make_shared<spdlog::sinks::stderr_sink_mt>()
        );
        made->set_pattern("%v");
        made->set_level(spdlog::level::debug);
        made->flush_on(spdlog::level::debug);
        return made;
    }();
    return *kLogger;
}

}  // namespace

void set_log_severity(Severity severity) {
    logger().set_level(to_spdlog(severity));
}

std::string log_line(
    Severity severity, std::string_view event, std::initializer_list<LogField> fields
) {
    std::string line;
    http::JsonWriter json(line);
    json.begin_object()
        .time_field("time", ledger::SystemClock().now())
        .field("severity", name(severity))
        .field("event", event);
    for (const LogField& field : fields) {
        json.any_key(field.name);
        switch (field.kind) {
            case LogField::Kind::text: json.string(field.text); break;
            case LogField::Kind::integer: json.integer(field.integer); break;
            case LogField::Kind::boolean: json.boolean(field.integer != 0); break;
        }
    }
    json.end_object();
    return line;
}

void log(Severity severity, std::string_view event, std::initializer_list<LogField> fields) {
    if (!logger().should_log(to_spdlog(severity))) return;
    const std::string line = log_line(severity, event, fields);
    logger().log(to_spdlog(severity), spdlog::string_view_t(line.data(), line.size()));
}

void log_error(std::string_view event, const ledger::Error& error) {
    log(Severity::error, event, {{"code", ledger::name(error.code)}, {"detail", error.detail}});
}

}  // namespace server::ops
