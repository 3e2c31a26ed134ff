#include "tools/import/csv_reader.hpp"

#include <fmt/format.h>

namespace importer {

namespace {
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
}

CsvReader::CsvReader(std::string_view text, CsvFormat format)
    : text_(text.starts_with(kByteOrderMark) ? text.substr(kByteOrderMark.size()) : text),
      format_(format) {}

std::uint32_t CsvReader::column(std::size_t at) const {
    return static_cast<std::uint32_t>(at - line_start_ + 1);
}

void CsvReader::start_line() {
    ++line_;
    line_start_ = position_;
}

void CsvReader::skip_line() {
    const std::size_t end = text_.find('\n', position_);
    position_ = end == std::string_view::npos ? text_.size() : end + 1;
    start_line();
}

bool CsvReader::next(CsvRecord& record) {
    record.fields.clear();
    record.fault.reset();
    unescaped_.clear();
    while (!at_end() && (text_[position_] == '\n' || text_.substr(position_, 2) == "\r\n"))
        skip_line();
    if (at_end()) return false;
    record.line = line_;
    const std::size_t begin = position_;
    while (read_field(record) == Stop::field) {
    }
    record.raw = text_.substr(begin, position_ - begin);
    return true;
}

/// Consumes the separator or the line's end that `position_` stands at.
CsvReader::Stop CsvReader::end_of_field() {
    if (at_end()) return Stop::record;
    if (text_[position_] == format_.separator) {
        ++position_;
        return Stop::field;
    }
    skip_line();
    return Stop::record;
}

CsvReader::Stop CsvReader::read_field(CsvRecord& record) {
    CsvField field{{}, line_, column(position_)};
    if (format_.quote != '\0' && !at_end() && text_[position_] == format_.quote)
        return read_quoted(record, field);
    const std::size_t begin = position_;
    while (!at_end() && text_[position_] != format_.separator && text_[position_] != '\n') {
        if (text_[position_] == format_.quote && format_.quote != '\0') {
            const std::size_t at = position_;
            const std::uint64_t line = line_;
            auto stop = fail(record, "a quote inside a field that is not quoted", line, at);
            skip_line();
            return stop;
        }
        ++position_;
    }
    std::size_t end = position_;
    const bool line_ends = at_end() || text_[position_] == '\n';
    if (line_ends && end > begin && text_[end - 1] == '\r') --end;
    field.text = text_.substr(begin, end - begin);
    record.fields.push_back(field);
    return end_of_field();
}

CsvReader::Stop CsvReader::read_quoted(CsvRecord& record, CsvField field) {
    const std::size_t opened = position_;
    const std::size_t opened_line_start = line_start_;
    // Of all the lines that a faulty quote seems to hold, only the one that opened it is lost.
    const auto give_up = [&](std::string reason, std::size_t at) {
        if (line_ != field.line) {
            reason += fmt::format(", on line {}", line_);
            at = opened;
        }
        position_ = opened;
        line_ = field.line;
        line_start_ = opened_line_start;
        const Stop stop = fail(record, std::move(reason), line_, at);
        skip_line();
        return stop;
    };
    std::string* own = nullptr;
    std::size_t begin = ++position_;
    for (;; ++position_) {
        if (at_end()) {
            line_ = field.line;
            line_start_ = opened_line_start;
            return give_up("a quote that nothing closes", opened);
        }
        if (text_[position_] == '\n') {
            ++line_;
            line_start_ = position_ + 1;
            continue;
        }
        if (text_[position_] != format_.quote) continue;
        const bool doubled = position_ + 1 < text_.size() && text_[position_ + 1] == format_.quote;
        if (!doubled) break;
        if (own == nullptr) own = &unescaped_.emplace_back();
        own->append(text_.substr(begin, position_ + 1 - begin));
        begin = ++position_ + 1;
    }
    field.text = text_.substr(begin, position_ - begin);
    if (own != nullptr) {
        own->append(field.text);
        field.text = *own;
    }
    ++position_;
    if (text_.substr(position_, 2) == "\r\n") ++position_;
    if (!at_end() && text_[position_] != format_.separator && text_[position_] != '\n') {
        return give_up("text behind a closing quote", position_);
    }
    record.fields.push_back(field);
    return end_of_field();
}

CsvReader::Stop CsvReader::fail(
    CsvRecord& record, std::string reason, std::uint64_t line, std::size_t at
) {
    record.fault = Fault{"bad_quote", std::move(reason), {0, column(at), line}};
    return Stop::fault;
}

}  // namespace importer
