#include "server/ops/metrics.hpp"

#include <limits>
#include <variant>

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "ledger/base/invariant.hpp"

namespace server::ops {

namespace {

constexpr std::array<std::uint64_t, 19> kLatencyBounds{
    10'000,
    20'000,
    50'000,
    100'000,
    200'000,
    500'000,
    1'000'000,
    2'000'000,
    5'000'000,
    10'000'000,
    20'000'000,
    50'000'000,
    100'000'000,
    200'000'000,
    500'000'000,
    1'000'000'000,
    2'000'000'000,
    5'000'000'000,
    10'000'000'000};
constexpr std::array<std::uint64_t, 13> kSizeBounds{
    1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096};

}  // namespace

std::span<const std::uint64_t> latency_bounds_ns() {
    return kLatencyBounds;
}

std::span<const std::uint64_t> size_bounds() {
    return kSizeBounds;
}

Histogram::Histogram(std::span<const std::uint64_t> bounds, double scale)
    : bound_count_(bounds.size()), scale_(scale) {
    INVARIANT(bounds.size() <= kBoundsMax);
    for (std::size_t i = 0; i < bounds.size(); ++i)
        bounds_[i] = bounds[i];
}

void Histogram::observe(std::uint64_t value) {
    std::size_t i = 0;
    while (i < bound_count_ && value > bounds_[i])
        ++i;
    buckets_[i].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
}

/// Translates our atomics into prometheus-cpp's families when asked. Its own metric types are not
/// used because they lock, or spin on doubles, at every update.
struct MetricsRegistry::Collector final : public prometheus::Collectable {
    using Reader = std::function<double()>;
    using HistogramReader = std::function<HistogramReading()>;
    using Value = std::variant<Counter, Gauge, Histogram, Reader, HistogramReader>;

    struct Series {
        template <typename... Arguments>
        explicit Series(
            std::vector<std::pair<std::string, std::string>> series_labels, Arguments&&... arguments
        )
            : labels(std::move(series_labels)), value(std::forward<Arguments>(arguments)...) {}
        std::vector<std::pair<std::string, std::string>> labels;
        Value value;
    };
    struct Family {
        std::string name;
        std::string help;
        prometheus::MetricType type;
        std::deque<Series> series;  // a deque keeps references valid
    };

    template <typename... Arguments>
    Series& find_or_add(
        std::string_view name,
        std::string_view help,
        prometheus::MetricType type,
        Labels labels,
        Arguments&&... arguments
    ) {
        const std::lock_guard lock(mutex);
        Family& family = find_family(name, help, type);
        std::vector<std::pair<std::string, std::string>> owned(labels.begin(), labels.end());
        for (Series& series : family.series) {
            if (series.labels == owned) return series;
        }
        return family.series.emplace_back(std::move(owned), std::forward<Arguments>(arguments)...);
    }

    Family& find_family(std::string_view name, std::string_view help, prometheus::MetricType type) {
        for (Family& family : families) {
            if (family.name != name) continue;
            INVARIANT(family.type == type);
            return family;
        }
        return families.emplace_back(Family{std::string(name), std::string(help), type, {}});
    }

    static void fill(prometheus::ClientMetric& out, const Histogram& histogram) {
        std::uint64_t cumulative = 0;
        for (std::size_t i = 0; i <= histogram.bound_count(); ++i) {
            cumulative += histogram.bucket(i);
            prometheus::ClientMetric::Bucket bucket;
            bucket.cumulative_count = cumulative;
            bucket.upper_bound = i < histogram.bound_count()
                                     ? static_cast<double>(histogram.bound(i)) / histogram.scale()
                                     : std::numeric_limits<double>::infinity();
            out.histogram.bucket.push_back(bucket);
        }
        out.histogram.sample_count = cumulative;
        out.histogram.sample_sum = static_cast<double>(histogram.sum()) / histogram.scale();
    }

    static void fill(prometheus::ClientMetric& out, const HistogramReading& reading) {
        INVARIANT(reading.counts.size() == reading.bounds.size() + 1);
        std::uint64_t cumulative = 0;
        for (std::size_t i = 0; i < reading.counts.size(); ++i) {
            cumulative += reading.counts[i];
            prometheus::ClientMetric::Bucket bucket;
            bucket.cumulative_count = cumulative;
            bucket.upper_bound = i < reading.bounds.size()
                                     ? reading.bounds[i]
                                     : std::numeric_limits<double>::infinity();
            out.histogram.bucket.push_back(bucket);
        }
        out.histogram.sample_count = cumulative;
        out.histogram.sample_sum = reading.sum;
    }

    static prometheus::ClientMetric metric(const Series& series) {
        prometheus::ClientMetric out;
        for (const auto& [label_name, value] : series.labels)
            out.label.push_back({label_name, value});
        if (const auto* counter = std::get_if<Counter>(&series.value)) {
            out.counter.value = static_cast<double>(counter->value());
        } else if (const auto* gauge = std::get_if<Gauge>(&series.value)) {
            out.gauge.value = static_cast<double>(gauge->value());
        } else if (const auto* histogram = std::get_if<Histogram>(&series.value)) {
            fill(out, *histogram);
        } else if (const auto* read = std::get_if<HistogramReader>(&series.value)) {
            fill(out, (*read)());
        } else {
            const double value = std::get<Reader>(series.value)();
            out.counter.value = value;
            out.gauge.value = value;
        }
        return out;
    }

    [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override {
        const std::lock_guard lock(mutex);
        std::vector<prometheus::MetricFamily> collected;
        for (const Family& family : families) {
            prometheus::MetricFamily out;
            out.name = family.name;
            out.help = family.help;
            out.type = family.type;
            for (const Series& series : family.series)
                out.metric.push_back(metric(series));
            collected.push_back(std::move(out));
        }
        return collected;
    }

    mutable std::mutex mutex;
    std::deque<Family> families;
};

MetricsRegistry::MetricsRegistry() : collector_(std::make_unique<Collector>()) {}
MetricsRegistry::~MetricsRegistry() = default;

Counter& MetricsRegistry::counter(std::string_view name, std::string_view help, Labels labels) {
    constexpr auto kType = prometheus::MetricType::Counter;
    Collector::Series& series =
        collector_->find_or_add(name, help, kType, labels, std::in_place_type<Counter>);
    return std::get<Counter>(series.value);
}

Gauge& MetricsRegistry::gauge(std::string_view name, std::string_view help, Labels labels) {
    constexpr auto kType = prometheus::MetricType::Gauge;
    Collector::Series& series =
        collector_->find_or_add(name, help, kType, labels, std::in_place_type<Gauge>);
    return std::get<Gauge>(series.value);
}

Histogram& MetricsRegistry::histogram(
    std::string_view name,
    std::string_view help,
    std::span<const std::uint64_t> bounds,
    double scale,
    Labels labels
) {
    return std::get<Histogram>(collector_
                                   ->find_or_add(
                                       name,
                                       help,
                                       prometheus::MetricType::Histogram,
                                       labels,
                                       std::in_place_type<Histogram>,
                                       bounds,
                                       scale
                                   )
                                   .value);
}

void MetricsRegistry::gauge_from(
    std::string_view name, std::string_view help, std::function<double()> read, Labels labels
) {
    collector_->find_or_add(
        name,
        help,
        prometheus::MetricType::Gauge,
        labels,
        std::in_place_type<Collector::Reader>,
        std::move(read)
    );
}

void MetricsRegistry::counter_from(
    std::string_view name, std::string_view help, std::function<double()> read, Labels labels
) {
    collector_->find_or_add(
        name,
        help,
        prometheus::MetricType::Counter,
        labels,
        std::in_place_type<Collector::Reader>,
        std::move(read)
    );
}

void MetricsRegistry::histogram_from(
    std::string_view name,
    std::string_view help,
    std::function<HistogramReading()> read,
    Labels labels
) {
    collector_->find_or_add(
        name,
        help,
        prometheus::MetricType::Histogram,
        labels,
        std::in_place_type<Collector::HistogramReader>,
        std::move(read)
    );
}

std::string MetricsRegistry::text() const {
    return prometheus::TextSerializer().Serialize(collector_->Collect());
}

}  // namespace server::ops
