#include "tests/rules/cel_conformance_cases.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <limits>
#include <optional>
#include <stdexcept>

#include <boost/json.hpp>

#include "rules/cel/expression.hpp"

namespace cel_conformance {

namespace {

namespace json = boost::json;
using namespace rules::cel;

constexpr std::uint64_t kFuel = 10'000'000;

std::string_view text_of(const json::value& value) {
    const json::string& text = value.as_string();
    return {text.data(), text.size()};
}

template <typename Number>
Number read_number(std::string_view text) {
    Number value{};
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

double read_double(std::string_view text) {
    if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
    if (text == "Infinity") return std::numeric_limits<double>::infinity();
    if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
    return read_number<double>(text);
}

std::string read_base64(std::string_view text) {
    constexpr std::string_view kAlphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string bytes;
    std::uint32_t bits = 0;
    int count = 0;
    for (const char c : text) {
        if (c == '=') break;
        bits = (bits << 6U) | static_cast<std::uint32_t>(kAlphabet.find(c));
        count += 6;
        if (count >= 8) {
            count -= 8;
            bytes += static_cast<char>((bits >> static_cast<unsigned>(count)) & 0xFFU);
        }
    }
    return bytes;
}

Value kept_text(Arena& arena, Kind kind, std::string_view text) {
    return copy_into(arena, kind == Kind::string ? Value::string(text) : Value::bytes(text));
}

Kind kind_named(std::string_view name) {
    if (name == "timestamp") return Kind::timestamp;
    if (name == "duration") return Kind::duration;
    for (int i = 0; i <= static_cast<int>(Kind::type); ++i) {
        if (type_name(static_cast<Kind>(i)) == name) return static_cast<Kind>(i);
    }
    throw std::runtime_error("unknown type " + std::string(name));
}

/// A tagged value of the suite as a Value in `arena`.
Value read_value(const json::value& tagged, Arena& arena) {
    const json::object& object = tagged.as_object();
    const auto tag = text_of(object.at("t"));
    if (tag == "null") return Value::null();
    const json::value& payload = object.at("v");
    if (tag == "bool") return Value::boolean(payload.as_bool());
    if (tag == "int") return Value::integer(read_number<std::int64_t>(text_of(payload)));
    if (tag == "uint") return Value::natural(read_number<std::uint64_t>(text_of(payload)));
    if (tag == "double") return Value::real(read_double(text_of(payload)));
    if (tag == "string") return kept_text(arena, Kind::string, text_of(payload));
    if (tag == "bytes") return kept_text(arena, Kind::bytes, read_base64(text_of(payload)));
    if (tag == "type") return Value::type(kind_named(text_of(payload)));
    if (tag == "list") {
        const json::array& array = payload.as_array();
        Value* items = arena.allocate_values(array.size());
        for (std::size_t i = 0; i < array.size(); ++i)
            items[i] = read_value(array[i], arena);
        return Value::list({items, array.size()});
    }
    if (tag == "map") {
        const json::array& array = payload.as_array();
        MapEntry* entries = arena.allocate_entries(array.size());
        for (std::size_t i = 0; i < array.size(); ++i) {
            const json::array& pair = array[i].as_array();
            entries[i] = {read_value(pair[0], arena), read_value(pair[1], arena)};
        }
        if (!sort_entries({entries, array.size()})) throw std::runtime_error("bad map");
        return Value::map({entries, array.size()});
    }
    const auto seconds = read_number<std::int64_t>(text_of(payload.at("s")));
    const std::int64_t nanoseconds = payload.at("n").to_number<std::int64_t>();
    if (tag == "timestamp")
        return Value::timestamp(seconds, static_cast<std::uint32_t>(nanoseconds));
    if (tag == "duration") return Value::duration(seconds * 1'000'000'000 + nanoseconds);
    throw std::runtime_error("unknown tag " + std::string(tag));
}

Type read_type(const json::value& encoded) {
    if (encoded.is_array()) {
        const json::array& parts = encoded.as_array();
        const auto name = text_of(parts[0]);
        if (name == "list") return Type::list(read_type(parts[1]));
        if (name == "map") return Type::map(read_type(parts[1]), read_type(parts[2]));
        return TypeKind::type;
    }
    const auto name = text_of(encoded);
    for (int i = 0; i <= static_cast<int>(TypeKind::record); ++i) {
        const auto kind = static_cast<TypeKind>(i);
        if (kind != TypeKind::bottom && to_string(kind) == name) return kind;
    }
    throw std::runtime_error("unknown type " + std::string(name));
}

/// Equality of results: same kind and payload, NaN equals NaN. CEL's own `==` is looser.
bool same(const Value& left, const Value& right) {
    if (left.kind() != right.kind()) return false;
    if (left.is(Kind::double_) && std::isnan(left.as_double()))
        return std::isnan(right.as_double());
    if (left.is(Kind::list)) {
        return std::ranges::equal(left.as_items(), right.as_items(), same);
    }
    if (left.is(Kind::map)) {
        return std::ranges::equal(
            left.as_entries(),
            right.as_entries(),
            [](const MapEntry& a, const MapEntry& b) {
                return same(a.key, b.key) && same(a.value, b.value);
            }
        );
    }
    std::uint64_t work = 0;
    return equal(left, right, work);
}

struct Bindings {
    std::vector<Variable> variables;
    std::vector<Value> slots;
};

Bindings read_bindings(const json::object& test, Arena& arena) {
    Bindings result;
    const json::object empty;
    const json::object& values =
        test.contains("bindings") ? test.at("bindings").as_object() : empty;
    const json::object& types = test.contains("env") ? test.at("env").as_object() : empty;
    for (const auto& [key, type] : types) {
        result.variables.push_back({std::string(key), read_type(type), true});
        const auto* bound = values.if_contains(key);
        result.slots.push_back(bound != nullptr ? read_value(*bound, arena) : Value::absent());
    }
    for (const auto& [key, value] : values) {
        if (types.contains(key)) continue;
        result.variables.push_back({std::string(key), TypeKind::dyn, false});
        result.slots.push_back(read_value(value, arena));
    }
    return result;
}

enum class Outcome : std::uint8_t { passed, failed, skipped };

struct CaseResult {
    Outcome outcome = Outcome::failed;
    std::string note;
};

CaseResult expect(bool condition, std::string note) {
    return {
        condition ? Outcome::passed : Outcome::failed, condition ? std::string() : std::move(note)};
}

CaseResult run_case(const json::object& test) {
    Arena arena(16U << 20U);
    const Bindings bindings = read_bindings(test, arena);
    Limits limits = Limits::conformance();
    limits.check_types = !test.contains("disable_check");
    const auto source = text_of(test.at("expr"));
    const bool wants_error = test.contains("error");
    const auto compiled =
        compile(source, Environment(bindings.variables), ExpectedType::any, limits);
    if (!compiled) {
        if (compiled.error().code == ledger::ErrorCode::not_supported) {
            return {Outcome::skipped, compiled.error().detail};
        }
        return expect(wants_error, compiled.error().detail);
    }
    if (test.contains("type")) {
        const auto wanted = to_string(read_type(test.at("type")));
        const auto got = to_string(compiled.value().result_type());
        if (wanted != got) return {Outcome::failed, "type " + got + " instead of " + wanted};
    }
    if (test.contains("check_only")) return {Outcome::passed, {}};
    Fuel fuel{kFuel};
    const Evaluation evaluation = evaluate(compiled.value(), bindings.slots, fuel, arena);
    if (!evaluation.ok()) return expect(wants_error, std::string(evaluation.text()));
    if (wants_error) return {Outcome::failed, "a value instead of an error"};
    return expect(same(evaluation.value, read_value(test.at("value"), arena)), "another value");
}

std::string first_line(const std::string& text) {
    return text.substr(0, text.find('\n'));
}

}  // namespace

FileResult run_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("cannot read " + path.string());
    FileResult result;
    for (std::string line; std::getline(file, line);) {
        if (line.empty()) continue;
        const json::value parsed = json::parse(line);
        const json::object& test = parsed.as_object();
        const CaseResult outcome = run_case(test);
        const std::string shown =
            std::string(text_of(test.at("section"))) + "/" + std::string(text_of(test.at("name"))) +
            ": " + std::string(text_of(test.at("expr"))) + ": " + first_line(outcome.note);
        switch (outcome.outcome) {
            case Outcome::passed: ++result.counts.passed; break;
            case Outcome::failed:
                ++result.counts.failed;
                result.failures.push_back(shown);
                break;
            case Outcome::skipped:
                ++result.counts.skipped;
                result.skips.push_back(shown);
                break;
        }
    }
    return result;
}

}  // namespace cel_conformance
