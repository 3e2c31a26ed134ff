#include "tools/import/reject_file.hpp"

#include <filesystem>
#include <stdexcept>

namespace importer {

namespace {

void append_field(std::string& line, std::string_view text) {
    if (!line.empty()) line.push_back(',');
    if (text.find_first_of("\",\r\n") == std::string_view::npos) {
        line += text;
        return;
    }
    line.push_back('"');
    for (const char c : text) {
        if (c == '"') line.push_back('"');
        line.push_back(c);
    }
    line.push_back('"');
}

}  // namespace

RejectFile::RejectFile(std::string path, std::vector<std::string> inputs)
    : path_(std::move(path)), inputs_(std::move(inputs)) {
    if (!path_.empty()) std::filesystem::remove(path_);
}

void RejectFile::check() {
    if (!out_) throw std::runtime_error("cannot write " + path_ + "; --rejects FILE names another");
}

void RejectFile::add(
    const Place& place, std::string_view code, std::string_view reason, std::string_view event
) {
    ++rows_;
    if (path_.empty()) return;
    if (!out_.is_open()) {
        out_.open(path_, std::ios::binary | std::ios::trunc);
        out_ << "file,line,column,code,reason,event\n";
        check();
    }
    std::string line;
    append_field(line, inputs_.at(place.file));
    append_field(line, std::to_string(place.line));
    append_field(line, std::to_string(place.column));
    append_field(line, code);
    append_field(line, reason);
    append_field(line, event);
    out_ << line << '\n';
    check();
}

void RejectFile::close() {
    if (!out_.is_open()) return;
    out_.close();
    check();
}

}  // namespace importer
