#include "tools/import/csv_source.hpp"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

#include "rules/money.hpp"
#include "tools/import/json_text.hpp"
#include "tools/import/order_json.hpp"
#include "tools/import/row_text.hpp"

namespace importer {

namespace {

constexpr std::uint64_t kHeldRowsMax = 20'000'000;  ///< of all files, with [credits]
constexpr std::size_t kGroupRowsMax = 100'000;

GroupWindow window_of(const Map& map) {
    if (map.credits) return {};
    if (!map.group) return {0, GroupWindow::Late::cannot_be};
    return {map.group->within, GroupWindow::Late::is_noticed};
}

/// Text of a file for people: quoted, and cut between two characters.
std::string shown(std::string_view text) {
    constexpr std::size_t kShownMax = 60;
    std::size_t end = std::min(text.size(), kShownMax);
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U)
        --end;
    return fmt::format("\"{}\"{}", text.substr(0, end), end < text.size() ? "…" : "");
}

}  // namespace

CsvSource::CsvSource(
    const Map& map, std::vector<std::string> paths, LineSink& sink, ReadProgress& progress
)
    : map_(map),
      paths_(std::move(paths)),
      sink_(sink),
      progress_(progress),
      groups_(window_of(map)) {
    if (map.time.format) times_.emplace(*map.time.format);
    // Every header is looked at before anything is sent.
    for (const std::string& path : paths_) {
        progress_.bytes_all += file_bytes(path);
        const CsvFile checked(map_, path);
    }
}

bool CsvSource::next(Event& event) {
    return map_.credits ? next_held(event) : next_streamed(event);
}

bool CsvSource::next_streamed(Event& event) {
    for (;;) {
        std::optional<Group> group = all_read_ ? groups_.take() : groups_.take_complete(rows_);
        if (group) {
            if (!settle(*group)) continue;
            event = event_of(map_, *group);
            return true;
        }
        if (all_read_) return false;
        all_read_ = !read_row();
    }
}

void CsvSource::hold_all() {
    while (read_row()) {
        if (rows_ > kHeldRowsMax) {
            throw UsageError(fmt::format(
                "with [credits] every row is held in memory, and there are more than {}",
                kHeldRowsMax
            ));
        }
    }
    while (std::optional<Group> group = groups_.take())
        if (settle(*group)) sorted_.push_back(std::move(*group));
    sort_by_time(sorted_);
    refunds_ = match_credits(sorted_);
    held_ = true;
}

bool CsvSource::next_held(Event& event) {
    if (!held_) hold_all();
    while (next_group_ < sorted_.size()) {
        const bool refunds_due =
            next_refund_ < refunds_.size() && refunds_[next_refund_].credit == next_group_;
        if (refunds_due) {
            event = refund_event(map_, sorted_, std::move(refunds_[next_refund_++]));
            return true;
        }
        const Group& group = sorted_[next_group_++];
        if (group.credit) continue;
        event = event_of(map_, group);
        return true;
    }
    return false;
}

bool CsvSource::open_file() {
    if (file_) bytes_before_ += file_->position();
    file_.reset();
    if (next_path_ == paths_.size()) return false;
    file_ = std::make_unique<CsvFile>(map_, paths_[next_path_++]);
    return true;
}

bool CsvSource::read_row() {
    while (!file_ || !file_->next()) {
        if (!open_file()) {
            progress_.bytes = progress_.bytes_all.load();
            progress_.done = true;
            return false;
        }
    }
    ++rows_;
    progress_.lines.store(rows_, std::memory_order_relaxed);
    progress_.bytes.store(bytes_before_ + file_->position(), std::memory_order_relaxed);
    add_row();
    return true;
}

void CsvSource::add_row() {
    const RowView row{file_->values(), file_->record().line, file_->stem(), {}};
    const auto file = static_cast<std::uint32_t>(next_path_ - 1);
    const auto refuse = [&](Fault fault) {
        fault.place.file = file;
        sink_.rejected(fault);
    };
    if (map_.group) {
        const auto needed = map_.group->by.text.columns();
        const bool has_key =
            std::all_of(needed.begin(), needed.end(), [&](auto i) { return file_->has(i); });
        if (!has_key) return refuse(*file_->fault());
        map_.group->by.render(row, text_);
    } else {
        if (file_->fault()) return refuse(*file_->fault());
        text_ = std::to_string(rows_);
    }
    if (!file_->fault()) {
        for (const SkipMap& skip : map_.skips) {
            if (skip.of == SkipMap::Of::row && all_hold(skip.all, row))
                return sink_.skipped(skip.name, 1);
        }
    }
    const Groups::Opened opened = groups_.open(text_, rows_);
    if (opened.group == nullptr) {
        return refuse(
            {"late_row",
             fmt::format(
                 "its group {} was complete {} rows ago or more; see [group] within",
                 text_,
                 map_.group->within
             ),
             {0, 1, row.line}}
        );
    }
    add_to(*opened.group, opened.fresh, row);
}

void CsvSource::add_to(Group& group, bool fresh, const RowView& row) {
    if (group.rows.size() == kGroupRowsMax) {
        throw UsageError(fmt::format(
            "{}:{}: the group {} has more than {} rows; is [group] by what it should be?",
            paths_[next_path_ - 1],
            row.line,
            group.key,
            kGroupRowsMax
        ));
    }
    OrderRow line;
    line.place = {static_cast<std::uint32_t>(next_path_ - 1), 1, row.line};
    if (file_->fault()) {
        if (!group.fault) {
            group.fault = file_->fault();
            group.fault->place.file = line.place.file;
        }
        group.skips = 0;
        group.rows.push_back(std::move(line));
        return;
    }
    if (fresh) start(group, row);
    std::uint32_t bit = 1;
    for (const SkipMap& skip : map_.skips) {
        if (skip.of == SkipMap::Of::row || !all_hold(skip.all, row)) group.skips &= ~bit;
        bit <<= 1U;
    }
    add_time(group, row);
    if (map_.order) add_identity(group, row);
    if (map_.order && map_.order->line) add_line(group, row, line);
    group.rows.push_back(std::move(line));
}

void CsvSource::start(Group& group, const RowView& row) {
    group.skips = ~std::uint32_t{0};
    group.first_line = row.line;
    group.credit = map_.credits && all_hold(map_.credits->when, row);
    if (group.credit) {
        group.first_values.assign(row.values.begin(), row.values.end());
        group.first_file = row.file;
    }
    group.id = map_.id.of(row);
    if (group.id.empty()) fail(group, "missing_value", "the event's id is empty", map_.id);
    if (map_.subject) group.subject = map_.subject->of(row);
    add_data(group, map_.data, row);
    if (!map_.order) return;
    group.order_id = map_.order->order_id.of(row);
    if (map_.order->total) group.total = map_.order->total->of(row);
    group.currency = map_.order->currency.of(row);
    const auto exponent = rules::currency_exponent(group.currency);
    if (!exponent) {
        fail(
            group,
            "bad_currency",
            shown(group.currency) + " is not an ISO 4217 currency",
            map_.order->currency
        );
    }
    group.exponent = exponent.value_or(2);
}

void CsvSource::add_data(Group& group, const std::vector<DataField>& fields, const RowView& row) {
    for (const DataField& field : fields) {
        std::string json;
        if (!field.fields.empty()) {
            std::string outer;
            std::swap(outer, group.data);
            add_data(group, field.fields, row);
            std::swap(outer, group.data);
            if (outer.empty()) continue;
            json = "{" + outer.substr(1) + "}";
        } else if (const auto* literal = std::get_if<std::string>(&field.value)) {
            json = *literal;
        } else {
            const Value& value = std::get<Value>(field.value);
            const std::string text = value.of(row);
            if (text.empty() && value.as != As::characters) continue;
            if (value.as == As::text) {
                append_json(json, text);
            } else if (value.as == As::characters) {
                json = std::to_string(characters(text));
            } else if (value.as == As::integer) {
                const auto number = Decimal::parse(text);
                const auto whole = number ? number->whole() : std::nullopt;
                if (!whole) fail(group, "bad_number", shown(text) + " is no whole number", value);
                json = std::to_string(whole.value_or(0));
            } else {
                const bool yes = text == "true" || text == "1" || text == "yes";
                if (!yes && text != "false" && text != "0" && text != "no") {
                    fail(
                        group,
                        "bad_boolean",
                        shown(text) + " is none of true, false, yes, no, 1, 0",
                        value
                    );
                }
                json = yes ? "true" : "false";
            }
        }
        group.data.push_back(',');
        append_json(group.data, field.name);
        group.data += ":" + json;
    }
}

void CsvSource::add_time(Group& group, const RowView& row) {
    map_.time.from.render(row, text_);
    if (!times_) {
        if (group.time_text.empty()) group.time_text = text_;
        if (text_.empty()) fail(group, "bad_time", "the time is empty", map_.time.from);
        return;
    }
    std::string why;
    const auto time = times_->utc(text_, why);
    if (!time) return fail(group, "bad_time", shown(text_) + " " + why, map_.time.from);
    if (group.rows.empty() || *time < group.time) group.time = *time;
}

void CsvSource::add_identity(Group& group, const RowView& row) {
    const auto agree = [&](const std::optional<Value>& value, std::string& known) {
        if (!value) return;
        value->render(row, text_);
        if (known.empty()) {
            known = text_;
        } else if (!text_.empty() && text_ != known) {
            fail(
                group,
                "inconsistent_group",
                fmt::format("{} here, {} in an earlier row of {}", text_, known, group.key),
                *value
            );
        }
    };
    agree(map_.order->customer, group.customer);
    agree(map_.order->email, group.email);
}

void CsvSource::add_line(Group& group, const RowView& row, OrderRow& line) {
    const OrderLineMap& map = *map_.order->line;
    if (map.sku) map.sku->render(row, line.sku);
    map.quantity.render(row, text_);
    const auto quantity = Decimal::parse(text_);
    const auto whole = quantity ? quantity->whole() : std::nullopt;
    if (!whole)
        return fail(group, "bad_number", shown(text_) + " is no whole number", map.quantity);
    line.quantity = *whole;
    if (group.credit) {
        if (line.quantity >= 0) {
            return fail(
                group, "bad_number", "the quantity of a credit note must be negative", map.quantity
            );
        }
        line.quantity = -line.quantity;
    }
    add_amount(group, row, line);
}

void CsvSource::add_amount(Group& group, const RowView& row, OrderRow& line) {
    const OrderLineMap& map = *map_.order->line;
    const Value& value = map.price ? *map.price : *map.amount;
    value.render(row, text_);
    const auto number = Decimal::parse(text_);
    if (!number) return fail(group, "bad_number", shown(text_) + " is no decimal number", value);
    if (map.price) line.price = *number;
    const auto quantity = Decimal::parse(std::to_string(line.quantity));
    const auto amount = map.price && quantity ? product(*quantity, *number, group.exponent)
                                              : minor_units(*number, group.exponent);
    if (!amount) return fail(group, "bad_number", "the line's amount is too large", value);
    line.amount = *amount;
}

/// The first fault counts: of the row that is being added, at the first column of `value`.
void CsvSource::fail(Group& group, std::string code, std::string reason, const Value& value) {
    if (group.fault) return;
    Place place{0, 1, file_->record().line};
    const auto columns = value.text.columns();
    if (!columns.empty()) {
        place = file_->place(columns.front());
        reason = map_.columns[columns.front()] + ": " + reason;
    }
    place.file = static_cast<std::uint32_t>(next_path_ - 1);
    group.fault = Fault{std::move(code), std::move(reason), place};
}

bool CsvSource::settle(const Group& group) {
    for (std::size_t i = 0; i < map_.skips.size(); ++i) {
        if ((group.skips >> i & 1U) == 0) continue;
        sink_.skipped(map_.skips[i].name, group.rows.size());
        return false;
    }
    if (!group.fault) return true;
    reject(group);
    return false;
}

void CsvSource::reject(const Group& group) {
    bool told = false;
    for (const OrderRow& row : group.rows) {
        // A fault inside a quoted field may stand on a later line than its row.
        const bool is_faulty =
            !told && row.place.file == group.fault->place.file &&
            (&row == &group.rows.back() || (&row + 1)->place.line > group.fault->place.line ||
             (&row + 1)->place.file != row.place.file);
        if (is_faulty) {
            told = true;
            sink_.rejected(*group.fault);
        } else {
            sink_.rejected(
                {"group_rejected",
                 fmt::format("line {} of {} is refused", group.fault->place.line, group.key),
                 row.place}
            );
        }
    }
}

}  // namespace importer
