#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/import/csv_reader.hpp"
#include "tools/import/group.hpp"
#include "tools/import/input_file.hpp"
#include "tools/import/local_time.hpp"
#include "tools/import/map.hpp"
#include "tools/import/match.hpp"
#include "tools/import/row_text.hpp"
#include "tools/import/source.hpp"

namespace importer {

/// One CSV file: its records as values of `Map::columns` in UTF-8.
class CsvFile {
public:
    /// Throws UsageError if its header lacks a column or has one twice.
    CsvFile(const Map& map, const std::string& path);

    /// False at the end.
    [[nodiscard]] bool next();
    [[nodiscard]] const CsvRecord& record() const { return record_; }
    /// `wrong_field_count`, `bad_quote` or `bad_utf8` of the record.
    [[nodiscard]] const std::optional<Fault>& fault() const { return record_.fault; }
    [[nodiscard]] const std::vector<std::string_view>& values() const { return values_; }
    /// Whether the record has this column of the map, though it may be faulty further on.
    [[nodiscard]] bool has(std::size_t column) const { return at_[column] < record_.fields.size(); }
    /// Byte of the line at which the field of this column begins.
    [[nodiscard]] Place place(std::size_t column) const;
    [[nodiscard]] std::size_t position() const { return reader_.position(); }
    [[nodiscard]] const std::string& stem() const { return stem_; }

private:
    void bind(const std::vector<std::string>& header, const std::string& path);
    void check_record();
    void take_values();

    const Map& map_;
    const InputFile file_;
    const std::string stem_;
    CsvReader reader_;
    std::optional<bool> is_utf8_;  ///< the whole file; if not, each record is looked at
    std::size_t header_fields_ = 0;
    std::vector<std::size_t> at_;  ///< column of the map to field of the file
    CsvRecord record_;
    std::vector<std::string> converted_;
    std::vector<std::string_view> values_;
};

/// Rows of CSV files to events. With `[credits]` every group is held and sent in the order of time;
/// else groups leave as soon as they are complete.
class CsvSource final : public EventSource {
public:
    CsvSource(
        const Map& map, std::vector<std::string> paths, LineSink& sink, ReadProgress& progress
    );
    bool next(Event& event) override;

private:
    [[nodiscard]] bool read_row();
    [[nodiscard]] bool open_file();
    void add_row();
    void add_to(Group& group, bool fresh, const RowView& row);
    void start(Group& group, const RowView& row);
    void add_data(Group& group, const std::vector<DataField>& fields, const RowView& row);
    void add_time(Group& group, const RowView& row);
    void add_identity(Group& group, const RowView& row);
    void add_line(Group& group, const RowView& row, OrderRow& line);
    void add_amount(Group& group, const RowView& row, OrderRow& line);
    void fail(Group& group, std::string code, std::string reason, const Value& value);

    [[nodiscard]] bool next_streamed(Event& event);
    [[nodiscard]] bool next_held(Event& event);
    void hold_all();
    /// Whether the group becomes an event; if not, the sink knows its rows.
    [[nodiscard]] bool settle(const Group& group);
    void reject(const Group& group);

    const Map& map_;
    const std::vector<std::string> paths_;
    LineSink& sink_;
    ReadProgress& progress_;
    std::optional<LocalTimes> times_;
    std::size_t next_path_ = 0;
    std::uint64_t bytes_before_ = 0;  ///< of the files that are read
    std::unique_ptr<CsvFile> file_;
    std::uint64_t rows_ = 0;
    Groups groups_;
    bool all_read_ = false;
    std::string text_;  ///< scratch

    // With [credits]:
    bool held_ = false;
    std::vector<Group> sorted_;
    std::vector<Refund> refunds_;
    std::size_t next_group_ = 0;
    std::size_t next_refund_ = 0;
};

}  // namespace importer
