#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ledger/group_codec.hpp"
#include "ledger/log.hpp"
#include "ledger/store.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

// Small verbs on groups, stores and files.
namespace store_fixture {

inline constexpr ledger::ShardId kShard{0};

/// The error code, or ok.
template <typename T>
ledger::ErrorCode code_of(const ledger::Result<T>& result) {
    return result ? ledger::ErrorCode::ok : result.error().code;
}

/// The value; fails the test with the error's detail otherwise.
template <typename T>
T require(ledger::Result<T> result) {
    if (!result) {
        FAIL(std::string(ledger::name(result.error().code)) << ": " << result.error().detail);
    }
    return std::move(result).value();
}
inline void require(const ledger::Result<void>& result) {
    if (!result) {
        FAIL(std::string(ledger::name(result.error().code)) << ": " << result.error().detail);
    }
}

struct TestEntry {
    std::uint32_t program = 1;
    std::uint64_t seq = 1;
    std::string bytes;
};

/// What entry `seq` of `program` says in these tests; a good third of a kilobyte, not compressible
/// away. Not inlined: g++ 12 then warns falsely about the copy of a short string.
[[gnu::noinline]] inline std::string bytes_of(
    std::uint32_t program, std::uint64_t seq, std::size_t size = 350
) {
    std::string bytes = "entry " + std::to_string(program) + "/" + std::to_string(seq) + " ";
    std::uint64_t noise = seq * 0x9E3779B97F4A7C15U + program;
    while (bytes.size() < size) {
        noise ^= noise >> 29;
        noise *= 0xBF58476D1CE4E5B9U;
        bytes.push_back(static_cast<char>(noise >> 56));
    }
    return bytes;
}

inline std::shared_ptr<const ledger::Group> build(
    ledger::GroupBuilder& builder, std::uint64_t group, const std::vector<TestEntry>& entries
) {
    builder.begin(ledger::GroupId{group}, static_cast<ledger::Timestamp>(1'000'000 + group));
    for (const TestEntry& entry : entries) {
        builder.append(ledger::ProgramId{entry.program}, ledger::Seq{entry.seq}, entry.bytes);
    }
    return builder.finish();
}

/// Group g of `each` entries of program 1: seqs (g-1)·each+1 …
inline std::shared_ptr<const ledger::Group> build_plain(
    ledger::GroupBuilder& builder, std::uint64_t group, std::uint64_t each
) {
    std::vector<TestEntry> entries;
    for (std::uint64_t i = 1; i <= each; ++i) {
        const std::uint64_t seq = (group - 1) * each + i;
        entries.push_back({1, seq, bytes_of(1, seq)});
    }
    return build(builder, group, entries);
}

inline std::unique_ptr<ledger::LogStore> open_log(
    const std::string& path,
    std::shared_ptr<ledger::Disk> disk = ledger::Disk::real(),
    bool read_only = false
) {
    return require(
        ledger::LogStore::open({.path = path, .disk = std::move(disk), .read_only = read_only})
    );
}

inline std::unique_ptr<ledger::ViewStore> open_views(
    const std::string& path,
    std::shared_ptr<ledger::Disk> disk = ledger::Disk::real(),
    bool read_only = false
) {
    return require(ledger::ViewStore::open(
        {.path = path,
         .disk = std::move(disk),
         .cache_bytes = std::uint64_t{8} << 20,
         .read_only = read_only}
    ));
}

inline ledger::CheckpointBatch checkpoint(
    std::uint64_t group, std::vector<ledger::ViewRecord> records = {}
) {
    ledger::CheckpointBatch batch;
    batch.applied_group = group;
    batch.records = std::move(records);
    return batch;
}

inline void commit(ledger::LogStore& log, const ledger::Group& group) {
    require(log.commit(group.shard(), group.id(), group.values(), {}));
}

/// The newest file of a folder whose name ends so.
inline std::string newest(const std::string& folder, const std::string& ending) {
    std::string found;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        const std::string path = entry.path().string();
        if (path.ends_with(ending) && path > found) {
            found = path;
        }
    }
    REQUIRE(!found.empty());
    return found;
}

inline std::string read_bytes(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline void write_bytes(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline void flip_byte(const std::string& path, std::size_t offset) {
    std::string bytes = read_bytes(path);
    REQUIRE(offset < bytes.size());
    bytes[offset] = static_cast<char>(bytes[offset] ^ 0x20);
    write_bytes(path, bytes);
}

/// Every file below a folder with its bytes.
inline std::vector<std::pair<std::string, std::string>> contents(const std::string& folder) {
    std::vector<std::pair<std::string, std::string>> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (entry.is_regular_file()) {
            found.emplace_back(entry.path().string(), read_bytes(entry.path().string()));
        }
    }
    std::sort(found.begin(), found.end());
    return found;
}

}  // namespace store_fixture
