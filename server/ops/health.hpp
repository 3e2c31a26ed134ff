#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace server::ops {

/// Why the server is not ready, by condition: "recovery", "clock", "disk", "sync", "draining" …
/// Ready means that no condition stands. Thread-safe.
class Health {
public:
    /// `reason` is one sentence for the operator. Replaces an earlier one of the condition.
    void raise(std::string_view condition, std::string_view reason);
    void clear(std::string_view condition);

    [[nodiscard]] bool ready() const;
    struct Condition {
        std::string name;
        std::string reason;
    };
    [[nodiscard]] std::vector<Condition> conditions() const;

    /// The body of /readyz: {"ready":false,"conditions":[{"condition":…,"reason":…}]}.
    [[nodiscard]] std::string json() const;

private:
    mutable std::mutex mutex_;
    std::map<std::string, std::string, std::less<>> standing_;
};

}  // namespace server::ops
