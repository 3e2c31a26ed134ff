#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

/// One scrape of /metrics in Prometheus text format.
class Metrics {
public:
    Metrics() = default;
    explicit Metrics(std::string_view text);

    /// Sum of a counter or gauge over all its label sets; 0 if it is absent.
    [[nodiscard]] double sum(std::string const& name) const;
    /// Greatest value over all label sets; 0 if it is absent.
    [[nodiscard]] double max(std::string const& name) const;
    [[nodiscard]] bool has(std::string const& name) const;

    /// Cumulative counts of a histogram by upper bound, summed over label sets.
    [[nodiscard]] std::map<double, double> buckets(std::string const& name) const;

private:
    struct Sample {
        std::string labels;
        double value;
    };
    std::map<std::string, std::vector<Sample>, std::less<>> samples_;
};

/// Quantile of what a histogram recorded between two scrapes, interpolated inside its bucket; 0 if
/// nothing was recorded.
[[nodiscard]] double histogram_quantile(
    Metrics const& before, Metrics const& after, std::string const& name, double fraction
);

/// Mean of what a histogram or summary recorded between two scrapes; 0 if nothing was recorded.
[[nodiscard]] double histogram_mean(
    Metrics const& before, Metrics const& after, std::string const& name
);

}  // namespace bench
