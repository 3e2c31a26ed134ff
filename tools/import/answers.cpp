#include "tools/import/answers.hpp"

#include <fmt/format.h>
#include <simdjson.h>

namespace importer {

namespace {

namespace dom = simdjson::dom;

std::string text_of(const dom::object& object, const char* name) {
    std::string_view text;
    if (object[name].get_string().get(text) != simdjson::SUCCESS) return {};
    return std::string(text);
}

/// Code and detail of a problem document, and the first field that it names.
void read_problem(const dom::object& problem, Outcome& outcome) {
    outcome.code = text_of(problem, "code");
    outcome.detail = text_of(problem, "detail");
    if (outcome.detail.empty()) outcome.detail = text_of(problem, "title");
    dom::element first;
    dom::object error;
    if (problem.at_pointer("/errors/0").get(first) != simdjson::SUCCESS ||
        first.get_object().get(error) != simdjson::SUCCESS)
        return;
    const std::string why = text_of(error, "detail");
    if (outcome.detail.find(why) == std::string::npos)
        outcome.detail += fmt::format(" ({} {})", text_of(error, "pointer"), why);
}

Outcome read_outcome(const dom::object& item) {
    Outcome outcome;
    outcome.name = text_of(item, "status");
    std::uint64_t seq = 0;
    if (item["seq"].get_uint64().get(seq) == simdjson::SUCCESS) outcome.seq = seq;
    if (outcome.name == "rejected") {
        dom::object problem;
        if (item["problem"].get_object().get(problem) == simdjson::SUCCESS)
            read_problem(problem, outcome);
        return outcome;
    }
    if (outcome.name == "pending_identity") outcome.name = "guest_held";
    if (outcome.name != "applied") return outcome;
    dom::array awards;
    if (item["awards"].get_array().get(awards) == simdjson::SUCCESS) {
        for (const dom::element award : awards) {
            dom::object given;
            std::int64_t amount = 0;
            if (award.get_object().get(given) == simdjson::SUCCESS &&
                given["amount"].get_int64().get(amount) == simdjson::SUCCESS)
                outcome.points.emplace_back(text_of(given, "currency"), amount);
        }
    }
    if (outcome.points.empty()) outcome.name = "earned_nothing";
    return outcome;
}

}  // namespace

std::optional<std::vector<Outcome>> read_outcomes(std::string_view body, std::size_t count) {
    dom::parser parser;
    dom::array items;
    if (parser.parse(body.data(), body.size()).get_array().get(items) != simdjson::SUCCESS)
        return std::nullopt;
    std::vector<Outcome> outcomes;
    outcomes.reserve(count);
    for (const dom::element item : items) {
        dom::object object;
        if (item.get_object().get(object) != simdjson::SUCCESS) return std::nullopt;
        Outcome outcome = read_outcome(object);
        if (outcome.name.empty()) return std::nullopt;
        outcomes.push_back(std::move(outcome));
    }
    if (outcomes.size() != count) return std::nullopt;
    return outcomes;
}

Outcome refusal_of(const Answer& answer) {
    Outcome outcome;
    dom::parser parser;
    dom::object problem;
    if (parser.parse(answer.body).get_object().get(problem) == simdjson::SUCCESS)
        read_problem(problem, outcome);
    outcome.name = "rejected";
    if (outcome.code.empty()) outcome.code = fmt::format("status_{}", answer.status);
    return outcome;
}

std::string problem_text(const Answer& answer) {
    const Outcome problem = refusal_of(answer);
    if (problem.detail.empty()) return fmt::format("the server answered {}", answer.status);
    return problem.code + ": " + problem.detail;
}

}  // namespace importer
