#include "tools/bench/event_template.hpp"

#include <cstring>
#include <ctime>

namespace bench {

namespace {
constexpr std::size_t kNumberDigits = 12;
constexpr std::size_t kMemberDigits = 8;
constexpr std::size_t kTimeLength = 20;
}  // namespace

void write_digits(char* at, std::uint64_t value, std::size_t width) {
    for (std::size_t i = width; i > 0; --i) {
        at[i - 1] = static_cast<char>('0' + value % 10);
        value /= 10;
    }
}

std::string rfc3339(std::int64_t seconds) {
    std::time_t const when = seconds;
    std::tm parts{};
    gmtime_r(&when, &parts);
    char text[32];
    auto const length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return {text, length};
}

EventTemplate::EventTemplate(Identity identity) {
    literal(R"({"specversion":"1.0","id":"ord-)");
    slot(Field::number);
    literal(R"(-paid","source":"//maison/prestashop","type":"order.paid","subject":"order/)");
    slot(Field::number);
    literal(R"(","time":")");
    slot(Field::time);
    literal(R"(","data":{"order_id":")");
    slot(Field::number);
    literal(R"(","currency":"EUR","total":")");
    slot(Field::total);
    literal(R"(.00","channel":"web","customer":{"id":"c)");
    slot(Field::member);
    if (identity == Identity::id_and_email) {
        literal(R"(","email":"shopper)");
        slot(Field::member);
        literal(R"(@example.com)");
    }
    literal(R"("},"lines":[{"line_id":"1","sku":"demo_)");
    slot(Field::sku_a);
    literal(R"(","quantity":1,"amount":")");
    slot(Field::amount_a);
    literal(R"(.90"},{"line_id":"2","sku":"demo_)");
    slot(Field::sku_b);
    literal(R"(","quantity":2,"amount":")");
    slot(Field::amount_b);
    literal(R"(.10"}]}})");
}

std::size_t EventTemplate::width(Field field) {
    switch (field) {
        case Field::number: return kNumberDigits;
        case Field::member: return kMemberDigits;
        case Field::time: return kTimeLength;
        case Field::sku_a:
        case Field::sku_b: return 4;
        case Field::amount_a:
        case Field::amount_b:
        case Field::total: return 2;
    }
    return 0;
}

void EventTemplate::slot(Field field) {
    slots_.push_back({field, text_.size()});
    text_.append(width(field), '0');
}

void EventTemplate::patch(char* at, EventValues const& values, std::string_view time) const {
    // 10..48 each, so that the total, 21..97, keeps its two digits; JSON amounts have no leading
    // zero.
    auto const amount_a = 10 + values.noise % 39;
    auto const amount_b = 10 + (values.noise >> 8) % 39;
    for (auto const& [field, offset] : slots_) {
        char* const here = at + offset;
        switch (field) {
            case Field::number: write_digits(here, values.number, kNumberDigits); break;
            case Field::member: write_digits(here, values.member, kMemberDigits); break;
            case Field::time: std::memcpy(here, time.data(), kTimeLength); break;
            case Field::sku_a: write_digits(here, (values.noise >> 12) % 10'000, 4); break;
            case Field::sku_b: write_digits(here, (values.noise >> 16) % 10'000, 4); break;
            case Field::amount_a: write_digits(here, amount_a, 2); break;
            case Field::amount_b: write_digits(here, amount_b, 2); break;
            case Field::total: write_digits(here, amount_a + amount_b + 1, 2); break;
        }
    }
}

std::string EventTemplate::customer_id(std::uint64_t member) {
    std::string id(1 + kMemberDigits, 'c');
    write_digits(id.data() + 1, member, kMemberDigits);
    return id;
}

}  // namespace bench
