#pragma once

#include <vector>

#include "tools/bench/histogram.hpp"

namespace bench {

/// One figure of a report: its title, where it is in the figures of a run, digits after the point.
template <typename Figures>
struct Column {
    char const* title;
    double Figures::*field;
    int digits;

    [[nodiscard]] Spread over(std::vector<Figures> const& runs) const {
        std::vector<double> values;
        values.reserve(runs.size());
        for (auto const& run : runs) {
            values.push_back(run.*field);
        }
        return spread(values);
    }
};

}  // namespace bench
