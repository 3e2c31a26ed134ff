#include "tools/import/sender.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "tools/import/answers.hpp"

namespace importer {

namespace {

constexpr double kFirstPauseS = 0.1;
constexpr double kPauseMaxS = 5;

/// Whether the same request may be answered otherwise later.
bool is_passing(int status) {
    return status == 408 || status == 429 || status >= 500;
}

/// Refusals that are not about the events.
bool is_fatal(int status) {
    return status == 401 || status == 403 || status == 404 || status == 405 || status == 415 ||
           status < 400;
}

bool is_passing(const Outcome& outcome) {
    constexpr std::array kPassing = std::to_array<std::string_view>(
        {"overloaded", "not_ready", "rate_limited", "internal", "disk_full"}
    );
    return outcome.name == "rejected" &&
           std::find(kPassing.begin(), kPassing.end(), outcome.code) != kPassing.end();
}

}  // namespace

/// Pauses that grow, and an end of them.
struct Sender::Patience {
    Transport& transport;
    const double seconds;
    const double began = transport.now();
    double pause_s = kFirstPauseS;

    /// Throws ImportFailed with `why` when there is none left.
    void wait(const std::string& why, std::optional<int> told_s) {
        const double spent = transport.now() - began;
        if (spent >= seconds)
            throw ImportFailed(fmt::format("{}; gave up after {:.0f} s", why, spent));
        const double next = told_s ? static_cast<double>(*told_s) : pause_s;
        transport.pause(std::min(next, std::max(seconds - spent, kFirstPauseS)));
        pause_s = std::min(pause_s * 2, kPauseMaxS);
    }
};

std::string batch_body(std::span<const Event> events) {
    std::size_t size = 2;
    for (const Event& event : events)
        size += event.body.size() + 1;
    std::string body = "[";
    body.reserve(size);
    for (const Event& event : events) {
        if (body.size() > 1) body.push_back(',');
        body += event.body;
    }
    body.push_back(']');
    return body;
}

Answer Sender::answer_to(const std::string& body) {
    Patience patience{transport_, patience_s_};
    for (;;) {
        try {
            Answer answer = transport_.post(body);
            if (!is_passing(answer.status)) return answer;
            patience.wait(problem_text(answer), answer.retry_after_s);
        } catch (const ConnectionLost& lost) {
            patience.wait(lost.what(), std::nullopt);
        }
    }
}

std::vector<Outcome> Sender::send(std::span<const Event> events, const std::string& body) {
    const Answer answer = answer_to(body);
    if (answer.status != 200) {
        if (is_fatal(answer.status)) throw ImportFailed(problem_text(answer));
        return split(events, answer);
    }
    auto outcomes = read_outcomes(answer.body, events.size());
    if (!outcomes)
        throw ImportFailed("the server's answer to a batch is not a list of its outcomes");
    std::vector<std::size_t> refused;
    for (std::size_t i = 0; i < outcomes->size(); ++i)
        if (is_passing((*outcomes)[i])) refused.push_back(i);
    if (!refused.empty()) send_again(events, *outcomes, std::move(refused));
    return std::move(*outcomes);
}

std::vector<Outcome> Sender::split(std::span<const Event> events, const Answer& refusal) {
    if (events.size() == 1) return {refusal_of(refusal)};
    std::vector<Outcome> outcomes;
    const std::size_t half = events.size() / 2;
    for (const auto part : {events.first(half), events.subspan(half)}) {
        auto answered = send(part, batch_body(part));
        std::move(answered.begin(), answered.end(), std::back_inserter(outcomes));
    }
    return outcomes;
}

void Sender::send_again(
    std::span<const Event> events, std::vector<Outcome>& outcomes, std::vector<std::size_t> refused
) {
    Patience patience{transport_, patience_s_};
    while (!refused.empty()) {
        const Outcome& first = outcomes[refused.front()];
        patience.wait(first.code + ": " + first.detail, std::nullopt);
        std::vector<Event> again;
        again.reserve(refused.size());
        for (const std::size_t index : refused)
            again.push_back(events[index]);
        const Answer answer = answer_to(batch_body(again));
        auto answered =
            answer.status == 200 ? read_outcomes(answer.body, again.size()) : std::nullopt;
        if (!answered) throw ImportFailed(problem_text(answer));
        std::vector<std::size_t> still;
        for (std::size_t i = 0; i < refused.size(); ++i) {
            outcomes[refused[i]] = std::move((*answered)[i]);
            if (is_passing(outcomes[refused[i]])) still.push_back(refused[i]);
        }
        refused = std::move(still);
    }
}

}  // namespace importer
