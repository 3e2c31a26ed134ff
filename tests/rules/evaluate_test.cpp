#include "rules/evaluate.hpp"

#include <algorithm>
#include <chrono>
#include <iostream>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "rules/refund.hpp"
#include "rules/spread.hpp"
#include "tests/rules/allocation_count.hpp"
#include "tests/rules/document_case.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

namespace {

using ledger::OrderField;
using ledger::Points;
using rules::OrderFacts;
using rules::OrderLine;
using rules::Outcome;
using rules::RuleCode;

constexpr ledger::Timestamp kMorning = 1'772'446'530'250'000;  // 2026-03-02T10:15:30.25Z

/// An order in EUR with these lines, its net computed as intake does.
struct Order {
    std::vector<OrderLine> lines;
    OrderFacts facts;

    explicit Order(std::vector<Points> amounts, Points points_amount = 0) {
        static const std::vector<std::string> ids{
            "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"};
        for (std::size_t i = 0; i < amounts.size(); ++i)
            lines.push_back({ids.at(i), "sku", 1, amounts[i]});
        facts.order_id = "1042";
        facts.currency = "EUR";
        facts.lines = lines;
        facts.points_amount = points_amount;
        settle();
    }
    Order(const Order&) = delete;
    Order& operator=(const Order&) = delete;

    void settle() {
        const auto net = rules::order_net(facts);
        REQUIRE(net.has_value());
        facts.net = *net;
    }

    void set(OrderField field, Points OrderFacts::*member, Points amount) {
        facts.*member = amount;
        facts.present |= static_cast<std::uint32_t>(field);
        settle();
    }

    [[nodiscard]] rules::OrderEvent event() const {
        return {facts, "ord-1042-paid", "//maison/prestashop", "order/1042", kMorning, kMorning};
    }

    [[nodiscard]] std::vector<Points> amounts() const {
        std::vector<Points> result;
        for (std::size_t i = 0; i < rules::line_count(facts); ++i)
            result.push_back(rules::line_amount(facts, i));
        return result;
    }
};

rules::RuleSetPtr load(const std::string& text) {
    auto result = rules::load_rule_set(text, "maison");
    INFO((result.has_error() ? result.error().detail : ""));
    REQUIRE(result.has_value());
    return *result;
}

rules::RuleSetPtr minimal() {
    return load(rules_test::read_file("docs/examples/minimal.json"));
}

/// The only outcome of one rule over `order`.
struct Single {
    rules::Scratch scratch;
    rules::RuleSetPtr rule_set;
    Outcome outcome;

    Single(
        const Order& order,
        const std::string& condition,
        const std::string& points,
        const std::string& award_fields = ""
    )
        : rule_set(load(rules_test::one_rule(condition, points, award_fields))) {
        const auto outcomes = rules::evaluate(*rule_set, order.event(), scratch);
        REQUIRE(outcomes.size() == 1);
        outcome = outcomes[0];
    }
};

Points sum(std::span<const Points> amounts) {
    return std::accumulate(amounts.begin(), amounts.end(), Points{0});
}

Points awarded(std::span<const Outcome> outcomes) {
    Points total = 0;
    for (const Outcome& outcome : outcomes)
        total += outcome.points;
    return total;
}

// --- order.net ---

TEST_CASE("order_net: lines less gift cards and points", "[rules]") {
    Order order({2390, 3510, 1000});
    CHECK(order.facts.net == 6900);
    order.lines[2].gift_card = true;
    order.settle();
    CHECK(order.facts.net == 5900);
    order.set(OrderField::points_amount, &OrderFacts::points_amount, 900);
    CHECK(order.facts.net == 5000);
    order.set(OrderField::points_amount, &OrderFacts::points_amount, 100'000);
    CHECK(order.facts.net == 0);
}

TEST_CASE("order_net: lines win over subtotal and total", "[rules]") {
    Order order({2390});
    order.set(OrderField::subtotal, &OrderFacts::subtotal, 1);
    order.set(OrderField::total, &OrderFacts::total, 2);
    CHECK(order.facts.net == 2390);
}

TEST_CASE(
    "order_net: without lines it is subtotal or else total less shipping and tax", "[rules]"
) {
    Order order({});
    order.set(OrderField::total, &OrderFacts::total, 6820);
    order.set(OrderField::shipping, &OrderFacts::shipping, 800);
    order.set(OrderField::tax, &OrderFacts::tax, 120);
    CHECK(order.facts.net == 5900);
    order.set(OrderField::tax, &OrderFacts::tax, 9'999);
    CHECK(order.facts.net == 0);
    order.set(OrderField::subtotal, &OrderFacts::subtotal, 4'000);
    CHECK(order.facts.net == 4'000);
}

TEST_CASE("order_net: lines beyond the range of the wire are invalid_amount", "[rules]") {
    Order order({1, 1});
    order.lines[0].amount = ledger::kWireMax;
    const auto result = rules::order_net(order.facts);
    REQUIRE(result.has_error());
    CHECK(result.error().code == ledger::ErrorCode::invalid_amount);
}

// --- spread ---

TEST_CASE("spread: largest remainders come first and ties go by position", "[rules]") {
    struct Row {
        Points amount;
        std::vector<Points> weights;
        std::vector<Points> shares;
    };
    const std::vector<Row> rows{
        {1, {60, 60}, {1, 0}},
        {59, {2390, 3510}, {24, 35}},
        {10, {1, 1, 1}, {4, 3, 3}},
        {11, {1, 1, 1}, {4, 4, 3}},
        {5, {1, 2, 7}, {1, 1, 3}},
        {7, {0, 5, 0}, {0, 7, 0}},
        {0, {3, 4}, {0, 0}},
        {5, {0, 0}, {3, 2}},
        {9, {4}, {9}},
        {ledger::kWireMax,
         {ledger::kWireMax, ledger::kWireMax},
         {4'503'599'627'370'496, 4'503'599'627'370'495}},
    };
    for (const Row& row : rows) {
        std::vector<Points> shares(row.weights.size(), -1);
        rules::spread(row.amount, row.weights, shares);
        CHECK(shares == row.shares);
    }
}

TEST_CASE("spread: shares sum to the amount and stay inside their weights", "[rules]") {
    std::mt19937_64 random(test_support::seed());
    for (int round = 0; round < 2'000; ++round) {
        std::vector<Points> weights(1 + random() % 60);
        for (Points& weight : weights)
            weight = random() % 4 == 0 ? 0 : static_cast<Points>(random() % 10'000);
        const Points all = sum(weights);
        const Points amount =
            all == 0 ? 0 : static_cast<Points>(random() % static_cast<std::uint64_t>(all + 1));
        std::vector<Points> shares(weights.size());
        rules::spread(amount, weights, shares);
        REQUIRE(sum(shares) == amount);
        for (std::size_t i = 0; i < shares.size(); ++i) {
            REQUIRE(shares[i] >= 0);
            REQUIRE(shares[i] <= weights[i]);
        }
    }
}

// --- evaluate ---

TEST_CASE("evaluate: the minimal program pays one point a euro", "[rules]") {
    const Order order({2390, 3510});
    const auto rule_set = minimal();
    rules::Scratch scratch;
    const auto outcomes = rules::evaluate(*rule_set, order.event(), scratch);
    REQUIRE(outcomes.size() == 1);
    CHECK(outcomes[0].rule == "core/purchase");
    CHECK(outcomes[0].code == RuleCode::awarded);
    CHECK(outcomes[0].points == 59);
    CHECK(outcomes[0].currency == 0);
    CHECK(outcomes[0].reason == "purchase");
    CHECK(outcomes[0].activates_at == 0);
    CHECK(outcomes[0].expires_at == ledger::kNever);
    CHECK(
        std::vector<Points>(outcomes[0].per_line.begin(), outcomes[0].per_line.end()) ==
        std::vector<Points>{24, 35}
    );
}

TEST_CASE("evaluate: points are rounded down once an order", "[rules]") {
    CHECK(Single(Order({60, 60}), "true", "muldiv(order.net, 1, order.unit)").outcome.points == 1);
    CHECK(
        Single(Order({99}), "true", "muldiv(order.net, 1, order.unit)").outcome.code ==
        RuleCode::zero
    );
}

TEST_CASE("evaluate: the unit follows the currency of the order", "[rules]") {
    Order yen({8990});
    yen.facts.currency = "JPY";
    yen.facts.exponent = 0;
    CHECK(
        Single(yen, "order.currency == 'JPY'", "muldiv(order.net, 1, order.unit)").outcome.points ==
        8990
    );
    Order pounds({1234});
    pounds.facts.currency = "GBP";
    CHECK(Single(pounds, "order.net == 1234 && order.unit == 100", "1").outcome.points == 1);
}

TEST_CASE("evaluate: every root can be read", "[rules]") {
    Order order({2390, 3510});
    order.facts.channel = "app";
    order.set(OrderField::channel, &OrderFacts::net, 0);
    order.lines[1].gift_card = true;
    order.settle();
    for (const char* condition : {
             "order.id == '1042'",
             "order.currency == 'EUR'",
             "order.net == 2390",
             "order.unit == 100",
             "order.channel == 'app'",
             "has(order.channel)",
             "size(order.lines) == 2",
             "order.lines[0].line_id == '1' && order.lines[0].amount == 2390",
             "order.lines[1].gift_card && order.lines[1].quantity == 1",
             "order.lines.exists(l, l.sku == 'sku')",
             "event.id == 'ord-1042-paid'",
             "event.type == 'order.paid'",
             "event.source == '//maison/prestashop'",
             "event.subject == 'order/1042'",
             "event.time == timestamp('2026-03-02T10:15:30.25Z')",
             "now == event.time",
         }) {
        INFO(condition);
        CHECK(Single(order, condition, "7").outcome.points == 7);
    }
}

TEST_CASE("evaluate: an instant before 1970 keeps its fraction", "[rules]") {
    Order order({100});
    const auto rule_set =
        load(rules_test::one_rule("event.time == timestamp('1969-12-31T23:59:59.75Z')", "1"));
    rules::Scratch scratch;
    rules::OrderEvent event = order.event();
    event.occurred_at = -250'000;
    CHECK(awarded(rules::evaluate(*rule_set, event, scratch)) == 1);
}

TEST_CASE("evaluate: an order without lines is one line", "[rules]") {
    Order order({});
    order.set(OrderField::subtotal, &OrderFacts::subtotal, 5'000);
    const Single single(
        order,
        "size(order.lines) == 1 && order.lines[0].line_id == '_order' && order.lines[0].amount == "
        "5000",
        "50"
    );
    CHECK(single.outcome.points == 50);
    REQUIRE(single.outcome.per_line.size() == 1);
    CHECK(single.outcome.per_line[0] == 50);
}

TEST_CASE("evaluate: each fate of a rule has its code", "[rules]") {
    const Order order({5'000});
    struct Row {
        const char* condition;
        const char* points;
        RuleCode code;
        const char* detail;
    };
    const std::vector<Row> rows{
        {"true", "1", RuleCode::awarded, ""},
        {"false", "1", RuleCode::not_matched, ""},
        {"order.net > 5000", "1", RuleCode::not_matched, ""},
        {"true", "0", RuleCode::zero, ""},
        {"order.channel == 'app'", "1", RuleCode::error, "absent"},
        {"order.net / (order.unit - 100) > 0", "1", RuleCode::error, "zero"},
        {"true", "order.net / (order.unit - 100)", RuleCode::error, "zero"},
        {"true", "100 - order.net", RuleCode::error, "negative"},
        {"true", "-1", RuleCode::error, "negative"},
        {"true", "order.net * 9007199254740991", RuleCode::error, ""},
        {"true", "order.net + 9007199254740991", RuleCode::error, "2^53"},
        {"order.lines[5].amount > 0", "1", RuleCode::error, ""},
        // an error on one side of || does not count when the other side decides
        {"order.channel == 'app' || order.net > 0", "1", RuleCode::awarded, ""},
    };
    for (const Row& row : rows) {
        INFO(row.condition << " / " << row.points);
        const Single single(order, row.condition, row.points);
        CHECK(single.outcome.code == row.code);
        CHECK((single.outcome.points > 0) == (row.code == RuleCode::awarded));
        CHECK(single.outcome.detail.empty() == (row.code != RuleCode::error));
        CHECK(single.outcome.detail.find(row.detail) != std::string_view::npos);
        CHECK(single.outcome.per_line.size() == (row.code == RuleCode::awarded ? 1 : 0));
    }
}

TEST_CASE("evaluate: an error in one rule never stops another", "[rules]") {
    using rules_test::award;
    const std::string broken = "order.net / (order.net - order.net)";
    const auto rule_set = load(rules_test::program({
        rules_test::rule("a", "order.channel == 'x'", {award("points", "1", "r")}),
        rules_test::rule(
            "b", "true", {award("points", broken, "r1"), award("miles", "order.net", "r2")}
        ),
    }));
    const Order order({5});
    rules::Scratch scratch;
    const auto outcomes = rules::evaluate(*rule_set, order.event(), scratch);
    REQUIRE(outcomes.size() == 3);
    CHECK(outcomes[0].rule == "core/a");
    CHECK(outcomes[0].code == RuleCode::error);
    CHECK(outcomes[0].reason.empty());
    CHECK(outcomes[1].code == RuleCode::error);
    CHECK(outcomes[1].reason == "r1");
    CHECK(outcomes[2].code == RuleCode::awarded);
    CHECK(outcomes[2].effect == 1);
    CHECK(outcomes[2].currency == 1);
    CHECK(outcomes[2].points == 5);
}

TEST_CASE("evaluate: text that one rule makes is not missing to the next", "[rules]") {
    std::vector<std::string> texts;
    for (int i = 0; i < 64; ++i) {
        const auto awards = {rules_test::award("points", "1", "r")};
        texts.push_back(rules_test::rule(std::to_string(i), "(event.id + event.id) != ''", awards));
    }
    const auto rule_set = load(rules_test::program(texts));
    const Order order({5});
    const std::string long_id(20'000, 'x');
    rules::OrderEvent event = order.event();
    event.id = long_id;
    rules::Scratch scratch;
    CHECK(awarded(rules::evaluate(*rule_set, event, scratch)) == 64);
}

TEST_CASE("evaluate: holds and expiries count from the time of the event", "[rules]") {
    const Order order({5'000});
    const Single single(
        order, "true", "1", R"(,"hold":{"for":"14d"},"expires":"end_of_month+12M")"
    );
    CHECK(single.outcome.activates_at == kMorning + 14 * ledger::kMicrosPerDay);
    CHECK(single.outcome.expires_at == 1'806'530'400'000'000);  // 2027-03-31T22:00:00Z

    rules::Scratch scratch;
    rules::OrderEvent late = order.event();
    late.now = kMorning + 100 * ledger::kMicrosPerDay;
    CHECK(
        rules::evaluate(*single.rule_set, late, scratch)[0].activates_at ==
        single.outcome.activates_at
    );
}

TEST_CASE("evaluate: gift cards get no share of the points", "[rules]") {
    Order order({1'000, 1'000, 2'000});
    order.lines[1].gift_card = true;
    order.settle();
    const Single single(order, "true", "muldiv(order.net, 1, order.unit)");
    CHECK(single.outcome.points == 30);
    CHECK(
        std::vector<Points>(single.outcome.per_line.begin(), single.outcome.per_line.end()) ==
        std::vector<Points>{10, 0, 20}
    );
}

TEST_CASE("evaluate: a warm scratch allocates nothing", "[rules]") {
    const auto simple = minimal();
    const auto rich = load(rules_test::one_rule(
        "order.lines.exists(l, l.amount > 1000) && order.currency in ['EUR', 'GBP']",
        "muldiv(order.net, 1, order.unit)",
        R"(,"hold":{"for":"14d"},"expires":"end_of_month+12M")"
    ));
    const Order order({2390, 3510, 5});
    rules::Scratch scratch;
    for (const auto& rule_set : {simple, rich}) {
        for (int i = 0; i < 3; ++i)
            REQUIRE(awarded(rules::evaluate(*rule_set, order.event(), scratch)) == 59);
        const std::uint64_t before = rules_test::allocations();
        Points total = 0;
        for (int i = 0; i < 1'000; ++i)
            total += awarded(rules::evaluate(*rule_set, order.event(), scratch));
        CHECK(rules_test::allocations() == before);
        CHECK(total == 59'000);
    }
}

TEST_CASE("evaluate: time of one event", "[.benchmark]") {
    const Order order({2390, 3510});
    rules::Scratch scratch;
    for (const char* file : {"docs/examples/minimal.json", "docs/examples/maison-laurier.json"}) {
        auto loaded = rules::load_rule_set(rules_test::read_file(file), "maison-laurier");
        REQUIRE(loaded.has_value());
        Points total = 0;
        constexpr int count = 1'000'000;
        const auto begin = std::chrono::steady_clock::now();
        for (int i = 0; i < count; ++i)
            total += awarded(rules::evaluate(**loaded, order.event(), scratch));
        const std::chrono::duration<double, std::nano> elapsed =
            std::chrono::steady_clock::now() - begin;
        CHECK(total == 59LL * count);
        std::cout << file << ": " << elapsed.count() / count << " ns an event\n";
    }
}

// --- refunds ---

struct Refund {
    std::vector<OrderLine> lines;
    ledger::RefundFacts facts;
};

std::vector<Points> plan(
    const Order& order, const ledger::RefundFacts& refund, std::span<const Points> remaining
) {
    std::vector<Points> taken(remaining.size(), -1);
    const auto result = rules::plan_refund(order.facts, refund, remaining, taken);
    INFO((result.has_error() ? result.error().detail : ""));
    REQUIRE(result.has_value());
    return taken;
}

TEST_CASE("refund: lines or an amount or everything is taken", "[rules]") {
    const Order order({60, 60, 80});
    const std::vector<Points> remaining{60, 0, 80};
    std::vector<OrderLine> lines{{"3", "", 1, 30}, {"1", "", 1, 60}, {"3", "", 1, 50}};
    ledger::RefundFacts refund;
    CHECK(plan(order, refund, remaining) == std::vector<Points>{0, 0, 0});
    refund.amount = 71;
    refund.has_amount = true;
    CHECK(plan(order, refund, remaining) == std::vector<Points>{30, 0, 41});
    refund.amount = 140;
    CHECK(plan(order, refund, remaining) == remaining);
    refund.lines = lines;
    CHECK(plan(order, refund, remaining) == remaining);
    refund.lines = std::span(lines).first(1);
    CHECK(plan(order, refund, remaining) == std::vector<Points>{0, 0, 30});
    refund.cancel = true;
    CHECK(plan(order, refund, remaining) == remaining);
}

TEST_CASE("refund: an order without lines has the line _order", "[rules]") {
    Order order({});
    order.set(OrderField::subtotal, &OrderFacts::subtotal, 5'000);
    const std::vector<Points> remaining{5'000};
    std::vector<OrderLine> lines{{"_order", "", 1, 2'000}};
    ledger::RefundFacts refund;
    refund.lines = lines;
    CHECK(plan(order, refund, remaining) == std::vector<Points>{2'000});
    refund.lines = {};
    refund.has_amount = true;
    refund.amount = 5'000;
    CHECK(plan(order, refund, remaining) == remaining);
}

TEST_CASE("refund: more than remains or an unknown line is refund_exceeds_order", "[rules]") {
    const Order order({60, 60});
    const std::vector<Points> remaining{60, 20};
    struct Row {
        std::vector<OrderLine> lines;
        Points amount;
        const char* pointer;
    };
    const std::vector<Row> rows{
        {{{"9", "", 1, 1}}, 0, "/data/lines/0/line_id"},
        {{{"_order", "", 1, 1}}, 0, "/data/lines/0/line_id"},
        {{{"1", "", 1, 60}, {"2", "", 1, 21}}, 0, "/data/lines/1/amount"},
        {{{"1", "", 1, 30}, {"1", "", 1, 31}}, 0, "/data/lines/1/amount"},
        {{}, 81, "/data/amount"},
        {{}, ledger::kWireMax, "/data/amount"},
    };
    for (const Row& row : rows) {
        ledger::RefundFacts refund;
        refund.lines = row.lines;
        refund.has_amount = row.lines.empty();
        refund.amount = row.amount;
        std::vector<Points> taken(2);
        const auto result = rules::plan_refund(order.facts, refund, remaining, taken);
        REQUIRE(result.has_error());
        CHECK(result.error().code == ledger::ErrorCode::refund_exceeds_order);
        CHECK(result.error().fields.at(0).pointer == row.pointer);
    }
}

TEST_CASE("reevaluate: the whole order gives what evaluate gave", "[rules]") {
    const Order order({2390, 3510, 5}, 100);
    const auto rule_set = minimal();
    rules::Scratch scratch;
    const Points first = awarded(rules::evaluate(*rule_set, order.event(), scratch));
    CHECK(awarded(rules::reevaluate(*rule_set, order.event(), order.amounts(), scratch)) == first);
}

TEST_CASE("reevaluate: two lines of 0.60 give back 1 and then 0", "[rules]") {
    const Order order({60, 60});
    const auto rule_set = minimal();
    rules::Scratch scratch;
    for (const std::vector<Points>& half :
         {std::vector<Points>{0, 60}, std::vector<Points>{60, 0}}) {
        const auto outcomes = rules::reevaluate(*rule_set, order.event(), half, scratch);
        REQUIRE(outcomes.size() == 1);
        CHECK(outcomes[0].code == RuleCode::zero);
    }
    const auto nothing =
        rules::reevaluate(*rule_set, order.event(), std::vector<Points>{0, 0}, scratch);
    REQUIRE(nothing.size() == 1);
    CHECK(nothing[0].code == RuleCode::refunded);
    CHECK(nothing[0].points == 0);
}

TEST_CASE("reevaluate: lines refunded in full are gone and others have what remains", "[rules]") {
    const Order order({1'000, 2'000, 0});
    const auto rule_set = load(rules_test::one_rule(
        "order.lines.all(l, l.line_id != '1')", "order.lines[0].amount + size(order.lines)"
    ));
    rules::Scratch scratch;
    const auto outcomes =
        rules::reevaluate(*rule_set, order.event(), std::vector<Points>{0, 500, 0}, scratch);
    CHECK(outcomes[0].points == 502);
    CHECK(outcomes[0].per_line.size() == 3);
}

TEST_CASE("reevaluate: nothing remains is nothing even for a fixed bonus", "[rules]") {
    const Order order({1'000});
    const auto rule_set = load(rules_test::one_rule("true", "25"));
    rules::Scratch scratch;
    CHECK(
        awarded(rules::reevaluate(*rule_set, order.event(), std::vector<Points>{1}, scratch)) == 25
    );
    CHECK(
        awarded(rules::reevaluate(*rule_set, order.event(), std::vector<Points>{0}, scratch)) == 0
    );
}

/// One random refund of `order`: some lines in part or in full, or an amount.
void refund_something(const Order& order, std::vector<Points>& remaining, std::mt19937_64& random) {
    const auto up_to = [&](Points most) {
        return static_cast<Points>(random() % static_cast<std::uint64_t>(most + 1));
    };
    std::vector<OrderLine> lines;
    ledger::RefundFacts refund;
    if (random() % 2 == 0) {
        refund.has_amount = true;
        refund.amount = up_to(sum(remaining));
    } else {
        for (std::size_t i = 0; i < remaining.size(); ++i) {
            if (random() % 2 == 0) continue;
            const Points amount = random() % 2 == 0 ? remaining[i] : up_to(remaining[i]);
            lines.push_back({order.facts.lines[i].line_id, "", 1, amount});
        }
        refund.lines = lines;
    }
    std::vector<Points> taken(remaining.size());
    REQUIRE(rules::plan_refund(order.facts, refund, remaining, taken).has_value());
    for (std::size_t i = 0; i < remaining.size(); ++i)
        remaining[i] -= taken[i];
}

TEST_CASE("reevaluate: refunds of three lines in any order net to zero and never rise", "[rules]") {
    std::mt19937_64 random(test_support::seed());
    const auto rule_set = minimal();
    rules::Scratch scratch;
    for (int round = 0; round < 1'500; ++round) {
        std::vector<Points> amounts(3);
        for (Points& amount : amounts)
            amount = static_cast<Points>(random() % 500);
        Order order(amounts, static_cast<Points>(random() % 3 == 0 ? random() % 200 : 0));
        if (random() % 4 == 0) order.lines[random() % 3].gift_card = true;
        order.settle();
        Points balance = awarded(rules::evaluate(*rule_set, order.event(), scratch));
        std::vector<Points> remaining = order.amounts();
        for (int step = 0; step < 4; ++step) {
            refund_something(order, remaining, random);
            const Points now =
                awarded(rules::reevaluate(*rule_set, order.event(), remaining, scratch));
            REQUIRE(now <= balance);
            balance = now;
        }
        ledger::RefundFacts rest;
        rest.cancel = true;
        const std::vector<Points> taken = plan(order, rest, remaining);
        REQUIRE(taken == remaining);
        REQUIRE(
            awarded(rules::reevaluate(*rule_set, order.event(), std::vector<Points>(3, 0), scratch)
            ) == 0
        );
    }
}

TEST_CASE("reevaluate: every subset and order of whole lines nets to zero", "[rules]") {
    const auto rule_set = minimal();
    rules::Scratch scratch;
    const Order order({60, 60, 185});
    std::vector<std::size_t> sequence{0, 1, 2};
    do {
        std::vector<Points> remaining = order.amounts();
        Points balance = awarded(rules::evaluate(*rule_set, order.event(), scratch));
        CHECK(balance == 3);
        Points taken_back = 0;
        for (const std::size_t line : sequence) {
            remaining[line] = 0;
            const Points now =
                awarded(rules::reevaluate(*rule_set, order.event(), remaining, scratch));
            taken_back += balance - now;
            balance = now;
        }
        CHECK(balance == 0);
        CHECK(taken_back == 3);
    } while (std::ranges::next_permutation(sequence).found);
}

}  // namespace
