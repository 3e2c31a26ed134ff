#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "tools/import/decimal.hpp"
#include "tools/import/fault.hpp"

namespace importer {

/// One row as a line of an order.
struct OrderRow {
    std::string sku;
    std::int64_t quantity = 0;
    Decimal price;            ///< of one piece; 0 if the map gives amounts
    std::int64_t amount = 0;  ///< minor units, of the whole row
    Place place;
};

/// The rows of one event, and what the first of them says about it.
struct Group {
    std::string key;
    std::string id;
    std::string subject;
    std::string order_id;
    std::string currency;
    int exponent = 2;
    std::string customer;
    std::string email;
    std::string total;      ///< given by the map; else empty
    std::string data;       ///< JSON members, each behind a comma
    std::string time_text;  ///< without a format: as the row says
    std::int64_t time = 0;  ///< with a format: the earliest row's, seconds UTC
    bool credit = false;
    std::vector<std::string> first_values;  ///< of a credit: the first row's, for its ids
    std::uint64_t first_line = 0;
    std::string first_file;
    std::uint32_t skips = 0;  ///< bit i: every row so far meets [[skip]] i
    std::optional<Fault> fault;
    std::vector<OrderRow> rows;
    std::uint64_t last_row = 0;  ///< number of its last row in the whole input
};

struct GroupWindow {
    enum class Late : std::uint8_t { cannot_be, is_noticed };
    std::optional<std::uint64_t> within;  ///< none: every group is held
    Late late = Late::cannot_be;          ///< noticing costs some 40 bytes a group that is gone
};

/// Rows of one key together, though others may stand between them. A group is complete when
/// `within` rows in succession were of others, so that at most `within` groups are held; without
/// `within` all are, until the end of the input.
class Groups {
public:
    explicit Groups(GroupWindow window) : window_(window) {}

    struct Opened {
        Group* group = nullptr;  ///< nullptr: the key's group is complete and gone
        bool fresh = false;
    };
    /// The group that row number `row` belongs to. Valid until it is taken.
    [[nodiscard]] Opened open(std::string_view key, std::uint64_t row);
    /// The group that is complete now that `row` rows were read, the longest silent one first.
    [[nodiscard]] std::optional<Group> take_complete(std::uint64_t row);
    /// At the end of the input: any group, the longest silent one first.
    [[nodiscard]] std::optional<Group> take();

private:
    const GroupWindow window_;
    std::list<Group> groups_;  ///< by last row
    std::unordered_map<std::string_view, std::list<Group>::iterator> by_key_;
    std::unordered_set<std::uint64_t> gone_;  ///< hashes of keys, so that a late row is noticed
};

}  // namespace importer
