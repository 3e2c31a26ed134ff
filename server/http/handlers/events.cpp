#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "ledger/blind.hpp"
#include "ledger/entry_codec.hpp"
#include "server/http/handlers/call.hpp"
#include "server/http/member_names.hpp"
#include "server/http/request_json.hpp"

namespace server::http {

using engine::EventCommand;
using engine::Outcome;
using engine::Status;
using ledger::ErrorCode;

namespace {

constexpr std::string_view kStructured = "application/cloudevents+json";
constexpr std::string_view kBatch = "application/cloudevents-batch+json";
constexpr std::string_view kJson = "application/json";

EventContext context_of(
    const Services& services, const Caller& caller, const engine::ProgramInfo& program
) {
    return {
        program,
        caller.may(Scope::events_backfill),
        services.now(),
        services.options.json_depth_max};
}

/// Whom an outcome is about, if the command names them. A refund names only its order, and a
/// duplicate may name somebody else than the event that counted.
std::string_view member_of(const engine::Command& command, const Outcome& outcome) {
    if (outcome.other_member) return {};
    return std::get<EventCommand>(command).personal.external_id;
}

/// The outcomes of a job with the names that their answers show.
class NamedOutcomes {
public:
    explicit NamedOutcomes(const engine::WriteJob& job) : job_(job) {}

    /// Members whose names the commands do not say.
    [[nodiscard]] std::vector<ledger::MemberId> unnamed() const {
        std::vector<ledger::MemberId> members;
        for (std::size_t i = 0; i < job_.outcomes.size(); ++i) {
            const Outcome& outcome = job_.outcomes[i];
            if (outcome.status != Status::applied && outcome.status != Status::duplicate) continue;
            if (!member_of(job_.commands[i], outcome).empty()) continue;
            if (!outcome.member.none()) members.push_back(outcome.member);
        }
        return members;
    }

    void name(MemberNames names) { names_ = std::move(names); }

    [[nodiscard]] std::string_view member(std::size_t index) const {
        const Outcome& outcome = job_.outcomes[index];
        const std::string_view given = member_of(job_.commands[index], outcome);
        if (!given.empty() || names_.empty()) return given;
        const auto found = names_.find(outcome.member.value);
        return found == names_.end() ? std::string_view{} : std::string_view(found->second);
    }

private:
    const engine::WriteJob& job_;
    MemberNames names_;
};

using EventRender = net::UniqueFunction<net::Response(HttpWrite&, const NamedOutcomes&)>;

/// Renders once every member has a name. One more read for refunds, nothing for orders.
auto finish_with(engine::Shard& shard, EventRender render) {
    return [&shard, render = std::move(render)](std::unique_ptr<HttpWrite> done) mutable {
        NamedOutcomes named(*done);
        std::vector<ledger::MemberId> unnamed = named.unnamed();
        const auto answer = [](HttpWrite& job, NamedOutcomes& outcomes, EventRender& rendered) {
            net::Response response = rendered(job, outcomes);
            job.respond(std::move(response));
        };
        if (unnamed.empty()) return answer(*done, named, render);
        const ledger::ProgramId program = done->program;
        net::IoQueue* const queue = done->queue();
        auto then = [answer,
                     owned = std::move(done),
                     named = std::move(named),
                     render = std::move(render)](MemberNames names) mutable {
            named.name(std::move(names));
            answer(*owned, named, render);
        };
        look_up_names(shard, program, queue, std::move(unnamed), std::move(then));
    };
}

void submit_single(
    Services& services, Call& call, std::unique_ptr<HttpWrite> job, const EventCommand& command
) {
    job->commands.emplace_back(command);
    job->respond = std::move(call.respond);
    job->finish = finish_with(services.shard, [](HttpWrite& done, const NamedOutcomes& named) {
        return event_response(*done.info, done.outcomes[0], named.member(0));
    });
    services.submit(std::move(job));
}

/// What answers one place of a batch: a command's outcome, or why there is no command.
struct Slot {
    std::size_t command = 0;
    std::optional<ledger::Error> error;
};

void write_slot(
    JsonWriter& json, const HttpWrite& job, const Slot& slot, const NamedOutcomes& named
) {
    if (!slot.error) {
        return write_event_outcome(
            json, *job.info, job.outcomes[slot.command], named.member(slot.command)
        );
    }
    json.begin_object().field("status", "rejected").key("problem");
    write_problem(json, *slot.error);
    json.end_object();
}

void post_batch(Services& services, Call& call, std::unique_ptr<HttpWrite> job) {
    auto events = read_event_batch(
        call.request.body,
        context_of(services, call.caller, *call.program),
        services.options.batch_events_max,
        job->arena
    );
    if (events.has_error()) return call.refuse(events.error());
    std::vector<Slot> slots;
    slots.reserve(events->size());
    job->commands.reserve(events->size());
    for (auto& event : *events) {
        if (event.has_error()) {
            slots.push_back({0, event.error()});
        } else {
            slots.push_back({job->commands.size(), std::nullopt});
            job->commands.emplace_back(*event);
        }
    }
    job->lane = engine::Lane::bulk;
    job->respond = std::move(call.respond);
    const auto render = [slots = std::move(slots)](HttpWrite& done, const NamedOutcomes& named) {
        net::Response response;
        response.body.reserve(slots.size() * 256);
        JsonWriter json(response.body);
        json.begin_array();
        for (const Slot& slot : slots)
            write_slot(json, done, slot, named);
        json.end_array();
        return response;
    };
    if (job->commands.empty()) {
        net::Response response = render(*job, NamedOutcomes(*job));
        job->respond(std::move(response));
        return;
    }
    job->finish = finish_with(services.shard, render);
    services.submit(std::move(job));
}

/// A ce-* header: percent-decoded as the HTTP binding of CloudEvents says (section 3.1.3.2).
ledger::Result<std::string> attribute(
    const net::RequestHead& head, const char* header, const char* pointer
) {
    const std::string_view raw = head.header(header);
    if (raw.empty()) return std::string();
    auto decoded = percent_decode(raw);
    if (!decoded) {
        return ledger::field_error(
            ErrorCode::invalid_event, pointer, "its percent-encoding is broken"
        );
    }
    return *decoded;
}

ledger::Result<BinaryEnvelope> binary_envelope(const net::RequestHead& head) {
    BinaryEnvelope envelope;
    const struct {
        const char* header;
        const char* pointer;
        std::string* to;
    } attributes[] = {
        {"ce-specversion", "/specversion", &envelope.specversion},
        {"ce-id", "/id", &envelope.id},
        {"ce-source", "/source", &envelope.source},
        {"ce-type", "/type", &envelope.type},
        {"ce-subject", "/subject", &envelope.subject},
        {"ce-time", "/time", &envelope.time},
    };
    for (const auto& item : attributes) {
        auto value = attribute(head, item.header, item.pointer);
        if (value.has_error()) return value.error();
        *item.to = std::move(*value);
    }
    return envelope;
}

void post_binary(Services& services, Call& call, std::unique_ptr<HttpWrite> job) {
    auto envelope = binary_envelope(call.request);
    if (envelope.has_error()) return call.refuse(envelope.error());
    auto event = read_binary_event(
        *envelope, call.request.body, context_of(services, call.caller, *call.program), job->arena
    );
    if (event.has_error()) return call.refuse(event.error());
    submit_single(services, call, std::move(job), *event);
}

}  // namespace

void post_events(Services& services, Call call) {
    if (!call.caller.may(Scope::events_write)) {
        return call.refuse(
            ledger::make_error(ErrorCode::missing_scope, "This key lacks the scope events:write.")
        );
    }
    auto job = make_write(call);
    const std::string_view type = call.request.media_type();
    if (net::equals_ignoring_case(type, kBatch)) return post_batch(services, call, std::move(job));
    if (!call.request.header("ce-specversion").empty() || !call.request.header("ce-id").empty() ||
        !call.request.header("ce-type").empty()) {
        if (!type.empty() && !net::equals_ignoring_case(type, kJson)) {
            return call.refuse(ledger::make_error(
                ErrorCode::unsupported_media_type,
                "The data of a binary event must be application/json."
            ));
        }
        return post_binary(services, call, std::move(job));
    }
    if (!net::equals_ignoring_case(type, kStructured) && !net::equals_ignoring_case(type, kJson)) {
        return call.refuse(ledger::make_error(
            ErrorCode::unsupported_media_type,
            "Content-Type must be application/cloudevents+json, "
            "application/cloudevents-batch+json, application/x-ndjson, "
            "or application/json."
        ));
    }
    auto event =
        read_event(call.request.body, context_of(services, call.caller, *call.program), job->arena);
    if (event.has_error()) return call.refuse(event.error());
    submit_single(services, call, std::move(job), *event);
}

void get_event(Services& services, Call call) {
    if (!call.caller.may(Scope::events_write) && !call.caller.may(Scope::members_read)) {
        return call.refuse(ledger::make_error(
            ErrorCode::missing_scope, "This key lacks the scope events:write or members:read."
        ));
    }
    auto source = query_parameter(call.request.query, "source");
    if (source.has_error()) return call.refuse(source.error());
    auto id = query_parameter(call.request.query, "id");
    if (id.has_error()) return call.refuse(id.error());
    if (!*source || (*source)->empty()) {
        return call.refuse(ledger::field_error(ErrorCode::invalid_parameter, "source", "is missing")
        );
    }
    if (!*id || (*id)->empty())
        return call.refuse(ledger::field_error(ErrorCode::invalid_parameter, "id", "is missing"));
    auto job = make_read(call);
    const ledger::Hash16 key = ledger::event_key_hash(*call.program->hmac, **source, **id);
    auto outcome = std::make_shared<std::optional<Outcome>>();
    auto member = std::make_shared<std::string>();
    job->look = [key, outcome, member](HttpRead& read, const engine::ReadContext& context) {
        const auto seen = context.view.seen(read.program, key);
        if (seen.missing()) return false;
        if (!seen.found()) return true;
        auto row = context.view.entry(read.program, seen.value);
        if (row.missing()) return false;
        if (row.row->entry.kind == ledger::EntryKind::alias)
            row = context.view.entry(read.program, row.row->entry.links.front().seq);
        if (row.missing()) return false;
        const ledger::MemberId whose = row.row->entry.member;
        if (!whose.none() && !read_member_name(context, read.program, whose, *member)) return false;
        auto bytes = std::make_shared<const std::string>(row.row->bytes);
        Outcome& made = outcome->emplace();
        made.status = status_of(row.row->entry);
        made.seq = row.row->entry.seq;
        made.entry = *bytes;
        made.keep = bytes;
        if (made.status == Status::rejected) made.error = ledger::refusal_of(row.row->entry);
        return true;
    };
    job->render = [outcome, member](HttpRead& read) {
        if (!*outcome) {
            return error_response(ledger::make_error(
                ErrorCode::not_found, "No event with this source and id is in the ledger."
            ));
        }
        net::Response response;
        JsonWriter json(response.body);
        write_event_outcome(json, *read.info, **outcome, *member);
        return response;
    };
    submit_read(services, call, std::move(job));
}

namespace {

/// NDJSON: every complete line that arrived together becomes one job; answers are streamed in the
/// order of lines.
class EventStream final : public net::BodyStream, public std::enable_shared_from_this<EventStream> {
public:
    EventStream(
        Services services,
        Caller caller,
        std::shared_ptr<const engine::Registry> registry,
        const engine::ProgramInfo& program,
        net::Respond respond
    )
        : services_(services),
          caller_(caller),
          registry_(std::move(registry)),
          program_(program),
          queue_(respond.queue()) {
        net::Response head;
        head.content_type = "application/x-ndjson";
        writer_ = respond.stream(std::move(head));
    }

    void on_data(std::string_view part) override {
        while (!part.empty()) {
            const std::size_t end = part.find('\n');
            if (end == std::string_view::npos) {
                rest_.append(part);
                break;
            }
            rest_.append(part.substr(0, end));
            part.remove_prefix(end + 1);
            take_line();
        }
        if (rest_.size() > services_.options.body_bytes_max) {
            rest_.resize(services_.options.body_bytes_max + 1);
        }
        flush();
    }

    void on_end() override {
        if (!rest_.empty()) take_line();
        flush();
        ended_ = true;
        finish_if_done();
    }

    /// A client that sent too much or stopped sending is told in the last line; one that is gone
    /// is not.
    void on_abort(ledger::ErrorCode reason) override {
        if (reason == ErrorCode::malformed_http) {
            writer_ = {};
            return;
        }
        rest_.clear();
        ++line_number_;
        add_line().slot.error = ledger::make_error(
            reason,
            reason == ErrorCode::body_too_large
                ? "The body is too large: this line and what follows was not read."
                : "The body stopped arriving: this line and what follows was not read."
        );
        flush();
        ended_ = true;
        finish_if_done();
    }

    [[nodiscard]] std::size_t lines_in_flight() const override { return in_flight_; }

private:
    struct Line {
        std::uint64_t number = 0;
        Slot slot;
    };
    /// One job's lines and what answers them.
    class StreamWrite final : public engine::WriteJob, public Completable {
    public:
        std::shared_ptr<EventStream> stream;
        std::vector<Line> lines;
        std::uint64_t ordinal = 0;
        [[nodiscard]] net::IoQueue* queue() const override { return stream->queue_; }
        void complete(std::unique_ptr<engine::Job> self) override {
            std::unique_ptr<StreamWrite> owned(static_cast<StreamWrite*>(self.release()));
            const std::shared_ptr<EventStream> kept = stream;
            NamedOutcomes named(*owned);
            std::vector<ledger::MemberId> unnamed = named.unnamed();
            if (unnamed.empty()) return kept->answer(*owned, named);
            const ledger::ProgramId whose = program;
            auto then = [kept,
                         job = std::move(owned),
                         outcomes = std::move(named)](MemberNames names) mutable {
                outcomes.name(std::move(names));
                kept->answer(*job, outcomes);
            };
            look_up_names(
                kept->services_.shard, whose, kept->queue_, std::move(unnamed), std::move(then)
            );
        }
    };

    void take_line() {
        ++line_number_;
        if (!rest_.empty() && rest_.back() == '\r') rest_.pop_back();
        if (rest_.empty()) return;
        Line& line = add_line();
        job_->bytes += rest_.size();
        if (rest_.size() > services_.options.body_bytes_max) {
            line.slot.error =
                ledger::make_error(ErrorCode::body_too_large, "The line is too large.");
        } else {
            const std::size_t size = rest_.size();
            rest_.resize(size + net::kBodyPadding);
            auto event = read_event(
                std::string_view(rest_.data(), size),
                context_of(services_, caller_, program_),
                job_->arena
            );
            if (event.has_error()) {
                line.slot.error = event.error();
            } else {
                line.slot.command = job_->commands.size();
                job_->commands.emplace_back(*event);
            }
        }
        rest_.clear();
    }

    /// The line of line_number_, in the job that is being filled.
    Line& add_line() {
        if (!job_) {
            job_ = std::make_unique<StreamWrite>();
            job_->stream = shared_from_this();
            job_->program = program_.id;
            job_->actor = {ledger::ActorKind::key, caller_.key_id};
            job_->lane = engine::Lane::bulk;
        }
        ++in_flight_;
        Line& line = job_->lines.emplace_back();
        line.number = line_number_;
        return line;
    }

    void flush() {
        if (!job_) return;
        std::unique_ptr<StreamWrite> job = std::move(job_);
        StreamWrite* raw = job.get();
        raw->ordinal = next_job_++;
        std::unique_ptr<engine::Job> handed(job.release());
        if (auto submitted = services_.shard.submit(handed); submitted.has_error()) {
            for (Line& line : raw->lines)
                if (!line.slot.error) line.slot.error = submitted.error();
            answer(*raw, NamedOutcomes(*raw));
        }
    }

    void answer(const StreamWrite& job, const NamedOutcomes& named) {
        in_flight_ -= job.lines.size();
        std::string text;
        if (!writer_.closed()) {
            for (const Line& line : job.lines) {
                JsonWriter json(text);
                if (line.slot.error) {
                    json.begin_object()
                        .field("line", line.number)
                        .field("status", "rejected")
                        .key("problem");
                    write_problem(json, *line.slot.error);
                    json.end_object();
                } else {
                    write_event_outcome(
                        json,
                        program_,
                        job.outcomes[line.slot.command],
                        named.member(line.slot.command)
                    );
                }
                text.push_back('\n');
            }
        }
        // Lines that were refused at once must not overtake those that still wait for their sync.
        answered_.emplace(job.ordinal, std::move(text));
        while (!answered_.empty() && answered_.begin()->first == next_answer_) {
            writer_.write(std::move(answered_.begin()->second));
            answered_.erase(answered_.begin());
            ++next_answer_;
        }
        finish_if_done();
    }

    void finish_if_done() {
        if (ended_ && next_answer_ == next_job_ && writer_) writer_.finish();
    }

    Services services_;
    const Caller caller_;
    const std::shared_ptr<const engine::Registry> registry_;
    const engine::ProgramInfo& program_;
    net::IoQueue* const queue_;
    net::StreamWriter writer_;
    std::string rest_;
    std::unique_ptr<StreamWrite> job_;
    std::uint64_t line_number_ = 0;
    std::size_t in_flight_ = 0;
    std::uint64_t next_job_ = 0;
    std::uint64_t next_answer_ = 0;
    std::map<std::uint64_t, std::string> answered_;  ///< by ordinal; waits for the ones before it
    bool ended_ = false;
};

}  // namespace

std::shared_ptr<net::BodyStream> open_event_stream(
    Services& services,
    Caller caller,
    std::shared_ptr<const engine::Registry> registry,
    const engine::ProgramInfo& program,
    net::Respond respond
) {
    return std::make_shared<EventStream>(
        services, caller, std::move(registry), program, std::move(respond)
    );
}

}  // namespace server::http
