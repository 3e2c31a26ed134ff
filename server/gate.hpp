#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "server/net/http.hpp"
#include "server/ops/health.hpp"

namespace server {

/// Stands before the API, which needs a recovered folder: until open() it answers /healthz (200),
/// /readyz (503 with the reason) and 503 not_ready to everything else. Any thread.
class Gate final : public net::Handler {
public:
    /// `health` must outlive the gate.
    explicit Gate(const ops::Health& health) : health_(health) {}

    /// From now on `api` answers; it must outlive every request.
    void open(net::Handler& api) { api_.store(&api, std::memory_order_release); }

    net::BodyPlan plan(const net::RequestHead& head) override;
    net::Response error(ledger::ErrorCode code) override;
    void handle(const net::Request& request, net::Respond respond) override;
    std::shared_ptr<net::BodyStream> open_stream(const net::RequestHead& head, net::Respond respond)
        override;
    void upgrade(const net::RequestHead& head, std::unique_ptr<net::UpgradedConnection> connection)
        override;

private:
    [[nodiscard]] net::Handler* api() const { return api_.load(std::memory_order_acquire); }

    const ops::Health& health_;
    std::atomic<net::Handler*> api_{nullptr};
};

}  // namespace server
