#include "server/http/onlooker.hpp"

#include "ledger/blind.hpp"
#include "server/http/cors.hpp"
#include "server/http/error_response.hpp"
#include "tests/server/shopper_fixture.hpp"
#include "tests/support/catch.hpp"

using namespace server;
using http::Admission;
using http::Onlooker;
using http::Refusal;
using ledger::ErrorCode;
using server_test::kNow;
using server_test::Shops;

namespace {

constexpr const char* kShop = "https://shop.example";
constexpr const char* kBlog = "https://blog.example";
constexpr const char* kStranger = "https://evil.example";

/// A request's head with these two fields; empty ones are left out.
class Head {
public:
    explicit Head(std::string credential, std::string origin = {})
        : authorization_(std::move(credential)), origin_(std::move(origin)) {
        if (!authorization_.empty()) fields_.push_back({"Authorization", authorization_});
        if (!origin_.empty()) fields_.push_back({"Origin", origin_});
        head_.fields = fields_;
    }
    Head(const Head&) = delete;
    Head& operator=(const Head&) = delete;
    operator const net::RequestHead&() const { return head_; }

private:
    std::string authorization_;
    std::string origin_;
    std::vector<net::HeaderField> fields_;
    net::RequestHead head_;
};

Admission ask(
    const Shops& shops,
    const std::string& credential,
    const std::string& origin = {},
    std::string_view program = "maison"
) {
    const std::string text = credential.empty() ? "" : "Bearer " + credential;
    return http::admit_request(shops.registry, program, Head(text, origin), kNow);
}

Admission connect(
    const Shops& shops, const http::ConnectCredentials& given, ledger::Timestamp now = kNow
) {
    return http::admit_connect(shops.registry, given, now);
}

ledger::Hash16 hash_of(const Shops& shops, std::string_view member) {
    return ledger::blind_hash(*shops.program().hmac, ledger::BlindKind::external_id, member);
}

void check_refused(const Admission& admission, Refusal why) {
    const auto* refused = std::get_if<http::Refused>(&admission);
    REQUIRE(refused != nullptr);
    CHECK(static_cast<int>(refused->why) == static_cast<int>(why));
    CHECK_FALSE(refused->detail.empty());
}

const Onlooker& admitted(const Admission& admission) {
    REQUIRE(std::holds_alternative<Onlooker>(admission));
    return std::get<Onlooker>(admission);
}

}  // namespace

TEST_CASE("onlooker: a publishable key is a guest", "[onlooker]") {
    const Shops shops;
    const auto admission = ask(shops, "pk_one", kShop);
    const Onlooker& guest = admitted(admission);
    CHECK(guest.kind == Onlooker::Kind::guest);
    CHECK(guest.program->name == "maison");
    CHECK(guest.key_id == Shops::kPublishable);
    CHECK(guest.actor_key_id() == Shops::kPublishable);
    CHECK(guest.expires_at == ledger::kNever);
    CHECK(guest.origin == kShop);
}

TEST_CASE("onlooker: a shopper token is the member that it names", "[onlooker]") {
    const Shops shops;
    for (const std::uint64_t key : {Shops::kHs256, Shops::kEs256}) {
        const auto admission = ask(shops, shops.token(key));
        const Onlooker& member = admitted(admission);
        CHECK(member.kind == Onlooker::Kind::member);
        CHECK(member.member == "Anna 2");
        CHECK(member.member_hash == hash_of(shops, "Anna 2"));
        CHECK(member.token_key_id == key);
        CHECK(member.actor_key_id() == key);
        CHECK(member.expires_at == kNow + 600 * ledger::kMicrosPerSecond);
    }
}

TEST_CASE("onlooker: a secret key needs members:read", "[onlooker]") {
    const Shops shops;
    const auto reader = ask(shops, "gk_reader");
    CHECK(admitted(reader).kind == Onlooker::Kind::server);
    const auto admin = ask(shops, "gk_admin");
    CHECK(admitted(admin).key_id == Shops::kAdmin);
    check_refused(ask(shops, "gk_writer"), Refusal::missing_scope);
}

TEST_CASE("onlooker: an origin is compared with the list of the credential", "[onlooker]") {
    const Shops shops;
    struct Row {
        std::string credential;
        const char* origin;
        bool passes;
    };
    const std::vector<Row> rows{
        {"pk_one", "", true},
        {"pk_one", kShop, true},
        {"pk_one", "http://127.0.0.1:8088", true},
        {"pk_one", "http://127.0.0.1", false},
        {"pk_one", "http://127.0.0.1:80880", false},
        {"pk_one", "http://shop.example", false},
        {"pk_one", "https://shop.example:443", false},
        {"pk_one", "https://SHOP.example", false},
        {"pk_one", "https://shop.example/", false},
        {"pk_one", "https://www.shop.example", false},
        {"pk_one", "https://shop.example.evil.example", false},
        {"pk_one", "null", false},
        {"pk_one", "*", false},
        {"pk_one", kBlog, false},
        {"pk_two", kBlog, true},
        {shops.token(), "", true},
        {shops.token(), kShop, true},
        {shops.token(), kBlog, true},
        {shops.token(), "https://other.example", false},
        {shops.token(), kStranger, false},
        {"gk_reader", "", true},
        {"gk_reader", kShop, false},
    };
    for (const Row& row : rows) {
        INFO(row.credential << " from " << row.origin);
        const auto admission = ask(shops, row.credential, row.origin);
        if (row.passes) {
            CHECK(admitted(admission).origin == row.origin);
        } else {
            check_refused(admission, Refusal::origin_refused);
        }
    }
}

TEST_CASE("onlooker: refusals come in their order and say their code", "[onlooker]") {
    Shops shops;
    struct Row {
        std::string credential;
        Refusal why;
        ErrorCode code;
    };
    const std::string expired = shops.token(
        Shops::kHs256,
        R"({"alg":"HS256","kid":"21"})",
        server_test::claims_with(R"("iat":1794990000,"exp":1794990900)")
    );
    const std::string es256 = shops.token(Shops::kEs256);
    shops.revoke(Shops::kEs256);
    shops.revoke(Shops::kSecondPublishable);
    // Each comes from a stranger's page, and is refused for what comes first.
    const std::vector<Row> rows{
        {"", Refusal::no_credential, ErrorCode::unauthenticated},
        {"pk_none", Refusal::bad_key, ErrorCode::unauthenticated},
        {"gk_none", Refusal::bad_key, ErrorCode::unauthenticated},
        {"nonsense", Refusal::bad_token, ErrorCode::unauthenticated},
        {shops.token() + "x", Refusal::bad_token, ErrorCode::unauthenticated},
        {expired, Refusal::expired, ErrorCode::unauthenticated},
        {es256, Refusal::revoked, ErrorCode::unauthenticated},
        {"pk_two", Refusal::revoked, ErrorCode::unauthenticated},
        {"pk_other", Refusal::other_program, ErrorCode::program_not_found},
        {"gk_writer", Refusal::missing_scope, ErrorCode::missing_scope},
        {"pk_one", Refusal::origin_refused, ErrorCode::origin_refused},
    };
    for (const Row& row : rows) {
        INFO(row.credential);
        const auto admission = ask(shops, row.credential, kStranger);
        check_refused(admission, row.why);
        const ledger::Error error = http::error_of(std::get<http::Refused>(admission));
        CHECK(error.code == row.code);
    }
    check_refused(ask(shops, "pk_one", "", "absent"), Refusal::other_program);
    check_refused(ask(shops, "gk_admin", "", "absent"), Refusal::other_program);
    // Whoever has no key of it learns nothing about a program, not even that it is not there.
    check_refused(ask(shops, shops.token(), "", "absent"), Refusal::bad_token);
    check_refused(ask(shops, shops.token(), "", "other"), Refusal::bad_token);
}

TEST_CASE("onlooker: a secret of a shopper key opens nothing by itself", "[onlooker]") {
    const Shops shops;
    check_refused(ask(shops, shops.secret_of(Shops::kHs256)), Refusal::bad_token);
}

TEST_CASE("onlooker: a revoked publishable key's origins are gone", "[onlooker]") {
    Shops shops;
    REQUIRE(admitted(ask(shops, shops.token(), kBlog)).origin == kBlog);
    shops.revoke(Shops::kSecondPublishable);
    check_refused(ask(shops, shops.token(), kBlog), Refusal::origin_refused);
    CHECK(admitted(ask(shops, shops.token(), kShop)).origin == kShop);
}

TEST_CASE("connect: key and token together are a member from the key's origins", "[onlooker]") {
    const Shops shops;
    const std::string token = shops.token();
    const auto both = connect(shops, {"pk_one", token, "", kShop});
    CHECK(admitted(both).kind == Onlooker::Kind::member);
    CHECK(admitted(both).key_id == Shops::kPublishable);
    CHECK(admitted(both).token_key_id == Shops::kHs256);
    check_refused(connect(shops, {"pk_one", token, "", kBlog}), Refusal::origin_refused);
    CHECK(admitted(connect(shops, {"", token, "", kBlog})).key_id == 0);
    check_refused(connect(shops, {"", "", "", kShop}), Refusal::no_credential);
    check_refused(connect(shops, {"gk_reader", "", "", ""}), Refusal::bad_key);
    check_refused(connect(shops, {"pk_one", "nonsense", "", kShop}), Refusal::bad_token);
    // The first credential says which program; the token must be of the same.
    CHECK(admitted(connect(shops, {"pk_other", "", "", ""})).program->name == "other");
    CHECK(admitted(connect(shops, {"", token, "", ""})).program->name == "maison");
    check_refused(connect(shops, {"pk_other", token, "", ""}), Refusal::bad_token);
}

TEST_CASE("resume ticket: it stands for the token until the token ends", "[onlooker]") {
    Shops shops;
    const auto first = connect(shops, {"pk_one", shops.token(), "", kShop});
    const std::string ticket = http::make_resume_ticket(admitted(first));
    CHECK(ticket.size() == 71);
    const auto again = connect(shops, {"pk_one", "", ticket, kShop});
    const Onlooker& member = admitted(again);
    CHECK(member.kind == Onlooker::Kind::member);
    CHECK(member.member.empty());
    CHECK(member.member_hash == hash_of(shops, "Anna 2"));
    CHECK(member.token_key_id == Shops::kHs256);
    CHECK(member.expires_at == admitted(first).expires_at);
    CHECK(http::make_resume_ticket(member) == ticket);

    const ledger::Timestamp end = member.expires_at;
    CHECK(admitted(connect(shops, {"", "", ticket, kBlog}, end - 1)).key_id == 0);
    check_refused(connect(shops, {"", "", ticket, ""}, end), Refusal::expired);
    check_refused(connect(shops, {"", "", ticket, kStranger}), Refusal::origin_refused);
    for (std::size_t i = 0; i < ticket.size(); ++i) {
        std::string other = ticket;
        other[i] = other[i] == 'A' ? 'Q' : 'A';
        INFO(i);
        check_refused(connect(shops, {"", "", other, ""}), Refusal::expired);
    }
    check_refused(connect(shops, {"", "", ticket.substr(1), ""}), Refusal::expired);
    check_refused(connect(shops, {"pk_other", "", ticket, ""}), Refusal::expired);
    // A token beside it counts alone.
    check_refused(connect(shops, {"", "nonsense", ticket, ""}), Refusal::bad_token);
    shops.revoke(Shops::kHs256);
    check_refused(connect(shops, {"", "", ticket, ""}), Refusal::expired);
}

TEST_CASE("onlooker: a newer registry says who may stay", "[onlooker]") {
    Shops shops;
    const auto guest = ask(shops, "pk_two", kBlog);
    const auto member = connect(shops, {"", shops.token(), "", kBlog});
    const auto both = connect(shops, {"pk_one", shops.token(Shops::kEs256), "", kShop});
    const auto stays = [&](const Admission& admission) {
        return http::still_admitted(shops.registry, admitted(admission));
    };
    CHECK(stays(guest));
    CHECK(stays(member));
    CHECK(stays(both));
    shops.revoke(Shops::kSecondPublishable);
    CHECK_FALSE(stays(guest));
    CHECK_FALSE(stays(member));  // its origin was in that key's list only
    CHECK(stays(both));
    shops.revoke(Shops::kEs256);
    CHECK_FALSE(stays(both));
}

namespace {

/// The fields of an answer, as lines without their ends.
std::vector<std::string> fields_of(const net::Response& response) {
    std::vector<std::string> lines;
    std::string_view rest = response.header_lines;
    while (!rest.empty()) {
        const std::size_t end = rest.find("\r\n");
        lines.emplace_back(rest.substr(0, end));
        rest.remove_prefix(end + 2);
    }
    return lines;
}

using Lines = std::vector<std::string>;

/// Keeps the answer that it is given.
class KeptAnswer final : public net::ResponseSink {
public:
    explicit KeptAnswer(std::shared_ptr<std::vector<net::Response>> answers)
        : answers_(std::move(answers)) {}
    void deliver(net::Response response) override { answers_->push_back(std::move(response)); }
    net::StreamWriter deliver_stream(net::Response head) override {
        answers_->push_back(std::move(head));
        return {};
    }
    void abandon() noexcept override {
        answers_->emplace_back();
        answers_->back().status = 500;
    }
    [[nodiscard]] net::IoQueue* queue() const override { return nullptr; }

private:
    std::shared_ptr<std::vector<net::Response>> answers_;
};

}  // namespace

TEST_CASE("cors: preflight names the origin if a key of the program lists it", "[cors]") {
    const Shops shops;
    const auto preflight = [&](const char* origin, std::string_view program = "maison") {
        return http::preflight_response(shops.registry, program, Head("", origin));
    };
    for (const char* origin : {kShop, kBlog}) {
        const net::Response answer = preflight(origin);
        CHECK(answer.status == 204);
        CHECK(answer.body.empty());
        CHECK(
            fields_of(answer) ==
            Lines{
                std::string("Access-Control-Allow-Origin: ") + origin,
                "Access-Control-Allow-Methods: GET",
                "Access-Control-Allow-Headers: authorization, if-none-match",
                "Access-Control-Max-Age: 600",
                "Vary: Origin"}
        );
    }
    for (const auto& [origin, program] : std::vector<std::pair<const char*, std::string>>{
             {kStranger, "maison"},
             {"null", "maison"},
             {"", "maison"},
             {kShop, "other"},
             {kShop, "absent"}}) {
        INFO(origin << " " << program);
        const net::Response answer = preflight(origin, program);
        CHECK(answer.status == 403);
        CHECK(answer.body.find("\"origin_refused\"") != std::string::npos);
        CHECK(fields_of(answer) == Lines{"Vary: Origin"});
    }
}

TEST_CASE("cors: every answer through it names the origin or none", "[cors]") {
    const auto answers = std::make_shared<std::vector<net::Response>>();
    const auto respond = [&](const std::string& origin) {
        return http::with_cors(net::Respond(std::make_shared<KeptAnswer>(answers)), origin);
    };
    respond(kShop)(http::error_response(ErrorCode::not_found));
    (void)respond(kShop).stream({});
    respond("")({});
    { const net::Respond dropped = respond(kShop); }
    REQUIRE(answers->size() == 4);
    const Lines named{
        "Vary: Authorization, Origin",
        std::string("Access-Control-Allow-Origin: ") + kShop,
        "Access-Control-Expose-Headers: ETag, Guerdon-As-Of, Retry-After"};
    CHECK(fields_of((*answers)[0]) == named);
    CHECK(fields_of((*answers)[1]) == named);
    CHECK(fields_of((*answers)[2]) == Lines{"Vary: Authorization, Origin"});
    CHECK((*answers)[3].status == 500);
}
