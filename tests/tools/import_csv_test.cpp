#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"
#include "tools/import/csv_reader.hpp"
#include "tools/import/text_encoding.hpp"

namespace {

using importer::CsvFormat;
using importer::CsvReader;
using importer::CsvRecord;

/// "a|b" for each record; a faulty one ends with "!code@line:column".
std::vector<std::string> read(std::string_view text, CsvFormat format = {}) {
    CsvReader reader(text, format);
    CsvRecord record;
    std::vector<std::string> found;
    while (reader.next(record)) {
        std::string line = std::to_string(record.line) + ":";
        for (std::size_t i = 0; i < record.fields.size(); ++i)
            line += (i == 0 ? "" : "|") + std::string(record.fields[i].text);
        if (record.fault) {
            line += "!" + record.fault->code + "@" + std::to_string(record.fault->place.line) +
                    ":" + std::to_string(record.fault->place.column);
        }
        found.push_back(line);
    }
    return found;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("csv: forms of RFC 4180 are read", "[import]") {
    struct Case {
        const char* about;
        std::string text;
        Lines records;
    };
    const Case cases[] = {
        {"nothing", "", {}},
        {"no line end at the end", "a,b", {"1:a|b"}},
        {"crlf", "a,b\r\nc,d\r\n", {"1:a|b", "2:c|d"}},
        {"empty fields", ",\n,,\n", {"1:|", "2:||"}},
        {"a byte order mark",
         "\xEF\xBB\xBF"
         "a,b\n",
         {"1:a|b"}},
        {"quotes", "\"a,1\",b\n", {"1:a,1|b"}},
        {"doubled quotes", "\"a \"\"b\"\" c\",\"\"\"\"\n", {"1:a \"b\" c|\""}},
        {"an empty quoted field", "\"\",b\n", {"1:|b"}},
        {"line breaks inside quotes", "\"a\nb\r\nc\",d\ne,f\n", {"1:a\nb\r\nc|d", "4:e|f"}},
        {"quoted at the end of crlf", "a,\"b\"\r\nc,d", {"1:a|b", "2:c|d"}},
        {"quoted at the end of the file", "a,\"b\"", {"1:a|b"}},
        {"blank lines are no records", "\na\n\r\n\nb\n", {"2:a", "5:b"}},
    };
    for (const Case& one : cases) {
        INFO(one.about);
        CHECK(read(one.text) == one.records);
    }
}

TEST_CASE("csv: a broken quote costs one record and names its place", "[import]") {
    CHECK(read("a,b\"c,d\ne,f\n") == Lines{"1:a!bad_quote@1:4", "2:e|f"});
    CHECK(read("a,\"b\"c,d\ne,f\n") == Lines{"1:a!bad_quote@1:6", "2:e|f"});
    CHECK(read("a,\"b,c\nd,e\n") == Lines{"1:a!bad_quote@1:3", "2:d|e"});
    CHECK(
        read("x\na,\"b\nc\"d,e\nf\n") ==
        Lines{"1:x", "2:a!bad_quote@2:3", "3:!bad_quote@3:2", "4:f"}
    );
}

TEST_CASE("csv: separator and quote can be others", "[import]") {
    CHECK(read("a;'b;c'\n", {';', '\''}) == Lines{"1:a|b;c"});
    CHECK(read("a\t6\" plate\n", {'\t', '\0'}) == Lines{"1:a|6\" plate"});
}

TEST_CASE("csv: fields know where they begin", "[import]") {
    CsvReader reader("ab,\"c\nd\",e\n", {});
    CsvRecord record;
    REQUIRE(reader.next(record));
    REQUIRE(record.fields.size() == 3);
    CHECK(record.fields[1].line == 1);
    CHECK(record.fields[1].column == 4);
    CHECK(record.fields[2].line == 2);
    CHECK(record.fields[2].column == 4);
}

TEST_CASE("csv: what is written by the rules is read back", "[import]") {
    std::mt19937_64 random(test_support::seed());
    const std::string letters = "ab,;\"\n\r 'é";
    for (int round = 0; round < 500; ++round) {
        std::string text;
        std::vector<std::vector<std::string>> rows(1 + random() % 4);
        for (auto& row : rows) {
            row.resize(2 + random() % 3);
            for (std::size_t i = 0; i < row.size(); ++i) {
                for (std::size_t left = random() % 6; left > 0; --left)
                    row[i].push_back(letters[random() % letters.size()]);
                text += i == 0 ? "\"" : ",\"";
                for (const char c : row[i])
                    text += c == '"' ? std::string("\"\"") : std::string(1, c);
                text += "\"";
            }
            text += random() % 2 == 0 ? "\n" : "\r\n";
        }
        CsvReader reader(text, {});
        CsvRecord record;
        for (const auto& row : rows) {
            REQUIRE(reader.next(record));
            REQUIRE_FALSE(record.fault.has_value());
            REQUIRE(record.fields.size() == row.size());
            for (std::size_t i = 0; i < row.size(); ++i)
                REQUIRE(record.fields[i].text == row[i]);
        }
        REQUIRE_FALSE(reader.next(record));
    }
}

TEST_CASE("csv: any bytes come to an end and lines only go on", "[import]") {
    std::mt19937_64 random(test_support::seed());
    const std::string letters = "a,\"\"\n\r";
    for (int round = 0; round < 2000; ++round) {
        std::string text;
        for (std::size_t left = random() % 40; left > 0; --left)
            text.push_back(letters[random() % letters.size()]);
        INFO(text);
        CsvReader reader(text, {});
        CsvRecord record;
        std::uint64_t line = 0;
        std::size_t records = 0;
        while (reader.next(record)) {
            REQUIRE(record.line > line);
            line = record.line;
            REQUIRE(++records <= text.size());
        }
        REQUIRE(reader.position() == text.size());
    }
}

TEST_CASE("encoding: single bytes become UTF-8", "[import]") {
    using importer::Encoding;
    std::string text;
    importer::append_utf8(text, "caf\xE9 \x80", Encoding::iso_8859_1);
    CHECK(text == "caf\xC3\xA9 \xC2\x80");
    text.clear();
    importer::append_utf8(text, "\x80 \x93x\x94", Encoding::windows_1252);
    CHECK(text == "\xE2\x82\xAC \xE2\x80\x9Cx\xE2\x80\x9D");
    CHECK(importer::characters(text) == 5);
}
