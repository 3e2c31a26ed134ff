#include <algorithm>
#include <map>
#include <random>
#include <tuple>

#include "tests/ledger/ledger_fixture.hpp"
#include "tests/support/seed.hpp"

using namespace ledger;
using namespace ledger::test_ledger;

// Random histories against a model that keeps every lot in one list and sums up whenever it is
// asked.
namespace {

struct ModelLot {
    std::uint32_t no;
    std::uint16_t currency;
    Points amount;
    Points remaining;
    Timestamp activates_at;
    Timestamp expires_at;
};

class ModelMember {
public:
    std::vector<ModelLot> lots;
    std::map<std::uint16_t, Points> debt;
    std::map<std::uint16_t, Points> lifetime;

    [[nodiscard]] Points available(std::uint16_t currency) const {
        Points sum = 0;
        for (const ModelLot& lot : lots) {
            if (lot.currency == currency && lot.activates_at == 0) sum += lot.remaining;
        }
        return sum;
    }
    [[nodiscard]] Points pending(std::uint16_t currency) const {
        Points sum = 0;
        for (const ModelLot& lot : lots) {
            if (lot.currency == currency && lot.activates_at != 0) sum += lot.remaining;
        }
        return sum;
    }

    void settle(Timestamp now) {
        for (;;) {
            // The earliest thing that is due, again and again.
            ModelLot* next = nullptr;
            std::tuple<Timestamp, int, std::uint32_t> first{};
            const auto consider = [&](ModelLot& lot, Timestamp when, int kind) {
                const std::tuple at{when, kind, lot.no};
                if (when > now || (next != nullptr && at > first)) return;
                next = &lot;
                first = at;
            };
            for (ModelLot& lot : lots) {
                if (lot.remaining == 0) continue;
                if (lot.activates_at != 0) consider(lot, lot.activates_at, 0);
                consider(lot, lot.expires_at, 1);
            }
            if (next == nullptr) break;
            if (std::get<1>(first) == 0) {
                next->activates_at = 0;
                repay(*next);
            } else {
                next->remaining = 0;
            }
        }
    }

    void repay(ModelLot& lot) {
        const Points x = std::min(debt[lot.currency], lot.remaining);
        debt[lot.currency] -= x;
        lot.remaining -= x;
    }

    void grant(
        std::uint16_t currency,
        Points amount,
        Timestamp activates_at,
        Timestamp expires_at,
        Timestamp now,
        bool earned
    ) {
        if (earned) lifetime[currency] += amount;
        const auto no = static_cast<std::uint32_t>(lots.size() + 1);
        lots.push_back(
            {no, currency, amount, amount, activates_at <= now ? 0 : activates_at, expires_at}
        );
        if (expires_at <= now) {
            lots.back().remaining = 0;
        } else if (lots.back().activates_at == 0) {
            repay(lots.back());
        }
    }

    /// Takes up to `amount` from active lots in burn order, skipping lot `except`; what it took.
    Points take(std::uint16_t currency, Points amount, std::uint32_t except = 0) {
        Points taken = 0;
        while (taken < amount) {
            ModelLot* best = nullptr;
            for (ModelLot& lot : lots) {
                if (lot.currency != currency || lot.activates_at != 0 || lot.remaining == 0 ||
                    lot.no == except)
                    continue;
                if (best == nullptr ||
                    std::tie(lot.expires_at, lot.no) < std::tie(best->expires_at, best->no))
                    best = &lot;
            }
            if (best == nullptr) break;
            const Points x = std::min(best->remaining, amount - taken);
            best->remaining -= x;
            taken += x;
        }
        return taken;
    }

    bool take_back(std::uint16_t currency, Points amount, std::uint32_t no, NegativePolicy policy) {
        ModelLot* own = no == 0 ? nullptr : &lots[no - 1];
        const Points from_own = own == nullptr ? 0 : std::min(own->remaining, amount);
        Points others = 0;
        for (const ModelLot& lot : lots) {
            if (lot.currency == currency && lot.activates_at == 0 && lot.no != no)
                others += lot.remaining;
        }
        if (policy == NegativePolicy::forbid && from_own + others < amount) return false;
        if (own != nullptr) own->remaining -= from_own;
        Points rest = amount - from_own;
        if (policy != NegativePolicy::write_off) rest -= take(currency, rest, no);
        if (policy == NegativePolicy::to_debt) debt[currency] += rest;
        lifetime[currency] -= amount;
        return true;
    }
};

class History {
public:
    History(std::uint64_t seed, std::size_t memory_bytes_max, bool keep_entries)
        : random_(seed), ledger_(memory_bytes_max) {
        ledger_.keep_entries(keep_entries);
        for (std::uint64_t n = 0; n < kMembers; ++n) {
            members_.emplace(ledger_.new_member(), ModelMember{});
        }
        balances_.resize(kMembers + 1);
    }

    void step() {
        if (below(4) == 0) ledger_.pass(random_time());
        const MemberId id{1 + below(below(6) == 0 ? 2 : kMembers)};  // two members are much busier
        ModelMember& model = members_.at(id);
        const auto currency = static_cast<std::uint16_t>(below(8) == 0 ? 1 : 0);
        switch (below(10)) {
            case 0:
            case 1:
            case 2:
            case 3: earn(id, model, currency); break;
            case 4:
            case 5: burn(id, model, currency); break;
            case 6: take_back(id, model, currency); break;
            case 7: adjust_up(id, model, currency); break;
            default:
                model.settle(ledger_.now());
                ledger_.settle(id);
                break;
        }
        compare(id, model);
        maintain();
    }

    /// Everything about every member: lots, statement, balances in the past.
    void compare_all() {
        for (auto& [id, model] : members_) {
            compare(id, model);
            compare_lots(id, model);
            compare_past(id);
        }
        compare_sums();
    }

    TestLedger& ledger() { return ledger_; }

private:
    static constexpr std::uint64_t kMembers = 40;

    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
    Points amount() { return static_cast<Points>(1 + below(1000)); }
    Timestamp random_time() {
        const Timestamp scales[] = {1, kMicrosPerMinute, kMicrosPerHour, kMicrosPerDay};
        return static_cast<Timestamp>(below(20)) * scales[below(4)];
    }

    void earn(MemberId id, ModelMember& model, std::uint16_t currency) {
        const Points points = amount();
        const Timestamp activates_at = below(3) == 0 ? ledger_.now() + random_time() : 0;
        const Timestamp expires_at =
            below(3) == 0 ? kNever
                          : ledger_.now() + 30 * random_time() - static_cast<Timestamp>(below(100));
        model.settle(ledger_.now());
        model.grant(currency, points, activates_at, expires_at, ledger_.now(), true);
        REQUIRE(ledger_.earn(id, points, activates_at, expires_at, currency) == model.lots.size());
    }

    void adjust_up(MemberId id, ModelMember& model, std::uint16_t currency) {
        const Points points = amount();
        model.settle(ledger_.now());
        model.grant(currency, points, 0, kNever, ledger_.now(), false);
        REQUIRE(ledger_.plan(EntryKind::adjust, id, [&](WalletPlan& plan, Entry& entry) {
            entry.adjustment = {currency, points, "goodwill", true, false};
            return plan.grant(currency, points, Account::adjusted, 0, kNever);
        }) == PlanOutcome::done);
    }

    void burn(MemberId id, ModelMember& model, std::uint16_t currency) {
        model.settle(ledger_.now());
        const Points available = model.available(currency);
        const Points points = below(4) == 0 ? std::max<Points>(1, available) : amount() * 2;
        const bool enough = points <= available;
        if (enough) REQUIRE(model.take(currency, points) == points);
        REQUIRE(
            ledger_.burn(id, points, currency) ==
            (enough ? PlanOutcome::done : PlanOutcome::insufficient_points)
        );
    }

    void take_back(MemberId id, ModelMember& model, std::uint16_t currency) {
        std::uint32_t lot = 0;
        if (!model.lots.empty() && below(8) != 0) {
            // Mostly young lots, now and then any.
            const std::uint64_t span =
                below(4) == 0 ? model.lots.size() : std::min<std::uint64_t>(40, model.lots.size());
            lot = static_cast<std::uint32_t>(model.lots.size() - below(span));
            currency = model.lots[lot - 1].currency;
        }
        const auto policy = static_cast<NegativePolicy>(below(4));
        const Points points =
            lot == 0 ? amount()
                     : 1 + static_cast<Points>(
                               below(static_cast<std::uint64_t>(model.lots[lot - 1].amount))
                           );
        model.settle(ledger_.now());
        const bool done = model.take_back(currency, points, lot, policy);
        REQUIRE(
            ledger_.take_back(id, points, lot, policy, currency) ==
            (done ? PlanOutcome::done : PlanOutcome::insufficient_points)
        );
    }

    /// Checkpoints, eviction and restarts at any moment.
    void maintain() {
        State& state = ledger_.state();
        if (!state.checkpoint_running()) {
            if (below(50) == 0) ledger_.cut();
        } else if (below(3) == 0 && state.copy_slice(below(4)) && below(8) == 0) {
            ledger_.finish_checkpoint();
        }
        state.evict(10);
        if (below(2000) == 0) {
            if (state.checkpoint_running() && below(2) == 0) {
                // A crash before the ingestion: the batch is lost and the log replays it.
                abandon_checkpoint();
            } else if (state.checkpoint_running()) {
                ledger_.finish_checkpoint();
            }
            ledger_.restart();
        }
    }

    void abandon_checkpoint() {
        while (!ledger_.state().copy_slice(100)) {
        }
        const CheckpointBatch lost = ledger_.state().take_checkpoint();
        REQUIRE(lost.applied_group > 0);
    }

    void compare(MemberId id, ModelMember& model) {
        const Member row = ledger_.member(id);
        for (const std::uint16_t currency : {std::uint16_t{0}, std::uint16_t{1}}) {
            const Wallet* found = row.wallet(currency);
            const Wallet wallet = found == nullptr ? Wallet{} : *found;
            REQUIRE(wallet.available == model.available(currency));
            REQUIRE(wallet.pending == model.pending(currency));
            REQUIRE(wallet.debt == model.debt[currency]);
            REQUIRE(wallet.lifetime_earned == model.lifetime[currency]);
            REQUIRE((wallet.debt == 0 || wallet.available == 0));
        }
        REQUIRE(row.next_lot == model.lots.size() + 1);
        Timestamp due = kNever;
        for (const ModelLot& lot : model.lots) {
            if (lot.remaining == 0) continue;
            due = std::min(due, lot.expires_at);
            if (lot.activates_at != 0) due = std::min(due, lot.activates_at);
        }
        REQUIRE(row.next_due() == due);
        auto& remembered = balances_[id.value];
        if (remembered.empty() || remembered.back().first != row.last) {
            Balance balance;
            balance.member = id;
            if (const Wallet* points = row.wallet(0)) {
                balance.available = points->available;
                balance.pending = points->pending;
                balance.debt = points->debt;
                balance.lifetime_earned = points->lifetime_earned;
            }
            remembered.emplace_back(row.last, balance);
        }
    }

    void compare_lots(MemberId id, const ModelMember& model) {
        std::vector<Lot> lots = ledger_.lots(id);
        auto at = lots.begin();
        for (const ModelLot& expected : model.lots) {
            REQUIRE((expected.remaining >= 0 && expected.remaining <= expected.amount));
            if (expected.remaining == 0) continue;
            REQUIRE(at != lots.end());
            REQUIRE(at->no == expected.no);
            REQUIRE(at->currency == expected.currency);
            REQUIRE(at->amount == expected.amount);
            REQUIRE(at->remaining == expected.remaining);
            REQUIRE(at->activates_at == expected.activates_at);
            REQUIRE(at->expires_at == expected.expires_at);
            ++at;
        }
        REQUIRE(at == lots.end());
    }

    void compare_past(MemberId id) {
        const MemberHistory history = ledger_.history(id);
        const RowReader reader = ledger_.reader();
        const Statement statement(history, reader);
        const auto& remembered = balances_[id.value];
        for (int n = 0; n < 20 && !remembered.empty(); ++n) {
            const auto& [seq, expected] = remembered[below(remembered.size())];
            const Result<Balance> balance = statement.balance_at_seq(0, seq);
            REQUIRE(balance);
            REQUIRE(*balance == expected);
        }
    }

    /// What members have and what the system accounts say is the same.
    void compare_sums() {
        for (const std::uint16_t currency : {std::uint16_t{0}, std::uint16_t{1}}) {
            Points members = 0;
            for (const auto& [id, model] : members_) {
                members += model.available(currency) + model.pending(currency);
                if (const auto debt = model.debt.find(currency); debt != model.debt.end())
                    members -= debt->second;
            }
            Points system = 0;
            for (const auto& [account, points] : ledger_.state().program(kProgram)->accounts) {
                if (account.first == currency) system += points;
            }
            REQUIRE(members + system == 0);
        }
    }

    std::mt19937_64 random_;
    TestLedger ledger_;
    std::map<MemberId, ModelMember> members_;
    std::vector<std::vector<std::pair<Seq, Balance>>> balances_;
};

}  // namespace

TEST_CASE("ledger: random histories agree with a naive model", "[ledger][property]") {
    // A memory limit of nothing: every clean row is evicted as soon as possible.
    for (const std::size_t memory : {std::size_t{1} << 30, std::size_t{0}}) {
        CAPTURE(memory);
        History history(test_support::seed() + memory, memory, false);
        for (int n = 0; n < 60'000; ++n) {
            history.step();
            if (n % 1000 == 999) history.compare_all();
        }
        const Hash32 before = history.ledger().digest();
        history.ledger().restart();
        REQUIRE(history.ledger().digest() == before);
        history.compare_all();
    }
}

TEST_CASE("ledger: views and a replay of the whole log have one digest", "[ledger][property]") {
    History history(test_support::seed(), 0, true);
    for (int n = 0; n < 3'000; ++n)
        history.step();
    const Hash32 expected = history.ledger().digest();

    TestLedger replay;
    for (const auto& [entry, blind] : history.ledger().entries()) {
        if (entry.program != kSystemProgram) replay.commit(entry, &blind);  // the program is there
    }
    REQUIRE(replay.digest() == expected);
    const auto& rows = history.ledger().views().rows;
    for (const auto& [key, value] : replay.views().rows) {
        CAPTURE(name(key.first));
        REQUIRE(rows.count(key) == 1);
        REQUIRE((rows.at(key) == value));
    }
    REQUIRE(rows.size() == replay.views().rows.size());

    // One more entry makes another state.
    replay.earn(MemberId{1}, 1);
    REQUIRE(replay.digest() != expected);
}
