#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "server/engine/job.hpp"
#include "server/engine/registry.hpp"
#include "server/http/completable.hpp"
#include "server/http/error_response.hpp"
#include "server/net/http.hpp"
#include "server/net/unique_function.hpp"

namespace server::http {

/// A write with the answer that it owes. `render` runs on the connection's io thread, `finish`
/// instead of it if the answer needs more.
class HttpWrite final : public engine::WriteJob, public Completable {
public:
    net::Respond respond;
    std::shared_ptr<const engine::Registry> registry;  ///< keeps `info` alive
    const engine::ProgramInfo* info = nullptr;
    net::UniqueFunction<net::Response(HttpWrite&)> render;
    net::UniqueFunction<void(std::unique_ptr<HttpWrite>)> finish;

    [[nodiscard]] net::IoQueue* queue() const override { return respond.queue(); }
    void complete(std::unique_ptr<engine::Job> self) override {
        std::unique_ptr<HttpWrite> owned(static_cast<HttpWrite*>(self.release()));
        if (finish) {
            auto go_on = std::move(finish);
            go_on(std::move(owned));
            return;
        }
        net::Response response = render(*this);
        respond(std::move(response));
    }
};

/// A read with the answer that it owes. `look` runs on the writer and copies what `render` needs;
/// `render` runs on the connection's io thread, or on the read pool if it has to read stored rows.
class HttpRead final : public engine::ReadJob, public Completable {
public:
    net::Respond respond;
    std::shared_ptr<const engine::Registry> registry;
    const engine::ProgramInfo* info = nullptr;
    net::UniqueFunction<bool(HttpRead&, const engine::ReadContext&)> look;
    net::UniqueFunction<net::Response(HttpRead&)> render;
    /// Called instead of render when the read is done; for reads that wait or go on elsewhere.
    net::UniqueFunction<void(std::unique_ptr<HttpRead>)> finish;

    bool read(const engine::ReadContext& context) override { return look(*this, context); }
    [[nodiscard]] net::IoQueue* queue() const override { return respond.queue(); }
    void complete(std::unique_ptr<engine::Job> self) override {
        std::unique_ptr<HttpRead> owned(static_cast<HttpRead*>(self.release()));
        if (unreadable) {
            respond(error_response(ledger::make_error(ledger::ErrorCode::internal)));
            return;
        }
        if (unfinished) {
            respond(error_response(ledger::make_error(
                ledger::ErrorCode::overloaded, "The read needs more rows than one read may fetch."
            )));
            return;
        }
        if (finish) {
            auto go_on = std::move(finish);
            go_on(std::move(owned));
            return;
        }
        net::Response response = render(*this);
        respond(std::move(response));
    }
};

}  // namespace server::http
