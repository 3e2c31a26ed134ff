#include "ledger/bloom.hpp"

#include <cstring>
#include <random>
#include <thread>

#include "tests/ledger/store_fixture.hpp"
#include "tests/support/seed.hpp"

using namespace ledger;
using namespace store_fixture;

namespace {

class Keys {
public:
    explicit Keys(std::uint64_t seed) : random_(seed) {}
    Hash16 next() {
        Hash16 key;
        const std::uint64_t words[2] = {random_(), random_()};
        std::memcpy(key.data(), words, sizeof words);
        return key;
    }

private:
    std::mt19937_64 random_;
};

std::string row_key(std::uint32_t program, const Hash16& hash) {
    std::string key(4, '\0');
    key[3] = static_cast<char>(program);
    key.append(reinterpret_cast<const char*>(hash.data()), hash.size());
    return key;
}

std::unique_ptr<ViewStore> views_with_keys(const std::string& path, Keys keys, std::size_t count) {
    auto views = open_views(path);
    CheckpointBatch batch;
    batch.applied_group = 1;
    for (std::size_t i = 0; i < count; ++i) {
        batch.records.push_back(
            {ViewFamily::keys, false, row_key(1, keys.next()), std::string("\1\5", 2)}
        );
    }
    require(views->ingest(std::move(batch)));
    return views;
}

}  // namespace

TEST_CASE("bloom: no false negative and few false positives over generations", "[bloom]") {
    constexpr std::size_t kCount = 400'000;
    BloomFilter filter(100'000);
    Keys keys(test_support::seed());
    for (std::size_t i = 0; i < kCount; ++i) {
        filter.add(keys.next());
    }
    CHECK(filter.keys() == kCount);
    CHECK(filter.memory_bytes() < kCount * 2);
    Keys again(test_support::seed());
    for (std::size_t i = 0; i < kCount; ++i) {
        REQUIRE(filter.may_contain(again.next()));
    }
    Keys others(~test_support::seed());
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < kCount; ++i) {
        wrong += filter.may_contain(others.next()) ? 1 : 0;
    }
    // Three full generations at about 0.5 % each.
    CHECK(wrong < kCount / 40);
}

TEST_CASE(
    "bloom: a generation filled to its capacity answers wrongly less than 0.7 percent", "[bloom]"
) {
    constexpr std::size_t kCount = 500'000;
    BloomFilter filter(kCount);
    Keys keys(test_support::seed());
    for (std::size_t i = 0; i < kCount; ++i) {
        filter.add(keys.next());
    }
    Keys others(~test_support::seed());
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < kCount; ++i) {
        wrong += filter.may_contain(others.next()) ? 1 : 0;
    }
    CHECK(wrong > 0);
    CHECK(wrong * 1000 < kCount * 7);
}

TEST_CASE("bloom: until the rebuild ended every key may exist", "[bloom]") {
    const test_support::TemporaryFolder folder;
    constexpr std::size_t kCount = 20'000;
    const auto views = views_with_keys(folder.file("views"), Keys(1), kCount);
    KeyFilter filter({});
    CHECK(!filter.ready());
    CHECK(filter.may_exist(Hash16{}));

    // New keys go in while the old ones are read.
    const std::atomic<bool> stop{false};
    const auto snapshot = views->snapshot();
    Result<void> rebuilt;
    std::thread rebuilder([&] { rebuilt = filter.rebuild(*snapshot, stop); });
    Keys fresh(2);
    for (std::size_t i = 0; i < kCount; ++i) {
        const Hash16 key = fresh.next();
        filter.add(key);
        REQUIRE(filter.may_exist(key));
    }
    rebuilder.join();
    require(rebuilt);
    REQUIRE(filter.ready());
    Keys old(1);
    Keys fresh_again(2);
    Keys never(3);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < kCount; ++i) {
        REQUIRE(filter.may_exist(old.next()));
        REQUIRE(filter.may_exist(fresh_again.next()));
        wrong += filter.may_exist(never.next()) ? 1 : 0;
    }
    CHECK(wrong < kCount / 50);
}

TEST_CASE("bloom: a stopped rebuild stays not ready", "[bloom]") {
    const test_support::TemporaryFolder folder;
    const auto views = views_with_keys(folder.file("views"), Keys(1), 100);
    KeyFilter filter({});
    const std::atomic<bool> stop{true};
    require(filter.rebuild(*views->snapshot(), stop));
    CHECK(!filter.ready());
    CHECK(filter.may_exist(Hash16{}));
}

TEST_CASE("bloom: a malformed key row is corrupt", "[bloom]") {
    const test_support::TemporaryFolder folder;
    auto views = open_views(folder.file("views"));
    require(views->ingest(checkpoint(1, {{ViewFamily::keys, false, "short", "x"}})));
    KeyFilter filter({});
    const std::atomic<bool> stop{false};
    CHECK(code_of(filter.rebuild(*views->snapshot(), stop)) == ErrorCode::corrupt);
    CHECK(!filter.ready());
}
