#include <sys/stat.h>

#include "tests/ledger/store_fixture.hpp"
#include "tests/support/unsynced_disk.hpp"

using namespace ledger;
using namespace store_fixture;

namespace {

struct Case {
    const char* name;
    std::shared_ptr<Disk> disk;
};

std::vector<Case> disks() {
    return {{"real", Disk::real()}, {"unsynced", test_support::UnsyncedDisk::create()}};
}

}  // namespace

TEST_CASE("disk: files are written read and overwritten", "[disk]") {
    for (const Case& with : disks()) {
        INFO(with.name);
        const test_support::TemporaryFolder folder;
        Disk& disk = *with.disk;
        require(disk.create_directory(folder.file("a/b")));
        require(disk.create_directory(folder.file("a/b")));
        CHECK(disk.exists(folder.file("a/b")));
        const std::string path = folder.file("a/b/secret");
        CHECK(!disk.exists(path));
        require(disk.write_file(path, "first, and longer", 0600));
        require(disk.write_file(path, "second", 0600));
        CHECK(disk.exists(path));
        CHECK(require(disk.read_file(path)) == "second");
        CHECK(read_bytes(path) == "second");
        struct stat found {};
        REQUIRE(::stat(path.c_str(), &found) == 0);
        CHECK((found.st_mode & 0777) == 0600);
        CHECK(!disk.exists(path + ".tmp"));

        const std::string slots = folder.file("a/slots");
        require(disk.write_at(slots, 4, "5678", 0600));
        require(disk.write_at(slots, 0, "1234", 0600));
        CHECK(require(disk.read_file(slots)) == "12345678");
        CHECK(read_bytes(slots) == "12345678");
        CHECK(require(disk.free_bytes(folder.path())) > 0);
    }
}

TEST_CASE("disk: a missing file is not_found and a missing folder too", "[disk]") {
    for (const Case& with : disks()) {
        INFO(with.name);
        const test_support::TemporaryFolder folder;
        CHECK(code_of(with.disk->read_file(folder.file("none"))) == ErrorCode::not_found);
        CHECK(
            code_of(with.disk->write_file(folder.file("none/file"), "x", 0600)) ==
            ErrorCode::not_found
        );
        CHECK(
            code_of(with.disk->write_at(folder.file("none/file"), 0, "x", 0600)) ==
            ErrorCode::not_found
        );
    }
}

TEST_CASE("disk: a second lock is folder_in_use until the first dies", "[disk]") {
    for (const Case& with : disks()) {
        INFO(with.name);
        const test_support::TemporaryFolder folder;
        auto held = require(with.disk->lock(folder.file("lock")));
        CHECK(code_of(Disk::real()->lock(folder.file("lock"))) == ErrorCode::folder_in_use);
        held.reset();
        CHECK(code_of(with.disk->lock(folder.file("lock"))) == ErrorCode::ok);
    }
}
