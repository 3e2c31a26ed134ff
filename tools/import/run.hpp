#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tools/import/journal.hpp"
#include "tools/import/map.hpp"
#include "tools/import/progress.hpp"
#include "tools/import/reject_file.hpp"
#include "tools/import/source.hpp"
#include "tools/import/summary.hpp"
#include "tools/import/transport.hpp"

namespace importer {

struct RunOptions {
    std::vector<std::string> files;
    std::size_t connections = 1;
    std::size_t batch_events_max = 1000;
    std::size_t batch_bytes_max = std::size_t{4} << 20;
    double patience_s = 60;
};

struct Report {
    Summary summary;
    std::uint64_t lines = 0;
    std::size_t batches_sent = 0;
    std::size_t batches_known = 0;  ///< acknowledged to an earlier run
};

using MakeTransport = std::function<std::unique_ptr<Transport>()>;

/// The source that a map's format asks for.
[[nodiscard]] std::unique_ptr<EventSource> make_source(
    const Map& map, const std::vector<std::string>& files, LineSink& sink, ReadProgress& progress
);

/// Reads, maps and sends everything that `journal` does not know; each connection has a thread and
/// two batches waiting for it. Events of one lane go over one connection in order; with one
/// connection all events are in order. Every line of the input is in exactly one class of the
/// report. Throws what sources throw, ImportFailed, and std::runtime_error for a file that cannot
/// be written; what was acknowledged until then is in the journal.
[[nodiscard]] Report run_import(
    const Map& map,
    const RunOptions& options,
    const MakeTransport& make_transport,
    Journal& journal,
    RejectFile& rejects,
    Progress& progress
);

/// The same without a server: events are of the class `to_send`; `show` gets each.
[[nodiscard]] Report run_dry(
    const Map& map,
    const RunOptions& options,
    const std::function<void(const Event&)>& show,
    RejectFile& rejects,
    Progress& progress
);

}  // namespace importer
