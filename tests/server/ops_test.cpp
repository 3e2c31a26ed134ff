#include "server/ops/health.hpp"
#include "server/ops/log.hpp"
#include "server/ops/metrics.hpp"
#include "tests/support/catch.hpp"

using namespace server::ops;

TEST_CASE("metrics: the text shows counters and gauges with their labels", "[ops]") {
    MetricsRegistry registry;
    Counter& rejected =
        registry.counter("guerdon_rejected_total", "Refusals.", {{"code", "blocked"}});
    rejected.add();
    rejected.add(2);
    registry.gauge("guerdon_queue_depth", "Waiting.", {{"class", "bulk"}}).set(-4);
    double lag = 1.5;
    registry.gauge_from("guerdon_view_lag_seconds", "Lag.", [&lag] { return lag; });
    CHECK(
        &registry.counter("guerdon_rejected_total", "Refusals.", {{"code", "blocked"}}) == &rejected
    );
    const std::string text = registry.text();
    CHECK(text.find("# TYPE guerdon_rejected_total counter") != std::string::npos);
    CHECK(text.find("guerdon_rejected_total{code=\"blocked\"} 3") != std::string::npos);
    CHECK(text.find("guerdon_queue_depth{class=\"bulk\"} -4") != std::string::npos);
    CHECK(text.find("guerdon_view_lag_seconds 1.5") != std::string::npos);
    lag = 2;
    CHECK(registry.text().find("guerdon_view_lag_seconds 2") != std::string::npos);
}

TEST_CASE("metrics: a histogram counts into its buckets", "[ops]") {
    MetricsRegistry registry;
    Histogram& sizes = registry.histogram("guerdon_group_size", "Size.", size_bounds(), 1);
    for (std::uint64_t size : {0, 1, 2, 3, 4096, 5000})
        sizes.observe(size);
    const std::string text = registry.text();
    CHECK(text.find("guerdon_group_size_bucket{le=\"1\"} 2") != std::string::npos);
    CHECK(text.find("guerdon_group_size_bucket{le=\"4\"} 4") != std::string::npos);
    CHECK(text.find("guerdon_group_size_bucket{le=\"4096\"} 5") != std::string::npos);
    CHECK(text.find("guerdon_group_size_bucket{le=\"+Inf\"} 6") != std::string::npos);
    CHECK(text.find("guerdon_group_size_sum 9102") != std::string::npos);
    Histogram& sync =
        registry.histogram("guerdon_sync_seconds", "Sync.", latency_bounds_ns(), kNanosPerSecond);
    sync.observe(150'000);
    CHECK(
        registry.text().find("guerdon_sync_seconds_bucket{le=\"0.0002\"} 1") != std::string::npos
    );
}

TEST_CASE("health: the server is ready when no condition stands", "[ops]") {
    Health health;
    CHECK(health.ready());
    health.raise("recovery", "reading the log");
    health.raise("clock", "10 minutes ahead");
    health.raise("recovery", "loading \"views\"");
    CHECK_FALSE(health.ready());
    CHECK(
        health.json() ==
        R"({"ready":false,"conditions":[{"condition":"clock","reason":"10 minutes ahead"},)"
        R"({"condition":"recovery","reason":"loading \"views\""}]})"
    );
    health.clear("clock");
    health.clear("never raised");
    health.clear("recovery");
    CHECK(health.json() == R"({"ready":true,"conditions":[]})");
}

TEST_CASE("log: a line is one JSON object", "[ops]") {
    const std::string line = log_line(
        Severity::warning, "clock_ahead", {{"seconds", 700}, {"source", "a\"b\n"}, {"ready", false}}
    );
    CHECK(line.find("{\"time\":\"20") == 0);
    CHECK(line.ends_with(R"(Z","severity":"warning","event":"clock_ahead","seconds":700,)"
                         R"("source":"a\"b\n","ready":false})"));
    CHECK(line.find('\n') == std::string::npos);
}
