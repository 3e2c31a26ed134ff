#include <algorithm>

#include <fmt/format.h>
#include <simdjson.h>

#include "tools/import/csv_source.hpp"
#include "tools/import/text_encoding.hpp"

namespace importer {

CsvFile::CsvFile(const Map& map, const std::string& path)
    : map_(map), file_(path), stem_(file_stem(path)), reader_(file_.text(), map.csv) {
    const std::string_view text = file_.text();
    if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF"))
        throw UsageError(path + ": is UTF-16; convert it to UTF-8 first");
    if (map.encoding != Encoding::utf_8) is_utf8_ = true;
    if (!map.header.empty()) {
        bind(map.header, path);
        return;
    }
    std::vector<std::string> header;
    if (!reader_.next(record_)) throw UsageError(path + ":1: has no header");
    if (record_.fault) {
        throw UsageError(fmt::format(
            "{}:{}:{}: {}",
            path,
            record_.fault->place.line,
            record_.fault->place.column,
            record_.fault->reason
        ));
    }
    for (const CsvField& field : record_.fields)
        append_utf8(header.emplace_back(), field.text, map.encoding);
    bind(header, path);
}

void CsvFile::bind(const std::vector<std::string>& header, const std::string& path) {
    header_fields_ = header.size();
    for (const std::string& column : map_.columns) {
        const auto found = std::find(header.begin(), header.end(), column);
        if (found == header.end()) {
            throw UsageError(
                fmt::format("{}:1: has no column {}, which the map names", path, column)
            );
        }
        if (std::find(found + 1, header.end(), column) != header.end())
            throw UsageError(fmt::format("{}:1: has the column {} twice", path, column));
        at_.push_back(static_cast<std::size_t>(found - header.begin()));
    }
    converted_.resize(at_.size());
    values_.resize(at_.size());
}

bool CsvFile::next() {
    if (!is_utf8_) is_utf8_ = simdjson::validate_utf8(file_.text().data(), file_.text().size());
    if (!reader_.next(record_)) return false;
    if (!record_.fault) check_record();
    take_values();
    return true;
}

void CsvFile::check_record() {
    if (record_.fields.size() != header_fields_) {
        const bool more = record_.fields.size() > header_fields_;
        const CsvField& at = more ? record_.fields[header_fields_] : record_.fields.back();
        record_.fault = Fault{
            "wrong_field_count",
            fmt::format("{} fields, the header has {}", record_.fields.size(), header_fields_),
            {0, at.column, at.line}};
        return;
    }
    if (*is_utf8_) return;
    for (const CsvField& field : record_.fields) {
        if (simdjson::validate_utf8(field.text.data(), field.text.size())) continue;
        record_.fault = Fault{
            "bad_utf8",
            "is not UTF-8; if the file has another encoding, name it in the map",
            {0, field.column, field.line}};
        return;
    }
}

void CsvFile::take_values() {
    for (std::size_t i = 0; i < at_.size(); ++i) {
        if (!has(i)) {
            values_[i] = {};
        } else if (map_.encoding == Encoding::utf_8) {
            values_[i] = record_.fields[at_[i]].text;
        } else {
            converted_[i].clear();
            append_utf8(converted_[i], record_.fields[at_[i]].text, map_.encoding);
            values_[i] = converted_[i];
        }
    }
}

Place CsvFile::place(std::size_t column) const {
    if (!has(column)) return {0, 1, record_.line};
    const CsvField& field = record_.fields[at_[column]];
    return {0, field.column, field.line};
}

}  // namespace importer
