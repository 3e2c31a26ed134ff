#include "tests/support/unsynced_disk.hpp"

#include <rocksdb/file_system.h>

#include "tests/ledger/store_fixture.hpp"

using namespace ledger;
using namespace store_fixture;
using test_support::UnsyncedDisk;

namespace {

/// The file system below RocksDB, with short verbs.
class Files {
public:
    explicit Files(UnsyncedDisk& disk)
        : system_(*static_cast<rocksdb::FileSystem*>(disk.rocksdb_file_system())) {}

    std::unique_ptr<rocksdb::FSWritableFile> create(const std::string& path) {
        std::unique_ptr<rocksdb::FSWritableFile> file;
        REQUIRE(system_.NewWritableFile(path, {}, &file, nullptr).ok());
        return file;
    }
    std::unique_ptr<rocksdb::FSWritableFile> reopen(const std::string& path) {
        std::unique_ptr<rocksdb::FSWritableFile> file;
        REQUIRE(system_.ReopenWritableFile(path, {}, &file, nullptr).ok());
        return file;
    }
    void sync_folder(const std::string& path) {
        std::unique_ptr<rocksdb::FSDirectory> folder;
        REQUIRE(system_.NewDirectory(path, {}, &folder, nullptr).ok());
        REQUIRE(folder->FsyncWithDirOptions({}, nullptr, {}).ok());
    }
    std::string read(const std::string& path) {
        std::unique_ptr<rocksdb::FSRandomAccessFile> file;
        REQUIRE(system_.NewRandomAccessFile(path, {}, &file, nullptr).ok());
        std::string bytes(1 << 20, '\0');
        rocksdb::Slice got;
        REQUIRE(file->Read(0, bytes.size(), {}, &got, bytes.data(), nullptr).ok());
        return got.ToString();
    }
    bool exists(const std::string& path) { return system_.FileExists(path, {}, nullptr).ok(); }
    rocksdb::FileSystem& operator*() { return system_; }

private:
    rocksdb::FileSystem& system_;
};

void append(rocksdb::FSWritableFile& file, const std::string& bytes) {
    REQUIRE(file.Append(bytes, {}, nullptr).ok());
}

void sync(rocksdb::FSWritableFile& file) {
    REQUIRE(file.Sync({}, nullptr).ok());
}

}  // namespace

TEST_CASE("unsynced disk: bytes become real when their file is synced", "[unsynced_disk]") {
    const test_support::TemporaryFolder folder;
    const auto disk = UnsyncedDisk::create();
    Files files(*disk);
    const std::string path = folder.file("file");
    const auto file = files.create(path);
    append(*file, "synced ");
    sync(*file);
    files.sync_folder(folder.path());
    append(*file, "lost");
    CHECK(file->Flush({}, nullptr).ok());
    CHECK(file->RangeSync(0, 100, {}, nullptr).ok());
    CHECK(files.read(path) == "synced lost");
    CHECK(read_bytes(path) == "synced ");
    CHECK(disk->unsynced_bytes() == 4);
    sync(*file);
    CHECK(read_bytes(path) == "synced lost");
    CHECK(disk->unsynced_bytes() == 0);
}

TEST_CASE("unsynced disk: a synced file without a synced name is lost", "[unsynced_disk]") {
    const test_support::TemporaryFolder folder;
    const auto disk = UnsyncedDisk::create();
    Files files(*disk);
    const auto file = files.create(folder.file("file"));
    append(*file, "bytes");
    sync(*file);
    append(*file, " more");
    CHECK(files.read(folder.file("file")) == "bytes more");
    CHECK(!std::filesystem::exists(folder.file("file")));
    files.sync_folder(folder.path());
    CHECK(read_bytes(folder.file("file")) == "bytes");
    CHECK(files.read(folder.file("file")) == "bytes more");
}

TEST_CASE("unsynced disk: renames links and deletes wait for their folder", "[unsynced_disk]") {
    const test_support::TemporaryFolder folder;
    const std::string a = folder.file("a");
    const std::string b = folder.file("b");
    const std::string c = folder.file("c");
    write_bytes(a, "old a");
    write_bytes(b, "old b");
    const auto disk = UnsyncedDisk::create();
    Files files(*disk);
    REQUIRE((*files).RenameFile(a, b, {}, nullptr).ok());
    REQUIRE((*files).LinkFile(b, c, {}, nullptr).ok());
    CHECK(!files.exists(a));
    CHECK(files.read(b) == "old a");
    CHECK(files.read(c) == "old a");
    bool same = false;
    CHECK(((*files).AreFilesSame(b, c, {}, &same, nullptr).ok() && same));
    // The real disk does not know yet.
    CHECK(read_bytes(a) == "old a");
    CHECK(read_bytes(b) == "old b");
    CHECK(!std::filesystem::exists(c));

    files.sync_folder(folder.path());
    CHECK(!std::filesystem::exists(a));
    CHECK(read_bytes(b) == "old a");
    CHECK(read_bytes(c) == "old a");

    // A deleted name: the open file can still be read, and the other name keeps the bytes.
    std::unique_ptr<rocksdb::FSRandomAccessFile> open;
    REQUIRE((*files).NewRandomAccessFile(b, {}, &open, nullptr).ok());
    REQUIRE((*files).DeleteFile(b, {}, nullptr).ok());
    REQUIRE((*files).DeleteFile(c, {}, nullptr).ok());
    CHECK(!files.exists(b));
    CHECK(std::filesystem::exists(b));
    files.sync_folder(folder.path());
    CHECK(!std::filesystem::exists(b));
    char buffer[16];
    rocksdb::Slice got;
    REQUIRE(open->Read(0, sizeof buffer, {}, &got, buffer, nullptr).ok());
    CHECK(got.ToString() == "old a");
    CHECK((*files).DeleteFile(b, {}, nullptr).IsPathNotFound());
}

TEST_CASE("unsynced disk: appending to an old file keeps what was there", "[unsynced_disk]") {
    const test_support::TemporaryFolder folder;
    write_bytes(folder.file("file"), "before ");
    const auto disk = UnsyncedDisk::create();
    Files files(*disk);
    const auto file = files.reopen(folder.file("file"));
    append(*file, "after");
    CHECK(files.read(folder.file("file")) == "before after");
    CHECK(read_bytes(folder.file("file")) == "before ");
    sync(*file);
    CHECK(read_bytes(folder.file("file")) == "before after");
}

TEST_CASE("unsynced disk: listing shows the process its own names", "[unsynced_disk]") {
    const test_support::TemporaryFolder folder;
    write_bytes(folder.file("old"), "x");
    std::filesystem::create_directory(folder.file("sub"));
    write_bytes(folder.file(".unsynced-7"), "left by a kill");
    const auto disk = UnsyncedDisk::create();
    Files files(*disk);
    (void)files.create(folder.file("new"));
    REQUIRE((*files).DeleteFile(folder.file("old"), {}, nullptr).ok());
    std::vector<std::string> names;
    REQUIRE((*files).GetChildren(folder.path(), {}, &names, nullptr).ok());
    std::erase_if(names, [](const std::string& name) { return name == "." || name == ".."; });
    std::sort(names.begin(), names.end());
    CHECK(names == std::vector<std::string>{"new", "sub"});
}

TEST_CASE("unsynced disk: with dropped syncs nothing becomes real", "[unsynced_disk]") {
    const test_support::TemporaryFolder folder;
    const auto disk = UnsyncedDisk::create({.drop_syncs = true});
    require(disk->write_file(folder.file("secret"), "bytes", 0600));
    require(disk->write_at(folder.file("witness"), 0, "slot", 0600));
    CHECK(require(disk->read_file(folder.file("secret"))) == "bytes");
    CHECK(require(disk->read_file(folder.file("witness"))) == "slot");
    CHECK(std::filesystem::is_empty(folder.path()));
    CHECK(disk->syncs() > 0);
}

TEST_CASE("unsynced disk: after the power cut everything fails", "[unsynced_disk]") {
    const test_support::TemporaryFolder folder;
    const auto disk = UnsyncedDisk::create();
    Files files(*disk);
    const auto file = files.create(folder.file("file"));
    disk->cut_power();
    CHECK(!file->Append("x", {}, nullptr).ok());
    CHECK(!file->Sync({}, nullptr).ok());
    CHECK(!disk->write_file(folder.file("other"), "x", 0600));
    CHECK(std::filesystem::is_empty(folder.path()));
}
