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

bool has_admin_key(const engine::Registry& registry) {
    return std::ranges::any_of(registry.keys, [](const auto& item) {
        const ledger::ApiKey& key = item.second;
        return !key.revoked && key.program == ledger::kSystemProgram &&
               std::ranges::find(key.scopes, kScopes.front()) != key.scopes.end();
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

ledger::Result<void> create_key(engine::Shard& shard, const std::string& key) {
    engine::CreateKeyCommand command;
    command.secret_hash = http::secret_hash(key);
    command.scopes = kScopes;
    command.label = "admin.key";
    auto job = std::make_unique<StartJob>();
    job->program = ledger::kSystemProgram;
    job->commands.emplace_back(command);
    auto outcome = job->done.get_future();
    std::unique_ptr<engine::Job> handed = std::move(job);
    if (auto taken = shard.submit(handed); taken.has_error()) return taken;
    const engine::Outcome created = outcome.get();
    if (created.status != engine::Status::applied) return created.error;
    return {};
}

}  // namespace

ledger::Result<std::string> ensure_admin_key(
    engine::Shard& shard, ledger::Disk& disk, const std::string& data_path
) {
    if (has_admin_key(*shard.registry())) return std::string();
    const std::string key = http::make_secret(ledger::ApiKeyKind::secret);
    // The file comes first: a crash in between leaves a key that opens nothing and is made anew.
    const std::string path = data_path + "/admin.key";
    if (auto written = disk.write_file(path, key + "\n", kFileMode); written.has_error())
        return written.error();
    if (auto created = create_key(shard, key); created.has_error()) return created.error();
    return path;
}

}  // namespace server
