#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "ledger/base/clock.hpp"
#include "server/engine/job.hpp"
#include "server/engine/shard.hpp"
#include "server/net/http.hpp"
#include "server/ops/health.hpp"
#include "server/ops/metrics.hpp"

namespace server::boards {
class Boards;
}
namespace server::live {
class Live;
}

namespace server::http {

/// Takes finished jobs from the engine to the io threads that own their connections. Give it to
/// Shard::open, before there is an Api.
class JobSink final : public engine::CompletionSink {
public:
    void deliver(std::vector<std::unique_ptr<engine::Job>> done) override;
};

/// The HTTP API: authenticates, parses, hands jobs to the shard and renders what comes back.
class Api final : public net::Handler {
public:
    struct Options {
        std::size_t body_bytes_max = std::size_t{1} << 20;
        std::size_t batch_body_bytes_max = std::size_t{8} << 20;
        std::size_t batch_events_max = 1'000;
        std::size_t json_depth_max = 32;
        /// Answer of /readyz and /metrics; what stands there is raised by the owner.
        ops::Health* health = nullptr;
        std::function<std::string()> metrics_text;
        const ledger::Clock* clock = nullptr;
        boards::Boards* boards = nullptr;
        live::Live* live = nullptr;  ///< null: there is no /live
    };
    /// `shard` must outlive the api.
    Api(engine::Shard& shard, Options options);
    ~Api() override;

    net::BodyPlan plan(const net::RequestHead& head) override;
    void handle(const net::Request& request, net::Respond respond) override;
    std::shared_ptr<net::BodyStream> open_stream(const net::RequestHead& head, net::Respond respond)
        override;
    void upgrade(const net::RequestHead& head, std::unique_ptr<net::UpgradedConnection> connection)
        override;
    net::Response error(ledger::ErrorCode code) override;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace server::http
