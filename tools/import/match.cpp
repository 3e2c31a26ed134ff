#include "tools/import/match.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <unordered_map>

namespace importer {

namespace {

/// What is left of one line of an order.
struct Purchase {
    std::size_t order = 0;
    std::size_t line = 0;
    std::int64_t quantity = 0;
    std::int64_t amount = 0;
};

class Matcher {
public:
    explicit Matcher(const std::vector<Group>& groups) : groups_(groups) {}

    void buy(std::size_t index) {
        const Group& order = groups_[index];
        if (order.customer.empty()) return;
        for (std::size_t i = 0; i < order.rows.size(); ++i) {
            const OrderRow& row = order.rows[i];
            if (row.quantity > 0)
                purchases_[key_of(order, row)].push_back({index, i, row.quantity, row.amount});
        }
    }

    void credit(std::size_t index) {
        const Group& note = groups_[index];
        std::vector<Refund> matched;
        Refund orphan;
        orphan.credit = index;
        for (const OrderRow& row : note.rows) {
            Purchase* const purchase = find(note, row);
            if (purchase == nullptr) {
                orphan.amount += row.amount;
                orphan.places.push_back(row.place);
                continue;
            }
            take(refund_of(matched, index, purchase->order), *purchase, row);
        }
        for (Refund& refund : matched)
            refunds_.push_back(std::move(refund));
        if (!orphan.places.empty()) refunds_.push_back(std::move(orphan));
    }

    std::vector<Refund> done() { return std::move(refunds_); }

private:
    static std::string key_of(const Group& group, const OrderRow& row) {
        const Decimal price = row.price.normal();
        std::string key = group.customer;
        key.push_back('\0');
        key += row.sku;
        key.push_back('\0');
        key += std::to_string(price.digits()) + "e" + std::to_string(price.scale());
        return key + group.currency;
    }

    Purchase* find(const Group& note, const OrderRow& row) {
        if (note.customer.empty()) return nullptr;
        const auto found = purchases_.find(key_of(note, row));
        if (found == purchases_.end()) return nullptr;
        std::vector<Purchase>& open = found->second;
        while (!open.empty() && open.back().quantity == 0)
            open.pop_back();
        const auto latest = std::find_if(open.rbegin(), open.rend(), [&](const Purchase& purchase) {
            return purchase.quantity >= row.quantity;
        });
        return latest == open.rend() ? nullptr : &*latest;
    }

    static Refund& refund_of(std::vector<Refund>& matched, std::size_t credit, std::size_t order) {
        for (Refund& refund : matched)
            if (refund.order == order) return refund;
        Refund& made = matched.emplace_back();
        made.credit = credit;
        made.order = order;
        return made;
    }

    static void take(Refund& refund, Purchase& purchase, const OrderRow& row) {
        const bool is_last = row.quantity == purchase.quantity;
        const std::int64_t amount =
            is_last ? purchase.amount : std::min(row.amount, purchase.amount);
        purchase.quantity -= row.quantity;
        purchase.amount -= amount;
        refund.amount += amount;
        refund.places.push_back(row.place);
        const auto same =
            std::find_if(refund.lines.begin(), refund.lines.end(), [&](const RefundedLine& line) {
                return line.line == purchase.line;
            });
        if (same == refund.lines.end()) {
            refund.lines.push_back({purchase.line, row.quantity, amount});
        } else {
            same->quantity += row.quantity;
            same->amount += amount;
        }
    }

    const std::vector<Group>& groups_;
    std::unordered_map<std::string, std::vector<Purchase>> purchases_;
    std::vector<Refund> refunds_;
};

}  // namespace

void sort_by_time(std::vector<Group>& groups) {
    std::sort(groups.begin(), groups.end(), [](const Group& left, const Group& right) {
        if (left.time != right.time) return left.time < right.time;
        if (left.credit != right.credit) return right.credit;
        return left.key < right.key;
    });
}

std::vector<Refund> match_credits(const std::vector<Group>& groups) {
    Matcher matcher(groups);
    for (std::size_t i = 0; i < groups.size(); ++i) {
        if (groups[i].credit) {
            matcher.credit(i);
        } else {
            matcher.buy(i);
        }
    }
    return matcher.done();
}

}  // namespace importer
