#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace importer {

struct Answer {
    int status = 0;
    std::string body;
    std::optional<int> retry_after_s;
};

/// There is no whole answer: no connection, it broke, or it took too long.
class ConnectionLost : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// One connection to the server. One thread.
class Transport {
public:
    Transport() = default;
    Transport(const Transport&) = delete;
    Transport& operator=(const Transport&) = delete;
    virtual ~Transport() = default;

    /// Posts a batch of events; connects first if need be. Throws ConnectionLost.
    [[nodiscard]] virtual Answer post(std::string_view batch) = 0;
    /// Waits; so that tests need not.
    virtual void pause(double seconds) = 0;
    /// Seconds since some moment, never less than before.
    [[nodiscard]] virtual double now() = 0;
};

}  // namespace importer
