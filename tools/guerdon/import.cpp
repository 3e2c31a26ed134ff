#include "tools/guerdon/import.hpp"

#include <chrono>
#include <csignal>
#include <cstdint>
#include <fstream>
#include <stdexcept>
#include <thread>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "server/app.hpp"
#include "tools/guerdon/http_client.hpp"
#include "tools/guerdon/parse.hpp"
#include "tools/import/answers.hpp"
#include "tools/import/fault.hpp"
#include "tools/import/journal.hpp"
#include "tools/import/map.hpp"
#include "tools/import/progress.hpp"
#include "tools/import/reject_file.hpp"
#include "tools/import/run.hpp"
#include "tools/import/sender.hpp"

namespace tools {

namespace {

namespace json = boost::json;

constexpr int kExitRejected = 3;
constexpr int kSilenceS = 60;
constexpr std::size_t kShownEvents = 3;

struct ImportOptions {
    std::string server = "http://127.0.0.1:8080";
    std::string key_file;
    std::string program;
    std::string map;
    std::string state;
    std::string rejects;
    bool dry_run = false;
    bool quiet = false;
    bool as_json = false;
    importer::RunOptions run;
};

std::string read_key(const std::string& path) {
    std::ifstream in(path);
    std::string key;
    if (!in || !(in >> key)) throw std::runtime_error("no key can be read from " + path);
    return key;
}

/// Posts batches to one program over a connection that is kept.
class HttpTransport final : public importer::Transport {
public:
    HttpTransport(const ServerUrl& server, const std::string& key, std::string base)
        : connection_(server, key, kSilenceS), base_(std::move(base)) {}

    importer::Answer post(std::string_view batch) override {
        return call("POST", "/events", "application/cloudevents-batch+json", batch);
    }
    importer::Answer get(std::string_view path) { return call("GET", path, {}, {}); }
    void pause(double seconds) override {
        std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    }
    double now() override {
        return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
            .count();
    }

private:
    importer::Answer call(
        std::string_view method,
        std::string_view path,
        std::string_view content_type,
        std::string_view body
    ) {
        try {
            HttpAnswer answer =
                connection_.request(method, base_ + std::string(path), content_type, body);
            return {answer.status, std::move(answer.body), answer.retry_after_s};
        } catch (const std::runtime_error& error) {
            throw importer::ConnectionLost(error.what());
        }
    }

    HttpConnection connection_;
    const std::string base_;
};

class Import {
public:
    explicit Import(const ImportOptions& options)
        : options_(options), map_(importer::Map::read(options.map)) {}

    int run() {
        importer::RejectFile rejects(
            options_.dry_run && options_.rejects.empty() ? "" : rejects_path(), options_.run.files
        );
        importer::Progress progress(show());
        const importer::Report report =
            options_.dry_run ? dry(rejects, progress) : real(rejects, progress);
        progress.stop();
        tell(report, rejects, progress.seconds());
        return rejects.rows() > 0 ? kExitRejected : server::kExitOk;
    }

private:
    [[nodiscard]] importer::Progress::Show show() const {
        using Show = importer::Progress::Show;
        if (options_.quiet) return Show::nothing;
        return isatty(STDERR_FILENO) != 0 ? Show::bar : Show::lines;
    }
    [[nodiscard]] std::string rejects_path() const {
        return options_.rejects.empty() ? options_.run.files.front() + ".rejects.csv"
                                        : options_.rejects;
    }
    [[nodiscard]] std::string state_path() const {
        return options_.state.empty() ? options_.run.files.front() + ".import-state"
                                      : options_.state;
    }

    importer::Report dry(importer::RejectFile& rejects, importer::Progress& progress) {
        std::size_t shown = 0;
        const auto show_event = [&](const importer::Event& event) {
            if (options_.as_json || shown++ >= kShownEvents) return;
            fmt::print("{}\n", event.body);
        };
        return importer::run_dry(map_, options_.run, show_event, rejects, progress);
    }

    importer::Report real(importer::RejectFile& rejects, importer::Progress& progress) {
        const ServerUrl server = server_url();
        const std::string key = read_key(options_.key_file);
        const std::string base = "/v1/programs/" + options_.program;
        importer::Journal journal(state_path(), {options_.server, options_.program});
        HttpTransport first(server, key, base);
        check_server(first, journal);
        const auto make_transport = [&]() -> std::unique_ptr<importer::Transport> {
            return std::make_unique<HttpTransport>(server, key, base);
        };
        importer::Report report =
            importer::run_import(map_, options_.run, make_transport, journal, rejects, progress);
        journal.remove();
        return report;
    }

    [[nodiscard]] ServerUrl server_url() const {
        try {
            return ServerUrl::parse(options_.server);
        } catch (const std::runtime_error& error) {
            throw importer::UsageError(error.what());
        }
    }

    /// One question before anything is sent: is there such a program, may this key speak of it, and
    /// does the server know as much as the state file says.
    void check_server(HttpTransport& transport, importer::Journal& journal) const {
        const importer::Answer answer = checkpoint(transport);
        if (answer.status != 200) throw importer::ImportFailed(importer::problem_text(answer));
        boost::system::error_code failure;
        const json::value body = json::parse(answer.body, failure);
        const json::value* seq = failure ? nullptr : body.as_object().if_contains("seq");
        if (seq == nullptr || !seq->is_int64())
            throw importer::ImportFailed("the server's checkpoint has no seq");
        if (journal.seq_max() <= static_cast<std::uint64_t>(seq->get_int64())) return;
        fmt::print(
            stderr,
            "guerdon: the server has only {} entries, fewer than the state file knows of: "
            "everything "
            "is sent again\n",
            seq->get_int64()
        );
        journal.forget();
    }

    [[nodiscard]] importer::Answer checkpoint(HttpTransport& transport) const {
        const double until = transport.now() + options_.run.patience_s;
        for (double pause = 0.1;; pause = std::min(pause * 2, 5.0)) {
            try {
                importer::Answer answer = transport.get("/checkpoint");
                if (answer.status < 500 && answer.status != 429) return answer;
                if (transport.now() >= until) return answer;
            } catch (const importer::ConnectionLost& lost) {
                if (transport.now() >= until) throw importer::ImportFailed(lost.what());
            }
            transport.pause(std::min(pause, std::max(until - transport.now(), 0.01)));
        }
    }

    void tell(const importer::Report& report, const importer::RejectFile& rejects, double seconds)
        const {
        const double rate = seconds > 0 ? static_cast<double>(report.lines) / seconds : 0;
        if (options_.as_json) return tell_json(report, rejects, seconds, rate);
        if (options_.quiet) return;
        fmt::print(
            "{} lines in {:.1f} s, {} lines/s\n",
            importer::grouped(report.lines),
            seconds,
            importer::grouped(static_cast<std::uint64_t>(rate))
        );
        for (const auto& [name, tally] : report.summary.classes) {
            fmt::print(
                "  {:<18} {:>12} lines {:>12} events\n",
                name,
                importer::grouped(tally.lines),
                importer::grouped(tally.events)
            );
        }
        for (const auto& [currency, tally] : report.summary.points) {
            fmt::print(
                "{}: {} awarded, {} taken back\n", currency, tally.awarded, -tally.taken_back
            );
        }
        if (report.batches_known > 0)
            fmt::print("{} batches were acknowledged to an earlier run\n", report.batches_known);
        if (rejects.rows() > 0 && !rejects.path().empty())
            fmt::print("rejected lines are in {}\n", rejects.path());
    }

    void tell_json(
        const importer::Report& report,
        const importer::RejectFile& rejects,
        double seconds,
        double rate
    ) const {
        json::object classes;
        for (const auto& [name, tally] : report.summary.classes)
            classes[name] = {{"events", tally.events}, {"lines", tally.lines}};
        json::object points;
        for (const auto& [currency, tally] : report.summary.points)
            points[currency] = {{"awarded", tally.awarded}, {"taken_back", -tally.taken_back}};
        json::object told{
            {"lines", report.lines},
            {"classes", classes},
            {"points", points},
            {"batches_sent", report.batches_sent},
            {"batches_known", report.batches_known},
            {"seconds", seconds},
            {"lines_per_second", rate},
            {"dry_run", options_.dry_run}};
        if (rejects.rows() > 0 && !rejects.path().empty()) told["rejects"] = rejects.path();
        fmt::print("{}\n", json::serialize(told));
    }

    const ImportOptions& options_;
    const importer::Map map_;
};

void add_options(CLI::App& app, ImportOptions& options) {
    app.add_option("--server", options.server, "the running server, http://HOST:PORT")
        ->capture_default_str();
    app.add_option("--key-file", options.key_file, "a file with a key of scope events:backfill");
    app.add_option("--program", options.program, "the program that gets the events");
    app.add_option("--map", options.map, "how rows become events, see docs/import.md")
        ->required()
        ->check(CLI::ExistingFile);
    app.add_option("FILE", options.run.files, "what to import; all files that belong together")
        ->required()
        ->check(CLI::ExistingFile);
    app.add_flag("--dry-run", options.dry_run, "only read, map and count; show the first events");
    app.add_option("--rejects", options.rejects, "gets the rejected lines (FILE.rejects.csv)");
    app.add_option("--state", options.state, "what was acknowledged so far (FILE.import-state)");
    app.add_option(
           "--connections",
           options.run.connections,
           "more than 1: only the events of one order keep their order"
    )
        ->check(CLI::Range(1, 16))
        ->capture_default_str();
    app.add_option("--batch", options.run.batch_events_max, "events a request")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    app.add_option(
           "--patience", options.run.patience_s, "seconds without a useful answer before giving up"
    )
        ->check(CLI::Range(0.0, 86'400.0))
        ->capture_default_str();
    app.add_flag("--quiet", options.quiet, "no progress and no summary");
    app.add_flag("--json", options.as_json, "the summary as JSON");
}

}  // namespace

int run_import(std::vector<std::string> words) {
    ImportOptions options;
    CLI::App app("Sends what a shop exported to a running server", "guerdon import");
    add_options(app, options);
    if (const auto status = parse(app, std::move(words))) return *status;
    std::signal(SIGPIPE, SIG_IGN);  // a broken connection is an error of its write
    try {
        if (!options.dry_run && (options.key_file.empty() || options.program.empty()))
            throw importer::UsageError("--key-file and --program are needed (or --dry-run)");
        constexpr const char* kNameLetters = "abcdefghijklmnopqrstuvwxyz0123456789-_";
        if (options.program.find_first_not_of(kNameLetters) != std::string::npos)
            throw importer::UsageError("--program " + options.program + " is no name of a program");
        return Import(options).run();
    } catch (const importer::UsageError& error) {
        fmt::print(stderr, "guerdon: {}\n", error.what());
        return server::kExitUsage;
    } catch (const std::exception& error) {
        fmt::print(stderr, "guerdon: {}\n", error.what());
        return server::kExitFailed;
    }
}

}  // namespace tools
