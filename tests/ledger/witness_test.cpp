#include "ledger/witness.hpp"

#include <atomic>

#include "tests/ledger/store_fixture.hpp"
#include "tests/support/unsynced_disk.hpp"

using namespace ledger;
using namespace store_fixture;

namespace {

WitnessPosition position(std::uint64_t group) {
    WitnessPosition made{kShard, GroupId{group}, ProgramId{1}, Seq{group * 10}, {}};
    made.root.fill(static_cast<std::uint8_t>(group));
    return made;
}

WitnessReading read(const std::string& path) {
    return require(read_witness(*Disk::real(), path));
}

/// Fails every write after the first `allowed`.
class FailingDisk final : public Disk {
public:
    explicit FailingDisk(int allowed) : allowed_(allowed) {}
    Result<void> create_directory(const std::string& path) override {
        return real_->create_directory(path);
    }
    bool exists(const std::string& path) override { return real_->exists(path); }
    Result<std::string> read_file(const std::string& path) override {
        return real_->read_file(path);
    }
    Result<void> write_file(const std::string& path, std::string_view bytes, unsigned mode)
        override {
        return real_->write_file(path, bytes, mode);
    }
    Result<void> write_at(
        const std::string& path, std::uint64_t offset, std::string_view bytes, unsigned mode
    ) override {
        if (allowed_-- <= 0) {
            return make_error(ErrorCode::io_error, "no more");
        }
        return real_->write_at(path, offset, bytes, mode);
    }
    Result<std::shared_ptr<void>> lock(const std::string& path) override {
        return real_->lock(path);
    }
    Result<std::uint64_t> free_bytes(const std::string& path) override {
        return real_->free_bytes(path);
    }
    void* rocksdb_file_system() override { return nullptr; }

private:
    std::shared_ptr<Disk> real_ = Disk::real();
    std::atomic<int> allowed_;
};

}  // namespace

TEST_CASE("witness: the newest whole slot is read", "[witness]") {
    const test_support::TemporaryFolder folder;
    const std::string path = folder.file("witness");
    CHECK(read(path).state == WitnessReading::State::absent);
    for (std::uint64_t generation = 1; generation <= 5; ++generation) {
        require(write_witness(*Disk::real(), path, generation, position(generation)));
        const WitnessReading found = read(path);
        REQUIRE(found.state == WitnessReading::State::valid);
        CHECK(found.generation == generation);
        CHECK(found.position == position(generation));
    }
    CHECK(std::filesystem::file_size(path) == 8192);
}

TEST_CASE("witness: a slot with any byte flipped is passed over", "[witness]") {
    const test_support::TemporaryFolder folder;
    const std::string path = folder.file("witness");
    require(write_witness(*Disk::real(), path, 1, position(1)));
    require(write_witness(*Disk::real(), path, 2, position(2)));
    const std::string good = read_bytes(path);
    for (std::size_t i = 0; i < good.size(); i += i < 100 ? 1 : 251) {
        flip_byte(path, i);
        const WitnessReading found = read(path);
        REQUIRE(found.state == WitnessReading::State::valid);
        // Generation 2 lies in the first slot.
        CHECK(found.generation == (i < 4096 ? 1 : 2));
        write_bytes(path, good);
    }
}

TEST_CASE("witness: both slots torn are torn", "[witness]") {
    const test_support::TemporaryFolder folder;
    const std::string path = folder.file("witness");
    write_bytes(path, "");
    CHECK(read(path).state == WitnessReading::State::torn);
    require(write_witness(*Disk::real(), path, 1, position(1)));
    write_bytes(path, read_bytes(path).substr(0, 8000));
    CHECK(read(path).state == WitnessReading::State::torn);
}

TEST_CASE("witness: an absent or torn witness passes only beside an empty log", "[witness]") {
    const test_support::TemporaryFolder folder;
    const auto log = open_log(folder.file("log"));
    WitnessReading absent;
    WitnessReading torn;
    torn.state = WitnessReading::State::torn;
    WitnessReading start;
    start.state = WitnessReading::State::valid;
    CHECK(compare(absent, *log, kShard));
    CHECK(compare(torn, *log, kShard));
    CHECK(compare(start, *log, kShard));
    GroupBuilder builder(kShard);
    commit(*log, *build_plain(builder, 1, 1));
    CHECK(code_of(compare(absent, *log, kShard)) == ErrorCode::behind_witness);
    CHECK(code_of(compare(torn, *log, kShard)) == ErrorCode::behind_witness);
    CHECK(compare(start, *log, kShard));
}

TEST_CASE("witness: another root is another log", "[witness]") {
    CHECK(compare_root(position(3), position(3).root));
    const auto compared = compare_root(position(3), position(4).root);
    REQUIRE(code_of(compared) == ErrorCode::behind_witness);
    CHECK(compared.error().detail.find("seq 30") != std::string::npos);
}

TEST_CASE("witness: the keeper writes at once at start and exactly at stop", "[witness]") {
    const test_support::TemporaryFolder folder;
    const std::string path = folder.file("witness");
    {
        auto keeper = require(WitnessKeeper::start(
            {Disk::real(), path, std::chrono::hours(1), {}}, read(path), WitnessPosition{}
        ));
        CHECK(read(path).state == WitnessReading::State::valid);
        CHECK(read(path).position.group.none());
        keeper->durable(position(1));
        while (keeper->written() != position(1)) {
            std::this_thread::yield();
        }
        CHECK(read(path).position == position(1));
        // Within the interval nothing is written; stop() makes up for it.
        keeper->durable(position(2));
        keeper->durable(position(3));
        require(keeper->stop());
        CHECK(keeper->written() == position(3));
        CHECK(read(path).position == position(3));
    }
    const std::uint64_t generation = read(path).generation;
    auto keeper = require(WitnessKeeper::start(
        {Disk::real(), path, std::chrono::hours(1), {}}, read(path), position(3)
    ));
    CHECK(read(path).generation == generation + 1);
    require(keeper->stop());
    CHECK(read(path).generation == generation + 1);
}

TEST_CASE("witness: the keeper follows within its interval", "[witness]") {
    const test_support::TemporaryFolder folder;
    const std::string path = folder.file("witness");
    auto keeper = require(WitnessKeeper::start(
        {Disk::real(), path, std::chrono::milliseconds(5), {}}, read(path), WitnessPosition{}
    ));
    for (std::uint64_t group = 1; group <= 20; ++group) {
        keeper->durable(position(group));
        while (keeper->written().group.value < group) {
            std::this_thread::yield();
        }
    }
    CHECK(read(path).position == position(20));
}

TEST_CASE("witness: a failed write is told once and by stop", "[witness]") {
    const test_support::TemporaryFolder folder;
    std::atomic<int> told{0};
    auto keeper = require(WitnessKeeper::start(
        {std::make_shared<FailingDisk>(1),
         folder.file("witness"),
         std::chrono::milliseconds(1),
         [&](const Error&) { ++told; }},
        {},
        WitnessPosition{}
    ));
    keeper->durable(position(1));
    while (told.load() == 0) {
        std::this_thread::yield();
    }
    keeper->durable(position(2));
    CHECK(code_of(keeper->stop()) == ErrorCode::io_error);
    CHECK(told.load() == 1);
    CHECK(
        code_of(WitnessKeeper::start(
            {std::make_shared<FailingDisk>(0), folder.file("w"), {}, {}}, {}, {}
        )) == ErrorCode::io_error
    );
}

TEST_CASE("witness: a power cut keeps the last written position", "[witness]") {
    const test_support::TemporaryFolder folder;
    const auto disk = test_support::UnsyncedDisk::create();
    const std::string path = folder.file("witness");
    for (std::uint64_t generation = 1; generation <= 4; ++generation) {
        require(write_witness(*disk, path, generation, position(generation)));
        CHECK(read(path).position == position(generation));
    }
    disk->cut_power();
    CHECK(!write_witness(*disk, path, 5, position(5)));
    CHECK(read(path).position == position(4));
}
