#include "tools/bench/metrics.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace bench {

namespace {

/// The value of label `le` in `labels`, e.g. `{shard="0",le="0.005"}`.
double upper_bound_of(std::string const& labels) {
    auto const at = labels.find("le=\"");
    if (at == std::string::npos) {
        return std::numeric_limits<double>::quiet_NaN();
    }
    auto const text = labels.substr(at + 4, labels.find('"', at + 4) - at - 4);
    return text == "+Inf" ? std::numeric_limits<double>::infinity()
                          : std::strtod(text.c_str(), nullptr);
}

}  // namespace

Metrics::Metrics(std::string_view text) {
    while (!text.empty()) {
        auto const end = text.find('\n');
        auto const line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (line.empty() || line.front() == '#') {
            continue;
        }
        auto const labels_end = line.find('}');
        auto const name_end = line.find_first_of("{ ");
        if (name_end == std::string_view::npos) {
            continue;
        }
        auto const value_at = labels_end == std::string_view::npos ? name_end : labels_end + 1;
        auto const labels = labels_end == std::string_view::npos
                                ? std::string_view{}
                                : line.substr(name_end, labels_end + 1 - name_end);
        auto const value = std::string(line.substr(value_at));
        samples_[std::string(line.substr(0, name_end))].push_back(
            {std::string(labels), std::strtod(value.c_str(), nullptr)}
        );
    }
}

double Metrics::sum(std::string const& name) const {
    auto const found = samples_.find(name);
    double total = 0;
    if (found != samples_.end()) {
        for (auto const& sample : found->second) {
            total += sample.value;
        }
    }
    return total;
}

double Metrics::max(std::string const& name) const {
    auto const found = samples_.find(name);
    double greatest = 0;
    if (found != samples_.end()) {
        for (auto const& sample : found->second) {
            greatest = std::max(greatest, sample.value);
        }
    }
    return greatest;
}

bool Metrics::has(std::string const& name) const {
    return samples_.contains(name);
}

std::map<double, double> Metrics::buckets(std::string const& name) const {
    std::map<double, double> counts;
    auto const found = samples_.find(name + "_bucket");
    if (found != samples_.end()) {
        for (auto const& sample : found->second) {
            auto const bound = upper_bound_of(sample.labels);
            if (!std::isnan(bound)) {
                counts[bound] += sample.value;
            }
        }
    }
    return counts;
}

double histogram_quantile(
    Metrics const& before, Metrics const& after, std::string const& name, double fraction
) {
    auto const old_counts = before.buckets(name);
    auto counts = after.buckets(name);
    for (auto& [bound, count] : counts) {
        auto const old = old_counts.find(bound);
        count -= old == old_counts.end() ? 0 : old->second;
    }
    if (counts.empty() || counts.rbegin()->second <= 0) {
        return 0;
    }
    auto const wanted = fraction * counts.rbegin()->second;
    double lower_bound = 0;
    double lower_count = 0;
    for (auto const& [bound, count] : counts) {
        if (count >= wanted) {
            if (std::isinf(bound) || count <= lower_count) {
                return lower_bound;
            }
            return lower_bound +
                   (bound - lower_bound) * (wanted - lower_count) / (count - lower_count);
        }
        lower_bound = bound;
        lower_count = count;
    }
    return lower_bound;
}

double histogram_mean(Metrics const& before, Metrics const& after, std::string const& name) {
    auto const count = after.sum(name + "_count") - before.sum(name + "_count");
    return count > 0 ? (after.sum(name + "_sum") - before.sum(name + "_sum")) / count : 0;
}

}  // namespace bench
