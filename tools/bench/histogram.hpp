#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench {

/// Latencies in nanoseconds, kept like HdrHistogram: buckets grow with the value, so that every
/// quantile is within 1/64 of the truth from 1 ns to over an hour. Recording allocates nothing.
/// One thread.
class Histogram {
public:
    Histogram();

    void record(std::uint64_t nanoseconds);
    void merge(Histogram const& other);

    [[nodiscard]] std::uint64_t count() const { return count_; }
    [[nodiscard]] std::uint64_t max() const { return max_; }
    /// The value below or at which `fraction` (0..1) of the records lie; 0 when empty.
    [[nodiscard]] std::uint64_t quantile(double fraction) const;

private:
    std::vector<std::uint64_t> buckets_;
    std::uint64_t count_ = 0;
    std::uint64_t max_ = 0;
};

/// Median, least and greatest of a few runs.
struct Spread {
    double median = 0;
    double min = 0;
    double max = 0;
};

[[nodiscard]] Spread spread(std::vector<double> values);

}  // namespace bench
