#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ledger/keyring.hpp"
#include "ledger/row_codec.hpp"
#include "ledger/seal.hpp"
#include "ledger/state.hpp"
#include "server/engine/job.hpp"

namespace server::engine {

/// What a ReadJob sees; made by the writer for one program.
class Reads final : public ReadContext {
public:
    Reads(
        const ledger::State& state,
        ledger::KeyVault& keys,
        const ledger::ViewStore& views,
        ledger::ProgramId program,
        ledger::Timestamp read_at,
        const ledger::MerkleTree* tree_of_program
    )
        : ReadContext(state, keys), state_(state), keys_(keys), views_(views), program_(program) {
        now = read_at;
        tree = tree_of_program;
    }

    bool open(ledger::OwnedEntry& entry) const override {
        if (entry.entry.sealed.empty()) return false;
        auto key = keys_.key_for(entry.entry.program, entry.entry.sealed_for);
        if (key.has_error() || !*key) return false;
        return !ledger::open_personal(entry, **key).has_error();
    }

    [[nodiscard]] std::vector<ledger::MemberId> members_by(
        ledger::BlindKind kind, const ledger::Hash16& hash
    ) const override;

    [[nodiscard]] std::vector<ledger::Seq> orphans(ledger::Seq after, std::size_t limit)
        const override;

    [[nodiscard]] ledger::MemberHistory history(ledger::MemberId member) const override {
        return state_.history(program_, member);
    }
    [[nodiscard]] std::shared_ptr<const ledger::ViewSnapshot> snapshot() const override {
        return views_.snapshot();
    }

private:
    const ledger::State& state_;
    ledger::KeyVault& keys_;
    const ledger::ViewStore& views_;
    ledger::ProgramId program_;
};

}  // namespace server::engine
