#include "server/admin_key.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <future>
#include <memory>
#include <string_view>
#include <utility>

#include "server/http/auth.hpp"
#include "server/http/completable.hpp"

namespace server {

namespace {

constexpr std::array<std::string_view, 1> kScopes{"admin"};
constexpr unsigned kFileMode = 0600;

/// What tells the keys that a start made from those that callers made.
constexpr std::string_view kLabel = "admin.key";

bool is_admin_key(const ledger::ApiKey& key) {
    return !key.revoked && key.program == ledger::kSystemProgram &&
           std::ranges::find(key.scopes, kScopes.front()) != key.scopes.end();
}

bool has_admin_key(const engine::Registry& registry) {
    return std::ranges::any_of(registry.keys, [](const auto& item) {
        return is_admin_key(item.second);
    });
}

/// Nobody's request: completed where it is delivered.
class StartJob final : public engine::WriteJob, public http::Completable {
public:
    [[nodiscard]] net::IoQueue* queue() const override { return nullptr; }
    void complete(std::unique_ptr<engine::Job> self) override {
        const std::unique_ptr<engine::Job> owned = std::move(self);
        done.set_value(std::move(outcomes.front()));
    }
    std::promise<engine::Outcome> done;
};

ledger::Result<void> decide(engine::Shard& shard, engine::Command command) {
    auto job = std::make_unique<StartJob>();
    job->program = ledger::kSystemProgram;
    job->commands.push_back(std::move(command));
    auto outcome = job->done.get_future();
    std::unique_ptr<engine::Job> handed = std::move(job);
    if (auto taken = shard.submit(handed); taken.has_error()) return taken;
    const engine::Outcome done = outcome.get();
    if (done.status == engine::Status::applied || done.status == engine::Status::unchanged)
        return {};
    return done.error;
}

ledger::Result<void> create_key(engine::Shard& shard, const std::string& key) {
    engine::CreateKeyCommand command;
    command.secret_hash = http::secret_hash(key);
    command.scopes = kScopes;
    command.label = kLabel;
    return decide(shard, command);
}

ledger::Result<void> revoke_key(engine::Shard& shard, std::uint64_t id) {
    engine::RevokeKeyCommand command;
    command.program = "_system";
    command.every_program = true;
    command.key_id = id;
    return decide(shard, command);
}

ledger::Result<std::string> make_admin_key(
    engine::Shard& shard, ledger::Disk& disk, const std::string& data_path
) {
    const std::string key = http::make_secret(ledger::ApiKeyKind::secret);
    // The file comes first: a crash in between leaves a key that opens nothing and is made anew.
    std::string path = data_path + "/admin.key";
    if (auto written = disk.write_file(path, key + "\n", kFileMode); written.has_error())
        return written.error();
    if (auto created = create_key(shard, key); created.has_error()) return created.error();
    return path;
}

}  // namespace

ledger::Result<std::string> ensure_admin_key(
    engine::Shard& shard, ledger::Disk& disk, const std::string& data_path
) {
    if (has_admin_key(*shard.registry())) return std::string();
    return make_admin_key(shard, disk, data_path);
}

ledger::Result<std::string> replace_admin_key(
    engine::Shard& shard, ledger::Disk& disk, const std::string& data_path
) {
    const auto before = shard.registry();
    auto path = make_admin_key(shard, disk, data_path);
    if (path.has_error()) return path;
    for (const auto& [secret, key] : before->keys) {
        if (!is_admin_key(key) || key.label != kLabel) continue;
        if (auto revoked = revoke_key(shard, key.id); revoked.has_error()) return revoked.error();
    }
    return path;
}

}  // namespace server
