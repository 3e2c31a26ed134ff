#include "server/ops/health.hpp"

#include "server/http/json_writer.hpp"

namespace server::ops {

void Health::raise(std::string_view condition, std::string_view reason) {
    const std::lock_guard lock(mutex_);
    standing_.insert_or_assign(std::string(condition), std::string(reason));
}

void Health::clear(std::string_view condition) {
    const std::lock_guard lock(mutex_);
    const auto found = standing_.find(condition);
    if (found != standing_.end()) standing_.erase(found);
}

bool Health::ready() const {
    const std::lock_guard lock(mutex_);
    return standing_.empty();
}

std::vector<Health::Condition> Health::conditions() const {
    const std::lock_guard lock(mutex_);
    std::vector<Condition> out;
    for (const auto& [name, reason] : standing_)
        out.push_back({name, reason});
    return out;
}

std::string Health::json() const {
    const std::vector<Condition> standing = conditions();
    std::string out;
    http::JsonWriter json(out);
    json.begin_object().field("ready", standing.empty()).key("conditions").begin_array();
    for (const Condition& condition : standing) {
        json.begin_object()
            .field("condition", condition.name)
            .field("reason", condition.reason)
            .end_object();
    }
    json.end_array().end_object();
    return out;
}

}  // namespace server::ops
