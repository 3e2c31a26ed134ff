#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/import/fault.hpp"

namespace importer {

struct CsvFormat {
    char separator = ',';
    char quote = '"';  ///< 0: no quoting, every byte stands for itself
};

struct CsvField {
    std::string_view text;
    std::uint64_t line = 0;
    std::uint32_t column = 0;
};

/// One record; the views point into the file or into the reader, until the next call of `next`.
struct CsvRecord {
    std::uint64_t line = 0;        ///< where it begins
    std::vector<CsvField> fields;  ///< with a fault: those before it
    std::optional<Fault> fault;    ///< `bad_quote`
    std::string_view raw;          ///< its bytes
};

/// Records of RFC 4180 from a text in memory: quotes, doubled quotes, line breaks inside quotes, LF
/// and CRLF, a byte order mark. Blank lines are no records.
///
/// Our own and not libcsv's because every complaint needs its line and column, and because one
/// faulty quote must cost one line: the reader goes on at the line after the one that opened it.
class CsvReader {
public:
    CsvReader(std::string_view text, CsvFormat format);

    /// False at the end.
    [[nodiscard]] bool next(CsvRecord& record);
    /// Bytes consumed, for progress.
    [[nodiscard]] std::size_t position() const { return position_; }

private:
    enum class Stop : std::uint8_t { field, record, fault };
    Stop read_field(CsvRecord& record);
    Stop read_quoted(CsvRecord& record, CsvField field);
    Stop fail(CsvRecord& record, std::string reason, std::uint64_t line, std::size_t at);
    Stop end_of_field();
    void skip_line();
    void start_line();
    [[nodiscard]] bool at_end() const { return position_ >= text_.size(); }
    [[nodiscard]] std::uint32_t column(std::size_t at) const;

    const std::string_view text_;
    const CsvFormat format_;
    std::size_t position_ = 0;
    std::size_t line_start_ = 0;
    std::uint64_t line_ = 1;
    std::deque<std::string> unescaped_;  ///< fields with doubled quotes, of the current record
};

}  // namespace importer
