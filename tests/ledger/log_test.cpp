#include "ledger/log.hpp"

#include <atomic>
#include <map>
#include <random>
#include <thread>

#include "tests/ledger/store_fixture.hpp"
#include "tests/support/seed.hpp"

using namespace ledger;
using namespace store_fixture;

namespace {

/// A log with its stores, driven as the engine drives it.
struct Setup {
    explicit Setup(std::size_t ring_bytes_max = std::size_t{64} << 20) : ring(ring_bytes_max) {
        open();
    }

    void open() {
        store = open_log(folder.file("log"));
        views = open_views(folder.file("views"));
        log = require(Log::open(*store, *views, {kShard, ring}));
        require(log->groups_from(GroupId{views->applied_group().value + 1}, [&](const auto& group) {
            log->replayed(*group);
            pending.push_back(group);
            return Result<bool>(true);
        }));
    }
    void reopen() {
        log.reset();
        views.reset();
        store.reset();
        pending.clear();
        open();
    }
    /// Appends the next group, `each` entries of each of `programs` programs in turn.
    std::shared_ptr<const Group> append(std::uint64_t each, std::uint32_t programs = 1) {
        std::vector<TestEntry> entries;
        for (std::uint64_t i = 0; i < each; ++i) {
            for (std::uint32_t program = 1; program <= programs; ++program) {
                const std::uint64_t seq = ++last_seq[program];
                entries.push_back({program, seq, bytes_of(program, seq)});
            }
        }
        auto group = build(builder, log->last_group().value + 1, entries);
        log->append(group);
        pending.push_back(group);
        return group;
    }
    void append_and_commit(std::uint64_t each, std::uint32_t programs = 1) {
        require(log->commit(*append(each, programs), {}));
    }
    /// Everything committed goes into the views.
    void checkpoint() {
        CheckpointBatch batch = store_fixture::checkpoint(log->durable_group().value);
        for (const auto& group : pending) {
            for (ViewRecord& record : seqidx_records(*group)) {
                batch.records.push_back(std::move(record));
            }
        }
        pending.clear();
        require(views->ingest(std::move(batch)));
        log->ingested(views->applied_group());
    }
    void check_all() {
        for (const auto& [program, last] : last_seq) {
            for (std::uint64_t seq = 1; seq <= last; ++seq) {
                REQUIRE(require(log->find(ProgramId{program}, Seq{seq})) == bytes_of(program, seq));
            }
            CHECK(code_of(log->find(ProgramId{program}, Seq{last + 1})) == ErrorCode::not_found);
            CHECK(code_of(log->find(ProgramId{program}, Seq{0})) == ErrorCode::not_found);
        }
        CHECK(code_of(log->find(ProgramId{99}, Seq{1})) == ErrorCode::not_found);
    }

    test_support::TemporaryFolder folder;
    std::size_t ring;
    GroupBuilder builder{kShard};
    std::map<std::uint32_t, std::uint64_t> last_seq;
    std::vector<std::shared_ptr<const Group>> pending;
    std::unique_ptr<LogStore> store;
    std::unique_ptr<ViewStore> views;
    std::unique_ptr<Log> log;
};

std::vector<std::uint64_t> groups(const Log& log, std::uint64_t from) {
    std::vector<std::uint64_t> found;
    require(log.groups_from(GroupId{from}, [&](const auto& group) {
        found.push_back(group->id().value);
        return Result<bool>(true);
    }));
    return found;
}

std::vector<std::uint64_t> range(std::uint64_t from, std::uint64_t to) {
    std::vector<std::uint64_t> numbers;
    for (; from <= to; ++from) {
        numbers.push_back(from);
    }
    return numbers;
}

}  // namespace

TEST_CASE("log: an appended entry is found before it is committed", "[log]") {
    Setup setup;
    const auto group = setup.append(30, 2);
    CHECK(setup.log->last_group().value == 1);
    CHECK(setup.log->durable_group().value == 0);
    CHECK(require(setup.store->last_group(kShard)).value == 0);
    const auto found = setup.log->find_in_ring(ProgramId{2}, Seq{17});
    REQUIRE(found);
    CHECK(found->bytes == bytes_of(2, 17));
    CHECK(found->group == group);
    CHECK(!setup.log->find_in_ring(ProgramId{2}, Seq{31}));
    CHECK(!setup.log->find_in_ring(ProgramId{3}, Seq{1}));
    CHECK(groups(*setup.log, 1).empty());
    require(setup.log->commit(*group, {}));
    CHECK(setup.log->durable_group().value == 1);
    CHECK(groups(*setup.log, 1) == range(1, 1));
    setup.check_all();
}

TEST_CASE("log: the ring is bounded and drops nothing uncommitted", "[log]") {
    Setup setup(100'000);
    std::vector<std::shared_ptr<const Group>> waiting;
    for (int i = 0; i < 20; ++i) {
        waiting.push_back(setup.append(30));
    }
    CHECK(setup.log->ring_bytes() > 200'000);
    for (const auto& group : waiting) {
        for (const EntryLocation& at : group->entries()) {
            REQUIRE(setup.log->find_in_ring(at.program, at.seq));
        }
    }
    for (const auto& group : waiting) {
        require(setup.log->commit(*group, {}));
    }
    CHECK(setup.log->ring_bytes() <= 100'000);
    CHECK(!setup.log->find_in_ring(ProgramId{1}, Seq{1}));
    CHECK(setup.log->find_in_ring(ProgramId{1}, Seq{600}));
    // Out of the ring, not yet in the views: found through the places in RAM.
    setup.check_all();
}

TEST_CASE(
    "log: entries are found in ring store and views through checkpoints and restarts", "[log]"
) {
    std::mt19937_64 random(test_support::seed());
    Setup setup(60'000);
    for (int step = 0; step < 60; ++step) {
        setup.append_and_commit(1 + random() % 20, 1 + static_cast<std::uint32_t>(random() % 4));
        if (random() % 6 == 0) {
            setup.checkpoint();
        }
        if (random() % 12 == 0) {
            setup.reopen();
        }
        if (step % 10 == 9) {
            setup.check_all();
        }
    }
    setup.checkpoint();
    setup.reopen();
    setup.check_all();
    CHECK(groups(*setup.log, 1) == range(1, 60));
}

TEST_CASE("log: several entries are answered in the order asked", "[log]") {
    Setup setup(10'000);
    for (int i = 0; i < 20; ++i) {
        setup.append_and_commit(7, 2);
        if (i == 10) {
            setup.checkpoint();
        }
    }
    std::vector<Seq> seqs;
    for (std::uint64_t seq = 140; seq >= 1; seq -= 3) {
        seqs.push_back(Seq{seq});
        if (seq < 4) {
            break;
        }
    }
    const auto found = require(setup.log->find_many(ProgramId{2}, seqs));
    REQUIRE(found.size() == seqs.size());
    for (std::size_t i = 0; i < seqs.size(); ++i) {
        CHECK(found[i] == bytes_of(2, seqs[i].value));
    }
    seqs.push_back(Seq{141});
    CHECK(code_of(setup.log->find_many(ProgramId{2}, seqs)) == ErrorCode::not_found);
}

TEST_CASE("log: groups are read on from any position and across the ring's edge", "[log]") {
    Setup setup(50'000);
    for (int i = 0; i < 40; ++i) {
        setup.append_and_commit(10);
    }
    for (const std::uint64_t from : {0U, 1U, 2U, 20U, 39U, 40U}) {
        CHECK(groups(*setup.log, from) == range(from == 0 ? 1 : from, 40));
    }
    CHECK(groups(*setup.log, 41).empty());
    std::size_t seen = 0;
    require(setup.log->groups_from(GroupId{5}, [&](const auto& group) {
        CHECK(group->entries().size() == 10);
        return Result<bool>(++seen < 3);
    }));
    CHECK(seen == 3);
    const auto refused = setup.log->groups_from(GroupId{5}, [](const auto&) {
        return Result<bool>(make_error(ErrorCode::corrupt, "mine"));
    });
    CHECK(code_of(refused) == ErrorCode::corrupt);
    // A reader that stays behind sees what is committed while it reads.
    seen = 0;
    require(setup.log->groups_from(GroupId{1}, [&](const auto&) {
        if (++seen == 40) {
            setup.append_and_commit(10);
        }
        return Result<bool>(true);
    }));
    CHECK(seen == 41);
}

TEST_CASE("log: a flipped byte in a stored value is corrupt and named", "[log]") {
    Setup setup(0);
    for (int i = 0; i < 3; ++i) {
        setup.append_and_commit(3);
    }
    // As the log would write it, but with one byte of group 4 wrong.
    const auto group = build_plain(setup.builder, 4, 3);
    std::string bad(group->values()[0]);
    bad[100] = static_cast<char>(bad[100] ^ 1);
    const std::string_view values[] = {bad};
    require(setup.store->commit(kShard, GroupId{4}, values, {}));
    setup.log.reset();
    setup.log = require(Log::open(*setup.store, *setup.views, {kShard, 0}));
    const auto read =
        setup.log->groups_from(GroupId{1}, [](const auto&) { return Result<bool>(true); });
    REQUIRE(code_of(read) == ErrorCode::corrupt);
    CHECK(read.error().detail.find("group 4 part 0") != std::string::npos);
}

TEST_CASE("log: a missing group is corrupt and named", "[log]") {
    Setup setup(0);
    setup.append_and_commit(3);
    const auto group = build_plain(setup.builder, 3, 3);
    require(setup.store->commit(kShard, GroupId{3}, group->values(), {}));
    setup.log.reset();
    setup.log = require(Log::open(*setup.store, *setup.views, {kShard, 0}));
    const auto read =
        setup.log->groups_from(GroupId{1}, [](const auto&) { return Result<bool>(true); });
    REQUIRE(code_of(read) == ErrorCode::corrupt);
    CHECK(read.error().detail.find("group 2 part 0 should be here") != std::string::npos);
}

TEST_CASE("log: readers find everything durable while the writer goes on", "[log]") {
    Setup setup(40'000);
    setup.append_and_commit(5);
    std::atomic<bool> done{false};
    std::atomic<std::uint64_t> durable_seq{5};
    std::atomic<std::uint64_t> wrong{0};
    std::atomic<std::uint64_t> reads{0};
    std::vector<std::thread> readers;
    for (std::uint64_t reader = 0; reader < 2; ++reader) {
        readers.emplace_back([&, reader] {
            std::mt19937_64 random(test_support::seed() + reader);
            while (!done.load()) {
                const Seq seq{1 + random() % durable_seq.load()};
                const auto found = setup.log->find(ProgramId{1}, seq);
                wrong += found && *found == bytes_of(1, seq.value) ? 0 : 1;
                ++reads;
            }
        });
    }
    std::thread projector([&] {
        std::uint64_t next = 1;
        while (!done.load()) {
            const auto read = setup.log->groups_from(GroupId{next}, [&](const auto& group) {
                wrong += group->id().value == next ? 0 : 1;
                ++next;
                return Result<bool>(true);
            });
            wrong += read ? 0 : 1;
        }
    });
    for (int i = 0; i < 300 || reads.load() < 500; ++i) {
        setup.append_and_commit(5);
        durable_seq.store(setup.last_seq[1]);
        if (i % 40 == 39) {
            setup.checkpoint();
        }
    }
    done.store(true);
    for (std::thread& reader : readers) {
        reader.join();
    }
    projector.join();
    CHECK(wrong.load() == 0);
}
