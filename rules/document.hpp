#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/base/result.hpp"
#include "rules/complaints.hpp"
#include "rules/duration.hpp"
#include "rules/rule_set.hpp"

// A program document after its JSON was read and checked, before its expressions are compiled.
namespace rules {

/// The stages that exist so far, in the order in which they run.
enum class Stage : std::uint8_t { base, bonus };

/// An expression and the pointer of its string, for complaints.
struct DocumentExpression {
    std::string text;
    std::string pointer;
};

struct DocumentAward {
    std::uint16_t currency = 0;
    DocumentExpression points;
    std::string reason;
    std::optional<DurationSpec> hold;
    std::optional<DurationSpec> expires;
};

/// The points of a rule end where a counter reaches `max`.
struct Cap {
    std::uint16_t counter = 0;
    std::int64_t max = 0;
    bool drop = false;  ///< of a counter of points: all or nothing instead of what is left
};

struct DocumentRule {
    std::string name;  ///< "campaign/rule"
    std::string campaign;
    std::optional<Cap> cap;
    Stage stage = Stage::base;
    std::int32_t priority = 0;
    DocumentExpression condition;
    std::vector<DocumentAward> awards;
};

struct Document {
    std::string zone_name;
    const date::time_zone* zone = nullptr;
    std::vector<Currency> currencies;
    std::vector<DocumentRule> rules;  ///< as written
    std::vector<Board> boards;
    ledger::Timestamp park_for = kParkForDefault;
    std::vector<Counter> counters;
    std::vector<std::string> sum_pointers;  ///< by counter
    std::vector<std::string> campaigns;
    std::string canonical;
};

/// Reads a program document. What is wrong with single fields goes to `complaints`, and the
/// document then holds the faultless parts. Errors: those of load_rule_set up to `too_deep`; also
/// `invalid_document` if the text is no object.
[[nodiscard]] ledger::Result<Document> parse_document(
    std::string_view json, std::string_view program, Complaints& complaints
);

}  // namespace rules
