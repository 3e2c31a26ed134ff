#include "tools/import/run.hpp"

#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "ledger/base/invariant.hpp"
#include "tools/import/csv_source.hpp"
#include "tools/import/lane.hpp"
#include "tools/import/ndjson_source.hpp"
#include "tools/import/sender.hpp"

namespace importer {

namespace {

/// What became of the lines so far, from the reader and from every connection.
class Collector final : public LineSink {
public:
    Collector(RejectFile& rejects, Progress& progress) : rejects_(rejects), progress_(progress) {}

    void skipped(std::string_view name, std::uint64_t lines) override {
        const std::lock_guard lock(mutex_);
        summary_.add(name, {0, lines});
        progress_.settled += lines;
    }

    void rejected(const Fault& fault) override {
        const std::lock_guard lock(mutex_);
        summary_.add("rejected", {0, 1});
        rejects_.add(fault.place, fault.code, fault.reason, {});
        ++progress_.settled;
    }

    void acknowledged(const std::vector<Event>& events, const Acknowledged& batch) {
        const std::lock_guard lock(mutex_);
        summary_.add(batch.summary);
        for (const Refusal& refusal : batch.refusals) {
            const Event& event = events.at(refusal.event);
            for (const Place& place : event.places)
                rejects_.add(place, refusal.code, refusal.detail, event.id);
        }
        progress_.settled += batch.summary.total().lines;
    }

    [[nodiscard]] Summary summary() const { return summary_; }

private:
    RejectFile& rejects_;
    Progress& progress_;
    std::mutex mutex_;
    Summary summary_;
};

Acknowledged tally(const std::vector<Event>& events, const std::vector<Outcome>& outcomes) {
    Acknowledged batch;
    for (std::size_t i = 0; i < events.size(); ++i) {
        const Outcome& outcome = outcomes[i];
        batch.summary.add(outcome.name, {1, events[i].places.size()});
        for (const auto& [currency, amount] : outcome.points)
            batch.summary.add_points(currency, amount);
        if (outcome.name == "rejected") batch.refusals.push_back({i, outcome.code, outcome.detail});
        batch.seq = std::max(batch.seq, outcome.seq);
    }
    return batch;
}

/// One connection with its thread.
class Connection {
public:
    Connection(
        const RunOptions& options,
        std::unique_ptr<Transport> transport,
        Journal& journal,
        Collector& collector
    )
        : transport_(std::move(transport)),
          sender_(*transport_, options.patience_s),
          journal_(journal),
          collector_(collector),
          batcher_(options.batch_events_max, options.batch_bytes_max),
          thread_([this] { run(); }) {}
    ~Connection() {
        lane_.abandon();
        if (thread_.joinable()) thread_.join();
    }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    /// False once this connection failed.
    [[nodiscard]] bool add(Event event) { return hand_over(batcher_.add(std::move(event))); }
    void end() {
        (void)hand_over(batcher_.rest());
        lane_.close();
        thread_.join();
    }
    void rethrow() const {
        if (failure_) std::rethrow_exception(failure_);
    }
    [[nodiscard]] std::size_t sent() const { return sent_; }
    [[nodiscard]] std::size_t known() const { return known_; }

private:
    bool hand_over(std::optional<Batch> batch) {
        if (!batch) return true;
        if (const Acknowledged* before = journal_.find(batch->digest)) {
            ++known_;
            collector_.acknowledged(batch->events, *before);
            return true;
        }
        return lane_.push(std::move(*batch));
    }

    void run() {
        try {
            while (const std::optional<Batch> batch = lane_.pop())
                deliver(*batch);
        } catch (...) {
            failure_ = std::current_exception();
            lane_.abandon();
        }
    }

    void deliver(const Batch& batch) {
        const Acknowledged answered = tally(batch.events, sender_.send(batch.events, batch.body));
        journal_.add(batch.digest, answered);
        collector_.acknowledged(batch.events, answered);
        ++sent_;
    }

    const std::unique_ptr<Transport> transport_;
    Sender sender_;
    Journal& journal_;
    Collector& collector_;
    Batcher batcher_;
    Lane lane_;
    std::exception_ptr failure_;  ///< written by the thread before it abandons the lane
    std::size_t sent_ = 0;        ///< read after the thread has ended
    std::size_t known_ = 0;
    std::thread thread_;  ///< last: it uses all of the above
};

Report finish(const Collector& collector, const Progress& progress, RejectFile& rejects) {
    rejects.close();
    Report report;
    report.summary = collector.summary();
    report.lines = progress.read.lines;
    INVARIANT(report.summary.total().lines == report.lines);
    INVARIANT(report.summary.of("rejected").lines == rejects.rows());
    return report;
}

}  // namespace

std::unique_ptr<EventSource> make_source(
    const Map& map, const std::vector<std::string>& files, LineSink& sink, ReadProgress& progress
) {
    if (map.format == Format::ndjson) return std::make_unique<NdjsonSource>(files, sink, progress);
    return std::make_unique<CsvSource>(map, files, sink, progress);
}

Report run_import(
    const Map& map,
    const RunOptions& options,
    const MakeTransport& make_transport,
    Journal& journal,
    RejectFile& rejects,
    Progress& progress
) {
    Collector collector(rejects, progress);
    const auto source = make_source(map, options.files, collector, progress.read);
    std::vector<std::unique_ptr<Connection>> connections;
    for (std::size_t i = 0; i < options.connections; ++i) {
        connections.push_back(
            std::make_unique<Connection>(options, make_transport(), journal, collector)
        );
    }
    bool alive = true;
    Event event;
    while (alive && source->next(event)) {
        const std::string_view lane = event.lane.empty() ? event.id : event.lane;
        const std::size_t at = std::hash<std::string_view>{}(lane) % connections.size();
        alive = connections[at]->add(std::move(event));
    }
    std::size_t sent = 0;
    std::size_t known = 0;
    for (const auto& connection : connections) {
        connection->end();
        sent += connection->sent();
        known += connection->known();
    }
    for (const auto& connection : connections)
        connection->rethrow();
    Report report = finish(collector, progress, rejects);
    report.batches_sent = sent;
    report.batches_known = known;
    return report;
}

Report run_dry(
    const Map& map,
    const RunOptions& options,
    const std::function<void(const Event&)>& show,
    RejectFile& rejects,
    Progress& progress
) {
    Collector collector(rejects, progress);
    const auto source = make_source(map, options.files, collector, progress.read);
    Event event;
    while (source->next(event)) {
        show(event);
        Acknowledged one;
        one.summary.add("to_send", {1, event.places.size()});
        collector.acknowledged({}, one);
    }
    return finish(collector, progress, rejects);
}

}  // namespace importer
