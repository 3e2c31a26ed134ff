#pragma once

#include <string>
#include <vector>

#include "ledger/base/result.hpp"

namespace rules {

/// Everything that is wrong with one program document; the first kComplaintsMax are kept.
class Complaints {
public:
    void add(ledger::ErrorCode code, std::string pointer, std::string detail);
    [[nodiscard]] bool empty() const { return items_.empty(); }
    /// One error for all: the code that comes first in the precedence of load_rule_set, and a field
    /// for each complaint. At least one complaint must have been added.
    [[nodiscard]] ledger::Error to_error() const;

private:
    struct Item {
        ledger::ErrorCode code = ledger::ErrorCode::invalid_document;
        ledger::FieldError field;
    };
    std::vector<Item> items_;
    bool cut_ = false;
};

/// `parent` with one more RFC 6901 token.
[[nodiscard]] std::string child_pointer(const std::string& parent, std::string_view token);
[[nodiscard]] std::string child_pointer(const std::string& parent, std::size_t index);

}  // namespace rules
