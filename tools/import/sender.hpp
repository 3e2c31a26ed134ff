#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tools/import/source.hpp"
#include "tools/import/transport.hpp"

namespace importer {

/// What the server said about one event.
struct Outcome {
    std::string name;  ///< the class it is counted as
    std::string code;  ///< of a rejected one
    std::string detail;
    std::vector<std::pair<std::string, std::int64_t>>
        points;  ///< currency and amount, an award each
    std::uint64_t seq = 0;
};

/// The import cannot go on: the server is away for too long, or refuses the key or the program.
class ImportFailed : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// `[event,event,…]`.
[[nodiscard]] std::string batch_body(std::span<const Event> events);

/// Brings events to the server over one connection until each has its outcome. One thread.
///
/// A lost connection, 408, 5xx and 429 are tried again: after Retry-After, else after a pause that
/// doubles from 0.1 s to 5 s, until `patience_s` went by without an answer that helps. Events of
/// a batch that were refused for now (`overloaded`, `not_ready`, `rate_limited`, `internal`,
/// `disk_full`) are sent again alone. A batch that is refused as a whole is split in halves until
/// the event is found that it is refused for. Sending again is harmless: events are idempotent.
class Sender {
public:
    Sender(Transport& transport, double patience_s)
        : transport_(transport), patience_s_(patience_s) {}

    /// One outcome an event. `body` is that of all `events`. Throws ImportFailed.
    [[nodiscard]] std::vector<Outcome> send(std::span<const Event> events, const std::string& body);

private:
    struct Patience;
    [[nodiscard]] Answer answer_to(const std::string& body);
    [[nodiscard]] std::vector<Outcome> split(std::span<const Event> events, const Answer& refusal);
    void send_again(
        std::span<const Event> events,
        std::vector<Outcome>& outcomes,
        std::vector<std::size_t> refused
    );

    Transport& transport_;
    const double patience_s_;
};

}  // namespace importer
