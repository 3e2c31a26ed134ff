#include <chrono>
#include <iostream>
#include <random>

#include "ledger/witness.hpp"
#include "tests/ledger/store_fixture.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/unsynced_disk.hpp"

using namespace ledger;
using namespace store_fixture;
using test_support::UnsyncedDisk;

namespace {

/// Commits groups first … last of `each` entries.
void fill(
    LogStore& log,
    GroupBuilder& builder,
    std::uint64_t first,
    std::uint64_t last,
    std::uint64_t each
) {
    for (std::uint64_t group = first; group <= last; ++group) {
        commit(log, *build_plain(builder, group, each));
    }
}

/// Reads everything back, checks each group and answers the number of the last.
std::uint64_t read_all(LogStore& log, std::uint64_t each) {
    GroupReader reader(kShard, GroupId{1});
    std::uint64_t last = 0;
    require(log.scan(
        kShard,
        GroupId{1},
        [&](GroupId group, std::uint16_t part, std::string_view value) -> Result<void> {
            const auto whole = reader.add(group, part, value);
            if (!whole) {
                return whole.error();
            }
            if (*whole) {
                last = group.value;
                CHECK((*whole)->entries().size() == each);
                for (const EntryLocation& at : (*whole)->entries()) {
                    CHECK((*whole)->bytes(at) == bytes_of(1, at.seq.value));
                }
            }
            return {};
        }
    ));
    require(reader.finish());
    return last;
}

WitnessReading witness_of(const Group& group) {
    const EntryLocation& last = group.entries().back();
    return {WitnessReading::State::valid, 1, {kShard, group.id(), last.program, last.seq, {}}};
}

}  // namespace

TEST_CASE("rocksdb_log: a new log is empty", "[rocksdb_log]") {
    const test_support::TemporaryFolder folder;
    const auto log = open_log(folder.file("log"));
    CHECK(require(log->last_group(kShard)).value == 0);
    CHECK(code_of(log->value(kShard, GroupId{1}, 0)) == ErrorCode::not_found);
    CHECK(!require(log->key_row("none")));
    CHECK(read_all(*log, 1) == 0);
}

TEST_CASE("rocksdb_log: groups and key rows survive a restart", "[rocksdb_log]") {
    const test_support::TemporaryFolder folder;
    GroupBuilder builder(kShard);
    {
        const auto log = open_log(folder.file("log"));
        fill(*log, builder, 1, 19, 30);
        const auto last = build_plain(builder, 20, 30);
        const LogStore::Row rows[] = {{"key 1", "wrapped 1"}, {"key 2", "wrapped 2"}};
        require(log->commit(kShard, GroupId{20}, last->values(), rows));
        CHECK(require(log->last_group(kShard)).value == 20);
        CHECK(log->stats().wal_bytes > 0);
    }
    const auto log = open_log(folder.file("log"));
    CHECK(require(log->last_group(kShard)).value == 20);
    CHECK(read_all(*log, 30) == 20);
    CHECK(require(log->key_row("key 2")) == "wrapped 2");
    std::size_t rows = 0;
    require(log->scan_keys([&](std::string_view, std::string_view) -> Result<void> {
        ++rows;
        return {};
    }));
    CHECK(rows == 2);
    require(log->compact());
    CHECK(read_all(*log, 30) == 20);
    CHECK(log->stats().live_bytes > 0);
}

TEST_CASE("rocksdb_log: a scan stops at the visitor's error and hands it back", "[rocksdb_log]") {
    const test_support::TemporaryFolder folder;
    GroupBuilder builder(kShard);
    const auto log = open_log(folder.file("log"));
    fill(*log, builder, 1, 5, 1);
    std::vector<std::uint64_t> seen;
    const auto scanned = log->scan(
        kShard,
        GroupId{2},
        [&](GroupId group, std::uint16_t, std::string_view) -> Result<void> {
            seen.push_back(group.value);
            return group.value == 4 ? Result<void>(make_error(ErrorCode::corrupt, "enough"))
                                    : Result<void>();
        }
    );
    CHECK(code_of(scanned) == ErrorCode::corrupt);
    CHECK(seen == std::vector<std::uint64_t>{2, 3, 4});
}

TEST_CASE("rocksdb_log: a read-only open sees the WAL and changes nothing", "[rocksdb_log]") {
    const test_support::TemporaryFolder folder;
    GroupBuilder builder(kShard);
    {
        const auto log = open_log(folder.file("log"));
        fill(*log, builder, 1, 50, 20);
    }
    const auto before = contents(folder.path());
    {
        const auto log = open_log(folder.file("log"), Disk::real(), true);
        CHECK(require(log->last_group(kShard)).value == 50);
        CHECK(read_all(*log, 20) == 50);
    }
    CHECK((contents(folder.path()) == before));
}

TEST_CASE(
    "rocksdb_log: a read-only open of nothing is not_found and creates nothing", "[rocksdb_log]"
) {
    const test_support::TemporaryFolder folder;
    const auto opened =
        LogStore::open({.path = folder.file("log"), .disk = Disk::real(), .read_only = true});
    CHECK(code_of(opened) == ErrorCode::not_found);
    CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("rocksdb_log: a second open is folder_in_use", "[rocksdb_log]") {
    const test_support::TemporaryFolder folder;
    const auto log = open_log(folder.file("log"));
    CHECK(
        code_of(LogStore::open({.path = folder.file("log"), .disk = Disk::real()})) ==
        ErrorCode::folder_in_use
    );
}

TEST_CASE(
    "rocksdb_log: a power cut keeps every committed group and no half of the next", "[rocksdb_log]"
) {
    const test_support::TemporaryFolder folder;
    GroupBuilder builder(kShard);
    std::uint64_t committed = 0;
    for (int cycle = 0; cycle < 6; ++cycle) {
        const auto disk = UnsyncedDisk::create();
        std::vector<std::string> failures;
        auto log = require(LogStore::open({
            .path = folder.file("log"),
            .disk = disk,
            .on_failure = [&](std::string_view message) { failures.emplace_back(message); },
        }));
        REQUIRE(require(log->last_group(kShard)).value == committed);
        REQUIRE(read_all(*log, 30) == committed);
        fill(*log, builder, committed + 1, committed + 10, 30);
        committed += 10;
        if (cycle == 3) {
            require(log->compact());
        }
        disk->cut_power();
        const auto next = build_plain(builder, committed + 1, 30);
        CHECK(code_of(log->commit(kShard, next->id(), next->values(), {})) == ErrorCode::io_error);
        CHECK(!failures.empty());
        // A failed store stays failed.
        CHECK(code_of(log->commit(kShard, next->id(), next->values(), {})) == ErrorCode::io_error);
    }
}

TEST_CASE("rocksdb_log: without sync a power cut loses committed groups", "[rocksdb_log]") {
    const test_support::TemporaryFolder folder;
    GroupBuilder builder(kShard);
    { const auto log = open_log(folder.file("log")); }
    {
        const auto disk = UnsyncedDisk::create();
        auto log = require(LogStore::open(
            {.path = folder.file("log"), .disk = disk, .sync = false, .on_failure = [](auto) {}}
        ));
        fill(*log, builder, 1, 3, 10);
        disk->cut_power();
    }
    CHECK(require(open_log(folder.file("log"))->last_group(kShard)).value == 0);
    {
        const auto disk = UnsyncedDisk::create({.drop_syncs = true});
        auto log = require(
            LogStore::open({.path = folder.file("log"), .disk = disk, .on_failure = [](auto) {}})
        );
        fill(*log, builder, 1, 3, 10);
        CHECK(read_all(*log, 10) == 3);
        disk->cut_power();
    }
    CHECK(require(open_log(folder.file("log"))->last_group(kShard)).value == 0);
}

TEST_CASE("rocksdb_log: a torn end recovers to a group boundary", "[rocksdb_log]") {
    std::mt19937_64 random(test_support::seed());
    const test_support::TemporaryFolder folder;
    GroupBuilder builder(kShard);
    {
        const auto log = open_log(folder.file("log"));
        fill(*log, builder, 1, 12, 30);
    }
    const std::string wal = newest(folder.file("log"), ".log");
    const std::string whole = read_bytes(wal);
    std::uint64_t last = 12;
    for (int cut = 0; cut < 25; ++cut) {
        const test_support::TemporaryFolder torn;
        std::filesystem::copy(folder.path(), torn.path(), std::filesystem::copy_options::recursive);
        const std::size_t size = cut == 0 ? whole.size() - 1 : random() % whole.size();
        write_bytes(newest(torn.file("log"), ".log"), whole.substr(0, size));
        const auto log = open_log(torn.file("log"));
        last = require(log->last_group(kShard)).value;
        CHECK(last < 12);
        CHECK(read_all(*log, 30) == last);
    }
}

TEST_CASE("rocksdb_log: a byte flipped inside the WAL is behind_witness", "[rocksdb_log]") {
    std::mt19937_64 random(test_support::seed());
    const test_support::TemporaryFolder folder;
    GroupBuilder builder(kShard);
    WitnessReading witness;
    {
        const auto log = open_log(folder.file("log"));
        fill(*log, builder, 1, 11, 30);
        const auto last = build_plain(builder, 12, 30);
        commit(*log, *last);
        witness = witness_of(*last);
        require(compare(witness, *log, kShard));
    }
    const std::size_t size = read_bytes(newest(folder.file("log"), ".log")).size();
    for (int flip = 0; flip < 12; ++flip) {
        const test_support::TemporaryFolder rotten;
        std::filesystem::copy(
            folder.path(), rotten.path(), std::filesystem::copy_options::recursive
        );
        flip_byte(newest(rotten.file("log"), ".log"), size / 10 + random() % (size / 2));
        const auto log = LogStore::open({.path = rotten.file("log"), .disk = Disk::real()});
        if (!log) {
            CHECK(log.error().code == ErrorCode::corrupt);
            continue;
        }
        const auto compared = compare(witness, **log, kShard);
        REQUIRE(code_of(compared) == ErrorCode::behind_witness);
        CHECK(compared.error().detail.find("group 12") != std::string::npos);
        CHECK(compared.error().detail.find("seq 360") != std::string::npos);
        CHECK(compared.error().detail.find("witness") != std::string::npos);
    }
}

TEST_CASE("rocksdb_log: an older copy put back is behind_witness", "[rocksdb_log]") {
    const test_support::TemporaryFolder folder;
    GroupBuilder builder(kShard);
    {
        const auto log = open_log(folder.file("log"));
        fill(*log, builder, 1, 5, 3);
    }
    std::filesystem::copy(
        folder.file("log"), folder.file("old"), std::filesystem::copy_options::recursive
    );
    WitnessReading witness;
    {
        const auto log = open_log(folder.file("log"));
        const auto last = build_plain(builder, 6, 3);
        commit(*log, *last);
        witness = witness_of(*last);
    }
    std::filesystem::remove_all(folder.file("log"));
    std::filesystem::rename(folder.file("old"), folder.file("log"));
    {
        const auto log = open_log(folder.file("log"));
        CHECK(code_of(compare(witness, *log, kShard)) == ErrorCode::behind_witness);
        // Another history of the same length does not pass either.
        commit(*log, *build(builder, 6, {{2, 1, "something else"}}));
        CHECK(code_of(compare(witness, *log, kShard)) == ErrorCode::behind_witness);
    }
}

TEST_CASE("rocksdb_log: a byte flipped in a stored file is corrupt", "[rocksdb_log]") {
    const test_support::TemporaryFolder folder;
    GroupBuilder builder(kShard);
    {
        const auto log = open_log(folder.file("log"));
        fill(*log, builder, 1, 40, 30);
        require(log->compact());
    }
    const std::string sst = newest(folder.file("log"), ".sst");
    flip_byte(sst, std::filesystem::file_size(sst) / 3);
    const auto log =
        LogStore::open({.path = folder.file("log"), .disk = Disk::real(), .read_only = true});
    ErrorCode code = code_of(log);
    if (log) {
        code =
            code_of((*log)->scan(kShard, GroupId{1}, [](GroupId, std::uint16_t, std::string_view) {
                return Result<void>();
            }));
    }
    CHECK(code == ErrorCode::corrupt);
}

TEST_CASE("rocksdb_log: the info logs are few and hold no value", "[rocksdb_log]") {
    const test_support::TemporaryFolder folder;
    GroupBuilder builder(kShard);
    for (std::uint64_t round = 0; round < 6; ++round) {
        const auto log = open_log(folder.file("log"));
        const auto group = build(builder, round + 1, {{1, round + 1, "canary@example.org"}});
        const LogStore::Row rows[] = {{"canary-key", "canary@example.org"}};
        require(log->commit(kShard, group->id(), group->values(), rows));
        require(log->compact());
    }
    std::size_t logs = 0;
    for (const auto& [path, bytes] : contents(folder.path())) {
        if (path.find("/LOG") != std::string::npos) {
            ++logs;
            CHECK(bytes.find("canary") == std::string::npos);
            CHECK(bytes.size() < (std::size_t{4} << 20));
        }
    }
    CHECK(logs > 0);
    CHECK(logs <= 4);
}

TEST_CASE("rocksdb_log: committing groups of 64 entries", "[.][measure]") {
    const test_support::TemporaryFolder folder;
    GroupBuilder builder(kShard);
    const auto log = open_log(folder.file("log"));
    std::vector<std::string> entries;
    for (std::uint64_t i = 0; i < 64; ++i) {
        entries.push_back(bytes_of(1, i));
    }
    std::vector<double> build_us;
    std::vector<double> commit_us;
    std::uint64_t seq = 0;
    const auto micros = [](auto from, auto to) {
        return std::chrono::duration<double, std::micro>(to - from).count();
    };
    for (std::uint64_t number = 1; number <= 4000; ++number) {
        const auto start = std::chrono::steady_clock::now();
        builder.begin(GroupId{number}, 1);
        for (const std::string& entry : entries) {
            builder.append(ProgramId{1}, Seq{++seq}, entry);
        }
        const auto group = builder.finish();
        const auto built = std::chrono::steady_clock::now();
        commit(*log, *group);
        build_us.push_back(micros(start, built));
        commit_us.push_back(micros(built, std::chrono::steady_clock::now()));
    }
    for (auto* times : {&build_us, &commit_us}) {
        std::sort(times->begin(), times->end());
        std::cout << (times == &build_us ? "build " : "commit") << " us: p50 " << (*times)[2000]
                  << " p99 " << (*times)[3960] << " p99.9 " << (*times)[3996] << " max "
                  << times->back() << '\n';
    }
    CHECK(require(log->last_group(kShard)).value == 4000);
}
