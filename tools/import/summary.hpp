#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace importer {

struct Tally {
    std::uint64_t events = 0;
    std::uint64_t lines = 0;
};

struct PointsTally {
    std::int64_t awarded = 0;
    std::int64_t taken_back = 0;  ///< ≤ 0
};

/// What became of the lines. Every line is in exactly one class.
struct Summary {
    std::map<std::string, Tally, std::less<>> classes;
    std::map<std::string, PointsTally, std::less<>> points;  ///< by currency; duplicates aside

    void add(std::string_view name, Tally tally);
    void add_points(std::string_view currency, std::int64_t amount);
    void add(const Summary& other);
    [[nodiscard]] Tally total() const;
    [[nodiscard]] Tally of(std::string_view name) const;
};

/// Whether a class is the importer's own, which [[skip]] must not take.
[[nodiscard]] bool is_builtin_class(std::string_view name);

}  // namespace importer
