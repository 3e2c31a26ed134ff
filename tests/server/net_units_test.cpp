#include <filesystem>
#include <fstream>
#include <memory>

#include "server/net/http.hpp"
#include "server/net/proxy.hpp"
#include "server/net/unique_function.hpp"
#include "tests/server/net_support.hpp"
#include "tests/support/catch.hpp"

using namespace server::net;

TEST_CASE("proxy: networks contain their addresses and no others", "[net]") {
    const auto inside = [](std::string_view network, std::string_view address) {
        return Cidr::parse(network)->contains(*IpAddress::parse(address));
    };
    CHECK(inside("10.0.0.0/8", "10.255.1.2"));
    CHECK_FALSE(inside("10.0.0.0/8", "11.0.0.1"));
    CHECK(inside("192.168.1.128/25", "192.168.1.200"));
    CHECK_FALSE(inside("192.168.1.128/25", "192.168.1.100"));
    CHECK(inside("192.168.1.7", "192.168.1.7"));
    CHECK_FALSE(inside("192.168.1.7", "192.168.1.8"));
    CHECK(inside("0.0.0.0/0", "8.8.8.8"));
    CHECK_FALSE(inside("0.0.0.0/0", "fd00::1"));
    CHECK(inside("fd00::/8", "fd12::1"));
    CHECK_FALSE(inside("fd00::/8", "fe80::1"));
    for (const char* bad :
         {"", "10.0.0.0/33", "10.0.0/8", "fd00::/129", "10.0.0.0/x", "10.0.0.0/"}) {
        INFO(bad);
        CHECK_FALSE(Cidr::parse(bad));
    }
}

TEST_CASE("proxy: the caller is the nearest address that is not a proxy", "[net]") {
    const std::vector<Cidr> trusted{*Cidr::parse("10.0.0.0/8"), *Cidr::parse("::1")};
    CHECK(caller_address("203.0.113.1", "6.6.6.6", trusted) == "203.0.113.1");
    CHECK(caller_address("10.0.0.1", "", trusted) == "10.0.0.1");
    CHECK(caller_address("10.0.0.1", "6.6.6.6, 203.0.113.9", trusted) == "203.0.113.9");
    CHECK(caller_address("10.0.0.1", "203.0.113.9, 10.1.1.1 ,10.2.2.2", trusted) == "203.0.113.9");
    CHECK(caller_address("10.0.0.1", "10.3.3.3", trusted) == "10.3.3.3");
    CHECK(caller_address("10.0.0.1", "203.0.113.9:4711", trusted) == "203.0.113.9");
    CHECK(caller_address("::1", "[2001:db8::5]:443", trusted) == "2001:db8::5");
    CHECK(caller_address("10.0.0.1", "203.0.113.9, unknown", trusted) == "10.0.0.1");
}

TEST_CASE("response: a header value cannot break out of its line", "[net]") {
    Response response;
    response.add_header("X-Note", "a\r\nSet-Cookie: b");
    CHECK(response.header_lines == "X-Note: a  Set-Cookie: b\r\n");
}

TEST_CASE("unique function: small and large callables are called and destroyed once", "[net]") {
    auto counted = std::make_shared<int>(0);
    struct Large {
        std::shared_ptr<int> count;
        std::array<char, 200> ballast{};
    };
    {
        UniqueFunction<int(int)> small = [counted](int x) { return x + ++*counted; };
        UniqueFunction<int(int)> large = [object = Large{counted}](int x) {
            return x + ++*object.count;
        };
        UniqueFunction<int(int)> moved = std::move(small);
        CHECK_FALSE(small);
        CHECK(moved(10) == 11);
        moved = std::move(large);
        CHECK(moved(10) == 12);
        CHECK(counted.use_count() == 2);
    }
    CHECK(counted.use_count() == 1);
}

TEST_CASE("server: the port file holds the port once the server listens", "[net]") {
    std::string pattern = (std::filesystem::temp_directory_path() / "net_port_XXXXXX").string();
    const std::filesystem::path folder = ::mkdtemp(pattern.data());
    ServerOptions options;
    options.port_file = (folder / "port").string();
    {
        net_test::TestServer test(options);
        std::ifstream file(options.port_file);
        std::string content{std::istreambuf_iterator<char>(file), {}};
        CHECK(content == std::to_string(test.server->port()) + "\n");
        options.port_file = (folder / "missing" / "port").string();
        const auto refused = Server::start(options, test.handler);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == ledger::ErrorCode::io_error);
    }
    std::filesystem::remove_all(folder);
}
