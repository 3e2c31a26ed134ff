#include "tools/bench/histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace bench {

namespace {

constexpr unsigned kPrecisionBits = 6;  // 64 buckets for each doubling
constexpr std::uint64_t kLinear = std::uint64_t{1} << kPrecisionBits;
constexpr unsigned kExponentMax = 42;  // 2^42 ns is 73 minutes

std::size_t bucket_of(std::uint64_t value) {
    if (value < kLinear) {
        return value;
    }
    value = std::min(value, (std::uint64_t{1} << kExponentMax) - 1);
    auto const shift = static_cast<unsigned>(std::bit_width(value)) - 1 - kPrecisionBits;
    return static_cast<std::size_t>((shift + 1) * kLinear + ((value >> shift) - kLinear));
}

/// The greatest value that falls into `bucket`.
std::uint64_t upper_edge(std::size_t bucket) {
    if (bucket < kLinear) {
        return bucket;
    }
    auto const shift = bucket / kLinear - 1;
    auto const top = kLinear + bucket % kLinear;
    return ((top + 1) << shift) - 1;
}

}  // namespace

Histogram::Histogram() : buckets_((kExponentMax - kPrecisionBits + 1) * kLinear, 0) {}

void Histogram::record(std::uint64_t nanoseconds) {
    ++buckets_[bucket_of(nanoseconds)];
    ++count_;
    max_ = std::max(max_, nanoseconds);
}

void Histogram::merge(Histogram const& other) {
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
        buckets_[i] += other.buckets_[i];
    }
    count_ += other.count_;
    max_ = std::max(max_, other.max_);
}

std::uint64_t Histogram::quantile(double fraction) const {
    if (count_ == 0) {
        return 0;
    }
    auto const wanted = std::max<std::uint64_t>(
        1, static_cast<std::uint64_t>(std::ceil(fraction * static_cast<double>(count_)))
    );
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
        seen += buckets_[i];
        if (seen >= wanted) {
            return std::min(upper_edge(i), max_);
        }
    }
    return max_;
}

Spread spread(std::vector<double> values) {
    if (values.empty()) {
        return {};
    }
    std::sort(values.begin(), values.end());
    auto const middle = values.size() / 2;
    auto const median =
        values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
    return {median, values.front(), values.back()};
}

}  // namespace bench
