#include <cstdlib>
#include <deque>
#include <random>

#include "tests/server/live_support.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

// A network that loses, repeats, swaps and holds back frames in both directions, clients that stop
// reading, connections that break and servers that start anew. The oracle: whenever a client holds
// a position, what it shows is the published state of exactly that position; and once the faults
// end, every client shows the board.

using namespace server::live;
using namespace live_test;
using rules::BoardWindow;

namespace {

constexpr std::size_t kClients = 12;
const std::string kGuest = R"("key":"pk_test_shop")";

struct Faults {
    std::uint64_t dropped = 0;
    std::uint64_t repeated = 0;
    std::uint64_t swapped = 0;
    std::uint64_t stalls = 0;
    std::uint64_t breaks = 0;
    std::uint64_t restarts = 0;
    [[nodiscard]] std::uint64_t sum() const {
        return dropped + repeated + swapped + stalls + breaks + restarts;
    }
};

struct Phone {
    TestLink* link = nullptr;  ///< null: not connected
    std::unique_ptr<ClientModel> model;
    std::deque<Object> coming;
    SteadyMs stalled_until = 0;
    SteadyMs connects_at = 0;
};

class Network {
public:
    explicit Network(std::uint64_t seed) : random_(seed) {
        stage_.boards.add_board("week", {BoardWindow::week, BoardWindow::all});
        stage_.boards.add_board("month", {BoardWindow::month});
        for (std::uint64_t member = 1; member <= 60; ++member) {
            stage_.boards.add("week", member, chance(1, 1) ? static_cast<int>(draw(500)) : 0);
            stage_.boards.add("month", member, static_cast<int>(draw(500)));
        }
        watch_as_spy();
        for (std::size_t i = 0; i < kClients; ++i)
            add_phone(i);
    }

    void run_until(std::uint64_t faults) {
        while (faults_.sum() < faults)
            step(true);
    }
    /// No more faults: within a minute and a half everybody is right.
    void calm_down() {
        for (int i = 0; i < 90'000 / 50; ++i)
            step(false);
    }
    /// Clients whose board is not the server's.
    [[nodiscard]] std::size_t wrong() {
        std::size_t count = 0;
        for (const Phone& phone : phones_) {
            for (const ClientModel::Board& board : phone.model->boards()) {
                const auto page = stage_.boards.page(key_of(board.channel));
                if (!board.held || board.held->picture() != picture(*page, board.rows)) ++count;
            }
        }
        return count;
    }

    [[nodiscard]] const Faults& faults() const { return faults_; }
    [[nodiscard]] std::uint64_t lies() const { return lies_; }
    [[nodiscard]] std::uint64_t checked() const { return checked_; }
    [[nodiscard]] std::uint64_t gaps() const { return sum(&ClientModel::gaps_seen); }
    [[nodiscard]] std::uint64_t recoveries() const { return sum(&ClientModel::recoveries); }
    [[nodiscard]] const std::string& first_lie() const { return first_lie_; }

private:
    std::uint64_t draw(std::uint64_t below) { return random_() % below; }
    bool chance(std::uint64_t in, std::uint64_t of) { return draw(of) < in; }
    [[nodiscard]] SteadyMs now() const { return stage_.clock.monotonic() / 1000; }

    [[nodiscard]] std::uint64_t sum(std::uint64_t ClientModel::*counter) const {
        std::uint64_t total = 0;
        for (const Phone& phone : phones_)
            total += (*phone.model).*counter;
        return total;
    }

    static server::boards::ChannelKey key_of(const std::string& channel) {
        if (channel == "b:week") return {kShop, "week", BoardWindow::week};
        if (channel == "b:week@all") return {kShop, "week", BoardWindow::all};
        return {kShop, "month", BoardWindow::month};
    }

    void add_phone(std::size_t number) {
        const std::size_t rows = number % 2 == 0 ? 10 : 25;
        std::vector<ClientModel::Board> boards(2);
        boards[0].channel = "b:week";
        boards[0].rows = rows;
        boards[1].channel = number % 3 == 0 ? "b:month" : "b:week@all";
        boards[1].rows = rows;
        phones_.emplace_back();
        Phone& phone = phones_.back();
        phone.model = std::make_unique<ClientModel>(std::move(boards));
        phone.model->send = [this, &phone](const std::string& text) { carry_up(phone, text); };
        phone.model->give_up = [this, &phone] { hang_up(phone); };
        phone.model->on_held = [this](const ClientModel::Board& board) { check(board); };
    }

    // What was published, by position.

    void watch_as_spy() {
        for (const char* channel : {"b:week", "b:week@all", "b:month"}) {
            for (const std::size_t rows : {10U, 25U}) {
                const auto watched = stage_.feeds->watch(Stage::kSpy, key_of(channel), rows, now());
                remember(*watched->history.current(), rows);
            }
        }
    }
    void remember(const Publication& publication, std::size_t rows) {
        published_[{publication.epoch(), publication.off()}] = picture(publication.page(), rows);
    }
    void take_notes() {
        for (const Notice& notice : stage_.spied) {
            if (notice.publication) remember(*notice.publication, notice.feed->rows);
        }
        stage_.spied.clear();
    }
    void check(const ClientModel::Board& board) {
        ++checked_;
        const auto found =
            published_.find({board.held->epoch, static_cast<std::uint64_t>(board.held->off)});
        const std::string shown = board.held->picture();
        if (found != published_.end() && found->second == shown) return;
        if (lies_++ > 0) return;
        first_lie_ = board.channel + " at " + board.held->epoch + "/" +
                     std::to_string(board.held->off) + "\n" + shown + "instead of\n" +
                     (found == published_.end() ? "nothing" : found->second);
    }

    // The wire.

    void carry_up(Phone& phone, const std::string& text) {
        record_frame('C', text);
        if (phone.link == nullptr) return;
        if (faulty_ && chance(1, 12)) {
            ++faults_.dropped;
            return;
        }
        phone.link->send(text);
        // Twice the same `connect` is the client's fault and not the network's.
        if (faulty_ && text.find("connect") == std::string::npos && chance(1, 30)) {
            ++faults_.repeated;
            phone.link->send(text);
        }
    }

    void carry_down(Phone& phone) {
        for (const std::string& message : phone.link->take_messages()) {
            for (Object& object : objects_of(message)) {
                const std::uint64_t fate = faulty_ ? draw(40) : 40;
                if (fate < 4) {
                    ++faults_.dropped;
                    continue;
                }
                if (fate == 4) {
                    ++faults_.repeated;
                    phone.coming.push_back(object);
                }
                phone.coming.push_back(std::move(object));
                if (fate == 5 && phone.coming.size() > 1) {
                    ++faults_.swapped;
                    std::swap(phone.coming.back(), phone.coming[draw(phone.coming.size() - 1)]);
                }
            }
        }
        // What is on its way arrives in bursts.
        const bool held_back = faulty_ && chance(1, 3);
        while (!held_back && !phone.coming.empty()) {
            const Object object = std::move(phone.coming.front());
            phone.coming.pop_front();
            phone.model->on_object(object, now());
        }
        phone.link->received.clear();
    }

    void hang_up(Phone& phone) {
        if (phone.link == nullptr) return;
        phone.link->cut();
        forget(phone);
    }
    void forget(Phone& phone) {
        phone.link = nullptr;
        phone.coming.clear();
        phone.connects_at = now() + static_cast<SteadyMs>(draw(3'000));
    }

    void step(bool faulty) {
        faulty_ = faulty;
        stage_.clock.advance(50'000);
        change_scores();
        if (faulty_ && chance(1, 4'000)) restart();
        stage_.settle();
        take_notes();
        for (Phone& phone : phones_)
            step_phone(phone);
        stage_.pump();
        drop_dead_links();
    }

    void change_scores() {
        if (!faulty_ && chance(9, 10)) return;
        for (std::uint64_t i = 0; i < draw(3); ++i) {
            const std::uint64_t member = draw(70) + 1;
            const std::string board = chance(2, 3) ? "week" : "month";
            switch (draw(20)) {
                case 0: stage_.boards.erase(board, member); break;
                case 1: stage_.boards.name(member, "M" + std::to_string(draw(5))); break;
                default:
                    stage_.boards.add(board, member, static_cast<std::int64_t>(draw(120)) - 50);
            }
        }
        if (chance(1, 3'000)) {
            stage_.boards.turn("week", BoardWindow::week, "2026-W" + std::to_string(10 + draw(40)));
        }
    }

    void restart() {
        ++faults_.restarts;
        for (Phone& phone : phones_) {
            if (phone.link != nullptr) forget(phone);
        }
        stage_.restart("r" + std::to_string(faults_.restarts % 1'000'000));
        watch_as_spy();
    }

    void step_phone(Phone& phone) {
        if (phone.link == nullptr) {
            if (now() < phone.connects_at) return;
            phone.link = &stage_.connect();
            phone.model->on_open(now(), kGuest);
            return;
        }
        if (faulty_ && chance(1, 900)) {
            ++faults_.breaks;
            return hang_up(phone);
        }
        if (faulty_ && chance(1, 400)) {
            ++faults_.stalls;
            phone.stalled_until = now() + static_cast<SteadyMs>(draw(15'000));
        }
        phone.link->stalled = faulty_ && now() < phone.stalled_until;
        carry_down(phone);
        if (phone.link->gone) return forget(phone);
        phone.model->on_time(now());
    }

    void drop_dead_links() {
        std::erase_if(stage_.links, [this](const auto& link) {
            return link->gone && std::none_of(phones_.begin(), phones_.end(), [&](const Phone& p) {
                       return p.link == link.get();
                   });
        });
    }

    std::mt19937_64 random_;
    Stage stage_;
    std::deque<Phone> phones_;
    std::map<std::pair<std::string, std::uint64_t>, std::string> published_;
    Faults faults_;
    bool faulty_ = false;
    std::uint64_t lies_ = 0;
    std::uint64_t checked_ = 0;
    std::string first_lie_;
};

std::uint64_t wanted_faults() {
    const char* given = std::getenv("GUERDON_LIVE_FAULTS");
    return given == nullptr ? 10'000 : std::strtoull(given, nullptr, 10);
}

}  // namespace

TEST_CASE("live: whatever the network does every client ends right", "[live][faults]") {
    // Many short histories instead of a long one, so that memory does not grow with the number.
    const std::uint64_t wanted = wanted_faults();
    constexpr std::uint64_t kPerNetwork = 5'000;
    std::mt19937_64 seeds(test_support::seed());
    Faults all;
    std::uint64_t gaps = 0;
    std::uint64_t recoveries = 0;
    for (std::uint64_t done = 0; done < wanted; done += kPerNetwork) {
        Network network(seeds());
        network.run_until(std::min(kPerNetwork, wanted - done));
        network.calm_down();
        INFO(network.first_lie());
        REQUIRE(network.lies() == 0);
        REQUIRE(network.wrong() == 0);
        CHECK(network.checked() > 500);
        gaps += network.gaps();
        recoveries += network.recoveries();
        all.dropped += network.faults().dropped;
        all.repeated += network.faults().repeated;
        all.swapped += network.faults().swapped;
        all.stalls += network.faults().stalls;
        all.breaks += network.faults().breaks;
        all.restarts += network.faults().restarts;
    }
    CHECK(all.sum() >= wanted);
    // Each kind took part, and the protocol's answers to them were used.
    CHECK(all.repeated > 0);
    CHECK(all.swapped > 0);
    CHECK(all.stalls > 0);
    CHECK(all.breaks > 0);
    CHECK(gaps > 100);
    CHECK(recoveries > 100);
    std::printf(
        "live faults: %llu dropped, %llu repeated, %llu swapped, %llu stalls, %llu breaks, "
        "%llu restarts; %llu gaps seen, %llu recoveries\n",
        static_cast<unsigned long long>(all.dropped),
        static_cast<unsigned long long>(all.repeated),
        static_cast<unsigned long long>(all.swapped),
        static_cast<unsigned long long>(all.stalls),
        static_cast<unsigned long long>(all.breaks),
        static_cast<unsigned long long>(all.restarts),
        static_cast<unsigned long long>(gaps),
        static_cast<unsigned long long>(recoveries)
    );
}

TEST_CASE("live: a client that misapplies deltas is found out", "[live][faults]") {
    // The oracle itself: without it the test above would prove nothing.
    Network network(test_support::seed());
    network.run_until(200);
    CHECK(network.checked() > 0);
    ClientModel::Held held;
    held.window = "2026-W47";
    held.rows["w_1"] = {1, 5, 1};
    held.who["w_1"] = "|2";
    const std::string right = held.picture();
    held.rows["w_1"].score = 6;
    CHECK(held.picture() != right);
}
