#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tools/import/fault.hpp"

namespace importer {

/// One CloudEvent and the lines it was made of.
struct Event {
    std::string id;
    std::string body;  ///< JSON
    std::string lane;  ///< events with the same text keep their order; empty: `id` decides
    std::vector<Place> places;
};

/// Where lines go that become no event.
class LineSink {
public:
    LineSink() = default;
    LineSink(const LineSink&) = delete;
    LineSink& operator=(const LineSink&) = delete;
    virtual ~LineSink() = default;

    virtual void skipped(std::string_view name, std::uint64_t lines) = 0;
    virtual void rejected(const Fault& fault) = 0;
};

/// How far the reading is; read by other threads.
struct ReadProgress {
    std::atomic<std::uint64_t> lines{0};
    std::atomic<std::uint64_t> bytes{0};
    std::atomic<std::uint64_t> bytes_all{0};
    std::atomic<bool> done{false};
};

/// The events of all input files, always the same ones in the same order for the same input.
class EventSource {
public:
    EventSource() = default;
    EventSource(const EventSource&) = delete;
    EventSource& operator=(const EventSource&) = delete;
    virtual ~EventSource() = default;

    /// False at the end. Throws UsageError for a file that does not fit the map, and
    /// std::runtime_error for one that cannot be read.
    [[nodiscard]] virtual bool next(Event& event) = 0;
};

}  // namespace importer
