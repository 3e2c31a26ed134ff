#include "server/http/live_doorman.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "rules/rule_set.hpp"
#include "server/http/completable.hpp"
#include "server/http/member_wallets.hpp"
#include "server/http/onlooker.hpp"

namespace server::http {

using ledger::ErrorCode;
using live::CloseCode;
using live::Guest;
using live::Verdict;

namespace {

/// A read for nobody's request: what it found goes to `done` on the delivering thread.
class QuietRead final : public engine::ReadJob, public Completable {
public:
    using Look = std::function<bool(const engine::ReadContext&, ledger::Seq as_of)>;
    using Done = std::function<void(bool finished)>;
    QuietRead(Look look, Done done) : look_(std::move(look)), done_(std::move(done)) {}

    bool read(const engine::ReadContext& context) override { return look_(context, as_of); }
    [[nodiscard]] net::IoQueue* queue() const override { return nullptr; }
    void complete(std::unique_ptr<engine::Job>) override { done_(!unfinished); }

    static void submit(
        engine::Shard& shard, ledger::ProgramId program, Look look, const Done& done
    ) {
        auto read = std::make_unique<QuietRead>(std::move(look), done);
        read->program = program;
        std::unique_ptr<engine::Job> handed = std::move(read);
        if (shard.submit(handed).has_error()) done(false);
    }

private:
    Look look_;
    Done done_;
};

CloseCode close_code(Refusal why) {
    switch (why) {
        case Refusal::no_credential:
        case Refusal::bad_key:
        case Refusal::bad_token: return CloseCode::bad_token;
        case Refusal::expired: return CloseCode::expired;
        case Refusal::revoked: return CloseCode::revoked;
        case Refusal::other_program:
        case Refusal::missing_scope:
        case Refusal::origin_refused: return CloseCode::refused;
    }
    return CloseCode::refused;
}

/// The keys that the onlooker brought; with a token alone, any publishable key of the program
/// vouches for the page.
Guest guest_of(const Onlooker& onlooker) {
    Guest guest;
    guest.program = onlooker.program->id;
    for (const std::uint64_t key : {onlooker.key_id, onlooker.token_key_id}) {
        if (key != 0) guest.key_ids.push_back(std::to_string(key));
    }
    guest.origin_by_program = onlooker.key_id == 0 && !onlooker.origin.empty();
    return guest;
}

}  // namespace

void LiveDoorman::admit(live::Knock knock, std::function<void(Verdict)> answer) {
    admit_to(std::nullopt, knock, std::move(answer));
}

void LiveDoorman::refresh(
    ledger::ProgramId program, live::Knock knock, std::function<void(Verdict)> answer
) {
    admit_to(program, knock, std::move(answer));
}

bool LiveDoorman::lists_origin(ledger::ProgramId program, const std::string& origin) const {
    return shard_.registry()->lists_origin(program, origin);
}

void LiveDoorman::admit_to(
    std::optional<ledger::ProgramId> program,
    const live::Knock& knock,
    std::function<void(Verdict)> answer
) {
    const auto registry = shard_.registry();
    const Admission admission = admit_connect(
        *registry, {knock.key, knock.token, knock.resume, knock.origin}, clock_.now()
    );
    if (const auto* refused = std::get_if<Refused>(&admission))
        return answer(close_code(refused->why));
    if (program && std::get<Onlooker>(admission).program->id != *program)
        return answer(CloseCode::refused);
    auto onlooker = std::make_shared<const Onlooker>(std::get<Onlooker>(admission));
    if (onlooker->kind != Onlooker::Kind::member) return answer(guest_of(*onlooker));
    auto member = std::make_shared<ledger::MemberId>();
    QuietRead::submit(
        shard_,
        onlooker->program->id,
        [member, onlooker](const engine::ReadContext& context, ledger::Seq) {
            const auto found =
                context.view.member_by_external_id(onlooker->program->id, onlooker->member_hash);
            if (found.found()) *member = found.value;
            return !found.missing();
        },
        [member, onlooker, shard = &shard_, answer = std::move(answer)](bool finished) {
            if (!finished) return answer(CloseCode::node_full);
            // Somebody may have revoked a key meanwhile.
            const auto newest = shard->registry();
            if (!still_admitted(*newest, *onlooker)) return answer(CloseCode::revoked);
            Guest guest = guest_of(*onlooker);
            guest.exp_ms = onlooker->expires_at / 1'000;
            guest.ticket = make_resume_ticket(*onlooker);
            if (!member->none()) guest.member = *member;
            answer(std::move(guest));
        }
    );
}

live::MemberBalances member_balances(engine::Shard& shard, boards::Boards& boards) {
    return [&shard, &boards](
               ledger::ProgramId program,
               ledger::MemberId member,
               std::function<void(ledger::Result<live::Wallets>)> answer
           ) {
        struct Look {
            MemberWallets wallets;
            ledger::Seq as_of;
        };
        auto look = std::make_shared<Look>();
        const auto registry = shard.registry();
        const auto found = std::find_if(
            registry->programs.begin(),
            registry->programs.end(),
            [program](const auto& each) { return each.second->id == program; }
        );
        if (found == registry->programs.end())
            return answer(ledger::make_error(ErrorCode::program_not_found));
        std::shared_ptr<const engine::ProgramInfo> info = found->second;
        QuietRead::submit(
            shard,
            program,
            [look, program, member](const engine::ReadContext& context, ledger::Seq as_of) {
                look->as_of = as_of;
                return read_wallets(context, program, as_of, member, look->wallets);
            },
            [look, info = std::move(info), &boards, program, member, answer = std::move(answer)](
                bool finished
            ) {
                if (!finished) return answer(ledger::make_error(ErrorCode::overloaded));
                if (!look->wallets.found)
                    return answer(ledger::make_error(ErrorCode::member_not_found));
                live::Wallets wallets;
                wallets.as_of = look->as_of;
                const auto rule_set = info->rule_sets.rbegin()->second;
                for (const ledger::Wallet& wallet : look->wallets.wallets) {
                    const bool named =
                        rule_set != nullptr && wallet.currency < rule_set->currencies().size();
                    wallets.balances.push_back(
                        {named ? rule_set->currencies()[wallet.currency].id : std::string(),
                         wallet.available,
                         wallet.pending,
                         wallet.held,
                         wallet.debt}
                    );
                }
                boards.face(
                    program,
                    member,
                    [wallets = std::move(wallets), answer](std::string name, bool shown) mutable {
                        wallets.name = std::move(name);
                        wallets.shown = shown;
                        answer(std::move(wallets));
                    }
                );
            }
        );
    };
}

}  // namespace server::http
