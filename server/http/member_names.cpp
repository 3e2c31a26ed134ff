#include "server/http/member_names.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "server/http/completable.hpp"

namespace server::http {

namespace {

/// A read on the writer must be short.
constexpr std::size_t kNamesPerRead = 50;

class NameRead final : public engine::ReadJob, public Completable {
public:
    NameRead(
        engine::Shard& shard,
        net::IoQueue* queue,
        std::vector<ledger::MemberId> wanted,
        net::UniqueFunction<void(MemberNames)> then
    )
        : shard_(shard), queue_(queue), wanted_(std::move(wanted)), then_(std::move(then)) {}

    bool read(const engine::ReadContext& context) override {
        const std::size_t end = std::min(next_ + kNamesPerRead, wanted_.size());
        // All of them are asked before the round ends, so that one fetch serves all that is
        // missing.
        bool ready = true;
        for (std::size_t i = next_; i < end; ++i)
            ready &= read_member_name(context, program, wanted_[i], names_[wanted_[i].value]);
        if (ready) next_ = end;
        return ready;
    }

    [[nodiscard]] net::IoQueue* queue() const override { return queue_; }

    void complete(std::unique_ptr<engine::Job> self) override {
        if (next_ < wanted_.size()) return submit(std::move(self));
        then_(std::move(names_));
    }

    static void submit(std::unique_ptr<engine::Job> self) {
        auto* const read = static_cast<NameRead*>(self.get());
        const auto submitted = read->shard_.submit(self);
        if (submitted.has_error()) read->then_(std::move(read->names_));
    }

private:
    engine::Shard& shard_;
    net::IoQueue* const queue_;
    std::vector<ledger::MemberId> wanted_;
    net::UniqueFunction<void(MemberNames)> then_;
    std::size_t next_ = 0;
    MemberNames names_;
};

}  // namespace

bool read_member_name(
    const engine::ReadContext& context,
    ledger::ProgramId program,
    ledger::MemberId member,
    std::string& name
) {
    const auto row = context.view.member(program, member);
    if (row.missing()) return false;
    const auto first = context.view.entry(program, row.row->created);
    if (first.missing()) return false;
    ledger::OwnedEntry opened;
    opened.entry.program = program;
    opened.entry.sealed = first.row->entry.sealed;
    opened.entry.sealed_for = first.row->entry.sealed_for;
    if (context.open(opened)) name = opened.entry.personal.external_id;
    return true;
}

void look_up_names(
    engine::Shard& shard,
    ledger::ProgramId program,
    net::IoQueue* queue,
    std::vector<ledger::MemberId> wanted,
    net::UniqueFunction<void(MemberNames)> then
) {
    auto read = std::make_unique<NameRead>(shard, queue, std::move(wanted), std::move(then));
    read->program = program;
    NameRead::submit(std::move(read));
}

}  // namespace server::http
