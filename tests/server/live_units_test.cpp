#include <random>

#include "server/live/feed.hpp"
#include "server/live/frame_json.hpp"
#include "server/live/handshake.hpp"
#include "server/live/protocol.hpp"
#include "server/live/wheel.hpp"
#include "tests/server/live_boards.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

using namespace server::live;

namespace {

struct Alarm final : Wheel::Entry {
    explicit Alarm(Wheel& its_wheel) : wheel(its_wheel) {}
    void on_time(SteadyMs now) override {
        if (now >= wanted) {
            rang_at = now;
        } else {
            wheel.schedule(*this, wanted);
        }
    }
    Wheel& wheel;
    SteadyMs wanted = 0;
    SteadyMs rang_at = -1;
};

/// The one command of a message, or what went wrong.
std::string outcome(std::string_view message) {
    std::vector<Command> commands;
    if (!read_commands(message, commands)) return "bad frame";
    if (commands.empty()) return "ignored";
    const auto& what = commands.back().what;
    if (const auto* complaint = std::get_if<Complaint>(&what))
        return std::to_string(static_cast<int>(*complaint));
    constexpr const char* kNames[] = {"pong", "connect", "sub", "unsub", "around", "refresh"};
    return kNames[what.index()];
}

server::net::RequestHead head_with(const std::vector<server::net::HeaderField>& fields) {
    server::net::RequestHead head;
    head.method = server::net::Method::get;
    head.path = "/live";
    head.fields = fields;
    return head;
}

}  // namespace

TEST_CASE("wheel: nothing rings early and everything within a slot and a tick", "[live]") {
    std::mt19937_64 random(test_support::seed());
    Wheel wheel(1'000);
    std::vector<std::unique_ptr<Alarm>> alarms;
    for (int i = 0; i < 500; ++i) {
        alarms.push_back(std::make_unique<Alarm>(wheel));
        alarms.back()->wanted = 1'000 + static_cast<SteadyMs>(random() % 100'000);
        wheel.schedule(*alarms.back(), alarms.back()->wanted);
    }
    // Some change their minds, and some go.
    for (std::size_t i = 0; i < 100; ++i) {
        alarms[i]->wanted = 1'000 + static_cast<SteadyMs>(random() % 5'000);
        wheel.schedule(*alarms[i], alarms[i]->wanted);
    }
    for (std::size_t i = 400; i < 420; ++i)
        wheel.cancel(*alarms[i]);
    constexpr SteadyMs kTick = 100;
    for (SteadyMs now = 1'000; now < 110'000; now += kTick)
        wheel.advance(now);
    for (std::size_t i = 0; i < alarms.size(); ++i) {
        INFO("alarm " << i << " wanted " << alarms[i]->wanted << " rang " << alarms[i]->rang_at);
        if (i >= 400 && i < 420) {
            CHECK(alarms[i]->rang_at == -1);
        } else {
            CHECK(alarms[i]->rang_at >= alarms[i]->wanted);
            CHECK(alarms[i]->rang_at <= alarms[i]->wanted + Wheel::kSlotMs + kTick);
        }
    }
}

TEST_CASE("wheel: after a pause longer than its horizon everything rings", "[live]") {
    Wheel wheel(0);
    std::vector<std::unique_ptr<Alarm>> alarms;
    for (SteadyMs at = 0; at < 60'000; at += 170) {
        alarms.push_back(std::make_unique<Alarm>(wheel));
        alarms.back()->wanted = at;
        wheel.schedule(*alarms.back(), at);
    }
    wheel.advance(500'000);
    for (const auto& alarm : alarms)
        CHECK(alarm->rang_at == 500'000);
}

TEST_CASE("frame_json: each kind of frame is read or refused as the page says", "[live]") {
    const std::pair<std::string, std::string> cases[] = {
        {"{}", "pong"},
        {R"({"id":1,"connect":{"v":1,"key":"pk_test_a","subs":[]}})", "connect"},
        {R"({"id":1,"sub":{"ch":"b:week"}})", "sub"},
        {R"({"id":1,"sub":{"ch":"b:week@all","n":25,"epoch":"k3x9","off":7}})", "sub"},
        {R"({"id":1,"unsub":{"ch":"me"}})", "unsub"},
        {R"({"id":1,"around":{"ch":"b:week","k":0}})", "around"},
        {R"({"id":1,"refresh":{"token":"a.b.c"}})", "refresh"},
        {"{\"id\":1,\n\"sub\":{\"ch\":\"b:week\"}}", "sub"},
        {"{}\n{\"id\":2147483647,\"unsub\":{\"ch\":\"b:week\"}}", "unsub"},
        // Members that we do not know.
        {R"({"hello":1})", "ignored"},
        {R"({"id":1,"sub":{"ch":"b:week","later":true},"more":[]})", "sub"},
        {R"({"id":1,"subscribe":{"ch":"b:week"}})", "100"},
        // Parameters.
        {R"({"id":1,"sub":{"ch":"b:week","n":0}})", "102"},
        {R"({"id":1,"sub":{"ch":"b:week","n":101}})", "102"},
        {R"({"id":1,"sub":{"ch":"b:week","n":"10"}})", "102"},
        {R"({"id":1,"sub":{"ch":"b:week","epoch":"k3x9"}})", "102"},
        {R"({"id":1,"sub":{"ch":"b:week","off":9}})", "102"},
        {R"({"id":1,"sub":{"ch":"b:week","epoch":"K","off":9}})", "102"},
        {R"({"id":1,"sub":{"ch":"b:week","epoch":"k","off":-1}})", "102"},
        {R"({"id":1,"sub":{}})", "102"},
        {R"({"id":1,"sub":5})", "102"},
        {R"({"id":1,"around":{"ch":"b:week","k":26}})", "102"},
        {R"({"id":1,"refresh":{}})", "102"},
        {R"({"id":1,"sub":{"ch":"week"}})", "101"},
        {R"({"id":1,"sub":{"ch":"b:-x"}})", "101"},
        {R"({"id":1,"sub":{"ch":"b:week@year"}})", "101"},
        {R"({"id":1,"around":{"ch":"me"}})", "101"},
        // No frame at all.
        {"", "bad frame"},
        {"hello", "bad frame"},
        {"[]", "bad frame"},
        {"{", "bad frame"},
        {"\xff", "bad frame"},
        {"{}\n[", "bad frame"},
        {R"({"id":1})", "bad frame"},
        {R"({"id":0,"sub":{"ch":"b:week"}})", "bad frame"},
        {R"({"id":2147483648,"sub":{"ch":"b:week"}})", "bad frame"},
        {R"({"id":"1","sub":{"ch":"b:week"}})", "bad frame"},
        {R"({"sub":{"ch":"b:week"}})", "bad frame"},
        {R"({"id":1,"connect":{"v":2,"key":"pk_test_a","subs":[]}})", "bad frame"},
        {R"({"id":1,"connect":{"key":"pk_test_a","subs":[]}})", "bad frame"},
        {R"({"id":1,"connect":{"v":1,"key":"pk_test_a","subs":[{"ch":"?"}]}})", "connect"},
        {R"({"id":1,"connect":{"v":1,"key":"pk_test_a","subs":[{"ch":7}]}})", "bad frame"},
        {R"({"id":1,"connect":{"v":1,"key":"pk_test_a","subs":[{}]}})", "bad frame"},
    };
    for (const auto& [message, expected] : cases) {
        INFO(message);
        CHECK(outcome(message) == expected);
    }
}

TEST_CASE("frame_json: a token has at most 3072 bytes", "[live]") {
    const auto token = [](std::size_t size) {
        std::vector<Command> commands;
        const std::string message =
            R"({"id":1,"connect":{"v":1,"token":")" + std::string(size, 'a') + R"(","subs":[]}})";
        CHECK(message.size() < kInboundBytesMax);
        REQUIRE(read_commands(message, commands));
        return std::get<Connect>(commands.at(0).what).token;
    };
    CHECK(token(3'072).size() == 3'072);
    CHECK(token(3'073) == "?");
}

TEST_CASE("frame_json: seventeen channels in connect are a bad frame", "[live]") {
    const auto connect = [](int count) {
        std::string subs;
        for (int i = 0; i < count; ++i)
            subs += std::string(i > 0 ? "," : "") + R"({"ch":"b:b)" + std::to_string(i) + "\"}";
        return R"({"id":1,"connect":{"v":1,"key":"pk_test_a","subs":[)" + subs + "]}}";
    };
    CHECK(outcome(connect(16)) == "connect");
    CHECK(outcome(connect(17)) == "bad frame");
}

TEST_CASE("handshake: only a WebSocket handshake of version 13 is let through", "[live]") {
    using Fields = std::vector<server::net::HeaderField>;
    const Fields good{
        {"Connection", "keep-alive, Upgrade"},
        {"Upgrade", "WebSocket"},
        {"Sec-WebSocket-Version", "13"},
        {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}};
    const auto status = [](const Fields& fields, auto change) {
        auto head = head_with(fields);
        change(head);
        const auto refusal = refuse_handshake(head);
        return refusal ? refusal->status : 101;
    };
    const auto keep = [](auto&) {};
    CHECK(status(good, keep) == 101);
    CHECK(status(good, [](auto& head) { head.method = server::net::Method::post; }) == 405);
    CHECK(status({}, keep) == 426);
    Fields other = good;
    other[1].value = "h2c";
    CHECK(status(other, keep) == 426);
    other = good;
    other[2].value = "8";
    CHECK(status(other, keep) == 426);
    other = good;
    other[3].value = "short";
    CHECK(status(other, keep) == 400);
    other = good;
    other[3].value = "dGhlIHNhbXBsZSBub25jZQ=\r";
    CHECK(status(other, keep) == 400);
    CHECK(
        refuse_handshake(head_with({}))->header_lines.find("Sec-WebSocket-Version: 13\r\n") !=
        std::string::npos
    );
}

TEST_CASE("feed: the pause between publications follows the viewers", "[live]") {
    CHECK(conflation_ms(0) == 100);
    CHECK(conflation_ms(1'000) == 100);
    CHECK(conflation_ms(1'001) == 250);
    CHECK(conflation_ms(10'000) == 250);
    CHECK(conflation_ms(10'001) == 1'000);
    CHECK(conflation_ms(50'000) == 1'000);
    CHECK(conflation_ms(50'001) == 2'000);
    CHECK(conflation_ms(0, 500) == 500);
    CHECK(conflation_ms(1'001, 500) == 500);
    CHECK(conflation_ms(10'001, 500) == 1'000);
    CHECK(conflation_ms(1'000, 5) == 5);
    CHECK(conflation_ms(1'001, 5) == 250);
}

TEST_CASE("feed: numbers of rows are rounded up to four sizes", "[live]") {
    CHECK(rounded_rows(1) == 10);
    CHECK(rounded_rows(10) == 10);
    CHECK(rounded_rows(11) == 25);
    CHECK(rounded_rows(26) == 50);
    CHECK(rounded_rows(51) == 100);
    CHECK(rounded_rows(100) == 100);
}
