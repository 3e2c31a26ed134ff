#include <atomic>
#include <chrono>
#include <cstring>
#include <ctime>
#include <iostream>
#include <map>
#include <random>
#include <thread>

#include "ledger/big_endian.hpp"
#include "tests/ledger/store_fixture.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/unsynced_disk.hpp"

using namespace ledger;
using namespace store_fixture;
using test_support::UnsyncedDisk;

namespace {

ViewRecord put(ViewFamily family, std::string key, std::string value) {
    return {family, false, std::move(key), std::move(value)};
}

std::string number_key(std::uint64_t number) {
    std::string key;
    append_big_endian(key, number);
    return key;
}

/// All rows of a family.
std::map<std::string, std::string> rows_of(const ViewSnapshot& views, ViewFamily family) {
    std::map<std::string, std::string> rows;
    require(views.scan(family, {}, {}, [&](std::string_view key, std::string_view value) {
        rows.emplace(key, value);
        return true;
    }));
    return rows;
}

}  // namespace

TEST_CASE("rocksdb_views: new views are empty at group 0", "[rocksdb_views]") {
    const test_support::TemporaryFolder folder;
    const auto views = open_views(folder.file("views"));
    CHECK(!views->rebuilt());
    CHECK(views->applied_group().value == 0);
    CHECK(views->snapshot()->applied_group().value == 0);
    CHECK(!require(views->snapshot()->get(ViewFamily::member, "x")));
}

TEST_CASE(
    "rocksdb_views: ingested rows equal a model after puts deletes and restarts", "[rocksdb_views]"
) {
    std::mt19937_64 random(test_support::seed());
    const test_support::TemporaryFolder folder;
    std::map<std::pair<ViewFamily, std::string>, std::string> model;
    auto views = open_views(folder.file("views"));
    for (std::uint64_t group = 1; group <= 60; ++group) {
        std::map<std::pair<ViewFamily, std::string>, ViewRecord> batch;
        const std::size_t count = random() % 80;
        for (std::size_t i = 0; i < count; ++i) {
            // `meta` belongs to the store.
            const auto family = static_cast<ViewFamily>(
                1 + random() % (static_cast<std::size_t>(ViewFamily::count_) - 1)
            );
            std::string key = "a prefix longer than 16 bytes ";
            key.resize(random() % key.size());
            key += std::to_string(random() % 50);
            ViewRecord record = put(family, key, "value " + std::to_string(random()));
            record.erase = random() % 4 == 0;
            batch[{family, key}] = record;
        }
        CheckpointBatch checkpoint = store_fixture::checkpoint(group);
        for (auto& [key, record] : batch) {
            if (record.erase) {
                model.erase(key);
            } else {
                model[key] = record.value;
            }
            checkpoint.records.push_back(std::move(record));
        }
        std::shuffle(checkpoint.records.begin(), checkpoint.records.end(), random);
        require(views->ingest(std::move(checkpoint)));
        CHECK(views->applied_group().value == group);
        if (group % 20 == 0) {
            views.reset();
            views = open_views(folder.file("views"));
            CHECK(views->applied_group().value == group);
        }
    }
    require(views->compact());
    std::map<std::pair<ViewFamily, std::string>, std::string> found;
    const auto snapshot = views->snapshot();
    for (std::size_t i = 1; i < static_cast<std::size_t>(ViewFamily::count_); ++i) {
        const auto family = static_cast<ViewFamily>(i);
        for (auto& [key, value] : rows_of(*snapshot, family)) {
            found[{family, key}] = value;
        }
    }
    CHECK((found == model));
    std::vector<RowRef> asked;
    for (const auto& [key, value] : model) {
        asked.push_back({key.first, key.second});
        asked.push_back({key.first, key.second + " absent"});
    }
    std::shuffle(asked.begin(), asked.end(), random);
    const auto answers = require(views->multi_get(asked));
    REQUIRE(answers.size() == asked.size());
    for (std::size_t i = 0; i < asked.size(); ++i) {
        const auto expected = model.find({asked[i].family, asked[i].key});
        CHECK(answers[i].has_value() == (expected != model.end()));
        if (answers[i] && expected != model.end()) {
            CHECK(*answers[i] == expected->second);
        }
    }
}

TEST_CASE(
    "rocksdb_views: claimed keys are stored like the records they stand for", "[rocksdb_views]"
) {
    std::mt19937_64 random(test_support::seed());
    const test_support::TemporaryFolder folder;
    CheckpointBatch batch = store_fixture::checkpoint(1);
    for (int block = 0; block < 3; ++block) {
        batch.seen.emplace_back();
        for (int i = 0; i < 300; ++i) {
            SeenKey& key = batch.seen.back().emplace_back();
            key.program = static_cast<std::uint32_t>(random() % 3);
            // Many hashes differ in their last bytes only.
            key.hash.fill(static_cast<std::uint8_t>(random() % 2 * 0xF0));
            const std::uint32_t tail = static_cast<std::uint32_t>(block * 300 + i);
            std::memcpy(key.hash.data() + 12, &tail, sizeof tail);
            key.seq = random() % 1'000'000 + 1;
        }
    }
    CheckpointBatch expanded = batch;
    expanded.expand();
    std::map<std::string, std::string> expected;
    for (const ViewRecord& record : expanded.records) {
        expected.emplace(record.key, record.value);
    }
    REQUIRE(expected.size() == 900);
    auto views = open_views(folder.file("views"));
    CheckpointBatch mixed = batch;
    require(views->ingest(std::move(batch)));
    CHECK((rows_of(*views->snapshot(), ViewFamily::keys) == expected));
    mixed.applied_group = 2;
    mixed.records.push_back(put(ViewFamily::keys, std::string(20, '\1'), "as a record"));
    expected.emplace(std::string(20, '\1'), "as a record");
    require(views->ingest(std::move(mixed)));
    CHECK((rows_of(*views->snapshot(), ViewFamily::keys) == expected));
}

TEST_CASE("rocksdb_views: a snapshot stays at its group", "[rocksdb_views]") {
    const test_support::TemporaryFolder folder;
    auto views = open_views(folder.file("views"));
    require(views->ingest(
        checkpoint(1, {put(ViewFamily::member, "m", "old"), put(ViewFamily::due, "d", "")})
    ));
    const auto before = views->snapshot();
    require(views->ingest(
        checkpoint(2, {put(ViewFamily::member, "m", "new"), {ViewFamily::due, true, "d", ""}})
    ));
    require(views->compact());
    const auto after = views->snapshot();
    CHECK(before->applied_group().value == 1);
    CHECK(require(before->get(ViewFamily::member, "m")) == "old");
    CHECK(require(before->get(ViewFamily::due, "d")) == "");
    CHECK(after->applied_group().value == 2);
    CHECK(require(after->get(ViewFamily::member, "m")) == "new");
    CHECK(!require(after->get(ViewFamily::due, "d")));
}

TEST_CASE("rocksdb_views: scans keep to their prefix and start", "[rocksdb_views]") {
    const test_support::TemporaryFolder folder;
    auto views = open_views(folder.file("views"));
    CheckpointBatch batch = store_fixture::checkpoint(1);
    for (const char* key : {"a1", "a2", "a3", "b1", "\xFF", "\xFF\xFF", "\xFF\xFF\x01"}) {
        batch.records.push_back(put(ViewFamily::stmt, key, key));
    }
    require(views->ingest(std::move(batch)));
    const auto snapshot = views->snapshot();
    const auto keys = [&](std::string_view prefix, std::string_view from, std::size_t limit = 100) {
        std::vector<std::string> found;
        require(snapshot->scan(
            ViewFamily::stmt,
            prefix,
            from,
            [&](std::string_view key, std::string_view) {
                found.emplace_back(key);
                return found.size() < limit;
            }
        ));
        return found;
    };
    CHECK(keys("a", "") == std::vector<std::string>{"a1", "a2", "a3"});
    CHECK(keys("a", "a2") == std::vector<std::string>{"a2", "a3"});
    CHECK(keys("a", "a2", 1) == std::vector<std::string>{"a2"});
    CHECK(keys("a", "b").empty());
    CHECK(keys("\xFF\xFF", "") == std::vector<std::string>{"\xFF\xFF", "\xFF\xFF\x01"});
    CHECK(keys("c", "").empty());
    const auto before = [&](std::string_view prefix, std::string_view key) {
        const auto row = require(snapshot->seek_for_prev(ViewFamily::stmt, prefix, key));
        return row ? row->first : std::string("none");
    };
    CHECK(before("a", "a2") == "a2");
    CHECK(before("a", "a2x") == "a2");
    CHECK(before("a", "a0") == "none");
    CHECK(before("b", "b0") == "none");
    CHECK(before("b", "b9") == "b1");
}

TEST_CASE("rocksdb_views: a read-only open changes nothing", "[rocksdb_views]") {
    const test_support::TemporaryFolder folder;
    {
        auto views = open_views(folder.file("views"));
        require(views->ingest(checkpoint(7, {put(ViewFamily::member, "m", "row")})));
    }
    const auto before = contents(folder.path());
    {
        const auto views = open_views(folder.file("views"), Disk::real(), true);
        CHECK(views->applied_group().value == 7);
        CHECK(require(views->snapshot()->get(ViewFamily::member, "m")) == "row");
    }
    CHECK((contents(folder.path()) == before));
    CHECK(
        code_of(
            ViewStore::open({.path = folder.file("none"), .disk = Disk::real(), .read_only = true})
        ) == ErrorCode::not_found
    );
    CHECK(!std::filesystem::exists(folder.file("none")));
}

TEST_CASE(
    "rocksdb_views: views of an older apply version are emptied and newer ones refused",
    "[rocksdb_views]"
) {
    const test_support::TemporaryFolder folder;
    const auto open_as = [&](std::uint32_t apply_version, bool read_only = false) {
        return ViewStore::open({
            .path = folder.file("views"),
            .disk = Disk::real(),
            .read_only = read_only,
            .apply_version = apply_version,
        });
    };
    {
        auto views = require(open_as(5));
        require(views->ingest(
            checkpoint(7, {put(ViewFamily::member, "m", "row"), put(ViewFamily::due, "d", "")})
        ));
    }
    CHECK(code_of(open_as(4)) == ErrorCode::newer_format);
    {
        const auto views = require(open_as(6, true));
        CHECK(views->rebuilt());
    }
    {
        const auto views = require(open_as(6));
        CHECK(views->rebuilt());
        CHECK(views->applied_group().value == 0);
        CHECK(rows_of(*views->snapshot(), ViewFamily::member).empty());
        CHECK(rows_of(*views->snapshot(), ViewFamily::due).empty());
        require(views->ingest(checkpoint(3, {put(ViewFamily::member, "m", "again")})));
    }
    const auto views = require(open_as(6));
    CHECK(!views->rebuilt());
    CHECK(views->applied_group().value == 3);
    CHECK(require(views->snapshot()->get(ViewFamily::member, "m")) == "again");
}

TEST_CASE("rocksdb_views: a power cut at any time leaves whole checkpoints", "[rocksdb_views]") {
    std::mt19937_64 random(test_support::seed());
    const test_support::TemporaryFolder folder;
    std::uint64_t group = 0;
    for (int cycle = 0; cycle < 25; ++cycle) {
        const auto disk = UnsyncedDisk::create();
        auto views = require(
            ViewStore::open({.path = folder.file("views"), .disk = disk, .on_failure = [](auto) {}})
        );
        // What is there is one checkpoint, in all families alike, and none that was acknowledged is
        // missing.
        const std::uint64_t found = views->applied_group().value;
        CHECK(found >= group);
        group = found;
        const auto snapshot = views->snapshot();
        for (const ViewFamily family :
             {ViewFamily::member, ViewFamily::keys, ViewFamily::seqidx, ViewFamily::due}) {
            const auto rows = rows_of(*snapshot, family);
            CHECK(rows.size() == found);
            if (found > 0) {
                CHECK(rows.at("last") == std::to_string(found));
            }
        }
        // The cut comes while a thread ingests one checkpoint after the other.
        std::atomic<std::uint64_t> acknowledged{group};
        std::thread checkpoints([&] {
            for (std::uint64_t next = group + 1;; ++next) {
                CheckpointBatch batch = store_fixture::checkpoint(next);
                for (const ViewFamily family :
                     {ViewFamily::member, ViewFamily::keys, ViewFamily::seqidx, ViewFamily::due}) {
                    batch.records.push_back(put(family, "last", std::to_string(next)));
                    if (next > 1) {
                        batch.records.push_back(put(family, number_key(next), "x"));
                    }
                }
                if (!views->ingest(std::move(batch))) {
                    return;
                }
                acknowledged.store(next);
            }
        });
        const std::uint64_t syncs = disk->syncs() + 1 + random() % 150;
        while (disk->syncs() < syncs) {
            std::this_thread::yield();
        }
        disk->cut_power();
        checkpoints.join();
        group = acknowledged.load();
    }
    CHECK(group > 25);
}

TEST_CASE("rocksdb_views: what a killed checkpoint left is forgotten", "[rocksdb_views]") {
    const test_support::TemporaryFolder folder;
    { const auto views = open_views(folder.file("views")); }
    write_bytes(folder.file("views/incoming/member.sst"), "half a file");
    {
        auto views = open_views(folder.file("views"));
        CHECK(!std::filesystem::exists(folder.file("views/incoming/member.sst")));
        require(views->ingest(checkpoint(1, {put(ViewFamily::member, "m", "row")})));
    }
    CHECK(std::filesystem::is_empty(folder.file("views/incoming")));
}

TEST_CASE("rocksdb_views: ingesting 500000 records a checkpoint", "[.][measure]") {
    const test_support::TemporaryFolder folder;
    auto views = require(ViewStore::open({.path = folder.file("views"), .disk = Disk::real()}));
    std::mt19937_64 random(1);
    const auto cpu_ns = [](clockid_t clock) {
        timespec now{};
        ::clock_gettime(clock, &now);
        return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
    };
    const double process_before = cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
    double thread_total = 0;
    std::size_t total = 0;
    for (std::uint64_t group = 1; group <= 30; ++group) {
        CheckpointBatch batch = store_fixture::checkpoint(group);
        batch.records.reserve(100'004);
        batch.seen.emplace_back();
        for (int i = 0; i < 400'000; ++i) {
            SeenKey& key = batch.seen.back().emplace_back();
            const std::uint64_t words[2] = {random(), random()};
            std::memcpy(key.hash.data(), words, sizeof words);
            key.seq = static_cast<std::uint64_t>(i) + 1;
        }
        for (std::uint64_t member = 1; member <= 100'000; ++member) {
            std::string key;
            append_big_endian(key, std::uint32_t{1});
            append_big_endian(key, member);
            batch.records.push_back(
                put(ViewFamily::member, std::move(key), bytes_of(1, member + group, 120))
            );
        }
        total += batch.records.size() + batch.seen.back().size();
        const double before = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
        const auto start = std::chrono::steady_clock::now();
        require(views->ingest(std::move(batch)));
        thread_total += cpu_ns(CLOCK_THREAD_CPUTIME_ID) - before;
        const double wall =
            std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
                .count();
        if (group % 10 == 0) {
            std::cout << "checkpoint " << group << ": " << wall << " ms\n";
        }
    }
    std::cout << "helper " << thread_total / static_cast<double>(total)
              << " ns a record; whole process "
              << (cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - process_before) / static_cast<double>(total)
              << " ns a record (making the records and compaction included)\n";
    CHECK(views->applied_group().value == 30);
}
