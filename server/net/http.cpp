#include "server/net/http.hpp"

#include <algorithm>

#include "ledger/base/invariant.hpp"
#include "server/net/io_queue.hpp"
#include "server/net/upgrade.hpp"

namespace server::net {

namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

}  // namespace

std::string_view reason_phrase(int status) {
    switch (status) {
        case 100: return "Continue";
        case 200: return "OK";
        case 201: return "Created";
        case 202: return "Accepted";
        case 204: return "No Content";
        case 302: return "Found";
        case 304: return "Not Modified";
        case 400: return "Bad Request";
        case 401: return "Unauthorized";
        case 403: return "Forbidden";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 408: return "Request Timeout";
        case 409: return "Conflict";
        case 410: return "Gone";
        case 412: return "Precondition Failed";
        case 413: return "Content Too Large";
        case 415: return "Unsupported Media Type";
        case 422: return "Unprocessable Content";
        case 426: return "Upgrade Required";
        case 429: return "Too Many Requests";
        case 431: return "Request Header Fields Too Large";
        case 500: return "Internal Server Error";
        case 503: return "Service Unavailable";
        case 504: return "Gateway Timeout";
        case 507: return "Insufficient Storage";
        default: return "Unknown";
    }
}

std::string_view name(Method method) {
    switch (method) {
        case Method::get: return "GET";
        case Method::head: return "HEAD";
        case Method::post: return "POST";
        case Method::put: return "PUT";
        case Method::delete_: return "DELETE";
        case Method::options: return "OPTIONS";
        case Method::patch: return "PATCH";
        case Method::other: return "other";
    }
    return "other";
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
               return x == y || lower(x) == lower(y);
           });
}

std::string_view RequestHead::header(std::string_view name) const {
    for (const HeaderField& field : fields) {
        if (equals_ignoring_case(field.name, name)) return field.value;
    }
    return {};
}

std::string_view RequestHead::media_type() const {
    std::string_view type = header("content-type");
    type = type.substr(0, type.find(';'));
    while (!type.empty() && (type.back() == ' ' || type.back() == '\t'))
        type.remove_suffix(1);
    return type;
}

std::string_view RequestHead::charset() const {
    constexpr std::string_view kName = "charset=";
    std::string_view rest = header("content-type");
    for (;;) {
        const std::size_t semicolon = rest.find(';');
        if (semicolon == std::string_view::npos) return {};
        rest.remove_prefix(semicolon + 1);
        std::string_view parameter = rest.substr(0, rest.find(';'));
        while (!parameter.empty() && (parameter.front() == ' ' || parameter.front() == '\t'))
            parameter.remove_prefix(1);
        while (!parameter.empty() && (parameter.back() == ' ' || parameter.back() == '\t'))
            parameter.remove_suffix(1);
        if (parameter.size() < kName.size() ||
            !equals_ignoring_case(parameter.substr(0, kName.size()), kName)) {
            continue;
        }
        parameter.remove_prefix(kName.size());
        if (parameter.size() >= 2 && parameter.front() == '"' && parameter.back() == '"')
            parameter = parameter.substr(1, parameter.size() - 2);
        return parameter;
    }
}

void Response::add_header(std::string_view name, std::string_view value) {
    const auto append_safely = [this](std::string_view text) {
        for (char c : text)
            header_lines.push_back(c == '\r' || c == '\n' || c == '\0' ? ' ' : c);
    };
    header_lines.reserve(header_lines.size() + name.size() + value.size() + 4);
    append_safely(name);
    header_lines += ": ";
    append_safely(value);
    header_lines += "\r\n";
}

StreamWriter& StreamWriter::operator=(StreamWriter&& other) noexcept {
    if (this != &other) {
        if (sink_) sink_->abort();
        sink_ = std::move(other.sink_);
    }
    return *this;
}

StreamWriter::~StreamWriter() {
    if (sink_) sink_->abort();
}

void StreamWriter::write(std::string part) {
    if (sink_ && !part.empty()) sink_->write(std::move(part));
}

void StreamWriter::finish() {
    if (sink_) std::exchange(sink_, nullptr)->finish();
}

Respond& Respond::operator=(Respond&& other) noexcept {
    if (this != &other) {
        if (sink_) sink_->abandon();
        sink_ = std::move(other.sink_);
    }
    return *this;
}

Respond::~Respond() {
    if (sink_) sink_->abandon();
}

void Respond::operator()(Response response) {
    INVARIANT(sink_ != nullptr);
    std::exchange(sink_, nullptr)->deliver(std::move(response));
}

StreamWriter Respond::stream(Response head) {
    INVARIANT(sink_ != nullptr);
    return std::exchange(sink_, nullptr)->deliver_stream(std::move(head));
}

struct CompletionBatch::Lane {
    struct Answer {
        Respond respond;
        UniqueFunction<Response()> encode;
        UniqueFunction<void()> work;
    };
    IoQueue* queue = nullptr;
    std::vector<Answer> answers;
};

CompletionBatch::CompletionBatch() = default;
CompletionBatch::~CompletionBatch() = default;
CompletionBatch::CompletionBatch(CompletionBatch&&) noexcept = default;
CompletionBatch& CompletionBatch::operator=(CompletionBatch&&) noexcept = default;

CompletionBatch::Lane& CompletionBatch::lane(IoQueue* queue) {
    for (Lane& lane : lanes_) {
        if (lane.queue == queue) return lane;
    }
    lanes_.emplace_back();
    lanes_.back().queue = queue;
    return lanes_.back();
}

void CompletionBatch::add(Respond respond, UniqueFunction<Response()> encode) {
    IoQueue* queue = respond.queue();
    lane(queue).answers.push_back({std::move(respond), std::move(encode), {}});
}

void CompletionBatch::add(IoQueue* queue, UniqueFunction<void()> work) {
    lane(queue).answers.push_back({{}, {}, std::move(work)});
}

void CompletionBatch::deliver() {
    for (Lane& lane : lanes_) {
        UniqueFunction<void()> run = [answers = std::move(lane.answers)]() mutable {
            for (Lane::Answer& answer : answers) {
                if (answer.work) {
                    answer.work();
                } else {
                    answer.respond(answer.encode());
                }
            }
        };
        if (lane.queue != nullptr) {
            lane.queue->push(std::move(run));
        } else {
            run();
        }
    }
    lanes_.clear();
}

BodyPlan BodyPlan::reject(Response response) {
    BodyPlan plan;
    plan.kind = Kind::reject;
    plan.rejection = std::move(response);
    return plan;
}

BodyPlan BodyPlan::buffer(std::size_t limit_bytes) {
    BodyPlan plan;
    plan.kind = Kind::buffer;
    plan.limit_bytes = limit_bytes;
    return plan;
}

BodyPlan BodyPlan::stream(std::size_t limit_bytes) {
    BodyPlan plan;
    plan.kind = Kind::stream;
    plan.limit_bytes = limit_bytes;
    return plan;
}

BodyPlan BodyPlan::upgrade() {
    BodyPlan plan;
    plan.kind = Kind::upgrade;
    return plan;
}

void Handler::upgrade(const RequestHead&, std::unique_ptr<UpgradedConnection>) {}

}  // namespace server::net
