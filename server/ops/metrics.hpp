#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace server::ops {

/// Only grows. Increments are one relaxed add; any thread.
class Counter {
public:
    void add(std::uint64_t amount = 1) { value_.fetch_add(amount, std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

private:
    alignas(64) std::atomic<std::uint64_t> value_{0};
};

/// Goes up and down; any thread.
class Gauge {
public:
    void set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
    void add(std::int64_t amount) { value_.fetch_add(amount, std::memory_order_relaxed); }
    [[nodiscard]] std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

private:
    alignas(64) std::atomic<std::int64_t> value_{0};
};

/// Counts values by upper bound. Values are integers of the caller's unit (nanoseconds, entries);
/// the text shows value / `scale`. Observing is two relaxed adds and a short scan; any thread.
class Histogram {
public:
    static constexpr std::size_t kBoundsMax = 24;

    /// `bounds` ascending, at most kBoundsMax.
    Histogram(std::span<const std::uint64_t> bounds, double scale);
    void observe(std::uint64_t value);

    [[nodiscard]] std::size_t bound_count() const { return bound_count_; }
    [[nodiscard]] std::uint64_t bound(std::size_t i) const { return bounds_[i]; }
    /// Values at most bound(i) and above the one before; i == bound_count(): above them all.
    [[nodiscard]] std::uint64_t bucket(std::size_t i) const {
        return buckets_[i].load(std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t sum() const { return sum_.load(std::memory_order_relaxed); }
    [[nodiscard]] double scale() const { return scale_; }

private:
    std::array<std::uint64_t, kBoundsMax> bounds_{};
    std::size_t bound_count_;
    double scale_;
    alignas(64) std::array<std::atomic<std::uint64_t>, kBoundsMax + 1> buckets_{};
    std::atomic<std::uint64_t> sum_{0};
};

/// 10 us to 10 s, in nanoseconds; with scale 1e9 the text is in seconds.
[[nodiscard]] std::span<const std::uint64_t> latency_bounds_ns();
/// 1 to 4,096 by powers of two.
[[nodiscard]] std::span<const std::uint64_t> size_bounds();
inline constexpr double kNanosPerSecond = 1e9;

using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

/// All metrics of the process. Registering takes a lock and is for start-up; the references stay
/// valid as long as the registry and are what the hot path uses. Values are read on scrape only.
/// Registering one name and labels again returns the same metric.
class MetricsRegistry {
public:
    MetricsRegistry();
    ~MetricsRegistry();
    MetricsRegistry(const MetricsRegistry&) = delete;
    MetricsRegistry& operator=(const MetricsRegistry&) = delete;

    Counter& counter(std::string_view name, std::string_view help, Labels labels = {});
    Gauge& gauge(std::string_view name, std::string_view help, Labels labels = {});
    Histogram& histogram(
        std::string_view name,
        std::string_view help,
        std::span<const std::uint64_t> bounds,
        double scale,
        Labels labels = {}
    );
    /// A gauge or counter that lives elsewhere: `read` is called on scrape, from the scraping
    /// thread, and must be thread-safe.
    void gauge_from(
        std::string_view name,
        std::string_view help,
        std::function<double()> read,
        Labels labels = {}
    );
    void counter_from(
        std::string_view name,
        std::string_view help,
        std::function<double()> read,
        Labels labels = {}
    );

    /// A histogram that lives elsewhere. `bounds` ascending, in the unit of the text; the counts
    /// are per bucket, one more than there are bounds. The same rules as for gauge_from.
    struct HistogramReading {
        std::vector<double> bounds;
        std::vector<std::uint64_t> counts;
        double sum = 0;
    };
    void histogram_from(
        std::string_view name,
        std::string_view help,
        std::function<HistogramReading()> read,
        Labels labels = {}
    );

    /// The Prometheus text exposition (version 0.0.4). Any thread.
    [[nodiscard]] std::string text() const;

private:
    struct Collector;
    std::unique_ptr<Collector> collector_;
};

/// For the answer to /metrics.
inline constexpr std::string_view kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace server::ops
