#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include <boost/container/small_vector.hpp>

#include "ledger/base/clock.hpp"
#include "ledger/base/ids.hpp"
#include "ledger/base/points.hpp"
#include "ledger/entry.hpp"
#include "ledger/rows.hpp"
#include "ledger/view.hpp"

namespace ledger {

/// What happens when points are taken back that the member does not have any more. The enumerators
/// equal those of the program document.
enum class NegativePolicy : std::uint8_t {
    forbid,          ///< refuse the command
    to_debt,         ///< the rest becomes debt
    take_available,  ///< the rest is written off
    write_off,       ///< only the lot itself gives; the rest is written off
};

/// The answer of one operation of a WalletPlan.
enum class PlanOutcome : std::uint8_t {
    done,
    needs_rows,           ///< View::misses() names what to fetch; drop the entry and decide again
    insufficient_points,  ///< nothing was recorded by this operation
    invalid_amount,  ///< a result would leave +-(2^53 - 1); nothing was recorded by this operation
    more_due,        ///< settle only: as many as asked for were recorded, and more are due
};

/// So many dues make an entry of less than 200 KB, far below what one may have. A member who has
/// more at one instant (a walk-in customer whose lots all expire with the month) takes several.
inline constexpr std::size_t kDuesMax = 4'096;

/// A scratch view of one member's wallets and lots for one entry. Operations record activations,
/// grants, allocations and postings into the entry; `finish` writes `balances_after`. Call `settle`
/// first: every other operation relies on nothing being due. Reads RAM only.
///
/// The entry must have `seq` and `recorded_at` set, outlive the plan and hold no effects of the
/// member yet; program, member and seq must not change meanwhile. One plan an (entry, member).
/// A plan holds pointers into the view: no apply, insert or eviction may happen while it lives.
class WalletPlan {
public:
    /// A member above Program::last_member is new: its wallets are empty and no row is looked for.
    WalletPlan(
        const View& view, ProgramId program, MemberId member, Timestamp recorded_at, Entry& entry
    );

    /// Activations and expiries due at `recorded_at`, in order (when, activation first, lot). A
    /// member without anything due: nothing is recorded. done, needs_rows; more_due after
    /// `dues_max`, and then nothing but `finish` may follow.
    PlanOutcome settle(std::size_t dues_max = std::numeric_limits<std::size_t>::max());

    /// One lot of `amount` > 0 paid by the system account `source`. `activates_at` 0 or already
    /// due: active at once, and debt is repaid first. A lot that is expired already is granted and
    /// expired in the same entry and repays nothing. done, needs_rows, invalid_amount.
    PlanOutcome grant(
        std::uint16_t currency,
        Points amount,
        Account source,
        Timestamp activates_at,
        Timestamp expires_at
    );
    /// The lot of the last successful `grant`.
    [[nodiscard]] std::uint32_t granted_lot() const { return granted_lot_; }

    /// Takes `amount` > 0 from active lots by (expires_at, lot) into the system account `sink`.
    /// done, needs_rows, insufficient_points, invalid_amount.
    PlanOutcome burn(std::uint16_t currency, Points amount, Account sink);

    /// What `take_back` found.
    struct TakenBack {
        Points from_lots = 0;
        Points debt = 0;
        Points written_off = 0;
    };
    /// Reverses `amount` > 0 of an earn: from its own `lot` first, pending or active (0: it has
    /// none), then as `policy` says from other active lots in burn order.
    /// done, needs_rows, insufficient_points (forbid only), invalid_amount.
    PlanOutcome take_back(
        std::uint16_t currency, Points amount, std::uint32_t lot, NegativePolicy policy
    );
    /// Of the last successful `take_back`.
    [[nodiscard]] const TakenBack& taken_back() const { return taken_back_; }

    /// Writes `balances_after` of the wallets that were touched, by currency number.
    void finish();

    /// The wallet as it is now in the plan; zeros for a currency the member never had.
    [[nodiscard]] Wallet wallet(std::uint16_t currency) const;
    /// True if an operation recorded anything.
    [[nodiscard]] bool touched() const;
    /// The member's row; null for a new member, or if it is missing in RAM.
    [[nodiscard]] const Member* row() const { return row_; }

private:
    struct ScratchWallet {
        Wallet wallet;
        bool touched = false;
    };
    /// A lot with points left, as it stands in the plan.
    struct ScratchLot {
        std::uint32_t no = 0;
        std::uint16_t currency = 0;
        bool active = true;
        Points remaining = 0;
        Timestamp activates_at = 0;
        Timestamp expires_at = kNever;
    };
    struct Due {
        Timestamp when = 0;
        std::uint8_t kind = 0;  ///< 0 activation, 1 expiry
        std::uint32_t lot = 0;
    };
    using Chosen = boost::container::small_vector<std::uint32_t, 8>;  ///< indexes into lots_

    ScratchWallet& scratch(std::uint16_t currency);
    ScratchLot* find_lot(std::uint32_t no);
    void load_inline();
    bool load_spilled();
    bool load_for_burn(std::uint16_t currency, Points amount, std::uint32_t except);
    void choose(std::uint16_t currency, std::uint32_t except, Chosen& chosen);
    void activate(ScratchLot& lot);
    void expire(ScratchLot& lot);
    void take(ScratchLot& lot, Points amount, Purpose purpose);
    Points take_in_order(
        std::uint16_t currency, Points amount, std::uint32_t except, Purpose purpose
    );
    void repay(ScratchLot& lot);
    void post(Account account, std::uint16_t currency, Points amount);
    [[nodiscard]] bool system_fits(Account account, std::uint16_t currency, Points amount) const;

    const View& view_;
    ProgramId program_;
    MemberId member_;
    Timestamp now_;
    Entry& entry_;
    const Program* program_row_ = nullptr;
    const Member* row_ = nullptr;
    bool missing_ = false;
    bool inline_loaded_ = false;
    bool spilled_loaded_ = false;
    std::uint32_t next_lot_ = 1;
    std::uint32_t granted_lot_ = 0;
    TakenBack taken_back_;
    boost::container::small_vector<ScratchWallet, 2> wallets_;
    /// Live lots in order of number, filled when an operation needs them.
    boost::container::small_vector<ScratchLot, 8> lots_;
};

}  // namespace ledger
