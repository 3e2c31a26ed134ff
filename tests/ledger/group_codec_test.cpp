#include "ledger/group_codec.hpp"

#include <random>

#include "ledger/big_endian.hpp"
#include "ledger/crc32c.hpp"
#include "tests/ledger/store_fixture.hpp"
#include "tests/support/seed.hpp"

using namespace ledger;
using namespace store_fixture;

namespace {

/// The value with a right checksum again.
std::string resealed(std::string value) {
    store_big_endian(
        value.data() + value.size() - 4, crc32c(std::string_view(value).substr(0, value.size() - 4))
    );
    return value;
}

std::string one_value() {
    GroupBuilder builder(kShard);
    return std::string(build_plain(builder, 7, 3)->values()[0]);
}

ErrorCode decode(std::string_view value) {
    return code_of(decode_value(kShard, GroupId{7}, 0, value));
}

}  // namespace

TEST_CASE("crc32c: known vectors", "[group_codec]") {
    CHECK(crc32c("123456789") == 0xE3069283U);
    CHECK(crc32c("") == 0U);
    CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AAU);
}

TEST_CASE("group_codec: what was appended is read back", "[group_codec]") {
    GroupBuilder builder(kShard);
    std::vector<TestEntry> entries;
    for (std::uint64_t i = 1; i <= 40; ++i) {
        entries.push_back({static_cast<std::uint32_t>(i % 3), 100 + i / 3, bytes_of(1, i, 200 + i)}
        );
    }
    entries.push_back({9, 5, std::string(5000, 'x')});
    entries.push_back({9, 6, "y"});
    const auto group = build(builder, 3, entries);
    REQUIRE(group->values().size() > 3);
    REQUIRE(group->entries().size() == entries.size());

    GroupReader reader(kShard, GroupId{3});
    std::shared_ptr<const Group> read;
    for (std::uint16_t part = 0; part < group->values().size(); ++part) {
        REQUIRE(!read);
        read = require(reader.add(GroupId{3}, part, group->values()[part]));
    }
    REQUIRE(read);
    CHECK(reader.finish().has_value());
    CHECK(read->recorded_at() == group->recorded_at());
    REQUIRE(read->firsts().size() == group->firsts().size());
    for (std::size_t i = 0; i < entries.size(); ++i) {
        for (const auto& whole : {group, read}) {
            const EntryLocation& at = whole->entries()[i];
            CHECK(at.program.value == entries[i].program);
            CHECK(at.seq.value == entries[i].seq);
            CHECK(whole->bytes(at) == entries[i].bytes);
            CHECK(whole->find(at.part, at.program, at.seq) == entries[i].bytes);
        }
    }
    CHECK(!group->find(0, ProgramId{9}, Seq{6}));
}

TEST_CASE("group_codec: values stay within 4 KiB and no entry is split", "[group_codec]") {
    std::mt19937_64 random(test_support::seed());
    GroupBuilder builder(kShard);
    for (std::uint64_t number = 1; number <= 60; ++number) {
        std::vector<TestEntry> entries;
        std::uint64_t seq = 0;
        const std::size_t count = 1 + random() % 200;
        for (std::size_t i = 0; i < count; ++i) {
            // Sizes around the limit, small ones and a few large ones.
            const std::size_t kind = random() % 20;
            const std::size_t size = kind == 0 ? kValueBytesMax - kValueOverhead - 4 + random() % 8
                                     : kind == 1 ? 1 + random() % 400'000
                                                 : 1 + random() % 900;
            entries.push_back({1, ++seq, bytes_of(1, seq, size).substr(0, size)});
        }
        const auto group = build(builder, number, entries);
        std::size_t index = 0;
        for (std::uint16_t part = 0; part < group->values().size(); ++part) {
            const std::string_view value = group->values()[part];
            const ValueView view = require(decode_value(kShard, GroupId{number}, part, value));
            CHECK(view.header().last_part == (part + std::size_t{1} == group->values().size()));
            CHECK(view.header().large == (value.size() > kValueBytesMax));
            if (view.header().large) {
                CHECK(view.size() == 1);
            }
            for (std::size_t i = 0; i < view.size(); ++i, ++index) {
                REQUIRE(view.item(i).bytes == entries[index].bytes);
            }
        }
        REQUIRE(index == entries.size());
    }
}

TEST_CASE("group_codec: finished groups outlive the builder and later groups", "[group_codec]") {
    std::vector<std::shared_ptr<const Group>> kept;
    {
        GroupBuilder builder(kShard);
        for (std::uint64_t number = 1; number <= 3000; ++number) {
            auto group = build_plain(builder, number, 2);
            if (number % 7 == 0) {
                kept.push_back(std::move(group));
            }
        }
    }
    for (const auto& group : kept) {
        for (const EntryLocation& at : group->entries()) {
            REQUIRE(group->bytes(at) == bytes_of(1, at.seq.value));
        }
    }
}

TEST_CASE("group_codec: a flipped byte anywhere is corrupt and named", "[group_codec]") {
    const std::string value = one_value();
    REQUIRE(decode(value) == ErrorCode::ok);
    for (std::size_t i = 0; i < value.size(); ++i) {
        for (const int bit : {0, 3, 7}) {
            std::string bad = value;
            bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
            const auto decoded = decode_value(kShard, GroupId{7}, 0, bad);
            REQUIRE(code_of(decoded) == ErrorCode::corrupt);
            REQUIRE(decoded.error().detail.find("shard 0 group 7 part 0") != std::string::npos);
        }
    }
}

TEST_CASE("group_codec: a value cut short or grown is corrupt", "[group_codec]") {
    const std::string value = one_value();
    for (std::size_t size = 0; size < value.size(); ++size) {
        REQUIRE(decode(std::string_view(value).substr(0, size)) == ErrorCode::corrupt);
    }
    CHECK(decode(value + "x") == ErrorCode::corrupt);
    CHECK(decode(resealed(value + std::string(4, '\0'))) == ErrorCode::corrupt);
}

TEST_CASE("group_codec: a value under another key is corrupt", "[group_codec]") {
    const std::string value = one_value();
    CHECK(code_of(decode_value(ShardId{1}, GroupId{7}, 0, value)) == ErrorCode::corrupt);
    CHECK(code_of(decode_value(kShard, GroupId{8}, 0, value)) == ErrorCode::corrupt);
    CHECK(code_of(decode_value(kShard, GroupId{7}, 1, value)) == ErrorCode::corrupt);
}

TEST_CASE("group_codec: lengths are not trusted even under a right checksum", "[group_codec]") {
    const std::string value = one_value();
    const auto with = [&](std::size_t offset, auto number) {
        std::string changed = value;
        store_big_endian(changed.data() + offset, number);
        return resealed(changed);
    };
    const std::size_t row = value.size() - 4 - 3 * std::size_t{16};
    CHECK(decode(with(0, std::uint16_t{2})) == ErrorCode::newer_format);
    CHECK(decode(with(0, std::uint16_t{0})) == ErrorCode::corrupt);
    CHECK(decode(with(2, std::uint16_t{4 | 1})) == ErrorCode::corrupt);
    CHECK(decode(with(2, std::uint16_t{2 | 1})) == ErrorCode::corrupt);  // large with three entries
    CHECK(decode(with(8, static_cast<std::uint32_t>(value.size() + 1))) == ErrorCode::corrupt);
    CHECK(decode(with(12, std::uint32_t{0})) == ErrorCode::corrupt);
    CHECK(decode(with(12, std::uint32_t{0xFFFFFFFF})) == ErrorCode::corrupt);
    CHECK(decode(with(12, std::uint32_t{0x10000003})) == ErrorCode::corrupt);
    CHECK(decode(with(row + 12, std::uint32_t{31})) == ErrorCode::corrupt);
    CHECK(decode(with(row + 28, std::uint32_t{32})) == ErrorCode::corrupt);
    CHECK(decode(with(row + 44, std::uint32_t{0xFFFFFFF0})) == ErrorCode::corrupt);
    CHECK(decode(with(row + 44, static_cast<std::uint32_t>(row))) == ErrorCode::corrupt);
}

TEST_CASE("group_codec: a missing or repeated value is corrupt", "[group_codec]") {
    GroupBuilder builder(kShard);
    const auto first = build_plain(builder, 1, 30);
    const auto second = build_plain(builder, 2, 1);
    REQUIRE(first->values().size() >= 3);
    {
        GroupReader reader(kShard, GroupId{1});
        CHECK(code_of(reader.add(GroupId{1}, 1, first->values()[1])) == ErrorCode::corrupt);
    }
    {
        GroupReader reader(kShard, GroupId{0});
        CHECK(code_of(reader.add(GroupId{1}, 0, first->values()[0])) == ErrorCode::ok);
        CHECK(code_of(reader.finish()) == ErrorCode::corrupt);
        CHECK(code_of(reader.add(GroupId{1}, 0, first->values()[0])) == ErrorCode::corrupt);
        CHECK(code_of(reader.add(GroupId{2}, 0, second->values()[0])) == ErrorCode::corrupt);
    }
    {
        GroupReader reader(kShard, GroupId{1});
        CHECK(code_of(reader.add(GroupId{2}, 0, second->values()[0])) == ErrorCode::corrupt);
    }
}
