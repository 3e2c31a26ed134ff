#include "tools/import/ndjson_source.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include "rules/json_fault.hpp"

namespace importer {

namespace {

constexpr std::size_t kEventBytesMax = std::size_t{1} << 20;  // as the server's for one event
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::string_view text_at(const simdjson::dom::element& event, std::string_view pointer) {
    std::string_view text;
    return event.at_pointer(pointer).get_string().get(text) == simdjson::SUCCESS
               ? text
               : std::string_view();
}

}  // namespace

struct NdjsonSource::Parser {
    simdjson::dom::parser dom;
};

NdjsonSource::NdjsonSource(std::vector<std::string> paths, LineSink& sink, ReadProgress& progress)
    : paths_(std::move(paths)),
      sink_(sink),
      progress_(progress),
      parser_(std::make_unique<Parser>()) {
    for (const std::string& path : paths_)
        progress_.bytes_all += file_bytes(path);
}

NdjsonSource::~NdjsonSource() = default;

bool NdjsonSource::next_line(std::string_view& line) {
    for (;;) {
        if (!file_ || position_ >= file_->text().size()) {
            if (file_) bytes_before_ += file_->text().size();
            file_.reset();
            if (next_path_ == paths_.size()) {
                progress_.done = true;
                return false;
            }
            file_ = std::make_unique<InputFile>(paths_[next_path_++]);
            position_ = file_->text().starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
            line_ = 0;
            continue;
        }
        const std::size_t end = file_->text().find('\n', position_);
        line = file_->text().substr(position_, end - position_);
        position_ = end == std::string_view::npos ? file_->text().size() : end + 1;
        ++line_;
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.find_first_not_of(" \t") == std::string_view::npos) continue;
        progress_.lines.store(++lines_, std::memory_order_relaxed);
        progress_.bytes.store(bytes_before_ + position_, std::memory_order_relaxed);
        return true;
    }
}

bool NdjsonSource::next(Event& event) {
    std::string_view line;
    while (next_line(line))
        if (read(line, event)) return true;
    return false;
}

bool NdjsonSource::read(std::string_view line, Event& event) {
    if (line.size() > kEventBytesMax) {
        refuse("too_large", fmt::format("the event is larger than {} bytes", kEventBytesMax), 1);
        return false;
    }
    if (!simdjson::validate_utf8(line.data(), line.size())) {
        refuse("bad_utf8", "is not UTF-8", 1);
        return false;
    }
    simdjson::dom::element parsed;
    if (parser_->dom.parse(line.data(), line.size()).get(parsed) != simdjson::SUCCESS) {
        const auto fault = rules::find_json_fault(line);
        refuse(
            "malformed_json",
            fault ? fault->detail : "is nested too deeply",
            fault ? fault->column : 1
        );
        return false;
    }
    if (!parsed.is_object()) {
        refuse("invalid_event", "is no JSON object", 1);
        return false;
    }
    event = {};
    event.id = text_at(parsed, "/id");
    event.lane = text_at(parsed, "/data/order_id");
    event.body = line;
    event.places.push_back({static_cast<std::uint32_t>(next_path_ - 1), 1, line_});
    return true;
}

void NdjsonSource::refuse(std::string code, std::string reason, std::size_t column) {
    sink_.rejected(
        {std::move(code),
         std::move(reason),
         {static_cast<std::uint32_t>(next_path_ - 1), static_cast<std::uint32_t>(column), line_}}
    );
}

}  // namespace importer
