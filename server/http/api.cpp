#include "server/http/api.hpp"

#include <array>
#include <optional>
#include <span>
#include <utility>

#include "server/http/cors.hpp"
#include "server/http/handlers/assets.hpp"
#include "server/http/handlers/call.hpp"
#include "server/live/live.hpp"
#include "server/net/io_queue.hpp"
#include "server/net/upgrade.hpp"

namespace server::http {

using ledger::ErrorCode;
using net::Method;

namespace {

enum class Route : std::size_t {
    post_events,
    get_event,
    put_member,
    get_member,
    find_members,
    get_balances,
    get_member_entries,
    get_lots,
    post_adjustment,
    get_entry,
    get_orphans,
    attach_orphan,
    get_checkpoint,
    list_programs,
    put_program,
    get_program,
    list_versions,
    get_version,
    validate,
    post_key,
    list_keys,
    delete_key,
    accept_clock,
    get_boards,
    get_board,
    get_me,
    preflight,
    healthz,
    readyz,
    metrics,
    openapi,
    docs,
    widget_manifest,
    widget_file,
};

constexpr std::string_view kBatch = "application/cloudevents-batch+json";
constexpr std::string_view kJson = "application/json";
constexpr std::string_view kNdjson = "application/x-ndjson";
constexpr std::string_view kLivePath = "/live";

bool is_public(Route route) {
    return route >= Route::healthz;
}

/// For pages and members too, not for keys with scopes alone.
bool is_for_onlookers(Route route) {
    return route == Route::get_boards || route == Route::get_board || route == Route::get_me;
}

/// A misspelt parameter must not silently mean its default.
std::span<const std::string_view> query_names(Route route) {
    static constexpr std::array<std::string_view, 1> kMinSeq{"min_seq"};
    static constexpr std::array<std::string_view, 2> kPage{"limit", "cursor"};
    static constexpr std::array<std::string_view, 3> kEvent{"source", "id", "min_seq"};
    static constexpr std::array<std::string_view, 2> kFind{"query", "min_seq"};
    static constexpr std::array<std::string_view, 4> kBalances{"currency", "at", "seq", "min_seq"};
    static constexpr std::array<std::string_view, 4> kEntries{
        "currency", "limit", "cursor", "min_seq"};
    static constexpr std::array<std::string_view, 3> kLots{"limit", "cursor", "min_seq"};
    static constexpr std::array<std::string_view, 5> kBoard{
        "window", "limit", "after_rank", "around", "min_seq"};
    switch (route) {
        case Route::get_event: return kEvent;
        case Route::find_members: return kFind;
        case Route::get_balances: return kBalances;
        case Route::get_member_entries: return kEntries;
        case Route::get_orphans:
        case Route::get_lots: return kLots;
        case Route::get_board: return kBoard;
        case Route::list_programs:
        case Route::list_versions: return kPage;
        case Route::get_me:
        case Route::get_member:
        case Route::get_entry:
        case Route::get_checkpoint:
        case Route::get_program:
        case Route::get_version: return kMinSeq;
        default: return {};
    }
}

bool takes_json(Route route) {
    return route == Route::put_member || route == Route::post_adjustment ||
           route == Route::put_program || route == Route::validate || route == Route::post_key;
}

/// What is given must fit: JSON where there is one form, and UTF-8 everywhere. Errors:
/// unsupported_media_type.
ledger::Result<void> check_content_type(Route route, const net::RequestHead& head) {
    const auto refused = [](const char* why) {
        return ledger::make_error(ErrorCode::unsupported_media_type, why);
    };
    if (!takes_json(route) && route != Route::post_events) return {};
    const std::string_view type = head.media_type();
    if (takes_json(route) && !type.empty() && !net::equals_ignoring_case(type, kJson))
        return refused("Content-Type must be application/json.");
    const std::string_view charset = head.charset();
    if (!charset.empty() && !net::equals_ignoring_case(charset, "utf-8"))
        return refused("The charset of a body must be utf-8.");
    return {};
}

Router make_router() {
    Router router;
    const auto add = [&](Method method, std::string_view path, Route route) {
        router.add(method, path, static_cast<std::size_t>(route));
    };
    const auto under = [&](Method method, const std::string& path, Route route) {
        add(method, "/v1/programs/{program}" + path, route);
    };
    under(Method::post, "/events", Route::post_events);
    under(Method::get, "/events", Route::get_event);
    under(Method::put, "/members/{member}", Route::put_member);
    under(Method::get, "/members/{member}", Route::get_member);
    under(Method::get, "/members", Route::find_members);
    under(Method::get, "/members/{member}/balances", Route::get_balances);
    under(Method::get, "/members/{member}/entries", Route::get_member_entries);
    under(Method::get, "/members/{member}/lots", Route::get_lots);
    under(Method::post, "/members/{member}/adjustments", Route::post_adjustment);
    under(Method::get, "/entries/{seq}", Route::get_entry);
    under(Method::get, "/orphans", Route::get_orphans);
    under(Method::post, "/orphans/{seq}/attach", Route::attach_orphan);
    under(Method::get, "/checkpoint", Route::get_checkpoint);
    add(Method::get, "/v1/programs", Route::list_programs);
    under(Method::put, "", Route::put_program);
    under(Method::get, "", Route::get_program);
    under(Method::get, "/versions", Route::list_versions);
    under(Method::get, "/versions/{version}", Route::get_version);
    under(Method::post, "/validate", Route::validate);
    under(Method::post, "/keys", Route::post_key);
    under(Method::get, "/keys", Route::list_keys);
    under(Method::delete_, "/keys/{key}", Route::delete_key);
    under(Method::get, "/boards", Route::get_boards);
    under(Method::get, "/boards/{board}", Route::get_board);
    under(Method::get, "/me", Route::get_me);
    for (const char* path : {"/boards", "/boards/{board}", "/me"})
        under(Method::options, path, Route::preflight);
    add(Method::post, "/v1/ops/clock", Route::accept_clock);
    add(Method::get, "/healthz", Route::healthz);
    add(Method::get, "/readyz", Route::readyz);
    add(Method::get, "/metrics", Route::metrics);
    add(Method::get, "/openapi.json", Route::openapi);
    add(Method::get, "/docs", Route::docs);
    add(Method::get, "/widget/manifest.json", Route::widget_manifest);
    add(Method::get, "/widget/{version}/{file}", Route::widget_file);
    return router;
}

}  // namespace

void JobSink::deliver(std::vector<std::unique_ptr<engine::Job>> done) {
    net::CompletionBatch batch;
    for (std::unique_ptr<engine::Job>& job : done) {
        auto* completable = dynamic_cast<Completable*>(job.get());
        if (completable == nullptr) continue;
        net::IoQueue* queue = completable->queue();
        if (queue == nullptr) {
            completable->complete(std::move(job));
            continue;
        }
        batch.add(queue, [completable, owned = std::move(job)]() mutable {
            completable->complete(std::move(owned));
        });
    }
    batch.deliver();
}

struct Api::Impl {
    Impl(engine::Shard& shard, Options given)
        : options(std::move(given)),
          pool(2),
          services{shard, options, pool},
          router(make_router()) {}

    void dispatch(Route route, Call call);
    void public_route(
        Route route, const net::Request& request, const PathParameters& path, net::Respond respond
    );
    /// Who calls; nullopt: nobody known, and `refusal` says so (unauthenticated, or rate_limited
    /// after too many of those).
    std::optional<Caller> admit(
        const engine::Registry& registry, const net::RequestHead& head, net::Response& refusal
    );
    /// Admits an onlooker and dispatches. Errors in precedence order: those of admit_request
    /// (rate_limited instead after too many), invalid_parameter.
    void look(
        Route route, const net::Request& request, const PathParameters& path, net::Respond respond
    );

    const Options options;
    FailureLimiter failures;
    ReadPool pool;
    Services services;
    const Router router;
};

namespace {

/// Seconds until another wrong key is looked at → the answer.
net::Response too_many_failures(unsigned seconds) {
    ProblemExtras extras;
    extras.retry_after_s = seconds;
    return error_response(
        ledger::make_error(
            ErrorCode::rate_limited, "Too many requests with a wrong key came from this address."
        ),
        extras
    );
}

}  // namespace

std::optional<Caller> Api::Impl::admit(
    const engine::Registry& registry, const net::RequestHead& head, net::Response& refusal
) {
    const auto caller = authenticate(registry, head);
    if (!caller.has_error()) return *caller;
    const auto wait = failures.failed(head.peer, options.clock->monotonic());
    refusal = wait ? too_many_failures(*wait) : error_response(caller.error());
    return std::nullopt;
}

void Api::Impl::look(
    Route route, const net::Request& request, const PathParameters& path, net::Respond respond
) {
    auto registry = services.shard.registry();
    std::string origin = listed_origin(*registry, path[0], request);
    Admission admission = admit_request(*registry, path[0], request, services.now());
    if (const auto* refused = std::get_if<Refused>(&admission)) {
        const ledger::Error error = error_of(*refused);
        std::optional<unsigned> wait;
        // A page cannot help it that its token expires.
        if (error.code == ErrorCode::unauthenticated && refused->why != Refusal::expired)
            wait = failures.failed(request.peer, options.clock->monotonic());
        if (refused->why == Refusal::origin_refused) origin.clear();
        return with_cors(
            std::move(respond), std::move(origin)
        )(wait ? too_many_failures(*wait) : error_response(error));
    }
    auto onlooker = std::make_unique<const Onlooker>(std::move(std::get<Onlooker>(admission)));
    Call call{
        request,
        path,
        std::move(registry),
        onlooker->program.get(),
        Caller{onlooker->actor_key_id(), onlooker->program->id, 0},
        with_cors(std::move(respond), onlooker->origin)};
    call.onlooker = std::move(onlooker);
    if (auto known = check_query(request.query, query_names(route)); known.has_error())
        return call.refuse(known.error());
    dispatch(route, std::move(call));
}

void Api::Impl::public_route(
    Route route, const net::Request& request, const PathParameters& path, net::Respond respond
) {
    switch (route) {
        case Route::healthz: return get_healthz(services, std::move(respond));
        case Route::readyz: return get_readyz(services, std::move(respond));
        case Route::metrics: return get_metrics(services, std::move(respond));
        case Route::openapi: return get_openapi(std::move(respond));
        case Route::docs: return get_docs(std::move(respond));
        case Route::widget_manifest: return respond(widget_manifest(request));
        case Route::widget_file: return respond(widget_file(request, path[0], path[1]));
        default: return;
    }
}

void Api::Impl::dispatch(Route route, Call call) {
    switch (route) {
        case Route::post_events: return post_events(services, std::move(call));
        case Route::get_event: return get_event(services, std::move(call));
        case Route::put_member: return put_member(services, std::move(call));
        case Route::get_member: return get_member(services, std::move(call));
        case Route::find_members: return find_members(services, std::move(call));
        case Route::get_balances: return get_balances(services, std::move(call));
        case Route::get_member_entries: return get_member_entries(services, std::move(call));
        case Route::get_lots: return get_lots(services, std::move(call));
        case Route::post_adjustment: return post_adjustment(services, std::move(call));
        case Route::get_entry: return get_entry(services, std::move(call));
        case Route::get_orphans: return get_orphans(services, std::move(call));
        case Route::attach_orphan: return attach_orphan(services, std::move(call));
        case Route::get_checkpoint: return get_checkpoint(services, std::move(call));
        case Route::list_programs: return list_programs(services, std::move(call));
        case Route::put_program: {
            std::string name = call.path[0];
            return put_program(services, std::move(call), std::move(name));
        }
        case Route::validate: {
            std::string name = call.path[0];
            return validate_program(services, std::move(call), std::move(name));
        }
        case Route::get_program: return get_program(services, std::move(call));
        case Route::list_versions: return list_versions(services, std::move(call));
        case Route::get_version: return get_version(services, std::move(call));
        case Route::post_key: return post_key(services, std::move(call));
        case Route::list_keys: return list_keys(services, std::move(call));
        case Route::delete_key: return delete_key(services, std::move(call));
        case Route::accept_clock: return post_accept_clock(services, std::move(call));
        case Route::get_boards: return get_boards(services, std::move(call));
        case Route::get_board: return get_board(services, std::move(call));
        case Route::get_me: return get_me(services, std::move(call));
        case Route::preflight:
        case Route::healthz:
        case Route::readyz:
        case Route::metrics:
        case Route::openapi:
        case Route::docs:
        case Route::widget_manifest:
        case Route::widget_file: return;
    }
}

Api::Api(engine::Shard& shard, Options options)
    : impl_(std::make_unique<Impl>(shard, std::move(options))) {}

Api::~Api() = default;

net::BodyPlan Api::plan(const net::RequestHead& head) {
    if (head.path == kLivePath && impl_->options.live != nullptr)
        return impl_->options.live->plan(head);
    if (head.method == Method::post) {
        const std::string_view type = head.media_type();
        if (net::equals_ignoring_case(type, kBatch))
            return net::BodyPlan::buffer(impl_->options.batch_body_bytes_max);
        if (net::equals_ignoring_case(type, kNdjson)) {
            const auto match = impl_->router.find(head.method, head.path);
            if (!match.has_error() && static_cast<Route>((*match).route) == Route::post_events)
                return net::BodyPlan::stream(impl_->options.batch_body_bytes_max);
        }
    }
    return net::BodyPlan::buffer(impl_->options.body_bytes_max);
}

void Api::handle(const net::Request& request, net::Respond respond) {
    std::string allow;
    const auto match = impl_->router.find(request.method, request.path, &allow);
    if (match.has_error()) return respond(route_error_response(match.error(), allow));
    const Route route = static_cast<Route>((*match).route);
    if (is_public(route))
        return impl_->public_route(route, request, (*match).parameters, std::move(respond));
    if (is_for_onlookers(route))
        return impl_->look(route, request, (*match).parameters, std::move(respond));
    auto registry = impl_->services.shard.registry();
    if (route == Route::preflight)
        return respond(preflight_response(*registry, (*match).parameters[0], request));
    net::Response refusal;
    const auto caller = impl_->admit(*registry, request, refusal);
    if (!caller) return respond(std::move(refusal));
    Call call{request, (*match).parameters, registry, nullptr, *caller, std::move(respond)};
    const bool makes_program = route == Route::put_program || route == Route::validate;
    if ((*match).parameters.count > 0) {
        call.program = registry->find((*match).parameters[0]);
        const bool foreign = call.caller.program != ledger::kSystemProgram &&
                             (call.program == nullptr || call.program->id != call.caller.program);
        // A key of one program learns nothing about others, not even that they exist.
        if (foreign || (call.program == nullptr && !makes_program)) {
            return call.refuse(
                ledger::make_error(ErrorCode::program_not_found, "There is no such program.")
            );
        }
    }
    if (auto known = check_query(request.query, query_names(route)); known.has_error())
        return call.refuse(known.error());
    if (auto fits = check_content_type(route, request); fits.has_error())
        return call.refuse(fits.error());
    impl_->dispatch(route, std::move(call));
}

void Api::upgrade(
    const net::RequestHead& head, std::unique_ptr<net::UpgradedConnection> connection
) {
    impl_->options.live->upgrade(head, std::move(connection));
}

std::shared_ptr<net::BodyStream> Api::open_stream(
    const net::RequestHead& head, net::Respond respond
) {
    const auto refuse = [&](const ledger::Error& error) -> std::shared_ptr<net::BodyStream> {
        respond(error_response(error));
        return nullptr;
    };
    const auto match = impl_->router.find(head.method, head.path);
    if (match.has_error()) return refuse(match.error());
    auto registry = impl_->services.shard.registry();
    net::Response refusal;
    const auto caller = impl_->admit(*registry, head, refusal);
    if (!caller) {
        respond(std::move(refusal));
        return nullptr;
    }
    const engine::ProgramInfo* program = registry->find((*match).parameters[0]);
    if (program == nullptr ||
        (caller->program != ledger::kSystemProgram && caller->program != program->id)) {
        return refuse(ledger::make_error(ErrorCode::program_not_found, "There is no such program.")
        );
    }
    if (auto known = check_query(head.query, {}); known.has_error()) return refuse(known.error());
    if (auto fits = check_content_type(Route::post_events, head); fits.has_error())
        return refuse(fits.error());
    if (!caller->may(Scope::events_write)) {
        return refuse(
            ledger::make_error(ErrorCode::missing_scope, "This key lacks the scope events:write.")
        );
    }
    return open_event_stream(
        impl_->services, *caller, std::move(registry), *program, std::move(respond)
    );
}

net::Response Api::error(ledger::ErrorCode code) {
    return error_response(code);
}

}  // namespace server::http
