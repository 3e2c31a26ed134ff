#include "rules/complaints.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

#include "ledger/base/invariant.hpp"
#include "rules/rule_set.hpp"

namespace rules {
namespace {

using ledger::ErrorCode;

std::size_t precedence(ErrorCode code) {
    constexpr std::array<ErrorCode, 4> order{
        ErrorCode::invalid_document,
        ErrorCode::not_supported,
        ErrorCode::invalid_expression,
        ErrorCode::expression_too_costly,
    };
    return static_cast<std::size_t>(std::ranges::find(order, code) - order.begin());
}

}  // namespace

void Complaints::add(ErrorCode code, std::string pointer, std::string detail) {
    if (items_.size() == kComplaintsMax) {
        cut_ = true;
        return;
    }
    items_.push_back({code, {std::move(pointer), std::move(detail)}});
}

ledger::Error Complaints::to_error() const {
    INVARIANT(!items_.empty());
    const auto first = std::ranges::min_element(items_, {}, [](const Item& item) {
        return precedence(item.code);
    });
    ledger::Error error = ledger::make_error(first->code);
    error.detail = first->field.pointer.empty() ? "the document" : first->field.pointer;
    error.detail += ": " + first->field.detail;
    if (items_.size() > 1) {
        const std::string others = std::to_string(items_.size() - 1) + (cut_ ? " or more" : "");
        error.detail += " (and " + others + " other complaint" + (items_.size() > 2 ? "s)" : ")");
    }
    for (const Item& item : items_)
        error.fields.push_back(item.field);
    return error;
}

std::string child_pointer(const std::string& parent, std::string_view token) {
    std::string pointer = parent + "/";
    for (const char c : token) {
        if (c == '~') {
            pointer += "~0";
        } else if (c == '/') {
            pointer += "~1";
        } else {
            pointer += c;
        }
    }
    return pointer;
}

std::string child_pointer(const std::string& parent, std::size_t index) {
    return parent + "/" + std::to_string(index);
}

}  // namespace rules
