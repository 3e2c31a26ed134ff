#include "server/http/handlers/call.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "ledger/blind.hpp"
#include "ledger/entry_codec.hpp"
#include "server/http/json_writer.hpp"

namespace server::http {

using ledger::ErrorCode;

namespace {

constexpr ledger::Timestamp kVisibleWait = 2 * ledger::kMicrosPerSecond;
constexpr std::chrono::milliseconds kVisiblePoll{10};

template <typename Job>
void submit_job(engine::Shard& shard, std::unique_ptr<Job> job) {
    Job* raw = job.get();
    std::unique_ptr<engine::Job> handed(job.release());
    if (auto submitted = shard.submit(handed); submitted.has_error()) {
        net::Respond respond = std::move(raw->respond);
        respond(error_response(submitted.error()));
    }
}

using Finish = net::UniqueFunction<void(std::unique_ptr<HttpRead>)>;

/// Submits again until the read sees `min_seq` or the time is up. `finish` may be empty.
void wait_for_seq(
    Services& services,
    std::unique_ptr<HttpRead> job,
    std::shared_ptr<Finish> finish,
    std::uint64_t min_seq,
    ledger::Timestamp deadline
) {
    Services parts = services;
    job->finish = [parts, finish, min_seq, deadline](std::unique_ptr<HttpRead> done) mutable {
        if (done->as_of.value >= min_seq) {
            if (*finish) return (*finish)(std::move(done));
            net::Response response = done->render(*done);
            done->respond(std::move(response));
            return;
        }
        if (parts.options.clock->monotonic() >= deadline) {
            done->respond(error_response(ledger::make_error(
                ErrorCode::not_yet_visible, "The ledger has not reached min_seq within 2 seconds."
            )));
            return;
        }
        auto again = [parts, finish, min_seq, deadline, owned = std::move(done)]() mutable {
            wait_for_seq(parts, std::move(owned), std::move(finish), min_seq, deadline);
        };
        // A refused work item drops the job, and with it the answer becomes 500; the pool's bound
        // makes that an overload.
        if (!parts.pool.post(std::move(again), kVisiblePoll)) return;
    };
    services.submit(std::move(job));
}

}  // namespace

void Services::submit(std::unique_ptr<HttpWrite> job) {
    submit_job(shard, std::move(job));
}

void Services::submit(std::unique_ptr<HttpRead> job) {
    submit_job(shard, std::move(job));
}

std::unique_ptr<HttpWrite> make_write(Call& call) {
    auto job = std::make_unique<HttpWrite>();
    if (call.program != nullptr) job->program = call.program->id;
    job->actor = {ledger::ActorKind::key, call.caller.key_id};
    job->registry = call.registry;
    job->bytes = call.request.body.size();
    job->info = call.program;
    return job;
}

std::unique_ptr<HttpRead> make_read(Call& call) {
    auto job = std::make_unique<HttpRead>();
    if (call.program != nullptr) job->program = call.program->id;
    job->actor = {ledger::ActorKind::key, call.caller.key_id};
    job->registry = call.registry;
    job->info = call.program;
    return job;
}

net::Response entry_response(
    const HttpWrite& done, std::string_view member, std::string_view note
) {
    const engine::Outcome& outcome = done.outcomes[0];
    net::Response response;
    if (outcome.status == engine::Status::rejected || outcome.status == engine::Status::refused) {
        ProblemExtras extras;
        if (outcome.seq.value != 0) extras.seq = outcome.seq.value;
        response = error_response(outcome.error, extras);
    } else {
        ledger::OwnedEntry owned;
        if (auto decoded = ledger::decode_into(outcome.entry, owned); decoded.has_error())
            return error_response(decoded.error());
        response.status = 201;
        JsonWriter json(response.body);
        write_entry(json, *done.info, owned.entry, member, note);
    }
    if (outcome.replayed) response.add_header("Replayed", "true");
    return response;
}

void submit_read(Services& services, Call& call, std::unique_ptr<HttpRead> job) {
    const auto min_seq = number_parameter(
        call.request.query, "min_seq", 0, static_cast<std::uint64_t>(ledger::kWireMax), 0
    );
    if (min_seq.has_error()) return call.refuse(min_seq.error());
    job->respond = std::move(call.respond);
    if (*min_seq == 0) return services.submit(std::move(job));
    auto finish = std::make_shared<Finish>(std::move(job->finish));
    wait_for_seq(
        services,
        std::move(job),
        std::move(finish),
        *min_seq,
        services.options.clock->monotonic() + kVisibleWait
    );
}

void render_on_pool(Services& services, HttpRead& job) {
    ReadPool& pool = services.pool;
    job.finish = [&pool](std::unique_ptr<HttpRead> done) {
        HttpRead* raw = done.get();
        net::Respond respond = std::move(raw->respond);
        auto work = [owned = std::move(done),
                     reply = std::make_shared<net::Respond>(std::move(respond))]() mutable {
            net::Response response = owned->render(*owned);
            (*reply)(std::move(response));
        };
        (void)pool.post(std::move(work));
    };
}

ledger::Result<std::uint64_t> number_parameter(
    std::string_view query,
    std::string_view name,
    std::uint64_t low,
    std::uint64_t high,
    std::uint64_t fallback
) {
    auto text = query_parameter(query, name);
    if (text.has_error()) return text.error();
    if (!*text) return fallback;
    std::uint64_t value = 0;
    const char* end = (*text)->data() + (*text)->size();
    const auto parsed = std::from_chars((*text)->data(), end, value);
    if (parsed.ec != std::errc() || parsed.ptr != end || value < low || value > high) {
        return ledger::field_error(
            ErrorCode::invalid_parameter,
            std::string(name),
            "must be a whole number from " + std::to_string(low) + " to " + std::to_string(high)
        );
    }
    return value;
}

ledger::Result<ledger::Hash16> member_hash(
    const engine::ProgramInfo& program, std::string_view member
) {
    if (member.empty() || member.size() > 255) {
        return ledger::field_error(
            ErrorCode::invalid_parameter, "member", "must have 1 to 255 bytes"
        );
    }
    if (std::any_of(member.begin(), member.end(), [](char c) { return c >= 0 && c < ' '; })) {
        return ledger::field_error(
            ErrorCode::invalid_parameter, "member", "must not contain control characters"
        );
    }
    return ledger::blind_hash(*program.hmac, ledger::BlindKind::external_id, member);
}

ledger::Result<std::string_view> idempotency_key(const net::RequestHead& request) {
    const std::string_view key = request.header("idempotency-key");
    if (key.empty()) {
        return ledger::make_error(
            ErrorCode::idempotency_key_required, "Give an Idempotency-Key header."
        );
    }
    const bool printable = std::ranges::all_of(key, [](char c) { return c >= 0x21 && c <= 0x7e; });
    if (key.size() > 255 || !printable) {
        return ledger::field_error(
            ErrorCode::invalid_parameter,
            "Idempotency-Key",
            "must have 1 to 255 printable characters"
        );
    }
    return key;
}

}  // namespace server::http
