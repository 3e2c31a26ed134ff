#include "tests/support/golden_log.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <vector>

#include "ledger/entry_codec.hpp"
#include "ledger/group_codec.hpp"
#include "tests/support/catch.hpp"

using namespace ledger;
using test_support::golden_log;
using test_support::GoldenLog;
using test_support::kGoldenShard;

namespace {

namespace fs = std::filesystem;

std::string contents(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    INFO(path.string());
    REQUIRE(in);
    std::ostringstream bytes;
    bytes << in.rdbuf();
    return bytes.str();
}

/// One folder a released format.
std::vector<fs::path> golden_folders() {
    std::vector<fs::path> folders;
    for (const auto& item : fs::directory_iterator(test_support::kGoldenFolder)) {
        if (item.is_directory()) folders.push_back(item.path());
    }
    std::ranges::sort(folders);
    return folders;
}

GoldenLog read(const fs::path& folder) {
    return golden_log(contents(folder / test_support::kGoldenLogFile));
}

std::vector<std::string> lines_of(const std::string& text) {
    std::istringstream in(text);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);)
        lines.push_back(line);
    return lines;
}

/// Takes the lines of state digests out: words 2 and 3, by format of the rows.
std::map<std::string, std::string> take_states(std::vector<std::string>& facts) {
    std::map<std::string, std::string> states;
    std::erase_if(facts, [&](const std::string& line) {
        if (!line.starts_with(test_support::kStateFact)) return false;
        std::istringstream words(line);
        std::string word, format, digest;
        words >> word >> format >> digest;
        states[format] = digest;
        return true;
    });
    return states;
}

/// Rows may change with the number of their format, and must not without.
void check_state(
    const std::map<std::string, std::string>& said, const std::map<std::string, std::string>& now
) {
    REQUIRE_FALSE(said.empty());
    REQUIRE(now.size() == 1);
    const auto& [format, digest] = *now.begin();
    const auto stored = said.find(format);
    if (stored == said.end()) {
        WARN("no state digest of this format yet: state " << format << ' ' << digest);
        return;
    }
    INFO("rows changed: raise kViewFormat or kApplyVersion");
    CHECK(digest == stored->second);
}

/// What is written today under the same keys for the entries that a log has.
std::vector<std::string> rewritten(const GoldenLog& log) {
    std::vector<std::string> values;
    GroupBuilder builder(kGoldenShard);
    GroupReader reader(kGoldenShard, GroupId{1});
    for (const GoldenLog::Value& value : log.values) {
        const auto group = reader.add(value.group, value.part, value.bytes);
        REQUIRE(group);
        if (*group == nullptr) continue;
        builder.begin((*group)->id(), (*group)->recorded_at());
        for (const EntryLocation& location : (*group)->entries()) {
            const std::string stored((*group)->bytes(location));
            const auto owned = decode(stored);
            REQUIRE(owned);
            std::string bytes;
            encode((*owned)->entry, bytes);
            INFO("program " << location.program.value << " seq " << location.seq.value);
            CHECK(bytes == stored);
            builder.append(location.program, location.seq, bytes);
        }
        const auto again = builder.finish();
        values.insert(values.end(), again->values().begin(), again->values().end());
    }
    return values;
}

std::map<EntryKind, int> kinds_of(const GoldenLog& log) {
    std::map<EntryKind, int> kinds;
    for (const GoldenLog::Value& value : log.values) {
        const auto view = decode_value(kGoldenShard, value.group, value.part, value.bytes);
        REQUIRE(view);
        for (std::size_t i = 0; i < view->size(); ++i)
            ++kinds[(*decode(std::string(view->item(i).bytes)))->entry.kind];
    }
    return kinds;
}

}  // namespace

TEST_CASE("golden log: every released format has one", "[golden]") {
    const auto folders = golden_folders();
    REQUIRE(folders.size() >= kValueFormat);
    for (std::uint16_t format = 1; format <= kValueFormat; ++format)
        CHECK(
            fs::exists(fs::path(test_support::kGoldenFolder) / ("format-" + std::to_string(format)))
        );
}

TEST_CASE("golden log: its facts are what they were", "[golden]") {
    for (const fs::path& folder : golden_folders()) {
        INFO(folder.string());
        auto said = lines_of(contents(folder / test_support::kGoldenFactsFile));
        auto now = lines_of(test_support::facts_of(read(folder)));
        check_state(take_states(said), take_states(now));
        REQUIRE_FALSE(said.empty());
        for (std::size_t i = 0; i < std::min(said.size(), now.size()); ++i) {
            INFO("line " << i + 1);
            REQUIRE(now[i] == said[i]);
        }
        REQUIRE(now.size() == said.size());
    }
}

TEST_CASE("golden log: its entries are written today with the same bytes", "[golden]") {
    for (const fs::path& folder : golden_folders()) {
        INFO(folder.string());
        const GoldenLog log = read(folder);
        const std::vector<std::string> again = rewritten(log);
        REQUIRE(again.size() == log.values.size());
        for (std::size_t i = 0; i < again.size(); ++i) {
            INFO("group " << log.values[i].group.value << " part " << log.values[i].part);
            CHECK(again[i] == log.values[i].bytes);
        }
    }
}

TEST_CASE("golden log: it has all kinds of entries and of values", "[golden]") {
    const GoldenLog log = read(fs::path(test_support::kGoldenFolder) / "format-1");
    const auto kinds = kinds_of(log);
    for (const EntryKind kind :
         {EntryKind::event,
          EntryKind::adjust,
          EntryKind::activate,
          EntryKind::expire,
          EntryKind::member,
          EntryKind::rejected,
          EntryKind::ignored,
          EntryKind::parked,
          EntryKind::alias,
          EntryKind::program_version,
          EntryKind::program_activate,
          EntryKind::key}) {
        INFO(name(kind));
        CHECK(kinds.contains(kind));
    }
    CHECK(std::ranges::any_of(log.values, [](const auto& value) {
        return value.bytes.size() > kValueBytesMax;
    }));
    CHECK(std::ranges::any_of(log.values, [](const auto& value) { return value.part > 1; }));
}

TEST_CASE("golden log: any changed byte is noticed", "[golden]") {
    const GoldenLog whole = read(fs::path(test_support::kGoldenFolder) / "format-1");
    for (const GoldenLog::Value& value : whole.values) {
        for (std::size_t at = 0; at < value.bytes.size(); ++at) {
            std::string changed = value.bytes;
            changed[at] = static_cast<char>(changed[at] ^ 1);
            if (decode_value(kGoldenShard, value.group, value.part, changed))
                FAIL("group " << value.group.value << " byte " << at);
        }
    }
}
