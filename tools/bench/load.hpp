#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "tools/bench/event_template.hpp"
#include "tools/bench/histogram.hpp"

namespace bench {

/// What to send, to a server on 127.0.0.1.
struct LoadOptions {
    enum class Members { uniform, one_hot, in_order };
    enum class OnDisconnect { fail, finish };

    std::uint16_t port = 0;
    std::string program;
    std::string key;
    unsigned connections = 64;
    unsigned batch = 1;  ///< events a request; 1 sends single CloudEvents
    std::uint64_t members = 100'000;
    Members choice = Members::uniform;
    EventTemplate::Identity identity = EventTemplate::Identity::id_only;
    OnDisconnect on_disconnect =
        OnDisconnect::fail;  ///< `finish`: the server is meant to be killed
    /// Sends again what was answered 503, a moment later, as a patient caller does. For filling a
    /// folder; a measurement must not hide it.
    bool patient = false;
    double requests_per_s =
        0;                 ///< 0: closed loop. Else open loop, corrected for coordinated omission.
    double warm_up_s = 2;  ///< sent but not measured
    double measured_s = 60;
    std::uint64_t events_max = 0;   ///< stop after so many; 0: only time ends the run
    std::uint64_t first_event = 0;  ///< number of the first event; ids are never used twice
    std::uint64_t seed = 1;
    std::function<void()> on_measure_begin =
        {};  ///< between warm-up and measurement, on the loading thread
    std::function<void()> on_measure_end = {};  ///< before the last answers are awaited
};

struct LoadResult {
    std::uint64_t events = 0;        ///< acknowledged while measuring
    std::uint64_t requests = 0;      ///< acknowledged while measuring
    std::uint64_t acknowledged = 0;  ///< events, warm-up included
    std::uint64_t next_event = 0;    ///< first number never sent
    double seconds = 0;
    Histogram latency;
    std::string failure;  ///< empty if every answer was "applied"
};

/// Runs one epoll loop on the calling thread until time or events run out, then awaits the answers
/// still due (at most 30 s). The first answer that is not 200 with every event "applied" ends it
/// with `failure` set.
[[nodiscard]] LoadResult run_load(LoadOptions const& options);

}  // namespace bench
