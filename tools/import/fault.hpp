#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

namespace importer {

/// A place in an input file. `line` and `column` count from 1; columns are bytes.
struct Place {
    std::uint32_t file = 0;
    std::uint32_t column = 1;
    std::uint64_t line = 0;
};

/// Why the importer itself refuses a line. `code` is one of the words in docs/import.md.
struct Fault {
    std::string code;
    std::string reason;
    Place place;
};

/// The command line, the map or a file's header is wrong: exit status 2.
class UsageError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

}  // namespace importer
