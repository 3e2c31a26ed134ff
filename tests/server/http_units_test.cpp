#include <set>

#include "server/http/error_response.hpp"
#include "server/http/json_writer.hpp"
#include "server/http/rfc3339.hpp"
#include "server/http/router.hpp"
#include "tests/support/catch.hpp"

using namespace server;
using ledger::ErrorCode;

TEST_CASE("json writer: nested documents get their commas", "[http]") {
    std::string out;
    http::JsonWriter json(out);
    json.begin_object().field("a", 1).key("b").begin_array().integer(-2).null().begin_object();
    json.end_object().boolean(true).end_array().field("c", "x").key("d").begin_array().end_array();
    json.time_field("t", ledger::kNever).key("r").raw("[1]").any_key("q\"").string("").end_object();
    CHECK(out == R"({"a":1,"b":[-2,null,{},true],"c":"x","d":[],"t":null,"r":[1],"q\"":""})");
}

TEST_CASE("json writer: numbers keep all their digits", "[http]") {
    std::string out;
    http::JsonWriter(out).begin_array().integer(INT64_MIN).unsigned_integer(UINT64_MAX).end_array();
    CHECK(out == "[-9223372036854775808,18446744073709551615]");
}

TEST_CASE("json writer: text is escaped and never leaves UTF-8", "[http]") {
    const auto written = [](std::string_view text) {
        std::string out;
        http::append_json_string(out, text);
        return out;
    };
    CHECK(written("plain") == "\"plain\"");
    CHECK(written("a\"b\\c\n\r\t\x01\x1f") == R"("a\"b\\c\n\r\t\u0001\u001f")");
    CHECK(written(std::string_view("\0", 1)) == R"("\u0000")");
    CHECK(written("Zoë €😀") == "\"Zoë €😀\"");
    CHECK(
        written("\xff"
                "a\xc3") ==
        "\"\xEF\xBF\xBD"
        "a\xEF\xBF\xBD\""
    );
    CHECK(written("\xed\xa0\x80").find('\xed') == std::string::npos);
    CHECK(http::is_utf8("Zoë €😀"));
    for (const char* bad :
         {"\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\x80", "\xe2\x82"}) {
        CHECK_FALSE(http::is_utf8(bad));
    }
}

TEST_CASE("rfc3339: instants are written in UTC and read with any offset", "[http]") {
    constexpr ledger::Timestamp kInstant = 1'772'446'530'000'000;
    CHECK(http::rfc3339(kInstant) == "2026-03-02T10:15:30Z");
    CHECK(http::rfc3339(kInstant + 250'000) == "2026-03-02T10:15:30.250000Z");
    CHECK(http::rfc3339(-1) == "1969-12-31T23:59:59.999999Z");
    CHECK(http::parse_rfc3339("2026-03-02T10:15:30Z") == kInstant);
    CHECK(http::parse_rfc3339("2026-03-02t12:15:30+02:00") == kInstant);
    CHECK(http::parse_rfc3339("2026-03-02T04:45:30-05:30") == kInstant);
    CHECK(http::parse_rfc3339("2026-03-02T10:15:30.25Z") == kInstant + 250'000);
    CHECK(http::parse_rfc3339("2026-03-02T10:15:30.1234567Z") == kInstant + 123'456);
    CHECK(http::parse_rfc3339("2024-02-29T00:00:00Z"));
    for (const char* bad :
         {"",
          "2026-03-02",
          "2026-03-02T10:15:30",
          "2026-3-2T10:15:30Z",
          "2026-02-29T00:00:00Z",
          "2026-13-01T00:00:00Z",
          "2026-03-02T24:00:00Z",
          "2026-03-02T10:60:00Z",
          "2026-03-02T10:15:61Z",
          "2026-03-02T10:15:30.Z",
          "2026-03-02T10:15:30Zx",
          "2026-03-02T10:15:30+24:00",
          "2026-03-02T10:15:30+0200",
          "-026-03-02T10:15:30Z"}) {
        INFO(bad);
        CHECK_FALSE(http::parse_rfc3339(bad));
    }
}

TEST_CASE("problem: every code has a status and a title of its own", "[http]") {
    std::set<std::string_view> titles;
    std::size_t codes = 0;
    for (int number = 1; number < 200; ++number) {
        const auto code = static_cast<ErrorCode>(number);
        if (ledger::name(code) == "internal" && code != ErrorCode::internal) continue;
        ++codes;
        titles.insert(http::title(code));
        const int status = http::http_status(code);
        CHECK((status >= 400 && status < 600));
        CHECK(net::reason_phrase(status) != "Unknown");
    }
    CHECK(titles.size() == codes);
}

TEST_CASE("problem: reserved codes are refusals that keep their seq", "[http]") {
    const auto refuses = [](ErrorCode code, const std::string& name) {
        const net::Response response = http::error_response(ledger::make_error(code), {.seq = 7});
        return response.status == 409 &&
               response.body.find("\"code\":\"" + name + "\"") != std::string::npos &&
               response.body.find("\"seq\":7") != std::string::npos;
    };
    CHECK(refuses(ErrorCode::limit_reached, "limit_reached"));
    CHECK(refuses(ErrorCode::blocked, "blocked"));
}

TEST_CASE("problem: the answer names the fields and hides what is internal", "[http]") {
    ledger::Error error =
        ledger::field_error(ErrorCode::invalid_amount, "/data/total", "is negative");
    const net::Response response = http::error_response(error, {.seq = 7});
    CHECK(response.status == 422);
    CHECK(response.content_type == "application/problem+json");
    CHECK(
        response.body == R"({"type":"about:blank","title":"An amount is not valid","status":422,)"
                         R"("code":"invalid_amount","detail":"/data/total: is negative",)"
                         R"("errors":[{"pointer":"/data/total","detail":"is negative"}],"seq":7})"
    );
    CHECK(response.header_lines.empty());
    const auto internal =
        http::error_response(ledger::make_error(ErrorCode::internal, "secret path"));
    CHECK(internal.body.find("secret") == std::string::npos);
    CHECK(http::error_response(ErrorCode::overloaded).header_lines == "Retry-After: 1\r\n");
    CHECK(
        http::error_response(ledger::make_error(ErrorCode::rate_limited), {.retry_after_s = 9})
            .header_lines == "Retry-After: 9\r\n"
    );
}

TEST_CASE("router: paths find their routes and parameters", "[http]") {
    http::Router router;
    router.add(net::Method::get, "/v1/programs", 1);
    router.add(net::Method::get, "/v1/programs/{program}", 2);
    router.add(net::Method::put, "/v1/programs/{program}", 3);
    router.add(net::Method::get, "/v1/programs/{program}/members/{member}", 4);
    router.add(net::Method::get, "/v1/programs/{program}/members/special", 5);
    router.add(net::Method::get, "/", 6);

    CHECK(router.find(net::Method::get, "/v1/programs")->route == 1);
    CHECK(router.find(net::Method::put, "/v1/programs/shop")->route == 3);
    CHECK(router.find(net::Method::head, "/v1/programs/shop")->route == 2);
    CHECK(router.find(net::Method::get, "/v1/programs/shop/members/special")->route == 5);
    CHECK(router.find(net::Method::get, "/")->route == 6);
    const auto member = router.find(net::Method::get, "/v1/programs/a%2Fb/members/Zo%C3%AB%7E1");
    REQUIRE(member);
    CHECK(member->route == 4);
    CHECK(member->parameters[0] == "a/b");
    CHECK(member->parameters[1] == "Zoë~1");
}

TEST_CASE("router: what is not there is refused by its kind", "[http]") {
    http::Router router;
    router.add(net::Method::get, "/a/{x}", 1);
    router.add(net::Method::put, "/a/{x}", 2);
    const auto code = [&](net::Method method, std::string_view path) {
        std::string allow;
        return router.find(method, path, &allow).error().code;
    };
    for (const char* path :
         {"", "a/b", "/", "/a", "/a/", "/a//", "/a/b/", "/a/b/c", "/b/c", "//a/b"}) {
        INFO(path);
        CHECK(code(net::Method::get, path) == ErrorCode::not_found);
    }
    for (const char* path : {"/a/%", "/a/%2", "/a/%zz", "/a/%00", "/a/%ff", "/a/%c3"}) {
        INFO(path);
        CHECK(code(net::Method::get, path) == ErrorCode::invalid_parameter);
    }
    std::string allow;
    const auto refused = router.find(net::Method::delete_, "/a/b", &allow);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::method_not_allowed);
    CHECK(allow == "GET, HEAD, PUT");
    const net::Response response = http::route_error_response(refused.error(), allow);
    CHECK(response.status == 405);
    CHECK(response.header_lines == "Allow: GET, HEAD, PUT\r\n");
}

TEST_CASE("query: parameters are decoded and given once", "[http]") {
    const std::string_view query = "source=%2F%2Fshop&id=a+b%2Bc&flag&x=&twice=1&twice=2&bad=%";
    CHECK(**http::query_parameter(query, "source") == "//shop");
    CHECK(**http::query_parameter(query, "id") == "a b+c");
    CHECK((*http::query_parameter(query, "flag"))->empty());
    CHECK((*http::query_parameter(query, "x"))->empty());
    CHECK_FALSE(http::query_parameter(query, "missing")->has_value());
    CHECK_FALSE(http::query_parameter(query, "twice"));
    CHECK_FALSE(http::query_parameter(query, "bad"));
}
