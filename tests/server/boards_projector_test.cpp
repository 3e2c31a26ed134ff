// Boards against a real shard: what the log says, at once, and again after a restart.
#include <algorithm>
#include <atomic>
#include <future>
#include <mutex>
#include <random>
#include <set>

#include "ledger/blind.hpp"
#include "ledger/entry_codec.hpp"
#include "rules/duration.hpp"
#include "rules/window.hpp"
#include "server/boards/projector.hpp"
#include "tests/server/engine_fixture.hpp"
#include "tests/support/seed.hpp"

using ledger::kMicrosPerDay;
using ledger::kMicrosPerHour;
using ledger::kMicrosPerSecond;
using ledger::Points;
using rules::BoardWindow;
using server::boards::ChannelKey;
using server::boards::Page;
using server::boards::Projector;
using server::boards::Slice;
using server_test::Batch;
using server_test::EngineFolder;
using server_test::Outcome;
using server_test::Status;

namespace {

class Following {
public:
    explicit Following(EngineFolder& folder) : folder_(folder) {
        Projector::Options options;
        options.log = &folder.shard().log();
        options.vault = &folder.shard().vault();
        options.clock =
            std::shared_ptr<const ledger::Clock>(std::shared_ptr<void>(), &folder.clock());
        options.complain = [](const std::string& line) { FAIL_CHECK(line); };
        projector_ = std::make_unique<Projector>(std::move(options));
        projector_->listen([this](const server::boards::Boards::Changes& changes) {
            const std::scoped_lock lock(told_mutex_);
            for (const auto& [program, member] : changes.members)
                told_members_.insert(member.value);
            told_programs_ += changes.programs.size();
        });
        projector_->start();
        folder.await("the boards", [&] { return projector_->ready(); });
    }

    Projector& operator*() { return *projector_; }

    /// The page that has seen `seq`.
    std::shared_ptr<const Page> page(ledger::Seq seq, BoardWindow window = BoardWindow::all) {
        const ledger::ProgramId program = folder_.program("shop")->id;
        folder_.await("the entry on the boards", [&] {
            projector_->wake();
            return projector_->as_of(program) >= seq;
        });
        return projector_->page({program, "top", window});
    }

    /// Members that were told of since the last call.
    std::set<std::uint64_t> told_members() {
        const std::scoped_lock lock(told_mutex_);
        return std::exchange(told_members_, {});
    }
    std::size_t told_programs() {
        const std::scoped_lock lock(told_mutex_);
        return std::exchange(told_programs_, 0);
    }

    std::uint64_t hash(ledger::Seq seq) {
        static_cast<void>(page(seq));
        std::promise<std::uint64_t> answer;
        projector_->content_hash(folder_.program("shop")->id, [&](std::uint64_t hash) {
            answer.set_value(hash);
        });
        return answer.get_future().get();
    }

private:
    EngineFolder& folder_;
    std::mutex told_mutex_;
    std::set<std::uint64_t> told_members_;
    std::size_t told_programs_ = 0;
    std::unique_ptr<Projector> projector_;  ///< last: its thread uses the above
};

/// Opens at the latest when the test is over.
class Gate {
public:
    ~Gate() { open(); }
    void open() {
        if (!std::exchange(is_open_, true)) opened.set_value();
    }
    std::promise<void> opened;

private:
    bool is_open_ = false;
};

Outcome choose_face(EngineFolder& folder, const std::string& member, const std::string& board) {
    auto job = std::make_unique<server_test::WaitedWrite>();
    const auto program = folder.program("shop");
    job->program = program->id;
    server::engine::PutMemberCommand command;
    command.personal.external_id = job->arena.copy(member);
    command.personal.board = job->arena.copy(board);
    command.blind = ledger::blind_hashes(*program->hmac, command.personal);
    job->commands.emplace_back(command);
    auto done = job->done.get_future();
    server_test::WaitedWrite& waited = *job;
    std::unique_ptr<server::engine::Job> handed = std::move(job);
    REQUIRE(folder.shard().submit(handed));
    done.get();
    REQUIRE(waited.outcomes.front().status == Status::applied);
    return waited.outcomes.front();
}

void start_shop(EngineFolder& folder) {
    folder.start();
    folder.put_program("shop", EngineFolder::kBoards);
}

std::vector<std::pair<std::uint64_t, std::int64_t>> scores(const Page& page) {
    std::vector<std::pair<std::uint64_t, std::int64_t>> rows;
    for (const auto& row : page.rows)
        rows.emplace_back(row.member.value, row.score);
    return rows;
}

using Scores = std::vector<std::pair<std::uint64_t, std::int64_t>>;

}  // namespace

TEST_CASE("projector: a paid order moves the row and its refund moves it back", "[boards]") {
    EngineFolder folder;
    start_shop(folder);
    Following boards(folder);
    folder.pay({"o1", "anna", {5'000}});
    Outcome last = folder.pay({"o2", "bert", {4'000}});
    CHECK(scores(*boards.page(last.seq)) == Scores{{1, 50}, {2, 40}});
    last = folder.pay({"o3", "bert", {2'000}});
    CHECK(scores(*boards.page(last.seq)) == Scores{{2, 60}, {1, 50}});
    last = folder.refund({"o3", {}, "r1", {}, true});
    CHECK(scores(*boards.page(last.seq)) == Scores{{1, 50}, {2, 40}});
    last = folder.refund({"o2", {}, "r1", {}, true});
    const auto page = boards.page(last.seq);
    CHECK(scores(*page) == Scores{{1, 50}});
    CHECK(page->total == 1);
    // What staff add or take is no achievement.
    last = folder.adjust("anna", -20, "k1");
    CHECK(scores(*boards.page(last.seq)) == Scores{{1, 50}});
}

TEST_CASE("projector: equal scores share a place and keep who came first", "[boards]") {
    EngineFolder folder;
    start_shop(folder);
    Following boards(folder);
    folder.pay({"o1", "anna", {5'000}});
    folder.pay({"o2", "bert", {7'000}});
    folder.pay({"o3", "carl", {5'000}});
    Outcome last = folder.pay({"o4", "dora", {4'000}});
    const auto page = boards.page(last.seq);
    std::vector<std::array<std::uint64_t, 3>> rows;
    for (const auto& row : page->rows)
        rows.push_back({row.member.value, row.rank, row.place});
    CHECK(
        rows ==
        std::vector<std::array<std::uint64_t, 3>>{{2, 1, 1}, {1, 2, 2}, {3, 3, 2}, {4, 4, 4}}
    );
    // Taken back and earned again: who was second is now behind.
    folder.refund({"o1", {{1, 1'000}}});
    last = folder.pay({"o5", "anna", {1'000}});
    CHECK(scores(*boards.page(last.seq))[1].first == 3);
}

TEST_CASE("projector: a new month begins empty and old refunds leave it alone", "[boards]") {
    EngineFolder folder;
    start_shop(folder);
    Following boards(folder);
    Outcome last = folder.pay({"o1", "anna", {5'000}, {}, folder.clock().now()});
    CHECK(scores(*boards.page(last.seq, BoardWindow::month)) == Scores{{1, 50}});
    const auto before =
        rules::window_at(BoardWindow::month, *rules::find_zone("UTC"), folder.clock().now());
    folder.clock().advance(before.ends_at - folder.clock().now() + kMicrosPerHour);
    last = folder.pay({"o2", "bert", {3'000}, {}, folder.clock().now()});
    const auto month = boards.page(last.seq, BoardWindow::month);
    CHECK(scores(*month) == Scores{{2, 30}});
    CHECK(month->window.starts_at == before.ends_at);
    last = folder.refund({"o1", {{1, 2'000}}});
    CHECK(scores(*boards.page(last.seq, BoardWindow::month)) == Scores{{2, 30}});
    // Equal now, but bert was there first.
    CHECK(scores(*boards.page(last.seq)) == Scores{{2, 30}, {1, 30}});
    // History told late counts for all time only, and so does its refund.
    server_test::OrderOf old{
        "o3", "carl", {9'000}, {}, folder.clock().now() - 60 * kMicrosPerDay, true};
    last = folder.pay(old);
    CHECK(scores(*boards.page(last.seq, BoardWindow::month)) == Scores{{2, 30}});
    CHECK(scores(*boards.page(last.seq)).front() == std::pair<std::uint64_t, std::int64_t>{3, 90});
    last = folder.refund({"o3", {{1, 1'000}}});
    CHECK(scores(*boards.page(last.seq, BoardWindow::month)) == Scores{{2, 30}});
    CHECK(scores(*boards.page(last.seq)).front() == std::pair<std::uint64_t, std::int64_t>{3, 80});
}

TEST_CASE("projector: places gained are counted from the day's begin", "[boards]") {
    EngineFolder folder;
    start_shop(folder);
    Following boards(folder);
    folder.pay({"o1", "anna", {5'000}});
    Outcome last = folder.pay({"o2", "bert", {4'000}});
    CHECK_FALSE(boards.page(last.seq)->rows[0].from.has_value());
    folder.clock().advance(kMicrosPerDay);
    folder.pay({"o3", "bert", {3'000}});
    last = folder.pay({"o4", "carl", {100}});
    const auto page = boards.page(last.seq);
    REQUIRE(page->rows.size() == 3);
    CHECK(page->rows[0].from == 2U);
    CHECK(page->rows[1].from == 1U);
    CHECK_FALSE(page->rows[2].from.has_value());
}

TEST_CASE("projector: questions see what pages do not hold", "[boards]") {
    EngineFolder folder;
    start_shop(folder);
    Following boards(folder);
    Batch batch(folder);
    for (int i = 0; i < 150; ++i)
        batch.paid({"o" + std::to_string(i), "m" + std::to_string(i), {100 * (1'000 - i)}});
    const Outcome last = folder.run(batch).back();
    const auto page = boards.page(last.seq);
    CHECK(page->rows.size() == server::boards::kPageRows);
    CHECK(page->total == 150);
    const ChannelKey top{folder.program("shop")->id, "top", BoardWindow::all};
    const auto ask_rows = [&](std::uint64_t after, std::size_t limit) {
        std::promise<std::optional<Slice>> answer;
        (*boards).rows(top, after, limit, [&](std::optional<Slice> s) { answer.set_value(s); });
        return *answer.get_future().get();
    };
    CHECK(ask_rows(145, 10).rows.size() == 5);
    CHECK(ask_rows(145, 10).rows.front().rank == 146);
    CHECK(ask_rows(150, 10).rows.empty());
    CHECK(ask_rows(0, 100).rows == page->rows);
    std::promise<std::optional<Slice>> around;
    (*boards).around(top, page->rows[99].member, 3, 7, [&](std::optional<Slice> s) {
        around.set_value(s);
    });
    const Slice slice = *around.get_future().get();
    CHECK(slice.me_on_board);
    REQUIRE(slice.rows.size() == 7);
    CHECK(slice.rows.front().rank == 97);
    CHECK(slice.rows[3].member == page->rows[99].member);
    std::promise<std::optional<Slice>> nobody;
    (*boards).around(top, ledger::MemberId{9'999}, 3, 7, [&](std::optional<Slice> s) {
        nobody.set_value(s);
    });
    CHECK(nobody.get_future().get()->rows.empty());
}

TEST_CASE("projector: boards of a random history equal a plain count of its log", "[boards]") {
    std::mt19937_64 random(test_support::seed());
    EngineFolder folder;
    start_shop(folder);
    Following live(folder);
    int orders = 0;
    Outcome last;
    for (int round = 0; round < 40; ++round) {
        Batch batch(folder);
        for (int i = 0; i < 25; ++i) {
            if (orders > 5 && random() % 4 == 0) {
                const std::string order =
                    "o" + std::to_string(random() % static_cast<unsigned>(orders));
                batch.refunded(
                    {order,
                     {{1, static_cast<Points>(random() % 400)}},
                     "r" + std::to_string(random()),
                     {},
                     random() % 8 == 0}
                );
            } else {
                batch.paid(
                    {"o" + std::to_string(orders++),
                     "m" + std::to_string(random() % 60),
                     {static_cast<Points>(100 * (random() % 30)) + 100}}
                );
            }
        }
        for (const Outcome& outcome : folder.run(batch)) {
            if (outcome.seq > last.seq) last = outcome;
        }
        if (round % 10 == 9) folder.clock().advance(12 * kMicrosPerDay);
    }
    const auto page = live.page(last.seq);

    // Read all of it again with the codec that reads everything.
    std::map<std::uint64_t, std::pair<std::int64_t, std::uint64_t>> earned;  // score, reached at
    const ledger::ProgramId program = folder.program("shop")->id;
    for (std::uint64_t seq = 1; seq <= last.seq.value; ++seq) {
        const auto bytes = folder.shard().log().find(program, ledger::Seq{seq});
        REQUIRE(bytes);
        const auto entry = ledger::decode(*bytes);
        REQUIRE(entry);
        for (const ledger::Balance& after : (*entry)->entry.balances_after) {
            auto& score = earned[after.member.value];
            if (score.first != after.lifetime_earned) score = {after.lifetime_earned, seq};
        }
    }
    std::vector<std::array<std::int64_t, 3>> expected;
    for (const auto& [member, score] : earned) {
        if (score.first != 0)
            expected.push_back(
                {-score.first,
                 static_cast<std::int64_t>(score.second),
                 static_cast<std::int64_t>(member)}
            );
    }
    std::sort(expected.begin(), expected.end());
    REQUIRE(page->total == expected.size());
    for (std::size_t i = 0; i < page->rows.size(); ++i) {
        CHECK(page->rows[i].score == -expected[i][0]);
        CHECK(page->rows[i].member.value == static_cast<std::uint64_t>(expected[i][2]));
    }

    // From the first group on, the same boards, ties and windows included.
    Following again(folder);
    CHECK(again.hash(last.seq) == live.hash(last.seq));
    CHECK(
        scores(*again.page(last.seq, BoardWindow::month)) ==
        scores(*live.page(last.seq, BoardWindow::month))
    );
}

TEST_CASE("projector: a row id differs from board to board and stays the same", "[boards]") {
    EngineFolder folder;
    start_shop(folder);
    const auto info = folder.program("shop");
    const std::string id = server::boards::row_id(*info->hmac, "top", ledger::MemberId{1});
    CHECK(id.size() == 8);
    CHECK(id == server::boards::row_id(*info->hmac, "top", ledger::MemberId{1}));
    CHECK(id != server::boards::row_id(*info->hmac, "other", ledger::MemberId{1}));
    CHECK(id != server::boards::row_id(*info->hmac, "top", ledger::MemberId{2}));
    Following boards(folder);
    const Outcome last = folder.pay({"o1", "anna"});
    CHECK(boards.page(last.seq)->rows[0].id == id);
}

TEST_CASE("projector: an activated document keeps the pages and orders the channels", "[boards]") {
    EngineFolder folder;
    start_shop(folder);
    Following boards(folder);
    Outcome last = folder.pay({"o1", "anna", {5'000}});
    const auto before = boards.page(last.seq);
    std::string changed = EngineFolder::kBoards;
    changed.replace(changed.find("\"UTC\""), 5, "\"Europe/Paris\"");
    folder.put_program("shop", changed);
    last = folder.pay({"o2", "bert", {0}});
    // Nothing of the board has changed: the page is the same, and there.
    const auto after = boards.page(last.seq);
    REQUIRE(after);
    CHECK(after->version >= before->version);
    CHECK(scores(*after)[0] == scores(*before)[0]);
    const ledger::ProgramId program = folder.program("shop")->id;
    CHECK(
        (*boards).channels(program) ==
        std::vector<ChannelKey>{
            {program, "top", BoardWindow::month}, {program, "top", BoardWindow::all}}
    );
}

TEST_CASE("projector: a member who chooses another name is told of", "[boards]") {
    EngineFolder folder;
    start_shop(folder);
    Following boards(folder);
    folder.pay({"o1", "anna", {5'000}});
    Outcome last = folder.pay({"o2", "bert", {5'000}});
    static_cast<void>(boards.page(last.seq));
    static_cast<void>(boards.told_members());
    // Also before anybody has looked at a row of theirs.
    for (const std::string board : {"+Queen", "-", "+"}) {
        last = choose_face(folder, "bert", board);
        static_cast<void>(boards.page(last.seq));
        std::set<std::uint64_t> told;
        folder.await("word of the member", [&] {
            told.merge(boards.told_members());
            return !told.empty();
        });
        CHECK(told == std::set<std::uint64_t>{2});
    }
}

TEST_CASE("projector: an activated version is told of once", "[boards]") {
    EngineFolder folder;
    start_shop(folder);
    Following boards(folder);
    CHECK(boards.told_programs() <= 1);
    // Without a board there is no page to tell of.
    std::string changed = EngineFolder::kBoards;
    changed.replace(changed.find("\"boards\""), std::string::npos, "\"boards\": []}");
    for (const std::string& document : {changed, std::string(EngineFolder::kBoards)}) {
        folder.put_program("shop", document);
        std::size_t told = 0;
        folder.await("word of the version", [&] {
            (*boards).wake();
            told += boards.told_programs();
            return told > 0;
        });
        CHECK(told == 1);
    }
}

TEST_CASE("projector: writes wait while the boards are 5 seconds behind", "[boards]") {
    EngineFolder folder;
    std::atomic<Projector*> followed{nullptr};
    folder.options.followers_lag = [&] {
        Projector* const projector = followed;
        return projector == nullptr ? 0 : projector->lag();
    };
    start_shop(folder);
    {
        Following boards(folder);
        followed = &*boards;
        Outcome last = folder.pay({"o1", "anna", {5'000}});
        static_cast<void>(boards.page(last.seq));
        folder.clock().advance(60 * kMicrosPerSecond);
        CHECK((*boards).lag() == 0);  // idle is not behind
        // Somebody's question keeps the projector.
        std::promise<void> asked;
        Gate gate;
        (*boards).content_hash(folder.program("shop")->id, [&](std::uint64_t) {
            asked.set_value();
            gate.opened.get_future().wait();
        });
        asked.get_future().wait();
        folder.pay({"o2", "bert", {5'000}});
        (*boards).wake();
        CHECK((*boards).lag() == 0);
        folder.clock().advance(4 * kMicrosPerSecond);
        folder.pay({"o3", "bert", {5'000}});
        (*boards).wake();
        CHECK((*boards).lag() == 4 * kMicrosPerSecond);
        CHECK((*boards).stats().lag == 4 * kMicrosPerSecond);
        folder.clock().advance(2 * kMicrosPerSecond);
        int tries = 0;
        folder.await("writes to be refused", [&] {
            Batch batch(folder);
            batch.adjusted("anna", 1, "k" + std::to_string(++tries));
            auto taken = folder.try_submit(batch);
            if (!taken.has_error()) {
                taken->wait();
                return false;
            }
            CHECK(taken.error().code == ledger::ErrorCode::overloaded);
            // The views may be late as well, for the clock was put forward.
            return taken.error().detail.find("boards") != std::string::npos;
        });
        gate.open();
        (*boards).wake();
        folder.await("the boards to catch up", [&] { return (*boards).lag() == 0; });
        Batch after(folder);
        after.paid({"o4", "anna", {1'000}});
        last = folder.submit(after).wait().front();  // waits while it is refused
        CHECK(boards.page(last.seq)->rows.size() == 2);
        (*boards).stop();
        folder.stop();  // asks the projector no more
    }
}
