#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "tools/import/fault.hpp"

namespace importer {

/// A CSV file with a row for every rejected line: file, line, column, code, reason, event. It is
/// made with its first row; one that is there from before is removed. One thread at a time.
class RejectFile {
public:
    RejectFile(std::string path, std::vector<std::string> inputs);

    /// `event`: id of the event that the server refused; empty if the importer did. Throws
    /// std::runtime_error if it cannot be written.
    void add(
        const Place& place, std::string_view code, std::string_view reason, std::string_view event
    );
    /// Throws as `add`.
    void close();
    [[nodiscard]] std::uint64_t rows() const { return rows_; }
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    void check();

    const std::string path_;
    const std::vector<std::string> inputs_;
    std::ofstream out_;
    std::uint64_t rows_ = 0;
};

}  // namespace importer
