#include <random>

#include "tests/server/live_support.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/tracked_new.hpp"

using namespace server::live;
using namespace live_test;
using rules::BoardWindow;

namespace {

/// A shop with a board "week" (windows week and all) and some members on it.
struct Shop : Stage {
    explicit Shop(std::uint64_t members = 20, const Options& options = Options{}) : Stage(options) {
        boards.add_board("week", {BoardWindow::week, BoardWindow::all});
        boards.add_board("month", {BoardWindow::month});
        for (std::uint64_t member = 1; member <= members; ++member) {
            boards.add("week", member, static_cast<std::int64_t>(10'000 - 10 * member));
            boards.add("month", member, static_cast<std::int64_t>(member));
        }
        settle();
    }
    void add(std::uint64_t member, std::int64_t by) {
        boards.add("week", member, by);
        settle();
    }
    [[nodiscard]] server::boards::ChannelKey week() const {
        return {kShop, "week", BoardWindow::week};
    }
};

std::string connect_with(std::string_view credentials, std::string_view subs = "[]") {
    return R"({"id":1,"connect":{"v":1,)" + std::string(credentials) + R"(,"subs":)" +
           std::string(subs) + "}}";
}

const std::string kGuest = R"("key":"pk_test_shop")";

std::string sub(std::string_view parameters, int id = 2) {
    return R"({"id":)" + std::to_string(id) + R"(,"sub":{)" + std::string(parameters) + "}}";
}

/// A client of one channel behind a link.
struct Viewer {
    Viewer(TestLink& its_link, std::string channel, std::size_t rows) : link(its_link) {
        ClientModel::Board board;
        board.channel = std::move(channel);
        board.rows = rows;
        model = std::make_unique<ClientModel>(std::vector{board});
        model->send = [this](const std::string& text) {
            record_frame('C', text);
            link.send(text);
        };
        model->give_up = [] {};
        model->on_open(0, kGuest);
    }
    void take(SteadyMs now) {
        for (const std::string& message : link.take_messages()) {
            for (const Object& object : objects_of(message))
                model->on_object(object, now);
        }
    }
    [[nodiscard]] std::string picture() const { return model->boards()[0].held->picture(); }
    TestLink& link;
    std::unique_ptr<ClientModel> model;
};

}  // namespace

// ---- codes of close ----

TEST_CASE("live: who sends no connect within 5 seconds is closed with 4505", "[live]") {
    Shop shop;
    TestLink& link = shop.connect();
    link.send("{}");
    shop.advance(4'900);
    CHECK(!link.closed);
    shop.advance(600);
    CHECK(link.bye() == 4505);
    CHECK(link.closed == CloseCode::no_connect);
}

TEST_CASE("live: what is no frame closes with 4501", "[live]") {
    Shop shop;
    const std::vector<std::vector<std::string>> conversations{
        {"hello"},
        {"[]"},
        {sub(R"("ch":"b:week")")},
        {R"({"connect":{"v":1,"key":"pk_test_shop","subs":[]}})"},
        {connect_with(kGuest), connect_with(kGuest)},
        {connect_with(kGuest), R"({"sub":{"ch":"b:week"}})"},
        {connect_with(kGuest), R"({"id":2})"},
        {connect_with(kGuest), std::string(4'097, ' ')},
    };
    for (const auto& messages : conversations) {
        INFO(messages.back());
        TestLink& link = shop.connect();
        for (const auto& message : messages) {
            link.send(message);
            shop.pump();
        }
        CHECK(link.bye() == 4501);
        CHECK(link.closed == CloseCode::bad_frame);
    }
    TestLink& link = shop.guest();
    link.session->on_bad_message();  // binary
    shop.pump();
    CHECK(link.closed == CloseCode::bad_frame);
}

TEST_CASE("live: credentials that are no good close with their code", "[live]") {
    Shop shop;
    const auto code = [&](const std::string& credentials, const std::string& origin = {}) {
        TestLink& link = shop.connect(origin);
        link.send(connect_with(credentials));
        shop.pump();
        return link.closed ? static_cast<int>(*link.closed) : 0;
    };
    CHECK(code(kGuest) == 0);
    CHECK(code(R"("key":"pk_test_else")") == 4500);
    CHECK(code(R"("token":"a.b.c")") == 4500);
    CHECK(code(R"("key":7)") == 4500);
    CHECK(code(R"("key":"")") == 4500);
    CHECK(code(R"("resume":"ticket.1.5")") == 4401);
    CHECK(code(kGuest, "https://evil.example") == 4502);
    CHECK(code(kGuest, "https://shop.example") == 0);
    TestLink& nobody = shop.connect();
    nobody.send(R"({"id":1,"connect":{"v":1,"subs":[]}})");
    shop.pump();
    CHECK(nobody.closed == CloseCode::bad_token);
}

TEST_CASE("live: a token that ends closes with 4401 unless refreshed", "[live]") {
    Shop shop;
    const std::string credentials = R"("token":")" + token_of(3, 20) + '"';
    TestLink& stale = shop.connect();
    stale.send(connect_with(credentials));
    TestLink& fresh = shop.connect();
    fresh.send(connect_with(credentials));
    shop.advance(16'000);
    const std::int64_t exp = fresh.last("/connect").number("/connect/exp");
    fresh.send(R"({"id":9,"refresh":{"token":")" + token_of(3, 20) + R"("}})");
    shop.advance(5'000);
    CHECK(stale.closed == CloseCode::expired);
    CHECK(!fresh.closed);
    CHECK(fresh.last("/refresh").number("/refresh/exp") > exp);
    CHECK(fresh.last("/refresh").number("/id") == 9);
    shop.advance(16'000);
    CHECK(fresh.closed == CloseCode::expired);
}

TEST_CASE("live: refreshing as somebody else or badly closes with 4500", "[live]") {
    Shop shop;
    TestLink& other = shop.member(3);
    other.send(R"({"id":2,"refresh":{"token":")" + token_of(4) + R"("}})");
    TestLink& bad = shop.member(3);
    bad.send(R"({"id":2,"refresh":{"token":"a.b.c"}})");
    shop.pump();
    CHECK(other.closed == CloseCode::bad_token);
    CHECK(bad.closed == CloseCode::bad_token);
}

TEST_CASE("live: a ticket stands for the token until its end", "[live]") {
    Shop shop;
    TestLink& first = shop.member(3);
    const std::string ticket = first.last("/connect").string("/connect/ticket");
    TestLink& second = shop.connect();
    second.send(connect_with(R"("resume":")" + ticket + '"', R"([{"ch":"me"}])"));
    shop.pump();
    CHECK(second.last("/me").has("/me/bal"));
}

TEST_CASE("live: a write that takes 10 seconds ends in 4402 as soon as it is done", "[live]") {
    Shop shop;
    TestLink& link = shop.guest(R"([{"ch":"b:week"}])");
    TestLink& never = shop.guest(R"([{"ch":"b:week"}])");
    link.stalled = never.stalled = true;
    shop.add(5, 100'000);
    shop.advance(9'500);
    CHECK(shop.hub->counters.closes[2] == 0);
    CHECK(shop.hub->counters.subscriptions == 2);
    shop.advance(1'000);
    // Nothing more is sent, and nothing held but what is on its way.
    CHECK(shop.hub->counters.closes[2] == 2);
    CHECK(shop.hub->counters.subscriptions == 0);
    CHECK(!link.was_cut);
    shop.advance(40'000);
    link.forget();
    link.stalled = false;
    shop.pump();
    REQUIRE(link.received.size() == 2);
    CHECK(link.received[0].has("/d"));
    CHECK(link.bye() == 4402);
    CHECK(link.closed == CloseCode::slow);
    CHECK(!link.was_cut);
    // A minute after the write began there is nobody to tell.
    shop.advance(9'000);
    CHECK(!never.was_cut);
    shop.advance(1'000);
    CHECK(never.was_cut);
    CHECK(shop.hub->counters.closes[2] == 2);
    CHECK(shop.hub->counters.connections == 0);
}

TEST_CASE("live: who is stuck and then does not answer the close is cut", "[live]") {
    Shop shop;
    TestLink& link = shop.guest(R"([{"ch":"b:week"}])");
    TestLink& drained = shop.guest(R"([{"ch":"b:week"}])");
    link.stalled = drained.stalled = true;
    shop.add(5, 100'000);
    shop.advance(15'000);
    link.stalled = false;
    REQUIRE(link.pump());
    link.stalled = true;  // `bye` is on the wire now, and stays there
    shop.advance(2'500);
    CHECK(!link.was_cut);
    shop.advance(1'500);
    CHECK(link.was_cut);
    // A server that stops does not wait a minute for anybody.
    CHECK(!drained.was_cut);
    shop.hub->drain(1'000);
    shop.advance(3'500);
    CHECK(drained.was_cut);
}

TEST_CASE("live: answers that nobody reads close with 4402 at 32 KiB", "[live]") {
    Shop shop;
    TestLink& link = shop.member(3);
    link.stalled = true;
    std::size_t peak = 0;
    for (int id = 2; id < 200 && shop.hub->counters.closes[2] == 0; ++id) {
        link.send(R"({"id":)" + std::to_string(id) + R"(,"around":{"ch":"b:week","k":25}})");
        shop.advance(60);
        peak = std::max(peak, link.session->waiting_bytes());
    }
    CHECK(shop.hub->counters.closes[2] == 1);
    CHECK(peak <= kRepliesBytesMax);
    CHECK(peak > kRepliesBytesMax / 2);
    link.stalled = false;
    shop.pump();
    CHECK(link.bye() == 4402);
    CHECK(link.closed == CloseCode::slow);
}

TEST_CASE("live: no pong within 8 seconds closes with 4403", "[live]") {
    Shop shop;
    TestLink& dead = shop.guest();
    TestLink& alive = shop.guest();
    SteadyMs pinged_after = 0;
    for (SteadyMs passed = 0; passed < 120'000; passed += 50) {
        shop.advance(50);
        for (const Object& object : alive.received) {
            if (object.text() != "{}") continue;
            if (pinged_after == 0) pinged_after = passed;
            alive.send("{}");
        }
        alive.forget();
    }
    CHECK(pinged_after >= 19'900);
    CHECK(pinged_after <= 30'500);
    CHECK(!alive.closed);
    CHECK(dead.closed == CloseCode::no_pong);
    CHECK(dead.bye() == 4403);
}

TEST_CASE("live: frames within the period stand for the ping", "[live]") {
    Shop shop;
    TestLink& link = shop.guest(R"([{"ch":"b:week"}])");
    // A heartbeat every 10 s.
    shop.advance(100'000);
    for (const Object& object : link.received)
        CHECK(object.text() != "{}");
    CHECK(!link.closed);
    CHECK(link.all("/hb").size() == 10);
}

TEST_CASE("live: boards that go back close with 4404", "[live]") {
    Shop shop;
    TestLink& link = shop.guest(R"([{"ch":"b:week"}])");
    const std::string epoch = link.last("/snap").string("/snap/epoch");
    shop.boards.restart();
    shop.advance(500);
    CHECK(link.closed == CloseCode::epoch_reset);
    CHECK(link.bye() == 4404);
    TestLink& again = shop.guest(R"([{"ch":"b:week"}])");
    CHECK(again.last("/snap").string("/snap/epoch") != epoch);
}

TEST_CASE("live: more than 20 commands in any second close with 4405", "[live]") {
    Shop shop;
    TestLink& link = shop.guest();
    shop.advance(1'100);
    for (int id = 2; id < 22; ++id)
        link.send(R"({"id":)" + std::to_string(id) + R"(,"unsub":{"ch":"b:week"}})");
    shop.advance(900);
    CHECK(!link.closed);
    CHECK(link.all("/unsub").size() == 20);
    link.send(R"({"id":99,"unsub":{"ch":"b:week"}})");
    shop.pump();
    CHECK(link.closed == CloseCode::rate_limited);

    TestLink& steady = shop.guest();
    for (int id = 2; id < 100; ++id) {
        steady.send(R"({"id":)" + std::to_string(id) + R"(,"unsub":{"ch":"b:week"}})");
        shop.advance(60);
    }
    CHECK(!steady.closed);

    // What is no command counts as one, and what one message holds is counted apart.
    for (const std::string nothing : {"{}", R"({"hello":1})", "\n\n"}) {
        TestLink& idler = shop.guest();
        shop.advance(1'100);
        for (int i = 0; i < 20; ++i)
            idler.send(nothing);
        shop.pump();
        CHECK(!idler.closed);
        idler.send(nothing);
        shop.pump();
        CHECK(idler.closed == CloseCode::rate_limited);
    }

    TestLink& pinger = shop.guest();
    for (int i = 0; i < 25; ++i)
        pinger.session->on_control_frame();
    shop.pump();
    CHECK(pinger.closed == CloseCode::rate_limited);
}

TEST_CASE("live: a pong that was asked for is no command", "[live]") {
    Shop shop;
    TestLink& link = shop.guest();
    for (SteadyMs passed = 0; passed < 40'000 && link.received.back().text() != "{}"; passed += 50)
        shop.advance(50);
    REQUIRE(link.received.back().text() == "{}");
    for (int id = 2; id < 22; ++id)
        link.send(R"({"id":)" + std::to_string(id) + R"(,"unsub":{"ch":"b:week"}})");
    link.send("{}");
    shop.pump();
    CHECK(!link.closed);
    link.send("{}");
    shop.pump();
    CHECK(link.closed == CloseCode::rate_limited);
}

TEST_CASE("live: a node that is full says 4406 and when to come back", "[live]") {
    Shop shop;
    auto link = std::make_unique<TestLink>(*shop.hub, "", "192.0.2.1");
    link->session->refuse_full();
    while (link->pump()) {
    }
    CHECK(link->closed == CloseCode::node_full);
    CHECK(link->last("/bye").number("/bye/after") <= 30'000);
}

TEST_CASE("live: a revoked key or member or one that is gone closes with 4503", "[live]") {
    Shop shop;
    TestLink& guest = shop.guest();
    TestLink& member = shop.member(3);
    TestLink& other = shop.member(4);
    shop.hub->revoke_key(std::string(kKeyId));
    shop.pump();
    CHECK(guest.closed == CloseCode::revoked);
    CHECK(!member.closed);
    shop.hub->revoke_member({kShop, ledger::MemberId(3)});
    shop.pump();
    CHECK(member.closed == CloseCode::revoked);
    CHECK(!other.closed);
    shop.hub->revoke_key(std::string(kTokenKeyId));
    shop.pump();
    CHECK(other.closed == CloseCode::revoked);
    CHECK(other.bye() == 4503);

    shop.wallet_error = ledger::ErrorCode::member_not_found;
    TestLink& erased = shop.member(5, R"([{"ch":"me"}])");
    CHECK(erased.closed == CloseCode::revoked);
}

TEST_CASE("live: a token alone stays while any key lists its page", "[live]") {
    Shop shop;
    const std::string page = "https://shop.example";
    TestLink& link = shop.connect(page);
    link.send(connect_with(R"("token":")" + token_of(3) + '"'));
    TestLink& server = shop.connect();
    server.send(connect_with(R"("token":")" + token_of(3) + '"'));
    shop.pump();
    shop.hub->revoke_key("key_9");
    shop.pump();
    CHECK(!link.closed);
    shop.doorman.unlisted.insert(page);
    shop.hub->revoke_key("key_10");
    shop.pump();
    CHECK(link.closed == CloseCode::revoked);
    CHECK(!server.closed);
}

TEST_CASE("live: who is no member yet is looked for again", "[live]") {
    Shop shop;
    shop.doorman.strangers = {50, 51};
    TestLink& link = shop.member(50, R"([{"ch":"me"},{"ch":"b:week"}])");
    const Object answer = link.last("/connect");
    CHECK(answer.number("/connect/subs/0/err/code") == 103);
    CHECK(answer.boolean("/connect/subs/0/err/retry"));
    CHECK(answer.boolean("/connect/subs/1/recovered") == false);
    CHECK(answer.has("/connect/ticket"));
    CHECK(answer.number("/connect/exp") > shop.clock.now() / 1000);
    for (const char* command : {R"("sub":{"ch":"me"})", R"("around":{"ch":"b:week"})"}) {
        link.send(R"({"id":7,)" + std::string(command) + "}");
        shop.pump();
        CHECK(link.last("/err").number("/err/code") == 103);
        CHECK(link.last("/err").boolean("/err/retry"));
        CHECK(link.last("/err").string("/err/msg") != "this needs a token");
    }
    link.send(R"({"id":8,"refresh":{"token":")" + token_of(50) + R"("}})");
    shop.pump();
    CHECK(link.last("/refresh").has("/refresh/exp"));
    TestLink& refreshed = shop.member(51);
    // The first order.
    shop.doorman.strangers.clear();
    shop.points[50] = 12;
    shop.add(50, 12);
    link.send(sub(R"("ch":"me")", 9));
    shop.pump();
    CHECK(link.last("/sub").number("/id") == 9);
    CHECK(link.last("/me").number("/me/bal/0/available") == 12);
    CHECK(link.last("/me").has("/me/boards/b:week"));
    link.send(R"({"id":10,"around":{"ch":"b:week"}})");
    shop.pump();
    CHECK(link.last("/around").string("/around/me") == ModelBoards::row_id("week", 50));
    refreshed.send(R"({"id":8,"refresh":{"token":")" + token_of(51) + R"("}})");
    refreshed.send(sub(R"("ch":"me")", 9));
    shop.pump();
    CHECK(refreshed.all("/me").size() == 1);
    // From then on only as that member.
    refreshed.send(R"({"id":11,"refresh":{"token":")" + token_of(52) + R"("}})");
    shop.pump();
    CHECK(refreshed.closed == CloseCode::bad_token);
}

TEST_CASE("live: a ticket that ended ends who is no member yet", "[live]") {
    Shop shop;
    shop.doorman.strangers = {50};
    TestLink& link = shop.connect();
    link.send(connect_with(R"("token":")" + token_of(50, 20) + '"'));
    shop.pump();
    shop.clock.advance(21'000'000);
    link.send(sub(R"("ch":"me")"));
    shop.pump();
    CHECK(link.closed == CloseCode::expired);
}

TEST_CASE("live: who becomes a member counts as one", "[live]") {
    Shop shop;
    for (std::uint64_t member = 50; member < 71; ++member)
        shop.doorman.strangers.insert(member);
    std::vector<TestLink*> links;
    for (std::uint64_t member = 50; member < 70; ++member)
        links.push_back(&shop.member(member));
    CHECK(shop.member(70).closed == CloseCode::too_many_connections);
    shop.doorman.strangers.erase(50);
    links[0]->send(sub(R"("ch":"me")"));
    shop.pump();
    CHECK(!shop.member(70).closed);
    for (int i = 0; i < 9; ++i)
        CHECK(!shop.member(50).closed);
    shop.doorman.strangers.insert(50);
    shop.links.erase(shop.links.begin() + 1);
    TestLink& eleventh = shop.member(50);
    CHECK(!eleventh.closed);
    shop.doorman.strangers.erase(50);
    eleventh.send(sub(R"("ch":"me")"));
    shop.pump();
    CHECK(eleventh.closed == CloseCode::too_many_connections);
}

TEST_CASE("live: the 21st guest of an address and the 11th of a member get 4504", "[live]") {
    Shop shop;
    for (int i = 0; i < 20; ++i)
        CHECK(!shop.guest().closed);
    CHECK(shop.guest().closed == CloseCode::too_many_connections);
    TestLink& elsewhere = shop.connect({}, "192.0.2.2");
    elsewhere.send(connect_with(kGuest));
    shop.pump();
    CHECK(!elsewhere.closed);
    shop.links.pop_front();
    CHECK(!shop.guest().closed);

    for (int i = 0; i < 10; ++i)
        CHECK(!shop.member(3).closed);
    CHECK(shop.member(3).closed == CloseCode::too_many_connections);
    CHECK(!shop.member(4).closed);
}

TEST_CASE("live: a drain closes with 4400 spread over its time", "[live]") {
    Shop shop(20, {{1'000, 1'000}, "k3x9"});
    std::vector<TestLink*> links;
    links.reserve(100);
    for (int i = 0; i < 100; ++i)
        links.push_back(&shop.guest());
    shop.hub->drain(10'000);
    shop.advance(5'000);
    const auto closed = [&] {
        return std::count_if(links.begin(), links.end(), [](const TestLink* link) {
            return link->closed == CloseCode::shutdown;
        });
    };
    CHECK(closed() > 20);
    CHECK(closed() < 80);
    TestLink& late = shop.guest();
    shop.advance(10'500);
    CHECK(closed() == 100);
    CHECK(late.closed == CloseCode::shutdown);
    std::int64_t least = 30'000;
    std::int64_t most = 0;
    for (const TestLink* link : links) {
        const std::int64_t after = link->last("/bye").number("/bye/after");
        least = std::min(least, after);
        most = std::max(most, after);
    }
    CHECK(least >= 0);
    CHECK(least < 10'000);
    CHECK(most > 20'000);
    CHECK(most <= 30'000);
}

TEST_CASE("live: who does not answer a close is cut", "[live]") {
    Shop shop;
    TestLink& link = shop.connect();
    link.stalled = true;
    link.send("hello");
    shop.advance(2'500);
    CHECK(!link.was_cut);
    shop.advance(1'500);
    CHECK(link.was_cut);
}

// ---- codes of err ----

TEST_CASE("live: each complaint has its code", "[live]") {
    Shop shop;
    TestLink& link = shop.guest();
    int id = 1;
    const auto code = [&](TestLink& to, const std::string& command) {
        to.send(R"({"id":)" + std::to_string(++id) + "," + command + "}");
        shop.advance(60);
        const Object answer = to.last("/err");
        CHECK(answer.number("/id") == id);
        CHECK(answer.boolean("/err/retry") == (answer.number("/err/code") == 106));
        return answer.number("/err/code");
    };
    CHECK(code(link, R"("dance":{})") == 100);
    CHECK(code(link, R"("sub":{"ch":"b:nothing"})") == 101);
    CHECK(code(link, R"("sub":{"ch":"b:week@month"})") == 101);
    CHECK(code(link, R"("sub":{"ch":"b:week","n":101})") == 102);
    CHECK(code(link, R"("sub":{"ch":"me"})") == 103);
    CHECK(code(link, R"("around":{"ch":"b:week"})") == 103);
    CHECK(code(link, R"("refresh":{"token":"a.b.c"})") == 103);
    TestLink& member = shop.member(3);
    CHECK(code(member, R"("around":{"ch":"b:nothing"})") == 101);
    CHECK(code(member, R"("around":{"ch":"b:week","k":26})") == 102);
    shop.boards.set_ready(false);
    CHECK(code(link, R"("sub":{"ch":"b:week"})") == 106);
    CHECK(code(member, R"("around":{"ch":"b:week"})") == 106);
    shop.boards.set_ready(true);
    CHECK(!link.closed);
}

TEST_CASE("live: a seventeenth channel is 104 and joining again is not", "[live]") {
    Shop shop;
    for (int i = 0; i < 16; ++i)
        shop.boards.add_board("b" + std::to_string(i), {BoardWindow::all});
    std::string subs;
    for (int i = 0; i < 16; ++i)
        subs += std::string(i > 0 ? "," : "[") + R"({"ch":"b:b)" + std::to_string(i) + "\"}";
    TestLink& link = shop.guest(subs + "]");
    CHECK(link.all("/snap").size() == 16);
    link.send(sub(R"("ch":"b:week")"));
    link.send(sub(R"("ch":"b:b3","n":25)", 3));
    shop.pump();
    CHECK(link.last("/err").number("/err/code") == 104);
    CHECK(link.last("/sub").number("/id") == 3);
    CHECK(link.last("/snap").number("/snap/n") == 25);
}

TEST_CASE("live: a board that leaves the program ends its channels with 105", "[live]") {
    Shop shop;
    TestLink& link = shop.guest(R"([{"ch":"b:week"},{"ch":"b:week@week"},{"ch":"b:month"}])");
    shop.boards.remove_board("week");
    shop.advance(500);
    const auto errors = link.all("/err");
    REQUIRE(errors.size() == 2);
    for (const Object& error : errors) {
        CHECK(error.number("/err/code") == 105);
        CHECK(!error.has("/id"));
    }
    CHECK(!link.closed);
    CHECK(shop.hub->counters.subscriptions == 1);
    shop.boards.add_board("week", {BoardWindow::week});
    link.send(sub(R"("ch":"b:week")"));
    shop.pump();
    CHECK(link.last("/sub").boolean("/sub/recovered") == false);
}

TEST_CASE("live: a board's own window that is another one closes with 4404", "[live]") {
    Shop shop;
    TestLink& plain = shop.guest(R"([{"ch":"b:week"}])");
    TestLink& exact = shop.guest(R"([{"ch":"b:week@week"}])");
    const std::string position = R"(,"epoch":")" + plain.last("/snap").string("/snap/epoch") +
                                 R"(","off":)" +
                                 std::to_string(plain.last("/snap").number("/snap/off"));
    shop.boards.set_windows("week", {BoardWindow::all, BoardWindow::week});
    shop.settle();
    CHECK(plain.closed == CloseCode::epoch_reset);
    CHECK(plain.bye() == 4404);
    CHECK(!exact.closed);
    TestLink& again = shop.guest(R"([{"ch":"b:week")" + position + "}]");
    CHECK(!again.last("/connect").boolean("/connect/subs/0/recovered"));
    CHECK(again.last("/snap").string("/snap/win/id") == "all");
    // Asked for between the activation and the word of it.
    shop.boards.set_windows("week", {BoardWindow::week, BoardWindow::all});
    again.send(sub(R"("ch":"b:week")"));
    shop.pump();
    CHECK(again.closed == CloseCode::epoch_reset);
}

TEST_CASE("live: a board that loses its own window moves its viewers", "[live]") {
    Shop shop;
    TestLink& plain = shop.guest(R"([{"ch":"b:week"}])");
    TestLink& exact = shop.guest(R"([{"ch":"b:week@week"},{"ch":"b:week@all"}])");
    shop.boards.set_windows("week", {BoardWindow::all});
    shop.advance(500);
    CHECK(plain.closed == CloseCode::epoch_reset);
    CHECK(plain.all("/err").empty());
    CHECK(!exact.closed);
    REQUIRE(exact.all("/err").size() == 1);
    CHECK(exact.last("/err").string("/ch") == "b:week@week");
    CHECK(exact.last("/err").number("/err/code") == 105);
    TestLink& again = shop.guest(R"([{"ch":"b:week"}])");
    CHECK(again.last("/snap").string("/snap/win/id") == "all");
}

TEST_CASE("live: a board that has no page yet is not over", "[live]") {
    Shop shop;
    TestLink& joined = shop.guest(R"([{"ch":"b:week"}])");
    shop.boards.hide_pages(true);
    shop.advance(1'000);
    CHECK(joined.all("/err").empty());
    TestLink& early = shop.guest(R"([{"ch":"b:month"}])");
    CHECK(early.last("/connect").number("/connect/subs/0/err/code") == 106);
    shop.boards.hide_pages(false);
    shop.add(3, 1);
    CHECK(joined.all("/d").size() == 1);
    early.send(sub(R"("ch":"b:month")"));
    shop.pump();
    CHECK(early.all("/snap").size() == 1);
}

TEST_CASE("live: connect answers each channel in its order", "[live]") {
    Shop shop;
    TestLink& link =
        shop.guest(R"([{"ch":"b:week"},{"ch":"b:nothing"},{"ch":"me"},{"ch":"b:month","n":0},)"
                   R"({"ch":"b:week@day"},{"ch":"c:\"x"}])");
    const Object answer = link.last("/connect");
    CHECK(answer.number("/id") == 1);
    CHECK(answer.number("/connect/ping") == 25);
    CHECK(answer.number("/connect/now") == shop.clock.now() / 1000);
    CHECK(!answer.has("/connect/ticket"));
    CHECK(answer.boolean("/connect/subs/0/recovered") == false);
    CHECK(answer.number("/connect/subs/1/err/code") == 101);
    CHECK(answer.number("/connect/subs/2/err/code") == 103);
    CHECK(answer.number("/connect/subs/3/err/code") == 102);
    CHECK(answer.number("/connect/subs/4/err/code") == 101);
    CHECK(answer.string("/connect/subs/5/ch") == "c:\"x");
    CHECK(answer.number("/connect/subs/5/err/code") == 101);
    CHECK(!link.closed);
    CHECK(link.received.front().has("/connect"));
}

TEST_CASE("live: commands that come before the doorman answers are obeyed after it", "[live]") {
    Shop shop;
    TestLink& link = shop.connect();
    link.send(connect_with(kGuest) + "\n" + sub(R"("ch":"b:week")") + "\n" + R"({"hello":1})");
    shop.pump();
    REQUIRE(link.received.size() == 3);
    CHECK(link.received[0].has("/connect"));
    CHECK(link.received[1].has("/sub"));
    CHECK(link.received[2].has("/snap"));
}

// ---- boards ----

TEST_CASE("live: a quiet board publishes at once and then at most every 100 ms", "[live]") {
    Shop shop;
    TestLink& link = shop.guest(R"([{"ch":"b:week"}])");
    shop.advance(1'000);
    link.forget();
    shop.add(7, 1);
    CHECK(link.all("/d").size() == 1);
    shop.add(8, 1);
    shop.add(9, 1);
    CHECK(link.all("/d").size() == 1);
    shop.advance(50);
    CHECK(link.all("/d").size() == 1);
    shop.advance(50);
    CHECK(link.all("/d").size() == 2);
    shop.advance(1'000);
    CHECK(link.all("/d").size() == 2);
    // One change every 10 ms for a second: the first at once, then ten a second.
    link.forget();
    for (int i = 0; i < 100; ++i) {
        shop.add(7, 1);
        shop.clock.advance(10'000);
        shop.settle();
    }
    CHECK(link.all("/d").size() >= 9);
    CHECK(link.all("/d").size() <= 11);
}

TEST_CASE("live: a change that no viewer sees is not published", "[live]") {
    Shop shop(40);
    TestLink& ten = shop.guest(R"([{"ch":"b:week"}])");
    TestLink& fifty = shop.guest(R"([{"ch":"b:week","n":26}])");
    shop.advance(1'000);
    const std::int64_t off = ten.last("/snap").number("/snap/off");
    ten.forget();
    fifty.forget();
    shop.add(30, 1);
    CHECK(ten.received.empty());
    CHECK(fifty.all("/d").size() == 1);
    CHECK(fifty.last("/d").number("/d/set/0/2") == 9'701);
    shop.advance(10'500);
    CHECK(ten.last("/hb").number("/hb/off") == off);
    CHECK(ten.last("/hb").number("/hb/n") == 2);
    CHECK(
        ten.last("/hb").number("/hb/as_of") ==
        static_cast<std::int64_t>(shop.boards.as_of(kShop).value)
    );
}

TEST_CASE("live: deltas lead a client through every kind of change", "[live]") {
    Shop shop(30);
    std::mt19937_64 random(test_support::seed());
    std::vector<std::unique_ptr<Viewer>> viewers;
    for (const std::size_t rows : {10U, 25U, 50U, 100U}) {
        viewers.push_back(std::make_unique<Viewer>(shop.connect(), "b:week", rows));
    }
    shop.settle();
    for (int i = 0; i < 400; ++i) {
        const std::uint64_t member = random() % 60 + 1;
        switch (random() % 8) {
            case 0: shop.boards.erase("week", member); break;
            case 1: shop.boards.name(member, "N\"é" + std::to_string(random() % 10)); break;
            case 2: shop.boards.add("week", member, -500); break;
            default: shop.boards.add("week", member, static_cast<std::int64_t>(random() % 3'000));
        }
        shop.advance(random() % 3 == 0 ? 150 : 0);
        if (i == 200) shop.boards.turn("week", BoardWindow::week, "2026-W48");
        for (auto& viewer : viewers)
            viewer->take(0);
    }
    shop.advance(500);
    const auto page = shop.boards.page(shop.week());
    for (auto& viewer : viewers) {
        viewer->take(0);
        CHECK(viewer->picture() == picture(*page, viewer->model->boards()[0].rows));
        CHECK(viewer->model->gaps_seen == 0);
    }
    CHECK(shop.hub->counters.deltas > 300);
}

TEST_CASE("live: a window that turns over says end and then the next snap", "[live]") {
    Shop shop;
    TestLink& link = shop.guest(R"([{"ch":"b:week"}])");
    shop.advance(1'000);
    const Object before = link.last("/snap");
    CHECK(before.string("/snap/win/id") == "2026-W47");
    CHECK(before.number("/snap/win/starts") == 1'794'870'000'000);
    link.forget();
    shop.boards.turn("week", BoardWindow::week, "2026-W48");
    shop.settle();
    REQUIRE(link.received.size() == 2);
    CHECK(link.received[0].string("/end/win") == "2026-W47");
    CHECK(link.received[0].string("/end/next") == "2026-W48");
    CHECK(link.received[1].number("/snap/off") == before.number("/snap/off") + 1);
    CHECK(link.received[1].number("/snap/total") == 0);
    // The deltas of the old window lead nowhere.
    TestLink& again = shop.guest(
        R"([{"ch":"b:week","epoch":")" + before.string("/snap/epoch") + R"(","off":)" +
        std::to_string(before.number("/snap/off")) + "}]"
    );
    CHECK(again.last("/connect").boolean("/connect/subs/0/recovered") == false);
    CHECK(again.all("/snap").size() == 1);
}

TEST_CASE("live: endless windows have neither start nor end", "[live]") {
    Shop shop;
    TestLink& link = shop.guest(R"([{"ch":"b:week@all"}])");
    CHECK(link.last("/snap").at("/snap/win/starts").is_null());
    CHECK(link.last("/snap").at("/snap/win/ends").is_null());
    CHECK(link.last("/snap").string("/snap/win/id") == "all");
}

TEST_CASE("live: resuming gives exactly the missing deltas or a snap", "[live]") {
    Shop shop(100);
    TestLink& link = shop.guest(R"([{"ch":"b:week","n":100}])");
    const std::string epoch = link.last("/snap").string("/snap/epoch");
    const std::int64_t off = link.last("/snap").number("/snap/off");
    const auto resume = [&](std::int64_t from,
                            const std::string& its_epoch,
                            const std::string& n = "100") -> TestLink& {
        return shop.guest(
            R"([{"ch":"b:week","n":)" + n + R"(,"epoch":")" + its_epoch + R"(","off":)" +
            std::to_string(from) + "}]"
        );
    };
    const auto recovered = [](const TestLink& client) {
        return client.last("/connect").boolean("/connect/subs/0/recovered");
    };
    for (int i = 0; i < 10; ++i) {
        shop.add(50, 1);
        shop.advance(100);
    }
    {
        const std::size_t questions = shop.boards.questions();
        TestLink& client = resume(off + 4, epoch);
        CHECK(recovered(client));
        const auto deltas = client.all("/d");
        REQUIRE(deltas.size() == 6);
        for (std::size_t i = 0; i < deltas.size(); ++i)
            CHECK(deltas[i].number("/d/off") == off + 5 + static_cast<std::int64_t>(i));
        CHECK(client.all("/snap").empty());
        CHECK(client.received.front().has("/connect"));
        CHECK(shop.boards.questions() == questions);
        CHECK(shop.hub->counters.resumes_hit == 1);
    }
    {
        TestLink& client = resume(off + 10, epoch);
        CHECK(recovered(client));
        CHECK(client.received.size() == 1);
    }
    const auto snapped = [&](const TestLink& client) {
        return !recovered(client) && client.all("/snap").size() == 1 && client.all("/d").empty();
    };
    CHECK(snapped(resume(off + 11, epoch)));    // ahead
    CHECK(snapped(resume(off + 10, "other")));  // another epoch
    CHECK(snapped(resume(off - 1, epoch)));     // before the first
    CHECK(snapped(resume(off + 10, epoch, "25")));
    // 64 deltas are kept and 30 seconds.
    for (int i = 0; i < 60; ++i) {
        shop.add(50, 1);
        shop.advance(100);
    }
    CHECK(snapped(resume(off + 5, epoch)));
    CHECK(recovered(resume(off + 69, epoch)));
    shop.advance(30'000);
    CHECK(snapped(resume(off + 69, epoch)));
    CHECK(recovered(resume(off + 70, epoch)));
}

TEST_CASE("live: deltas that outweigh the snap are not replayed", "[live]") {
    Shop shop(10);
    TestLink& link = shop.guest(R"([{"ch":"b:week"}])");
    const std::string epoch = link.last("/snap").string("/snap/epoch");
    const std::int64_t off = link.last("/snap").number("/snap/off");
    for (int i = 0; i < 20; ++i) {
        shop.add(10, 1'000);  // moves everybody
        shop.add(1, 1'000);
        shop.advance(100);
    }
    TestLink& client = shop.guest(
        R"([{"ch":"b:week","epoch":")" + epoch + R"(","off":)" + std::to_string(off + 1) + "}]"
    );
    CHECK(client.last("/connect").boolean("/connect/subs/0/recovered") == false);
    CHECK(shop.hub->counters.resumes_missed == 1);
}

TEST_CASE("live: asking again on the same connection recovers what was lost", "[live]") {
    Shop shop;
    TestLink& link = shop.guest(R"([{"ch":"b:week"}])");
    const std::string epoch = link.last("/snap").string("/snap/epoch");
    const std::int64_t off = link.last("/snap").number("/snap/off");
    shop.add(5, 1);
    shop.advance(200);
    link.forget();
    link.send(sub(R"("ch":"b:week","epoch":")" + epoch + R"(","off":)" + std::to_string(off)));
    shop.pump();
    REQUIRE(link.received.size() == 2);
    CHECK(link.received[0].boolean("/sub/recovered"));
    CHECK(link.received[1].number("/d/off") == off + 1);
    CHECK(shop.hub->counters.subscriptions == 1);
}

TEST_CASE("live: another number of rows replaces the first", "[live]") {
    Shop shop(60);
    TestLink& link = shop.guest(R"([{"ch":"b:week"}])");
    link.send(sub(R"("ch":"b:week","n":50)"));
    shop.pump();
    CHECK(link.last("/snap").at("/snap/rows").get_array().size() == 50);
    CHECK(shop.hub->counters.subscriptions == 1);
    link.forget();
    shop.advance(200);
    shop.add(45, 1);
    CHECK(link.all("/d").size() == 1);
    link.send(R"({"id":5,"unsub":{"ch":"b:week"}})");
    shop.pump();
    CHECK(link.last("/unsub").string("/unsub/ch") == "b:week");
    CHECK(shop.hub->counters.subscriptions == 0);
    link.forget();
    shop.advance(200);
    shop.add(45, 1);
    CHECK(link.received.empty());
}

TEST_CASE("live: a feed rests after 30 seconds and never means two things", "[live]") {
    Shop shop;
    TestLink& link = shop.guest(R"([{"ch":"b:week"}])");
    const std::string epoch = link.last("/snap").string("/snap/epoch");
    const std::int64_t off = link.last("/snap").number("/snap/off");
    link.send(R"({"id":5,"unsub":{"ch":"b:week"}})");
    shop.advance(29'000);
    CHECK(shop.feeds->stats().feeds == 1);
    shop.add(3, 1);
    shop.advance(2'000);
    CHECK(shop.feeds->stats().feeds == 0);
    shop.add(3, 1);
    TestLink& later = shop.guest(
        R"([{"ch":"b:week","epoch":")" + epoch + R"(","off":)" + std::to_string(off) + "}]"
    );
    CHECK(later.last("/snap").string("/snap/epoch") == epoch);
    CHECK(later.last("/snap").number("/snap/off") > off + 1);
    CHECK(!later.last("/connect").boolean("/connect/subs/0/recovered"));
}

TEST_CASE("live: a page read by GET has a position that sub takes", "[live]") {
    Shop shop;
    const SteadyMs now = shop.clock.monotonic() / 1000;
    const auto reading = shop.feeds->read(shop.week(), 10, ledger::Seq(0), now);
    REQUIRE(reading);
    const auto& publication = *reading->publication;
    CHECK(picture(publication.page(), 10) == picture(*shop.boards.page(shop.week()), 10));
    TestLink& link = shop.guest(
        R"([{"ch":"b:week","epoch":")" + publication.epoch() + R"(","off":)" +
        std::to_string(publication.off()) + "}]"
    );
    CHECK(link.last("/connect").boolean("/connect/subs/0/recovered"));
    CHECK(link.all("/snap").empty());
    // Conflated for the viewer, but not for one who waits for the entry.
    shop.add(4, 1);
    shop.add(4, 1);
    const ledger::Seq seq = shop.boards.as_of(kShop);
    CHECK(shop.feeds->read(shop.week(), 10, ledger::Seq(0), now)->as_of < seq);
    const auto newest = shop.feeds->read(shop.week(), 10, seq, now);
    CHECK(newest->as_of >= seq);
    shop.settle();
    CHECK(
        link.last("/d").number("/d/off") == static_cast<std::int64_t>(newest->publication->off())
    );
    CHECK(!shop.feeds->read({kShop, "none", BoardWindow::all}, 10, seq, now));
}

TEST_CASE("live: a client that reads slowly gets up to three deltas and else a snap", "[live]") {
    Shop shop;
    TestLink& link = shop.guest(R"([{"ch":"b:week"}])");
    shop.advance(1'000);
    const auto miss = [&](int changes) {
        link.stalled = true;
        shop.add(3, 1);  // on the wire
        for (int i = 0; i < changes; ++i) {
            shop.advance(100);
            shop.add(3, 1);
        }
        link.forget();
        link.stalled = false;
        link.take_messages();
        shop.pump();
        const auto messages = link.take_messages();
        REQUIRE(messages.size() == 2);
        shop.advance(1'000);
        return objects_of(messages[1]);
    };
    CHECK(miss(1).size() == 1);
    const auto three = miss(3);
    REQUIRE(three.size() == 3);
    CHECK(three[2].number("/d/off") == three[0].number("/d/off") + 2);
    const auto four = miss(4);
    REQUIRE(four.size() == 1);
    CHECK(four[0].has("/snap"));
}

TEST_CASE("live: 10000 updates cost a reader who stopped nothing but one snap", "[live]") {
    Shop shop(100);
    TestLink& link = shop.guest(R"([{"ch":"b:week","n":100},{"ch":"b:month","n":100}])");
    Viewer other(shop.connect(), "b:week", 100);
    shop.advance(1'000);
    link.stalled = true;
    shop.add(3, 1);
    const std::size_t before = test_support::held_bytes();
    std::size_t most = before;
    // 9 s of fake time: before the write counts as too slow.
    for (int i = 0; i < 10'000; ++i) {
        shop.boards.add(i % 2 == 0 ? "week" : "month", static_cast<std::uint64_t>(i % 100 + 1), 5);
        shop.clock.advance(900);
        shop.settle();
        other.take(0);
        other.link.forget();
        shop.spied.clear();
        if (i % 100 == 99) most = std::max(most, test_support::held_bytes());
    }
    // What grows is shared by all viewers: rings of 64 deltas and pages. A session adds nothing.
    if (test_support::can_track_allocations()) CHECK(most - before < 1'000'000);
    CHECK(link.session->waiting_bytes() == 0);
    link.forget();
    link.take_messages();
    link.stalled = false;
    shop.pump();
    const auto messages = link.take_messages();
    REQUIRE(messages.size() == 2);
    const auto newest = objects_of(messages[1]);
    REQUIRE(newest.size() == 2);
    CHECK(newest[0].has("/snap"));
    CHECK(newest[1].has("/snap"));
    CHECK(!link.closed);
    shop.advance(300);
    other.take(0);
    CHECK(other.picture() == picture(*shop.boards.page(shop.week()), 100));
}

// ---- around and me ----

TEST_CASE("live: around shows up to k rows on either side of the member", "[live]") {
    Shop shop(40);
    TestLink& link = shop.member(20);
    link.send(R"({"id":4,"around":{"ch":"b:week","k":3}})");
    shop.pump();
    Object answer = link.last("/around");
    CHECK(answer.number("/id") == 4);
    CHECK(answer.string("/around/me") == ModelBoards::row_id("week", 20));
    CHECK(answer.at("/around/rows").get_array().size() == 7);
    CHECK(answer.number("/around/rows/0/0") == 17);
    CHECK(answer.number("/around/total") == 40);
    TestLink& top = shop.member(2);
    top.send(R"({"id":4,"around":{"ch":"b:week"}})");
    shop.pump();
    answer = top.last("/around");
    CHECK(answer.number("/around/rows/0/0") == 1);
    CHECK(answer.at("/around/rows").get_array().size() == 5);
    TestLink& nobody = shop.member(99);
    nobody.send(R"({"id":4,"around":{"ch":"b:week"}})");
    shop.pump();
    CHECK(nobody.last("/around").at("/around/me").is_null());
    CHECK(!nobody.last("/around").has("/around/rows/0"));
}

TEST_CASE("live: me has balances and the ranks on the channels of the connection", "[live]") {
    Shop shop;
    shop.points[5] = 870;
    TestLink& link = shop.member(5, R"([{"ch":"me"},{"ch":"b:week"}])");
    Object me = link.last("/me");
    CHECK(me.string("/me/name") == "Bo L.");
    CHECK(me.number("/me/bal/0/available") == 870);
    CHECK(me.number("/me/boards/b:week/rank") == 5);
    CHECK(me.number("/me/boards/b:week/next/points") == 10);
    CHECK(me.number("/me/as_of") == static_cast<std::int64_t>(shop.boards.as_of(kShop).value));
    // Its own change, at once.
    link.forget();
    shop.points[5] = 900;
    shop.add(5, 10'000);
    me = link.last("/me");
    CHECK(me.number("/me/bal/0/available") == 900);
    CHECK(me.number("/me/boards/b:week/rank") == 1);
    CHECK(me.at("/me/boards/b:week/next").is_null());
    // A board more, then one less.
    link.send(sub(R"("ch":"b:month")"));
    shop.pump();
    CHECK(link.last("/me").has("/me/boards/b:month"));
    link.send(R"({"id":3,"unsub":{"ch":"b:week"}})");
    shop.pump();
    CHECK(!link.last("/me").has("/me/boards/b:week"));
    CHECK(link.last("/me").has("/me/boards/b:month"));
    // Gone from the board.
    shop.boards.erase("month", 5);
    shop.settle();
    CHECK(!link.last("/me").has("/me/boards/b:month"));
    link.send(R"({"id":4,"unsub":{"ch":"me"}})");
    shop.pump();
    link.forget();
    shop.boards.add("month", 5, 1);
    shop.advance(5'000);
    CHECK(link.all("/me").empty());
}

TEST_CASE("live: another version of the program asks again for every me", "[live]") {
    Shop shop;
    TestLink& link = shop.member(5, R"([{"ch":"me"}])");
    shop.advance(5'000);
    link.forget();
    shop.points[5] = 3;
    shop.boards.activate();
    shop.settle();
    REQUIRE(link.all("/me").size() == 1);
    CHECK(link.last("/me").number("/me/bal/0/available") == 3);
    CHECK(!link.closed);
}

TEST_CASE("live: a rank that drifts is told within 2 seconds and only if it shows", "[live]") {
    Shop shop(1'000);
    TestLink& near = shop.member(50, R"([{"ch":"me"},{"ch":"b:week"}])");
    TestLink& far = shop.member(500, R"([{"ch":"me"},{"ch":"b:week"}])");
    shop.advance(2'500);
    near.forget();
    far.forget();
    shop.boards.add("week", 600, 100'000);
    shop.settle();
    CHECK(near.all("/me").empty());
    shop.advance(2'500);
    CHECK(near.last("/me").number("/me/boards/b:week/rank") == 51);
    CHECK(far.all("/me").empty());  // 501: less than 1 %
    for (std::uint64_t member = 601; member < 606; ++member)
        shop.boards.add("week", member, 100'000);
    shop.settle();
    shop.advance(2'500);
    CHECK(far.last("/me").number("/me/boards/b:week/rank") == 506);
    // Nothing moves: only the heartbeat.
    near.forget();
    shop.advance(10'500);
    CHECK(near.all("/me").empty());
    CHECK(near.all("/hb").size() >= 1);
    CHECK(near.last("/hb").has("/hb/as_of"));
}

TEST_CASE("live: wallets that cannot be read are read again", "[live]") {
    Shop shop;
    shop.wallet_error = ledger::ErrorCode::overloaded;
    TestLink& link = shop.member(5, R"([{"ch":"me"}])");
    CHECK(link.all("/me").empty());
    shop.wallet_error.reset();
    shop.advance(2'500);
    CHECK(link.all("/me").size() == 1);
    CHECK(!link.closed);
}

TEST_CASE("live: two spellings of a channel are two channels of one feed", "[live]") {
    Shop shop;
    TestLink& link = shop.guest(R"([{"ch":"b:week"},{"ch":"b:week@week"}])");
    shop.advance(1'000);
    link.forget();
    shop.add(3, 1);
    const auto deltas = link.all("/d");
    REQUIRE(deltas.size() == 2);
    CHECK(deltas[0].string("/ch") != deltas[1].string("/ch"));
    CHECK(shop.feeds->stats().feeds == 1);
}
