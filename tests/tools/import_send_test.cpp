#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tools/import/journal.hpp"
#include "tools/import/progress.hpp"
#include "tools/import/reject_file.hpp"
#include "tools/import/run.hpp"
#include "tools/import/sender.hpp"
#include "tools/import/transport.hpp"

namespace {

using importer::Answer;
using importer::Event;
using importer::Outcome;
using Texts = std::vector<std::string>;

/// Answers as a script says; time goes on only by its pauses.
class FakeTransport final : public importer::Transport {
public:
    using Script = std::function<Answer(std::string_view)>;
    explicit FakeTransport(Script answer) : script_(std::move(answer)) {}

    Answer post(std::string_view batch) override {
        posts.emplace_back(batch);
        return script_(batch);
    }
    void pause(double seconds) override {
        pauses.push_back(seconds);
        now_ += seconds;
    }
    double now() override { return now_; }

    Texts posts;
    std::vector<double> pauses;

private:
    const Script script_;
    double now_ = 0;
};

std::vector<Event> events(const Texts& ids) {
    std::vector<Event> made;
    for (const std::string& id : ids) {
        Event& event = made.emplace_back();
        event.id = id;
        event.body = "{\"id\":\"" + id + "\"}";
        event.places.push_back({});
    }
    return made;
}

/// One item for each id in the batch: `reply` of the id.
Answer each(std::string_view batch, const std::function<std::string(const std::string&)>& reply) {
    Answer answer{200, "[", {}};
    constexpr std::string_view kId = "{\"id\":\"";
    for (std::size_t at = batch.find(kId); at != std::string_view::npos;
         at = batch.find(kId, at + 1)) {
        const std::size_t begin = at + kId.size();
        const std::string id(batch.substr(begin, batch.find('"', begin) - begin));
        if (answer.body.size() > 1) answer.body += ",";
        answer.body += reply(id);
    }
    answer.body += "]";
    return answer;
}

std::string applied(const std::string& /*id*/) {
    return R"({"status":"applied","seq":5,"awards":[{"currency":"points","amount":3}]})";
}

std::string names(const std::vector<Outcome>& outcomes) {
    std::string text;
    for (const Outcome& outcome : outcomes) {
        text += (text.empty() ? "" : " ") + outcome.name +
                (outcome.code.empty() ? "" : ":" + outcome.code);
    }
    return text;
}

std::vector<Outcome> send(FakeTransport& transport, const Texts& ids, double patience_s = 60) {
    importer::Sender sender(transport, patience_s);
    const auto batch = events(ids);
    return sender.send(batch, importer::batch_body(batch));
}

Answer problem(int status, const std::string& code, std::optional<int> retry_after_s = {}) {
    return {status, R"({"code":")" + code + R"(","detail":"because"})", retry_after_s};
}

std::string contents(const std::string& path) {
    std::ifstream in(path);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

}  // namespace

TEST_CASE("sender: every status is a class", "[import]") {
    FakeTransport transport([](std::string_view) {
        return Answer{
            200,
            R"([{"status":"applied","seq":9,"awards":[{"currency":"points","amount":59}]},)"
            R"({"status":"applied","seq":10,"awards":[]},{"status":"pending_identity","seq":11},)"
            R"({"status":"duplicate","seq":1,"awards":[{"currency":"points","amount":59}]},)"
            R"({"status":"ignored"},{"status":"pending_order"},{"status":"orphaned"},)"
            R"({"status":"rejected","problem":{"code":"wrong_type","detail":"One field is wrong.",)"
            R"("errors":[{"pointer":"/data/total","detail":"must be text"}]}}])",
            {}};
    });
    const auto outcomes = send(transport, {"a", "b", "c", "d", "e", "f", "g", "h"});
    CHECK(
        names(outcomes) ==
        "applied earned_nothing guest_held duplicate ignored pending_order orphaned "
        "rejected:wrong_type"
    );
    CHECK(outcomes[0].points.at(0).second == 59);
    CHECK(outcomes[0].seq == 9);
    CHECK(outcomes[3].points.empty());
    CHECK(outcomes[7].detail == "One field is wrong. (/data/total must be text)");
}

TEST_CASE("sender: busy and lost connections are tried again", "[import]") {
    int calls = 0;
    FakeTransport transport([&](std::string_view batch) {
        ++calls;
        if (calls == 1) return problem(503, "overloaded", 7);
        if (calls == 2) return problem(429, "rate_limited", 2);
        if (calls == 3 || calls == 4) throw importer::ConnectionLost("no connection");
        return each(batch, applied);
    });
    CHECK(names(send(transport, {"a"})) == "applied");
    REQUIRE(transport.pauses.size() == 4);
    CHECK(transport.pauses[0] == 7);
    CHECK(transport.pauses[1] == 2);
    CHECK(transport.pauses[3] == 2 * transport.pauses[2]);
}

TEST_CASE("sender: patience ends", "[import]") {
    FakeTransport transport([](std::string_view) -> Answer {
        throw importer::ConnectionLost("no connection");
    });
    CHECK_THROWS_WITH(send(transport, {"a"}, 20), "no connection; gave up after 20 s");
    CHECK(transport.posts.size() > 4);
    CHECK(transport.posts.size() < 15);
}

TEST_CASE("sender: a refused key or program ends the import", "[import]") {
    for (const int status : {401, 403, 404, 415}) {
        FakeTransport transport([&](std::string_view) { return problem(status, "missing_scope"); });
        CHECK_THROWS_WITH(send(transport, {"a", "b"}), "missing_scope: because");
        CHECK(transport.posts.size() == 1);
    }
}

TEST_CASE("sender: a refused batch is split until the culprit is found", "[import]") {
    FakeTransport transport([](std::string_view batch) {
        if (batch.find("bad") != std::string_view::npos) return problem(400, "malformed_json");
        return each(batch, applied);
    });
    const auto outcomes = send(transport, {"a", "b", "c", "bad", "e"});
    CHECK(names(outcomes) == "applied applied applied rejected:malformed_json applied");
    CHECK(transport.posts.size() == 7);
}

TEST_CASE("sender: events refused for now are sent again alone", "[import]") {
    int refusals = 3;
    FakeTransport transport([&](std::string_view batch) {
        return each(batch, [&](const std::string& id) -> std::string {
            if ((id == "b" || id == "d") && refusals-- > 0)
                return R"({"status":"rejected","problem":{"code":"overloaded","detail":"full"}})";
            return applied(id);
        });
    });
    CHECK(names(send(transport, {"a", "b", "c", "d"})) == "applied applied applied applied");
    REQUIRE(transport.posts.size() == 3);
    CHECK(transport.posts[1] == R"([{"id":"b"},{"id":"d"}])");
    CHECK(transport.posts[2] == R"([{"id":"b"}])");
}

TEST_CASE("sender: an answer of another length ends the import", "[import]") {
    FakeTransport transport([](std::string_view) { return Answer{200, "[]", {}}; });
    CHECK_THROWS_AS(send(transport, {"a"}), importer::ImportFailed);
}

namespace {

/// A server that knows events by id, and stops answering after some batches.
struct FakeServer {
    Texts stored;
    int batches_left = 1'000'000;
    std::size_t posts = 0;

    std::unique_ptr<importer::Transport> connect() {
        return std::make_unique<FakeTransport>([this](std::string_view batch) {
            if (batches_left-- <= 0) throw importer::ConnectionLost("the server is gone");
            ++posts;
            return each(batch, [this](const std::string& id) -> std::string {
                if (id == "e3")
                    return R"({"status":"rejected","problem":{"code":"too_large","detail":"so"}})";
                if (std::find(stored.begin(), stored.end(), id) != stored.end())
                    return R"({"status":"duplicate","seq":1})";
                stored.push_back(id);
                return applied(id);
            });
        });
    }
};

class ImportFixture {
public:
    ImportFixture() : map_(importer::Map::parse("[input]\nformat = \"ndjson\"\n", "map.toml")) {
        options_.files = {folder_.path() + "/events.ndjson"};
        options_.batch_events_max = 2;
        options_.patience_s = 1;
        std::ofstream out(options_.files[0]);
        for (int i = 0; i < 10; ++i)
            out << "{\"id\":\"e" << i << "\"}\n" << (i == 4 ? "broken\n" : "");
    }

    importer::Report run() {
        importer::Journal journal(state(), {"http://here", "shop"});
        importer::RejectFile rejects(this->rejects(), options_.files);
        importer::Progress progress(importer::Progress::Show::nothing);
        auto report = importer::run_import(
            map_, options_, [this] { return server.connect(); }, journal, rejects, progress
        );
        journal.remove();
        return report;
    }

    [[nodiscard]] std::string state() const { return folder_.path() + "/state"; }
    [[nodiscard]] std::string rejects() const { return folder_.path() + "/rejects.csv"; }

    FakeServer server;

protected:
    const test_support::TemporaryFolder folder_;
    const importer::Map map_;
    importer::RunOptions options_;
};

}  // namespace

TEST_CASE("import: classes add up and rejected lines are in the file", "[import]") {
    ImportFixture import;
    const auto report = import.run();
    CHECK(report.lines == 11);
    CHECK(report.summary.of("applied").events == 9);
    CHECK(report.summary.of("rejected").lines == 2);
    CHECK(report.summary.points.at("points").awarded == 27);
    CHECK(report.batches_sent == 5);
    CHECK_FALSE(std::filesystem::exists(import.state()));
    const std::string rejects = contents(import.rejects());
    CHECK(rejects.starts_with("file,line,column,code,reason,event\n"));
    CHECK(rejects.find("/events.ndjson,6,1,malformed_json,") != std::string::npos);
    CHECK(rejects.find("/events.ndjson,4,1,too_large,so,e3\n") != std::string::npos);
}

TEST_CASE("import: what was acknowledged is not sent again", "[import]") {
    for (const int batches : {0, 1, 3, 4}) {
        INFO(batches << " batches before the server goes away");
        ImportFixture import;
        import.server.batches_left = batches;
        CHECK_THROWS_AS(import.run(), importer::ImportFailed);
        CHECK(std::filesystem::exists(import.state()));
        import.server.batches_left = 1000;
        import.server.posts = 0;
        const auto report = import.run();
        CHECK(import.server.posts == static_cast<std::size_t>(5 - batches));
        CHECK(report.batches_known == static_cast<std::size_t>(batches));
        CHECK(report.summary.of("applied").events == 9);
        CHECK(report.summary.of("duplicate").events == 0);
        CHECK(report.summary.points.at("points").awarded == 27);
        CHECK(contents(import.rejects()).find("too_large,so,e3") != std::string::npos);
        CHECK(import.server.stored.size() == 9);
    }
}

TEST_CASE("import: a lost state file only makes duplicates", "[import]") {
    ImportFixture import;
    import.server.batches_left = 3;
    CHECK_THROWS_AS(import.run(), importer::ImportFailed);
    std::filesystem::remove(import.state());
    import.server.batches_left = 1000;
    const auto report = import.run();
    CHECK(report.summary.of("duplicate").events == 5);
    CHECK(report.summary.of("applied").events == 4);
    CHECK(import.server.stored.size() == 9);
}

TEST_CASE("import: a state file that is cut off or broken is resumed from", "[import]") {
    ImportFixture import;
    import.server.batches_left = 3;
    CHECK_THROWS_AS(import.run(), importer::ImportFailed);
    const std::string state = contents(import.state());
    std::ofstream(import.state(), std::ios::trunc) << state.substr(0, state.size() - 5);
    import.server.batches_left = 1000;
    const auto report = import.run();
    CHECK(report.batches_known == 2);
    CHECK(report.summary.total().lines == 11);
}

TEST_CASE("journal: one of another server or in use is refused", "[import]") {
    const test_support::TemporaryFolder folder;
    const std::string path = folder.path() + "/state";
    {
        importer::Journal journal(path, {"http://here", "shop"});
        journal.add("d1", {});
        CHECK_THROWS_AS(importer::Journal(path, {"http://here", "shop"}), std::runtime_error);
    }
    CHECK_THROWS_AS(importer::Journal(path, {"http://there", "shop"}), importer::UsageError);
    const importer::Journal again(path, {"http://here", "shop"});
    CHECK(again.find("d1") != nullptr);
    CHECK(again.find("d2") == nullptr);
}

TEST_CASE("progress: text has part and rate and time left", "[import]") {
    CHECK(
        importer::progress_text(50'000, 200'000, 2) ==
        "[#######-----------------------]  25 %  50,000 of 200,000 lines, 25,000 lines/s, 0:06 left"
    );
    CHECK(importer::progress_text(0, 0, 1) == "reading");
    CHECK(importer::grouped(1'234'567) == "1,234,567");
    CHECK(importer::grouped(999) == "999");
}
