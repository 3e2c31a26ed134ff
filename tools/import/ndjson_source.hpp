#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tools/import/input_file.hpp"
#include "tools/import/source.hpp"

namespace importer {

/// Files with one CloudEvent a line, sent as they are. Blank lines are no lines.
class NdjsonSource final : public EventSource {
public:
    NdjsonSource(std::vector<std::string> paths, LineSink& sink, ReadProgress& progress);
    ~NdjsonSource() override;
    bool next(Event& event) override;

private:
    struct Parser;
    [[nodiscard]] bool next_line(std::string_view& line);
    [[nodiscard]] bool read(std::string_view line, Event& event);
    void refuse(std::string code, std::string reason, std::size_t column);

    const std::vector<std::string> paths_;
    LineSink& sink_;
    ReadProgress& progress_;
    std::unique_ptr<Parser> parser_;
    std::size_t next_path_ = 0;
    std::unique_ptr<InputFile> file_;
    std::size_t position_ = 0;
    std::uint64_t line_ = 0;
    std::uint64_t bytes_before_ = 0;
    std::uint64_t lines_ = 0;
};

}  // namespace importer
