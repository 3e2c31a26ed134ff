#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/base/result.hpp"
#include "rules/duration.hpp"

namespace rules {

struct CompiledExpression;
struct CompiledRule;
struct Document;

/// What points of a currency are for.
enum class CurrencyKind : std::uint8_t { spendable, status };

/// What taking back points that are no longer there does.
enum class NegativePolicy : std::uint8_t { forbid, to_debt, take_available, write_off };

[[nodiscard]] std::string_view name(CurrencyKind kind);
[[nodiscard]] std::string_view name(NegativePolicy policy);

/// A points currency of the program. Its number is its position in RuleSet::currencies().
struct Currency {
    std::string id;
    std::uint8_t scale = 0;  ///< digits after the point when shown: 0..9
    CurrencyKind kind = CurrencyKind::spendable;
    NegativePolicy negative = NegativePolicy::to_debt;
};

enum class BoardWindow : std::uint8_t { all, month, week };
[[nodiscard]] std::string_view name(BoardWindow window);

/// What a counter adds up: events, an expression of each, or the points that rules give.
enum class CounterKind : std::uint8_t { count, sum, points };
/// When a counter begins again, in the program's zone.
enum class CounterWindow : std::uint8_t { lifetime, day, month };
[[nodiscard]] std::string_view name(CounterWindow window);

/// A counter of the program. Its number is its position in RuleSet::counters().
struct Counter {
    std::string id;
    std::string on;  ///< the event type
    CounterKind kind = CounterKind::count;
    std::string sum;             ///< of CounterKind::sum: the expression as written
    std::uint16_t currency = 0;  ///< of CounterKind::points
    CounterWindow window = CounterWindow::lifetime;
    bool of_member = false;    ///< each member has a count of its own
    bool of_campaign = false;  ///< each campaign has (CounterKind::points only)
    std::string field;         ///< each value of this field of the event has; empty: none
    friend bool operator==(const Counter&, const Counter&) = default;
};

/// One count that an event can change: a counter, of a campaign if the counter tells them apart.
struct CounterCell {
    std::uint16_t counter = 0;
    std::string campaign;
    std::string input;  ///< how entries name what it was: "counter.orders", "counter.spent.core"
    bool read = false;  ///< a rule or a cap looks at it
};

struct Board {
    std::string id;
    std::uint16_t currency = 0;  ///< index into RuleSet::currencies()
    /// Index into RuleSet::counters(), and then the currency means nothing.
    std::optional<std::uint16_t> counter = std::nullopt;
    std::vector<BoardWindow> windows;
};

/// How long a refund waits for its order where the document does not say: 72 h.
inline constexpr ledger::Timestamp kParkForDefault = 72 * 60 * ledger::kMicrosPerMinute;

/// Limits of a program document.
inline constexpr std::size_t kDocumentBytesMax = 256 * 1024;
inline constexpr std::size_t kDocumentDepthMax = 32;
inline constexpr std::size_t kComplaintsMax = 50;
/// The most an expression may cost, in units of docs/rules.md, "Limits".
inline constexpr std::uint64_t kExpressionCostMax = 5'000;

/// Raised when the same document and event could earn something else than before. Stored in
/// entries.
inline constexpr std::uint32_t kEngineAbi = 1;

/// A program document, compiled. Immutable, so safe to share between threads; commands in flight
/// pin it by shared_ptr.
class RuleSet {
public:
    ~RuleSet();
    RuleSet(const RuleSet&) = delete;
    RuleSet& operator=(const RuleSet&) = delete;

    /// Numbered by position. check_succession keeps the numbers of a program's versions compatible.
    [[nodiscard]] std::span<const Currency> currencies() const { return currencies_; }
    [[nodiscard]] std::optional<std::uint16_t> currency(std::string_view id) const;
    [[nodiscard]] std::span<const Board> boards() const { return boards_; }
    /// Numbered by position, as currencies are.
    [[nodiscard]] std::span<const Counter> counters() const { return counters_; }
    [[nodiscard]] std::optional<std::uint16_t> counter(std::string_view id) const;
    /// What an `order.paid` can change, by counter, then in the order of the campaigns.
    [[nodiscard]] std::span<const CounterCell> cells() const { return cells_; }
    /// The expressions of counters that sum, by counter number.
    [[nodiscard]] std::span<const CompiledExpression> sums() const;

    /// The rules of `order.paid` in the order in which they run: stage, priority from high to low,
    /// then the name "campaign/rule" by bytes.
    [[nodiscard]] std::span<const CompiledRule> order_paid() const;
    /// The names of those rules, in the same order; the views live as long as the RuleSet.
    [[nodiscard]] std::vector<std::string_view> rule_names() const;

    /// How long a refund that came before its order waits for it, microseconds.
    [[nodiscard]] ledger::Timestamp park_for() const { return park_for_; }

    /// Bit n: some rule reads OrderSlot n.
    [[nodiscard]] std::uint32_t slots_read() const { return slots_read_; }

    [[nodiscard]] const std::string& zone_name() const { return zone_name_; }
    [[nodiscard]] const date::time_zone& zone() const { return *zone_; }

    /// The document with sorted keys, without white space. The content hash is SHA-256 of these
    /// bytes; `program` is part of them if the document had it.
    [[nodiscard]] const std::string& canonical() const { return canonical_; }

private:
    friend class RuleSetCompiler;
    RuleSet();

    std::vector<Currency> currencies_;
    std::vector<Board> boards_;
    std::vector<Counter> counters_;
    std::vector<CounterCell> cells_;
    std::vector<CompiledExpression> sums_;
    std::vector<CompiledRule> order_paid_;
    std::uint32_t slots_read_ = 0;
    ledger::Timestamp park_for_ = kParkForDefault;
    std::string zone_name_;
    const date::time_zone* zone_ = nullptr;
    std::string canonical_;
};

using RuleSetPtr = std::shared_ptr<const RuleSet>;

/// Parses, validates and compiles a program document of the program `program`. Thread-safe.
/// Errors: `too_large`, `bad_utf8`, `malformed_json` (with line and column), `too_deep`; then the
/// whole document is read, and the code is the first of these that some field earned:
/// `invalid_document`, `not_supported`, `invalid_expression`, `expression_too_costly`; `fields` has
/// every complaint, structure before expressions, at most kComplaintsMax, each with its JSON
/// Pointer.
[[nodiscard]] ledger::Result<RuleSetPtr> load_rule_set(
    std::string_view json, std::string_view program
);

/// Checks that `next` may follow `previous` as a version of one program: currencies keep their
/// position, kind and scale (wallets are stored under the number), counters their position and all
/// that defines them; new ones come last. Errors: `invalid_document` with one pointer each.
[[nodiscard]] ledger::Result<void> check_succession(const RuleSet& previous, const RuleSet& next);

}  // namespace rules
