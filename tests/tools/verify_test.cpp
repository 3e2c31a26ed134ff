#include "ledger/verify.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "ledger/row_codec.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/shard_folder.hpp"

namespace {

namespace fs = std::filesystem;
using ledger::ViewFamily;
using test_support::ShardFolder;

constexpr ledger::ShardId kShard{0};
/// Enough for 256 leaves of the tree, spilled lots and spilled statement lines.
constexpr int kOrdersOfOne = 300;

void fill(ShardFolder& folder) {
    folder.start();
    folder.create_key("a key");
    folder.create_program("shop");
    for (int i = 0; i < kOrdersOfOne; ++i)
        folder.pay("shop", "o" + std::to_string(i), "anna", 1'000 + i, "anna@example.com");
    folder.pay("shop", "other", "bert", 777);
    folder.refund("shop", "o7", 300);
    using server::engine::Status;
    REQUIRE(folder.try_refund("shop", "absent", 300, false).status == Status::pending_order);
    REQUIRE(folder.try_refund("shop", "lost", 300, true).status == Status::orphaned);
}

ledger::VerifyReport verify(const ShardFolder& folder) {
    ledger::VerifyOptions options;
    options.data_path = folder.path();
    options.disk = folder.disk();
    auto report = ledger::verify(options);
    INFO((report ? std::string() : report.error().detail));
    REQUIRE(report);
    return std::move(*report);
}

std::string joined(const ledger::VerifyReport& report) {
    std::string text;
    for (const std::string& fault : report.faults)
        text += fault + "\n";
    return text;
}

/// Every file's bytes, but the lock's.
std::map<std::string, std::string> contents(const std::string& path) {
    std::map<std::string, std::string> files;
    for (const auto& file : fs::recursive_directory_iterator(path)) {
        if (!file.is_regular_file()) continue;
        std::ifstream in(file.path(), std::ios::binary);
        std::ostringstream bytes;
        bytes << in.rdbuf();
        files[file.path().string()] = bytes.str();
    }
    return files;
}

std::unique_ptr<ledger::ViewStore> open_views(const ShardFolder& folder) {
    ledger::ViewStore::Options options;
    options.path = folder.path() + "/views";
    options.disk = folder.disk();
    auto views = ledger::ViewStore::open(std::move(options));
    REQUIRE(views);
    return std::move(*views);
}

struct Row {
    std::string key;
    std::string value;
};

std::vector<Row> rows_of(const ledger::ViewStore& views, ViewFamily family) {
    std::vector<Row> rows;
    REQUIRE(views.snapshot()
                ->scan(family, {}, {}, [&](std::string_view key, std::string_view value) {
                    rows.push_back({std::string(key), std::string(value)});
                    return true;
                }));
    return rows;
}

void put(ledger::ViewStore& views, ledger::ViewRecord record) {
    ledger::CheckpointBatch batch;
    batch.applied_group = views.applied_group().value;
    batch.records.push_back(std::move(record));
    REQUIRE(views.ingest(std::move(batch)));
}

/// Flips the last bit of one value of the log and writes it back as the server would.
void flip_log_byte(const ShardFolder& folder, ledger::GroupId group, std::size_t offset) {
    auto log = ledger::LogStore::open({folder.path() + "/log", folder.disk(), true, false});
    REQUIRE(log);
    std::vector<std::string> parts;
    for (std::uint16_t part = 0;; ++part) {
        auto value = (*log)->value(kShard, group, part);
        if (!value) break;
        parts.push_back(std::move(*value));
    }
    REQUIRE_FALSE(parts.empty());
    parts.front()[offset] = static_cast<char>(parts.front()[offset] ^ 1);
    const std::vector<std::string_view> values(parts.begin(), parts.end());
    REQUIRE((*log)->commit(kShard, group, values, {}));
}

}  // namespace

TEST_CASE("verify: a stopped folder is whole and stays as it is", "[verify]") {
    ShardFolder folder;
    fill(folder);
    folder.stop();
    const auto before = contents(folder.path());
    const auto report = verify(folder);
    CHECK(joined(report).empty());
    CHECK(report.not_checked.empty());
    REQUIRE(report.state);
    REQUIRE(report.contents.size() == 1);
    CHECK(report.contents[0].name == "shop");
    CHECK(contents(folder.path()) == before);
}

TEST_CASE("verify: a running server is folder_in_use", "[verify]") {
    ShardFolder folder;
    folder.start();
    folder.create_key("a key");
    ledger::VerifyOptions options;
    options.data_path = folder.path();
    options.disk = folder.disk();
    const auto report = ledger::verify(options);
    REQUIRE_FALSE(report);
    CHECK(report.error().code == ledger::ErrorCode::folder_in_use);
}

TEST_CASE("verify: a folder without a log is not_found", "[verify]") {
    const test_support::TemporaryFolder empty;
    ledger::VerifyOptions options;
    options.data_path = empty.path();
    options.disk = ledger::Disk::real();
    const auto report = ledger::verify(options);
    REQUIRE_FALSE(report);
    CHECK(report.error().code == ledger::ErrorCode::not_found);
    CHECK(fs::is_empty(empty.path()));
}

TEST_CASE("verify: digests do not depend on where the views are", "[verify]") {
    ShardFolder folder;
    fill(folder);
    folder.stop();
    const auto before = verify(folder);

    SECTION("views that lag are brought to the head") {
        // The views of an earlier stop beside the log of a later one.
        const std::string views = folder.path() + "/views";
        fs::copy(views, views + "-older", fs::copy_options::recursive);
        folder.start();
        folder.pay("shop", "late", "anna", 500);
        folder.refund("shop", "o9", 100);
        folder.pay("shop", "new", "carl", 500, "carl@example.com");
        folder.stop();
        const auto whole = verify(folder);
        fs::remove_all(views);
        fs::rename(views + "-older", views);
        const auto lagging = verify(folder);
        CHECK(joined(lagging).empty());
        REQUIRE(lagging.state);
        CHECK(*lagging.state == *whole.state);
        CHECK(*lagging.state != *before.state);
        CHECK(lagging.contents[0].digest == whole.contents[0].digest);
    }
    SECTION("rebuilt views are the same") {
        fs::remove_all(folder.path() + "/views");
        CHECK(*verify(folder).state == *before.state);
        folder.start();
        folder.stop();
        const auto after = verify(folder);
        CHECK(joined(after).empty());
        CHECK(*after.state == *before.state);
    }
}

TEST_CASE("verify: one wrong row of each view is named", "[verify]") {
    ShardFolder folder;
    fill(folder);
    folder.stop();
    for (int i = 0; i < static_cast<int>(ViewFamily::count_); ++i) {
        const auto family = static_cast<ViewFamily>(i);
        if (family == ViewFamily::meta) continue;
        const std::string view = "view " + std::string(name(family)) + " ";
        INFO(view);
        std::vector<Row> rows;
        {
            const auto views = open_views(folder);
            rows = rows_of(*views, family);
            REQUIRE_FALSE(rows.empty());
            Row wrong = rows.front();
            wrong.value.back() = static_cast<char>(wrong.value.back() ^ 1);
            put(*views, {family, false, wrong.key, wrong.value});
        }
        const auto changed = verify(folder);
        REQUIRE(changed.faults.size() == 1);
        CHECK(changed.faults[0].starts_with(view));
        CHECK(changed.faults[0].find("differs") != std::string::npos);

        put(*open_views(folder), {family, true, rows.front().key, {}});
        const auto missing = verify(folder);
        REQUIRE(missing.faults.size() == 1);
        CHECK(missing.faults[0].starts_with(view));
        CHECK(missing.faults[0].find("missing") != std::string::npos);

        put(*open_views(folder), {family, false, rows.front().key, rows.front().value});
    }
    CHECK(joined(verify(folder)).empty());
}

TEST_CASE("verify: a row that the log does not make is named", "[verify]") {
    ShardFolder folder;
    fill(folder);
    folder.stop();
    put(*open_views(folder),
        {ViewFamily::member,
         false,
         ledger::member_row_key(ledger::ProgramId{1}, ledger::MemberId{99}),
         "x"});
    const auto report = verify(folder);
    REQUIRE(report.faults.size() == 1);
    CHECK(report.faults[0].find("view member program 1 member 99: the log makes no such row") == 0);
}

TEST_CASE("verify: one wrong byte of a log value names its group and part", "[verify]") {
    ShardFolder folder;
    fill(folder);
    folder.stop();
    constexpr ledger::GroupId kGroup{20};
    for (const std::size_t offset :
         {std::size_t{0}, std::size_t{9}, std::size_t{40}, std::size_t{60}}) {
        INFO("byte " << offset);
        flip_log_byte(folder, kGroup, offset);
        const auto report = verify(folder);
        REQUIRE_FALSE(report.faults.empty());
        CHECK(joined(report).find("log group 20 part 0") != std::string::npos);
        CHECK(
            joined(report).find("the last entry before it is program 1 seq") != std::string::npos
        );
        CHECK_FALSE(report.state);
        CHECK(report.contents.empty());
        flip_log_byte(folder, kGroup, offset);
    }
    CHECK(joined(verify(folder)).empty());
}

TEST_CASE("verify: two wrong log values are both named", "[verify]") {
    ShardFolder folder;
    fill(folder);
    folder.stop();
    flip_log_byte(folder, ledger::GroupId{20}, 50);
    flip_log_byte(folder, ledger::GroupId{40}, 50);
    const auto report = verify(folder);
    CHECK(joined(report).find("log group 20 part 0") != std::string::npos);
    CHECK(joined(report).find("log group 40 part 0") != std::string::npos);
}

TEST_CASE("verify: a log behind its witness is a fault", "[verify]") {
    ShardFolder folder;
    fill(folder);
    folder.stop();
    const std::string log = folder.path() + "/log";
    fs::copy(log, log + "-older", fs::copy_options::recursive);
    folder.start();
    folder.pay("shop", "late", "anna", 500);
    folder.stop();
    fs::remove_all(log);
    fs::rename(log + "-older", log);
    const auto report = verify(folder);
    CHECK(joined(report).find("witness: the witness saw") != std::string::npos);
    CHECK(joined(report).find("views: they are at group") != std::string::npos);
}

TEST_CASE("verify: without the keyring blind is not checked", "[verify]") {
    ShardFolder folder;
    fill(folder);
    folder.stop();
    const auto before = verify(folder);
    fs::remove(folder.path() + "/keyring");
    const auto report = verify(folder);
    CHECK(joined(report).empty());
    REQUIRE(report.not_checked == std::vector<std::string>{"blind"});
    REQUIRE(report.state);
    CHECK(*report.state == *before.state);
    CHECK_FALSE(fs::exists(folder.path() + "/keyring"));
}
