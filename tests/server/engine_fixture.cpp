#include "tests/server/engine_fixture.hpp"

#include <chrono>
#include <filesystem>

#include "ledger/blind.hpp"
#include "ledger/entry_codec.hpp"
#include "ledger/sha256.hpp"
#include "rules/rule_set.hpp"

namespace server_test {

namespace engine = server::engine;

void OrderedSink::deliver(std::vector<std::unique_ptr<engine::Job>> done) {
    for (auto& job : done) {
        auto* waited = dynamic_cast<Waited*>(job.get());
        {
            const std::scoped_lock lock(mutex_);
            if (const auto* write = dynamic_cast<WaitedWrite*>(job.get());
                write != nullptr && !write->commands.empty())
                if (const auto* event = std::get_if<engine::EventCommand>(&write->commands.front()))
                    order_.emplace_back(event->id);
            kept_.push_back(std::move(job));
        }
        waited->done.set_value();
    }
}

std::vector<std::string> OrderedSink::order() {
    const std::scoped_lock lock(mutex_);
    return order_;
}

Batch::Batch(EngineFolder& folder, std::string_view program)
    : folder_(folder), program_(folder.program(program)) {
    job().program = program_->id;
    job().actor = {ledger::ActorKind::key, 1};
}

engine::EventCommand Batch::event(
    std::string_view type, std::string_view id, std::optional<ledger::Timestamp> time
) {
    engine::EventCommand event;
    event.type_name = keep(type);
    event.source = "//test/shop";
    event.shop = keep(ledger::shop_of(event.source));
    event.id = keep(id);
    event.occurred_at = time.value_or(folder_.clock().now() - ledger::kMicrosPerMinute);
    event.key_hash = ledger::event_key_hash(*program_->hmac, event.source, event.id);
    return event;
}

Batch& Batch::paid(const OrderOf& order) {
    const auto& hmac = *program_->hmac;
    engine::EventCommand event =
        this->event("order.paid", order.id.empty() ? order.order + "-paid" : order.id, order.time);
    event.type = engine::EventType::order_paid;
    event.backfill = order.backfill;
    auto lines = job().arena.make<ledger::OrderLine>(order.lines.size());
    std::string canonical = "paid " + order.order + " " + order.member;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        lines[i] = {keep(std::to_string(i + 1)), "sku", 1, order.lines[i], false};
        event.order.net += order.lines[i];
        canonical += " " + std::to_string(order.lines[i]);
    }
    event.order.order_id = keep(order.order);
    event.order.currency = "EUR";
    event.order.total = event.order.net;
    event.order.lines = lines;
    event.personal = {keep(order.member), keep(order.email), {}, keep(order.name), {}, {}, {}};
    event.blind = ledger::blind_hashes(hmac, event.personal);
    event.natural_hash =
        ledger::natural_key_hash(hmac, event.shop, "order.paid", order.order, "", 0);
    event.request_hash = ledger::request_hash(hmac, canonical);
    job().commands.emplace_back(event);
    return *this;
}

Batch& Batch::refunded(const RefundOf& refund) {
    const auto& hmac = *program_->hmac;
    const char* type = refund.cancel ? "order.cancelled" : "order.refunded";
    const std::string number = refund.cancel ? std::string() : refund.refund;
    engine::EventCommand event =
        this->event(type, refund.id.empty() ? refund.order + "-" + refund.refund : refund.id, {});
    event.type =
        refund.cancel ? engine::EventType::order_cancelled : engine::EventType::order_refunded;
    auto lines = job().arena.make<ledger::OrderLine>(refund.lines.size());
    std::string canonical = "refund " + refund.order + " " + refund.refund;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const auto& [line, amount] = refund.lines[i];
        lines[i] = {keep(std::to_string(line)), "sku", 1, amount, false};
        canonical += " " + std::to_string(line) + "=" + std::to_string(amount);
    }
    event.refund.order_id = keep(refund.order);
    event.refund.refund_id = keep(number);
    event.refund.currency = refund.cancel ? "" : "EUR";
    event.refund.cancel = refund.cancel;
    event.final = refund.final;
    if (refund.final) canonical += " final";
    event.refund.lines = lines;
    event.natural_hash = ledger::natural_key_hash(hmac, event.shop, type, refund.order, number, 0);
    event.order_natural_hash =
        ledger::natural_key_hash(hmac, event.shop, "order.paid", refund.order, "", 0);
    event.request_hash = ledger::request_hash(hmac, canonical);
    job().commands.emplace_back(event);
    return *this;
}

Batch& Batch::adjusted(
    const std::string& member,
    ledger::Points amount,
    const std::string& key,
    const std::string& note
) {
    const auto& hmac = *program_->hmac;
    engine::AdjustCommand adjust;
    ledger::Personal personal;
    personal.external_id = member;
    adjust.blind = ledger::blind_hashes(hmac, personal);
    adjust.currency = "points";
    adjust.amount = amount;
    adjust.reason_code = "goodwill";
    adjust.note = keep(note);
    adjust.key_hash = ledger::idempotency_key_hash(hmac, "adjustments", key);
    adjust.request_hash =
        ledger::request_hash(hmac, "adjust " + member + " " + std::to_string(amount) + note);
    job().commands.emplace_back(adjust);
    return *this;
}

Batch& Batch::attached(ledger::Seq orphan, const std::string& order, const std::string& key) {
    const auto& hmac = *program_->hmac;
    engine::AttachCommand attach;
    attach.orphan = orphan;
    attach.order_natural_hash =
        ledger::natural_key_hash(hmac, ledger::shop_of("//test/shop"), "order.paid", order, "", 0);
    attach.key_hash = ledger::idempotency_key_hash(hmac, "orphans", key);
    attach.request_hash =
        ledger::request_hash(hmac, "attach " + std::to_string(orphan.value) + " " + order);
    job().commands.emplace_back(attach);
    return *this;
}

Batch& Batch::bulk() {
    job().lane = engine::Lane::bulk;
    return *this;
}

const char* const EngineFolder::kPlain = R"json({"tz":"UTC",
    "currencies":[{"id":"points","scale":0,"kind":"spendable","negative":"to_debt"}],
    "campaigns":[{"id":"core","rules":[{"id":"purchase","on":"order.paid","if":"true","effects":[
        {"award":{"to":"member","currency":"points","points":"muldiv(order.net, 1, order.unit)",
                  "reason":"purchase"}}]}]}]})json";

const char* const EngineFolder::kHeld = R"json({"tz":"UTC",
    "currencies":[{"id":"points","scale":0,"kind":"spendable","negative":"to_debt"}],
    "campaigns":[{"id":"core","rules":[{"id":"purchase","on":"order.paid","if":"true","effects":[
        {"award":{"to":"member","currency":"points","points":"muldiv(order.net, 1, order.unit)",
                  "reason":"purchase","hold":{"for":"14d"},"expires":"30d"}}]}]}]})json";

const char* const EngineFolder::kBoards = R"json({
  "tz": "UTC",
  "currencies": [{"id": "points"}],
  "campaigns": [{"id": "core", "rules": [{"id": "purchase", "on": "order.paid", "if": "true",
    "effects": [{"award": {"to": "member", "currency": "points",
      "points": "muldiv(order.net, 1, order.unit)", "reason": "purchase"}}]}]}],
  "boards": [{"id": "top", "score": {"currency": "points"}, "windows": ["month", "all"]}]})json";

EngineFolder::EngineFolder() {
    options.data_path = path();
    options.disk = disk_;
    options.clock = clock_;
    options.memory_bytes_max = std::uint64_t{256} << 20;
    options.disk_watermark_bytes = 1'000;
    options.checkpoint_period = 0;
    options.progress = [this](const std::string& line) { said.push_back(line); };
    disk_->set_free_bytes(std::uint64_t{1} << 40);
}

ledger::Result<void> EngineFolder::try_open() {
    auto opened = engine::Shard::open(options, sink_);
    if (opened.has_error()) return opened.error();
    shard_ = std::move(*opened);
    return {};
}

void EngineFolder::start() {
    REQUIRE(try_open());
    shard_->start();
}

void EngineFolder::stop() {
    disk_->release_syncs();
    if (shard_) shard_->stop();
    shard_.reset();
}

void EngineFolder::delete_views() {
    REQUIRE(std::filesystem::remove_all(path() + "/views") > 0);
}

void EngineFolder::put_program(const std::string& name, std::string_view document) {
    const auto rule_set = rules::load_rule_set(document, name);
    REQUIRE(rule_set);
    engine::PutProgramCommand command;
    command.name = name;
    command.document = (*rule_set)->canonical();
    command.content_hash = ledger::sha256(command.document);
    command.rule_set = *rule_set;
    auto job = std::make_unique<WaitedWrite>();
    job->program = ledger::kSystemProgram;
    job->commands.emplace_back(command);
    auto done = job->done.get_future();
    WaitedWrite& waited = *job;
    std::unique_ptr<engine::Job> handed = std::move(job);
    REQUIRE(shard_->submit(handed));
    done.get();
    INFO(waited.outcomes.front().error.detail);
    REQUIRE(waited.outcomes.front().status == Status::applied);
}

ledger::Result<Pending> EngineFolder::try_submit(Batch& batch) {
    WaitedWrite& waited = batch.job();
    auto taken = shard_->submit(batch.handed());
    if (taken.has_error()) {
        CHECK(batch.handed() != nullptr);
        return taken.error();
    }
    return Pending(waited, waited.done.get_future());
}

Pending EngineFolder::submit(Batch& batch) {
    auto taken = try_submit(batch);
    // A clock that was put forward makes the views look late until their next checkpoint.
    if (taken.has_error() && taken.error().code == ledger::ErrorCode::overloaded)
        await("a place in the queue", [&] {
            taken = try_submit(batch);
            return !taken.has_error();
        });
    REQUIRE(taken);
    return std::move(*taken);
}

Outcome EngineFolder::pay(const OrderOf& order) {
    Batch batch(*this);
    batch.paid(order);
    return run(batch).front();
}

Outcome EngineFolder::refund(const RefundOf& refund) {
    Batch batch(*this);
    batch.refunded(refund);
    return run(batch).front();
}

Outcome EngineFolder::adjust(
    const std::string& member, ledger::Points amount, const std::string& key
) {
    Batch batch(*this);
    batch.adjusted(member, amount, key);
    return run(batch).front();
}

Outcome EngineFolder::attach(ledger::Seq orphan, const std::string& order, const std::string& key) {
    Batch batch(*this);
    batch.attached(orphan, order, key);
    return run(batch).front();
}

namespace {

class OrphansJob final : public engine::ReadJob, public Waited {
public:
    OrphansJob(ledger::Seq after, std::size_t limit, std::vector<ledger::Seq>& found)
        : after_(after), limit_(limit), found_(found) {}
    bool read(const engine::ReadContext& context) override {
        found_ = context.orphans(after_, limit_);
        return true;
    }

private:
    const ledger::Seq after_;
    const std::size_t limit_;
    std::vector<ledger::Seq>& found_;
};

class EntryJob final : public engine::ReadJob, public Waited {
public:
    EntryJob(ledger::Seq seq, std::string& found) : seq_(seq), found_(found) {}
    bool read(const engine::ReadContext& context) override {
        if (seq_ > context.view.program(program)->last_seq) return true;
        const auto entry = context.view.entry(program, seq_);
        if (entry.missing()) return false;
        found_ = entry.row->bytes;
        return true;
    }

private:
    const ledger::Seq seq_;
    std::string& found_;
};

class LookJob final : public engine::ReadJob, public Waited {
public:
    explicit LookJob(Seen& seen) : seen_(seen) {}
    bool read(const engine::ReadContext& context) override {
        seen_.last_seq = context.view.program(program)->last_seq;
        if (context.tree != nullptr) {
            seen_.root = context.tree->root();
            seen_.tree_size = context.tree->size();
        }
        return true;
    }

private:
    Seen& seen_;
};

class BalanceJob final : public engine::ReadJob, public Waited {
public:
    BalanceJob(ledger::Hash16 external_id, ledger::Balance& balance)
        : external_id_(external_id), balance_(balance) {}
    bool read(const engine::ReadContext& context) override {
        const auto found = context.view.member_by_external_id(program, external_id_);
        if (found.missing()) return false;
        if (!found.found()) return true;
        const auto member = context.view.member(program, found.value);
        if (member.missing()) return false;
        // Not an assertion: this runs on the writer's thread.
        if (!member.found()) {
            balance_.available = -1;
            return true;
        }
        if (const ledger::Wallet* wallet = member.row->wallet(0))
            balance_ = {
                found.value,
                0,
                wallet->available,
                wallet->pending,
                wallet->held,
                wallet->debt,
                wallet->lifetime_earned};
        return true;
    }

private:
    const ledger::Hash16 external_id_;
    ledger::Balance& balance_;
};

template <typename Read>
void run_read(engine::Shard& shard, std::unique_ptr<Read> job) {
    auto done = job->done.get_future();
    std::unique_ptr<engine::Job> handed = std::move(job);
    REQUIRE(shard.submit(handed));
    done.get();
}

}  // namespace

std::vector<ledger::Seq> EngineFolder::orphans(ledger::Seq after, std::size_t limit) {
    std::vector<ledger::Seq> found;
    auto job = std::make_unique<OrphansJob>(after, limit, found);
    job->program = program("shop")->id;
    run_read(*shard_, std::move(job));
    return found;
}

std::unique_ptr<ledger::OwnedEntry> EngineFolder::entry(ledger::Seq seq) {
    std::string bytes;
    auto job = std::make_unique<EntryJob>(seq, bytes);
    job->program = program("shop")->id;
    run_read(*shard_, std::move(job));
    if (bytes.empty()) return nullptr;
    auto decoded = ledger::decode(std::move(bytes));
    REQUIRE(decoded);
    return std::move(*decoded);
}

Seen EngineFolder::look(std::string_view name) {
    Seen seen;
    auto job = std::make_unique<LookJob>(seen);
    job->program = program(name)->id;
    run_read(*shard_, std::move(job));
    return seen;
}

ledger::Balance EngineFolder::balance(const std::string& member, std::string_view name) {
    const auto info = program(name);
    ledger::Personal personal;
    personal.external_id = member;
    ledger::Balance balance;
    auto job = std::make_unique<BalanceJob>(
        *ledger::blind_hashes(*info->hmac, personal).external_id, balance
    );
    job->program = info->id;
    run_read(*shard_, std::move(job));
    return balance;
}

std::shared_ptr<const engine::ProgramInfo> EngineFolder::program(std::string_view name) const {
    const auto registry = shard_->registry();
    const auto found = registry->programs.find(name);
    REQUIRE(found != registry->programs.end());
    return found->second;
}

void EngineFolder::await(const std::string& what, const std::function<bool()>& condition) const {
    std::mutex mutex;
    std::condition_variable nobody_tells;
    std::unique_lock lock(mutex);
    const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    bool holds = condition();
    while (!holds && std::chrono::steady_clock::now() < until) {
        nobody_tells.wait_for(lock, std::chrono::milliseconds(1));
        holds = condition();
    }
    INFO("not within a minute: " << what);
    REQUIRE(holds);
}

ledger::VerifyReport EngineFolder::verified() {
    REQUIRE(shard_ == nullptr);
    ledger::VerifyOptions wanted;
    wanted.data_path = path();
    wanted.disk = disk_;
    auto report = ledger::verify(wanted);
    REQUIRE(report);
    for (const std::string& fault : report->faults)
        FAIL_CHECK(fault);
    CHECK(report->not_checked.empty());
    REQUIRE(report->state);
    return std::move(*report);
}

ledger::Hash32 EngineFolder::content() {
    const auto report = verified();
    REQUIRE(report.contents.size() == 1);
    return report.contents.front().digest;
}

std::unique_ptr<ledger::OwnedEntry> entry_of(const Outcome& outcome) {
    auto entry = ledger::decode(std::string(outcome.entry));
    REQUIRE(entry);
    return std::move(*entry);
}

ledger::Points points_of(const Outcome& outcome) {
    ledger::Points points = 0;
    for (const ledger::RuleOutcome& rule : entry_of(outcome)->entry.event.rules)
        points += rule.posted;
    return points;
}

}  // namespace server_test
