#pragma once

#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ledger/base/clock.hpp"
#include "ledger/blind.hpp"
#include "ledger/sha256.hpp"
#include "rules/rule_set.hpp"
#include "server/engine/shard.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

namespace test_support {

/// A write whose outcomes are waited for.
class WaitedWrite final : public server::engine::WriteJob {
public:
    std::promise<void> done;
};

/// Hands finished jobs to whoever waits for them; keeps them, because outcomes point into them.
class WaitingSink final : public server::engine::CompletionSink {
public:
    void deliver(std::vector<std::unique_ptr<server::engine::Job>> done) override {
        for (auto& job : done) {
            auto& write = static_cast<WaitedWrite&>(*job);
            kept_.push_back(std::move(job));
            write.done.set_value();
        }
    }

private:
    std::vector<std::unique_ptr<server::engine::Job>> kept_;
};

/// A real shard on a fresh folder, driven by commands as the HTTP edge makes them. Verbs wait until
/// the command is durable and REQUIRE that it was taken.
class ShardFolder {
public:
    static constexpr const char* kDocument = R"json({"tz":"UTC",
        "currencies":[{"id":"points","scale":0,"kind":"spendable","negative":"to_debt"}],
        "counters":[{"id":"orders","on":"order.paid","count":true,"scope":["member"],
          "window":"lifetime"}],
        "campaigns":[{"id":"core","rules":[{"id":"purchase","on":"order.paid","if":"true",
            "effects":[{"award":{"to":"member","currency":"points",
                                 "points":"muldiv(order.net, 1, order.unit)",
                                 "reason":"purchase","expires":"365d"}}]}]}]})json";

    explicit ShardFolder(std::shared_ptr<ledger::Disk> disk = ledger::Disk::real())
        : disk_(std::move(disk)) {}
    ~ShardFolder() { stop(); }
    ShardFolder(const ShardFolder&) = delete;
    ShardFolder& operator=(const ShardFolder&) = delete;

    [[nodiscard]] std::string path() const { return folder_.file("data"); }
    [[nodiscard]] const std::shared_ptr<ledger::Disk>& disk() const { return disk_; }
    [[nodiscard]] server::engine::Shard& shard() { return *shard_; }

    void start(ledger::Timestamp checkpoint_period = ledger::kMicrosPerSecond) {
        auto opened = try_start(checkpoint_period);
        INFO((opened ? std::string() : opened.error().detail));
        REQUIRE(opened);
    }
    ledger::Result<void> try_start(ledger::Timestamp checkpoint_period = ledger::kMicrosPerSecond) {
        server::engine::Shard::Options options;
        options.data_path = path();
        options.disk = disk_;
        options.clock = std::make_shared<ledger::SystemClock>();
        options.memory_bytes_max = std::uint64_t{256} << 20;
        options.disk_watermark_bytes = 0;
        options.checkpoint_period = checkpoint_period;
        auto opened = server::engine::Shard::open(std::move(options), sink_);
        if (opened.has_error()) return opened.error();
        shard_ = std::move(*opened);
        shard_->start();
        return {};
    }
    /// Drains, with a last checkpoint.
    void stop() {
        if (shard_) shard_->stop();
        shard_.reset();
    }

    server::engine::Outcome run(ledger::ProgramId program, server::engine::Command command) {
        auto job = std::make_unique<WaitedWrite>();
        job->program = program;
        job->commands.push_back(std::move(command));
        WaitedWrite& waited = *job;
        auto done = waited.done.get_future();
        std::unique_ptr<server::engine::Job> handed = std::move(job);
        REQUIRE(shard_->submit(handed));
        done.get();
        return waited.outcomes.front();
    }

    void create_program(const std::string& name) {
        const auto rule_set = rules::load_rule_set(kDocument, name);
        REQUIRE(rule_set);
        server::engine::PutProgramCommand command;
        command.name = name;
        command.document = (*rule_set)->canonical();
        command.content_hash = ledger::sha256(command.document);
        command.rule_set = *rule_set;
        REQUIRE(run(ledger::kSystemProgram, command).status == server::engine::Status::applied);
    }

    void create_key(const std::string& secret) {
        static constexpr std::string_view kScopes[] = {"admin"};
        server::engine::CreateKeyCommand command;
        command.secret_hash = ledger::sha256(secret);
        command.scopes = kScopes;
        REQUIRE(run(ledger::kSystemProgram, command).status == server::engine::Status::applied);
    }

    /// An order of one line; `amount` in cents.
    server::engine::Outcome pay(
        const std::string& program,
        const std::string& order,
        const std::string& member,
        ledger::Points amount,
        const std::string& email = {}
    ) {
        const auto info = find(program);
        const ledger::OrderLine line{"1", "sku", 1, amount, false};
        const std::string id = order + "-paid";
        server::engine::EventCommand event = event_of(*info, "order.paid", id);
        event.type = server::engine::EventType::order_paid;
        event.order.order_id = order;
        event.order.currency = "EUR";
        event.order.total = event.order.net = amount;
        event.order.lines = {&line, 1};
        event.personal.external_id = member;
        event.personal.email = email;
        event.blind = ledger::blind_hashes(*info->hmac, event.personal);
        event.natural_hash =
            ledger::natural_key_hash(*info->hmac, event.shop, "order.paid", order, "", 0);
        event.request_hash = ledger::request_hash(*info->hmac, id);
        return applied(run(info->id, event));
    }

    server::engine::Outcome refund(
        const std::string& program, const std::string& order, ledger::Points amount
    ) {
        return applied(try_refund(program, order, amount, false));
    }

    /// The refund of an order that may not be there; `final`: it will not come.
    server::engine::Outcome try_refund(
        const std::string& program, const std::string& order, ledger::Points amount, bool final
    ) {
        const auto info = find(program);
        const ledger::OrderLine line{"1", "sku", 1, amount, false};
        const std::string id = order + "-refunded";
        server::engine::EventCommand event = event_of(*info, "order.refunded", id);
        event.type = server::engine::EventType::order_refunded;
        event.refund.order_id = order;
        event.refund.refund_id = "r1";
        event.refund.currency = "EUR";
        event.refund.lines = {&line, 1};
        event.natural_hash =
            ledger::natural_key_hash(*info->hmac, event.shop, "order.refunded", order, "r1", 0);
        event.order_natural_hash =
            ledger::natural_key_hash(*info->hmac, event.shop, "order.paid", order, "", 0);
        event.request_hash = ledger::request_hash(*info->hmac, id);
        event.final = final;
        return run(info->id, event);
    }

private:
    std::shared_ptr<const server::engine::ProgramInfo> find(const std::string& name) {
        registry_ = shard_->registry();
        const auto at = registry_->programs.find(name);
        REQUIRE(at != registry_->programs.end());
        return at->second;
    }

    server::engine::EventCommand event_of(
        const server::engine::ProgramInfo& info, std::string_view type, std::string_view id
    ) const {
        server::engine::EventCommand event;
        event.type_name = type;
        event.source = "//test/shop";
        event.shop = "test";
        event.id = id;
        event.occurred_at = ledger::SystemClock().now() - ledger::kMicrosPerMinute;
        event.key_hash = ledger::event_key_hash(*info.hmac, event.source, event.id);
        return event;
    }

    static server::engine::Outcome applied(server::engine::Outcome outcome) {
        INFO(outcome.error.detail);
        REQUIRE(outcome.status == server::engine::Status::applied);
        return outcome;
    }

    TemporaryFolder folder_;
    const std::shared_ptr<ledger::Disk> disk_;
    WaitingSink sink_;
    std::unique_ptr<server::engine::Shard> shard_;
    std::shared_ptr<const server::engine::Registry> registry_;
};

}  // namespace test_support
